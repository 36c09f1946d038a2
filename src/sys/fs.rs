//! Files and folders, with the path in every error.

use std::fs::{self, File, Permissions};
use std::io::{self, Read, Write};
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};

/// What could not be done to which path, and what the operating system said.
#[derive(Debug, thiserror::Error)]
#[error("failed to {action} `{}`", path.display())]
pub struct PathError {
    pub action: &'static str,
    pub path: PathBuf,
    #[source]
    pub source: io::Error,
}

/// Names the path in an [`io::Error`].
pub fn at(action: &'static str, path: &Path) -> impl FnOnce(io::Error) -> PathError {
    let path = path.to_owned();
    move |source| PathError { action, path, source }
}

impl PathError {
    /// What the user can do about it, where the cause is one of those that users meet.
    pub fn hint(&self) -> Option<String> {
        let kind = self.source.kind();
        if matches!(kind, io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded) {
            return Some(MAKE_ROOM.to_owned());
        }
        matches!(kind, io::ErrorKind::ReadOnlyFilesystem | io::ErrorKind::PermissionDenied).then(|| {
            "choose a place you may write to: LAYR_CACHE_DIR for the store, --out for the layers".to_owned()
        })
    }
}

/// What to do about a full disk.
pub const MAKE_ROOM: &str =
    "make room on that file system, or point LAYR_CACHE_DIR at another; what was finished is kept";

pub fn read(path: &Path) -> Result<Vec<u8>, PathError> {
    fs::read(path).map_err(at("read", path))
}

