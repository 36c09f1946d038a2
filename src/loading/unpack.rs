//! The zips of layers to one folder, as Lambda unpacks them to `/opt`: one after another, each
//! over those before it, with the modes that it says.

use std::io::{self, Read};
use std::path::{Path, PathBuf};

use zip::ZipArchive;
use zip::read::ZipFile;

use super::LoadError;
use crate::sys::fs;

/// Of the folder itself, which no zip names.
const MODE: u32 = 0o755;

/// # Errors
///
/// Where a zip cannot be read, or the folder not be written.
pub fn unpack(zips: &[PathBuf], opt: &Path) -> Result<(), LoadError> {
    fs::create_dir_all(opt)?;
    fs::set_mode(opt, MODE)?;
    for path in zips {
        unpack_one(path, opt).map_err(|source| LoadError::Zip { path: path.clone(), source })?;
    }
    Ok(())
}

fn unpack_one(path: &Path, opt: &Path) -> io::Result<()> {
    let file = fs::open(path).map_err(io::Error::other)?;
    let mut archive = ZipArchive::new(io::BufReader::new(file))?;
    for at in 0..archive.len() {
        let mut entry = archive.by_index(at)?;
        let name = entry.enclosed_name().ok_or(io::ErrorKind::InvalidFilename)?;
        place(&mut entry, &opt.join(name))?;
    }
    Ok(())
}

fn place(entry: &mut ZipFile<'_, impl Read>, to: &Path) -> io::Result<()> {
    if entry.is_symlink() {
        let target = io::read_to_string(entry)?;
        return fs::symlink(&target, to).map_err(io::Error::other);
    }
    if entry.is_dir() {
        fs::create_dir_all(to).map_err(io::Error::other)?;
    } else {
        io::copy(entry, &mut fs::create(to).map_err(io::Error::other)?)?;
    }
    let mode = entry.unix_mode().ok_or(io::ErrorKind::InvalidData)?;
    fs::set_mode(to, mode & 0o777).map_err(io::Error::other)
}

#[cfg(test)]
#[expect(clippy::disallowed_methods, reason = "tests set the scene on the disk")]
mod tests {
    use std::io::Write;
    use std::os::unix::fs::PermissionsExt;

    use zip::ZipWriter;
    use zip::write::SimpleFileOptions;

    use super::*;

    /// Paths with modes and texts; one that ends in `/` is a folder.
    fn zip(path: &Path, entries: &[(&str, u32, &str)]) {
        let mut zip = ZipWriter::new(std::fs::File::create(path).unwrap());
        for (name, mode, text) in entries {
            let options = SimpleFileOptions::default().unix_permissions(*mode);
            if name.ends_with('/') {
                zip.add_directory(*name, options).unwrap();
            } else {
                zip.start_file(*name, options).unwrap();
                zip.write_all(text.as_bytes()).unwrap();
            }
        }
        zip.finish().unwrap();
    }

    #[test]
    fn later_zips_lie_over_earlier_ones_and_modes_are_the_zips() {
        let home = tempfile::tempdir().unwrap();
        let (first, second) = (home.path().join("1.zip"), home.path().join("2.zip"));
        zip(&first, &[("R/", 0o755, ""), ("R/a", 0o644, "1"), ("R/b", 0o600, "1")]);
        zip(&second, &[("R/", 0o755, ""), ("R/a", 0o755, "2")]);
        let opt = home.path().join("opt");
        unpack(&[first, second], &opt).unwrap();
        let of = |name: &str| {
            let path = opt.join(name);
            let mode = std::fs::metadata(&path).unwrap().permissions().mode() & 0o777;
            (std::fs::read_to_string(path).unwrap(), mode)
        };
        assert_eq!(of("R/a"), ("2".to_owned(), 0o755));
        assert_eq!(of("R/b"), ("1".to_owned(), 0o600));
    }

    #[test]
    fn a_zip_that_leads_out_or_is_none_is_an_error_that_names_it() {
        let home = tempfile::tempdir().unwrap();
        let (out, none) = (home.path().join("out.zip"), home.path().join("none.zip"));
        zip(&out, &[("../x", 0o644, "1")]);
        std::fs::write(&none, "nothing").unwrap();
        for path in [out, none] {
            let error = unpack(std::slice::from_ref(&path), &home.path().join("opt")).err().unwrap();
            assert!(error.to_string().contains(path.to_str().unwrap()), "{error}");
        }
        assert!(!home.path().join("x").exists());
    }
}
