//! Who owns the libraries of a system of RPM packages: its records are for `rpm` alone to
//! read, so one is asked, on a copy: it writes beside what it reads.

use std::path::{Path, PathBuf};

use super::{Base, BaseError};
use crate::report::{Event, Report};
use crate::store::Store;
use crate::sys::fs;
use crate::sys::process::{self, Program};
use crate::target::{RPM_QUERY, RPM_RECORD_FILES, RPM_RECORDS};

/// Debian's records; where they are, those of RPM are of no system.
pub(super) const DPKG: &str = "var/lib/dpkg/status";

/// What is asked with.
#[derive(Clone, Copy)]
pub struct Asking<'a> {
    pub store: &'a Store,
    pub report: &'a dyn Report,
    /// Where programs are looked for.
    pub search_path: &'a std::ffi::OsStr,
}

impl Base {
    /// The list of who owns the libraries of a base that is a folder, made once; `None` where
    /// its system has no such records, or, after a warning, where they cannot be read.
    ///
    /// # Errors
    ///
    /// Where the disk or the store fails.
    pub fn rpm_list(&self, rootfs: &Path, asking: Asking<'_>) -> Result<Option<PathBuf>, BaseError> {
        let place = asking.store.base_folder(self.digest).join("rpm-files.tsv");
        if fs::exists(&rootfs.join(DPKG)) || fs::exists(&place) {
            return Ok(Some(place).filter(|place| fs::exists(place)));
        }
        let Some(list) = list_of(rootfs, &self.recipe, asking)? else { return Ok(None) };
        fs::create_dir_all(fs::parent(&place))?;
        fs::write_atomic(&place, list.as_bytes())?;
        Ok(Some(place))
    }
}

/// By this machine's `rpm`.
pub(super) fn list_of(rootfs: &Path, recipe: &str, asking: Asking<'_>) -> Result<Option<String>, BaseError> {
    let folders = RPM_RECORDS.iter().map(|folder| rootfs.join(folder));
    let is_kept = |folder: &PathBuf| RPM_RECORD_FILES.iter().any(|file| fs::exists(&folder.join(file)));
    let Some(folder) = folders.into_iter().find(is_kept) else { return Ok(None) };
    let unknown = |why: &str| {
        let text = format!("which packages own the libraries of base `{recipe}` is not known: {why}");
        asking.report.report(&Event::Warning { text: &text });
    };
    let Some(program) = process::find_program("rpm", asking.search_path) else {
        unknown("its system keeps RPM's records, and there is no `rpm` here to read them");
        return Ok(None);
    };
    let copy = asking.store.temp_dir("rpm-")?;
    for entry in fs::sorted_entries(&folder)? {
        if fs::metadata(&entry.path())?.is_file() {
            fs::copy_atomic(&entry.path(), &copy.path().join(entry.file_name()))?;
        }
    }
    let [_, query @ ..] = RPM_QUERY;
    match Program::new(program).arg("--dbpath").arg(copy.path()).args(query).capture() {
        Ok(list) => Ok(Some(libraries(&list))),
        Err(error) => {
            unknown(&format!("`rpm` does not read its records: {error}"));
            Ok(None)
        }
    }
}

/// The lines of shared libraries.
pub(super) fn libraries(list: &str) -> String {
    list.lines().filter(|line| line.contains(".so")).flat_map(|line| [line, "\n"]).collect()
}
