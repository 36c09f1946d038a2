//! A source tarball of the store to a folder of files.

use std::fs::{File, FileTimes};
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use super::policy::{Judge, Limits};
use super::stored::damage;
use super::walk::{Visitor, WalkError, walk};
use super::{FetchError, Violation};
use crate::model::{PackageId, Sha256Digest};
use crate::store::{Store, StoreError};
use crate::sys::fs::{self, PathError};

/// Unpacks a stored tarball to `folder/<package>`, which must not be there yet. Times,
/// modes and owners are the same for everyone: what is built from it is to be so, too.
///
/// # Errors
///
/// Where the archive breaks a rule; then nothing of it is left in `folder`.
pub fn unpack(tarball: Sha256Digest, id: &PackageId, folder: &Path, store: &Store) -> Result<(), FetchError> {
    let limits = Limits::of(store.blob_size(tarball)?);
    unpack_within(limits, &Source { tarball, id, store }, folder)
}

/// What is unpacked.
pub(super) struct Source<'a> {
    pub(super) tarball: Sha256Digest,
    pub(super) id: &'a PackageId,
    pub(super) store: &'a Store,
}

/// [`unpack`] with limits of one's own.
pub(super) fn unpack_within(limits: Limits, source: &Source<'_>, folder: &Path) -> Result<(), FetchError> {
    let package_folder = folder.join(source.id.name.as_str());
    if fs::exists(&package_folder) {
        return Err(FetchError::NotFresh { path: package_folder });
    }
    let mut unpacker = Unpacker::into(folder);
    let walked = walk_stored(limits, source, &mut unpacker)
        .and_then(|()| Ok(settle(&package_folder).map_err(StoreError::from)?));
    if walked.is_err() {
        fs::remove_dir_all(&package_folder).map_err(StoreError::from)?;
    }
    walked
}

/// Shows all of a stored tarball to `visitor`.
pub(super) fn walk_stored(
    limits: Limits,
    source: &Source<'_>,
    visitor: &mut dyn Visitor,
) -> Result<(), FetchError> {
    let Source { tarball, id, store } = *source;
    let mut judge = Judge::new(id.name.as_str(), limits);
    walk(store.open_blob(tarball)?, &mut judge, visitor).map_err(|error| match error {
        WalkError::Path(error) => StoreError::from(error).into(),
        WalkError::Violation(violation) => cause(violation, source),
    })
}

/// A tarball was sane when it was fetched; what is wrong later is wrong with the store.
fn cause(violation: Violation, source: &Source<'_>) -> FetchError {
    match damage(source.tarball, source.store) {
        Ok(None) => FetchError::Refused { package: source.id.clone(), violation },
        Ok(Some(error)) | Err(error) => error.into(),
    }
}

/// 1980-01-01: the earliest time that a zip can hold, and the one that all ours hold.
fn fixed_time() -> SystemTime {
    UNIX_EPOCH + Duration::from_hours(24 * 3652) // ten years, two of them leap years
}

/// Writes files below a folder that nobody else writes to.
pub(super) struct Unpacker<'a> {
    folder: &'a Path,
    open: Option<(PathBuf, File)>,
}

impl<'a> Unpacker<'a> {
    pub(super) fn into(folder: &'a Path) -> Self {
        Self { folder, open: None }
    }
}

impl Visitor for Unpacker<'_> {
    fn folder(&mut self, path: &str) -> Result<(), PathError> {
        fs::create_dir_all(&self.folder.join(path))
    }

    fn file(&mut self, path: &str, is_executable: bool) -> Result<(), PathError> {
        let path = self.folder.join(path);
        fs::create_dir_all(fs::parent(&path))?;
        let file = File::options().write(true).create_new(true).mode(0o600).open(&path);
        let file = file.map_err(fs::at("create", &path))?;
        fs::set_mode(&path, if is_executable { 0o755 } else { 0o644 })?;
        self.open = Some((path, file));
        Ok(())
    }

    fn bytes(&mut self, bytes: &[u8]) -> Result<(), PathError> {
        let Some((path, file)) = &mut self.open else { return Ok(()) };
        file.write_all(bytes).map_err(fs::at("write", path))
    }

    fn end(&mut self) -> Result<(), PathError> {
        let Some((path, file)) = self.open.take() else { return Ok(()) };
        set_times(&file).map_err(fs::at("set the time of", &path))
    }
}

fn set_times(file: &File) -> std::io::Result<()> {
    file.set_times(FileTimes::new().set_accessed(fixed_time()).set_modified(fixed_time()))
}

/// Folders get their modes and times last: files that come to lie in them change both.
fn settle(folder: &Path) -> Result<(), PathError> {
    for entry in fs::sorted_entries(folder)? {
        if entry.file_type().map_err(fs::at("look at", folder))?.is_dir() {
            settle(&entry.path())?;
        }
    }
    fs::set_mode(folder, 0o755)?;
    set_times(&fs::open(folder)?).map_err(fs::at("set the time of", folder))
}
