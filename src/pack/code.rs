//! A function's own code to a zip: the same bytes for the same files.

use std::io::{self, Read, Seek};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use super::{Output, PackError, layer_digest, zip};
use crate::model::{ArchiveDigest, LayerDigest};
use crate::plan::{LayerPlan, SizedTree};
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

/// Packages that lie in a function's code instead of in a layer: the same tree as a layer's.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CodePackages {
    pub digest: LayerDigest,
    pub unzipped_bytes: u64,
    pub trees: Vec<SizedTree>,
}

/// Puts what is planned for a function's code together, in the store.
///
/// # Errors
///
/// Where the store cannot be written.
pub fn in_code(plan: &LayerPlan, store: &Store) -> Result<CodePackages, PackError> {
    let LayerPlan { trees, unzipped_bytes } = plan.clone();
    Ok(CodePackages { digest: layer_digest(plan, store)?, unzipped_bytes, trees })
}

/// The zip of a function's code with packages in it, for those who deploy by other tools.
pub fn code_zip_name(function: &str) -> String {
    format!("{}-code.zip", function.replace('/', "-"))
}

/// Writes it into the output folder, where it is not there yet.
///
/// # Errors
///
/// As [`code_zip`].
pub fn write_code_zip(
    function: &str,
    (folder, packages): (&Path, LayerDigest),
    output: Output<'_>,
) -> Result<(), PackError> {
    let zip = code_zip((folder, Some(packages)), output.store, output.report)?;
    let path = output.folder.join(code_zip_name(function));
    if fs::read_if_there(&path)?.as_deref() != Some(zip.bytes.as_slice()) {
        fs::write_atomic(&path, &zip.bytes)?;
    }
    Ok(())
}

/// Zips the folder, but for hidden files (`.Rprofile`, `.Renviron`, `.git`), the libraries of
/// renv and packrat, and what layr itself wrote; with packages, if some lie there.
///
/// # Errors
///
/// Where a file cannot be read, or is a device, a pipe or a link; where the packages are not
/// in the store, or a file of the folder is in their place.
pub fn code_zip(
    code: (&Path, Option<LayerDigest>),
    store: &Store,
    report: &dyn Report,
) -> Result<CodeZip, PackError> {
    let entries = code_entries(code, store)?;
    let temp = store.temp_file()?;
    zip::write(&entries, temp.as_file(), store, report)?;
    let mut bytes = Vec::new();
    let mut file = temp.as_file();
    file.rewind().and_then(|()| file.read_to_end(&mut bytes)).map_err(PackError::Zip)?;
    let digest = ArchiveDigest(hash::sha256(&bytes));
    Ok(CodeZip { bytes, digest })
}

/// What of the folder is the function's code, and its packages, sorted, and kept in the store.
///
/// # Errors
///
/// As [`code_zip`].
pub fn code_entries(
    (folder, packages): (&Path, Option<LayerDigest>),
    store: &Store,
) -> Result<Vec<Entry>, PackError> {
    let mut entries = Vec::new();
    collect(folder, "", store, &mut entries)?;
    if let Some(packages) = packages {
        if !store.has_tree(packages.0) {
            return Err(PackError::PackagesNotHere { digest: packages });
        }
        entries.extend(store.entries(packages.0)?);
    }
    entries.sort_by(|a, b| a.path.cmp(&b.path));
    // Folders may be there twice; one of the folder's own files in a package's place is lost.
    entries.dedup_by(|b, a| a.path == b.path && a.kind == EntryKind::Directory && b.kind == a.kind);
    match entries.windows(2).find(|pair| pair[0].path == pair[1].path) {
        Some(pair) => Err(PackError::InTheWay { path: pair[0].path.clone() }),
        None => Ok(entries),
    }
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
            let mut writer = store.blob_writer();
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
        let first = code_zip((&code, None), &store, &Silent).unwrap();
        let mut archive = ::zip::ZipArchive::new(io::Cursor::new(&first.bytes)).unwrap();
        let names: Vec<String> =
            (0..archive.len()).map(|at| archive.by_index(at).unwrap().name().unwrap().into_owned()).collect();
        assert_eq!(names, ["lib/", "lib/b.R", "score.R"]);
        fs::write_atomic(&code.join(".Renviron"), b"KEY=2").unwrap();
        std::fs::File::open(code.join("score.R"))
            .unwrap()
            .set_modified(std::time::SystemTime::UNIX_EPOCH)
            .unwrap();
        assert_eq!(code_zip((&code, None), &store, &Silent).unwrap().digest, first.digest);
    }
    #[test]
    fn packages_come_beside_the_code_unless_a_file_of_it_is_in_their_place() {
        let home = tempfile::tempdir().unwrap();
        let store = Store::open(&home.path().join("store")).unwrap();
        let code = home.path().join("code");
        std::fs::create_dir_all(code.join("R/library")).unwrap();
        fs::write_atomic(&code.join("score.R"), b"f").unwrap();
        let file = |path: &str| {
            let digest = store.put_bytes(path.as_bytes()).unwrap();
            let kind = EntryKind::File { digest, n_bytes: path.len() as u64, executable: false };
            Entry { path: path.to_owned(), kind }
        };
        let packages = LayerDigest(store.put_tree(&[file("R/library/own/DESCRIPTION")]).unwrap().0);
        let entries = code_entries((&code, Some(packages)), &store).unwrap();
        let paths: Vec<&str> = entries.iter().map(|entry| entry.path.as_str()).collect();
        assert_eq!(paths, ["R", "R/library", "R/library/own", "R/library/own/DESCRIPTION", "score.R"]);

        std::fs::create_dir_all(code.join("R/library/own")).unwrap();
        fs::write_atomic(&code.join("R/library/own/DESCRIPTION"), b"another").unwrap();
        let error = code_entries((&code, Some(packages)), &store).unwrap_err();
        assert!(error.to_string().contains("`R/library/own/DESCRIPTION`"), "{error}");
        let away = LayerDigest(hash::sha256(b"away"));
        let error = code_entries((&code, Some(away)), &store).unwrap_err();
        assert!(error.hint().unwrap().contains("layr build"), "{error}");
    }
}