/// The file's bytes, or `None` where there is no such file.
pub fn read_if_there(path: &Path) -> Result<Option<Vec<u8>>, PathError> {
    match fs::read(path) {
        Ok(bytes) => Ok(Some(bytes)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(at("read", path)(error)),
    }
}

/// The bytes of a file, a pipe or a device; `None` where there are more than `limit`.
pub fn read_at_most(path: &Path, limit: u64) -> Result<Option<Vec<u8>>, PathError> {
    let mut bytes = Vec::new();
    let mut file = open(path)?.take(limit.saturating_add(1));
    file.read_to_end(&mut bytes).map_err(at("read", path))?;
    Ok((bytes.len() as u64 <= limit).then_some(bytes))
}

pub fn open(path: &Path) -> Result<File, PathError> {
    File::open(path).map_err(at("open", path))
}

/// Opens for writing, made anew: for files that nobody else sees yet.
pub fn create(path: &Path) -> Result<File, PathError> {
    File::create(path).map_err(at("create", path))
}

/// Opens a file to lock, made if it is missing; its content is of no account.
pub fn open_lock(path: &Path) -> Result<File, PathError> {
    File::options().create(true).append(true).open(path).map_err(at("open", path))
}

/// Waits until no other process has the folder, and has it as long as the value lives. It is
/// the folder itself that is locked: no file is left behind.
pub fn lock_folder(folder: &Path) -> Result<File, PathError> {
    let lock = open(folder)?;
    lock.lock().map_err(at("lock", folder))?;
    Ok(lock)
}

/// Opens for appending.
pub fn append(path: &Path) -> Result<File, PathError> {
    File::options().create(true).append(true).open(path).map_err(at("open", path))
}

pub fn create_dir_all(path: &Path) -> Result<(), PathError> {
    fs::create_dir_all(path).map_err(at("create", path))
}

/// Replaces the file at `path`. A reader sees the old bytes or the new ones, never a
/// mixture, and once this has returned the new ones survive a power cut.
pub fn write_atomic(path: &Path, bytes: &[u8]) -> Result<(), PathError> {
    let write = || -> io::Result<()> {
        let folder = parent(path);
        // Beside `path`, since a rename does not cross file systems; with a mode of its
        // own, since a temporary file is readable by its owner only.
        let mut temp = tempfile::Builder::new()
            .prefix(".layr-")
            .permissions(Permissions::from_mode(0o644))
            .tempfile_in(folder)?;
        temp.write_all(bytes)?;
        temp.as_file().sync_all()?;
        temp.persist(path)?;
        File::open(folder)?.sync_all()
    };
    write().map_err(at("write", path))
}

/// Writes a file that is not there yet, for its owner's eyes alone.
pub fn write_secret(path: &Path, bytes: &[u8]) -> Result<(), PathError> {
    use std::os::unix::fs::OpenOptionsExt;
    let write = || -> io::Result<()> {
        let mut file = File::options().write(true).create_new(true).mode(0o600).open(path)?;
        file.write_all(bytes)?;
        file.sync_all()
    };
    write().map_err(at("write", path))
}

/// A file in `folder` that is gone unless it is persisted.
pub fn temp_file(folder: &Path) -> Result<tempfile::NamedTempFile, PathError> {
    tempfile::Builder::new()
        .permissions(Permissions::from_mode(0o644))
        .tempfile_in(folder)
        .map_err(at("create a file in", folder))
}

/// A folder in `folder` that is gone when the value is dropped.
pub fn temp_dir(folder: &Path, prefix: &str) -> Result<tempfile::TempDir, PathError> {
    tempfile::Builder::new()
        .prefix(prefix)
        .permissions(Permissions::from_mode(0o755))
        .tempdir_in(folder)
        .map_err(at("create a folder in", folder))
}

/// The folder a path lies in; `.` for a bare name.
pub fn parent(path: &Path) -> &Path {
    path.parent().filter(|folder| *folder != Path::new("")).unwrap_or(Path::new("."))
}

/// The entries of a folder by name, sorted as bytes: the same on any file system.
pub fn sorted_entries(folder: &Path) -> Result<Vec<fs::DirEntry>, PathError> {
    let mut entries: Vec<_> = fs::read_dir(folder).and_then(Iterator::collect).map_err(at("list", folder))?;
    entries.sort_by_key(fs::DirEntry::file_name);
    Ok(entries)
}

pub fn metadata(path: &Path) -> Result<fs::Metadata, PathError> {
    fs::symlink_metadata(path).map_err(at("look at", path))
}

/// What lies at `path`, or `None` where nothing does.
pub fn metadata_if_there(path: &Path) -> Result<Option<fs::Metadata>, PathError> {
    match fs::symlink_metadata(path) {
        Ok(metadata) => Ok(Some(metadata)),
        Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => {
            Ok(None)
        }
        Err(error) => Err(at("look at", path)(error)),
    }
}

/// Of what a link leads to.
pub fn followed_metadata(path: &Path) -> Result<fs::Metadata, PathError> {
    fs::metadata(path).map_err(at("look at", path))
}

pub fn is_dir(path: &Path) -> bool {
    path.is_dir()
}

pub fn exists(path: &Path) -> bool {
    fs::symlink_metadata(path).is_ok()
}

/// The size of the regular file at `path`, or `None` where there is none.
pub fn file_size(path: &Path) -> Option<u64> {
    fs::symlink_metadata(path).ok().filter(fs::Metadata::is_file).map(|metadata| metadata.size())
}

pub fn rename(from: &Path, to: &Path) -> Result<(), PathError> {
    fs::rename(from, to).map_err(at("rename", from))
}

pub fn read_link(path: &Path) -> Result<PathBuf, PathError> {
    fs::read_link(path).map_err(at("read the link", path))
}

pub fn symlink(target: &str, path: &Path) -> Result<(), PathError> {
    std::os::unix::fs::symlink(target, path).map_err(at("create the link", path))
}

/// A second name for the file, or a copy where a link cannot be had: another file system,
/// or too many links.
pub fn link_or_copy(from: &Path, to: &Path) -> Result<(), PathError> {
    if fs::hard_link(from, to).is_ok() {
        return Ok(());
    }
    fs::copy(from, to).map(drop).map_err(at("copy", from))
}

/// Puts a copy of `from` at `to`, atomically; the mode is that of new files.
pub fn copy_atomic(from: &Path, to: &Path) -> Result<(), PathError> {
    let mut source = open(from)?;
    let mut temp = temp_file(parent(to))?;
    io::copy(&mut source, temp.as_file_mut()).map_err(at("write", to))?;
    temp.persist(to).map(drop).map_err(|error| at("write", to)(error.error))
}

pub fn set_mode(path: &Path, mode: u32) -> Result<(), PathError> {
    fs::set_permissions(path, Permissions::from_mode(mode)).map_err(at("set the mode of", path))
}

/// Gives the folder and all in it to another user; only root may.
pub fn chown_all(folder: &Path, uid: u32, gid: u32) -> Result<(), PathError> {
    std::os::unix::fs::lchown(folder, Some(uid), Some(gid)).map_err(at("change the owner of", folder))?;
    for entry in sorted_entries(folder)? {
        let path = entry.path();
        if entry.file_type().map_err(at("look at", &path))?.is_dir() {
            chown_all(&path, uid, gid)?;
        } else {
            std::os::unix::fs::lchown(&path, Some(uid), Some(gid))
                .map_err(at("change the owner of", &path))?;
        }
    }
    Ok(())
}

pub fn remove_file(path: &Path) -> Result<(), PathError> {
    fs::remove_file(path).map_err(at("remove", path))
}

/// Removes a folder and all in it; one that is not there is fine.
pub fn remove_dir_all(path: &Path) -> Result<(), PathError> {
    match fs::remove_dir_all(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(at("remove", path)(error)),
        _ => Ok(()),
    }
}

/// When the file was last written, or marked as used by [`touch`].
pub fn modified(path: &Path) -> Result<std::time::SystemTime, PathError> {
    metadata(path)?.modified().map_err(at("look at", path))
}

/// Marks the file as used just now; failing to is of no account (a read-only store).
pub fn touch(path: &Path) {
    if let Ok(file) = File::options().append(true).open(path) {
        _ = file.set_modified(std::time::SystemTime::now());
    }
}

/// The last `n` lines of a text file, of whatever length; bytes that are no UTF-8 are replaced.
pub fn last_lines(path: &Path, n: usize) -> Vec<String> {
    const TAIL_BYTES: u64 = 64 << 10;
    let tail = || -> io::Result<Vec<u8>> {
        use io::Seek;
        let mut file = File::open(path)?;
        let length = file.metadata()?.len();
        file.seek(io::SeekFrom::Start(length.saturating_sub(TAIL_BYTES)))?;
        let mut bytes = Vec::new();
        file.take(TAIL_BYTES).read_to_end(&mut bytes)?;
        Ok(bytes)
    };
    let bytes = tail().unwrap_or_default();
    let text = String::from_utf8_lossy(&bytes);
    let lines: Vec<_> = text.lines().map(str::to_owned).collect();
    lines[lines.len().saturating_sub(n)..].to_vec()
}
