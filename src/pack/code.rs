//! A function's own code to a zip: the same bytes for the same files.

use std::io::{self, Read, Seek};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use super::{PackError, zip};
use crate::model::ArchiveDigest;
use crate::report::Report;
use crate::store::{Entry, EntryKind, Store, StoreError};
use crate::sys::{fs, hash};

/// A zip in memory: Lambda takes no code above 50 MiB but through S3, and R code is small.
#[derive(Debug)]
pub struct CodeZip {
    pub bytes: Vec<u8>,
    pub digest: ArchiveDigest,
}

/// Folders of renv and packrat: libraries of this machine, which the layers replace.
const LIBRARIES: [&str; 2] = ["renv", "packrat"];

/// Zips the folder, but for hidden files (`.Rprofile`, `.Renviron`, `.git`), the libraries of
/// renv and packrat, and what layr itself wrote.
///
/// # Errors
///
/// Where a file cannot be read, or is a device, a pipe or a link.
pub fn code_zip(folder: &Path, store: &Store, report: &dyn Report) -> Result<CodeZip, PackError> {
    let entries = code_entries(folder, store)?;
    let temp = store.temp_file()?;
    zip::write(&entries, temp.as_file(), store, report)?;
    let mut bytes = Vec::new();
    let mut file = temp.as_file();
    file.rewind().and_then(|()| file.read_to_end(&mut bytes)).map_err(PackError::Zip)?;
    let digest = ArchiveDigest(hash::sha256(&bytes));
    Ok(CodeZip { bytes, digest })
}

/// What of the folder is the function's code, sorted, and kept in the store.
///
/// # Errors
///
/// As [`code_zip`].
pub fn code_entries(folder: &Path, store: &Store) -> Result<Vec<Entry>, PackError> {
    let mut entries = Vec::new();
    collect(folder, "", store, &mut entries)?;
    entries.sort_by(|a, b| a.path.cmp(&b.path));
    Ok(entries)
}

/// `at` is the folder's path in the zip, ending in `/` unless empty.
fn collect(folder: &Path, at: &str, store: &Store, entries: &mut Vec<Entry>) -> Result<(), PackError> {
    for entry in fs::sorted_entries(folder)? {
        let path = entry.path();
        let name = entry.file_name().to_string_lossy().into_owned();
        if is_left_out(&name, at, &path) {
            continue;
        }
        let in_zip = format!("{at}{name}");
        let metadata = fs::metadata(&path)?;
        if metadata.is_dir() {
            collect(&path, &format!("{in_zip}/"), store, entries)?;
            entries.push(Entry { path: in_zip, kind: EntryKind::Directory });
        } else if metadata.is_file() {
            let mut writer = store.blob_writer()?;
            io::copy(&mut fs::open(&path)?, &mut writer).map_err(fs::at("copy", &path))?;
            let (digest, n_bytes) = writer.finish()?;
            let executable = metadata.permissions().mode() & 0o100 != 0;
            entries.push(Entry { path: in_zip, kind: EntryKind::File { digest, n_bytes, executable } });
        } else {
            let kind = "link, device, pipe or socket";
            return Err(StoreError::UnsupportedFile { path: path.display().to_string(), kind }.into());
        }
    }
    Ok(())
}

fn is_left_out(name: &str, at: &str, path: &Path) -> bool {
    name.starts_with('.')
        || (at.is_empty() && LIBRARIES.contains(&name))
        || (fs::is_dir(path) && fs::exists(&path.join("layers.json")))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::Silent;

    #[test]
    fn the_same_files_are_the_same_zip_and_what_is_private_is_left_out() {
        let home = tempfile::tempdir().unwrap();
        let store = Store::open(&home.path().join("store")).unwrap();
        let code = home.path().join("code");
        for (path, text) in [("score.R", "f"), ("lib/b.R", "b"), (".Renviron", "KEY=1"), ("renv/x", "x")] {
            std::fs::create_dir_all(code.join(path).parent().unwrap()).unwrap();
            fs::write_atomic(&code.join(path), text.as_bytes()).unwrap();
        }
        let first = code_zip(&code, &store, &Silent).unwrap();
        let mut archive = ::zip::ZipArchive::new(io::Cursor::new(&first.bytes)).unwrap();
        let names: Vec<String> =
            (0..archive.len()).map(|at| archive.by_index(at).unwrap().name().unwrap().into_owned()).collect();
        assert_eq!(names, ["lib/", "lib/b.R", "score.R"]);
        fs::write_atomic(&code.join(".Renviron"), b"KEY=2").unwrap();
        std::fs::File::open(code.join("score.R"))
            .unwrap()
            .set_modified(std::time::SystemTime::UNIX_EPOCH)
            .unwrap();
        assert_eq!(code_zip(&code, &store, &Silent).unwrap().digest, first.digest);
    }
}
