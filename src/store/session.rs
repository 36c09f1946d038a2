//! One run's presence in a store: its temporary folder, and the locks it holds.

use std::fs::{File, TryLockError};
use std::path::Path;
use std::time::Duration;

use super::StoreError;
use crate::sys::fs;
use crate::sys::interrupt::Interrupt;

/// A run's own folder under `tmp/`. Its lock file is held as long as the run lives, so
/// that another run can tell a folder in use from one left behind by a killed process.
#[derive(Debug)]
pub(super) struct Session {
    folder: tempfile::TempDir,
    _own_lock: File,
    _store_lock: File,
}

impl Session {
    pub(super) fn begin(root: &Path) -> Result<Self, StoreError> {
        let store_lock = fs::open_lock(&root.join("lock"))?;
        store_lock.lock_shared().map_err(StoreError::Write)?;
        let tmp = root.join("tmp");
        // Making a folder and locking it are two steps: nobody may sweep between them.
        let gate = fs::open_lock(&tmp.join("gate"))?;
        gate.lock().map_err(StoreError::Write)?;
        sweep(&tmp)?;
        let folder = fs::temp_dir(&tmp, "run-")?;
        let own_lock = fs::open_lock(&folder.path().join("lock"))?;
        own_lock.lock().map_err(StoreError::Write)?;
        Ok(Self { folder, _own_lock: own_lock, _store_lock: store_lock })
    }

    /// For the one process that has the whole store locked already.
    pub(super) fn unlocked(root: &Path) -> Result<Self, StoreError> {
        let folder = fs::temp_dir(&root.join("tmp"), "run-")?;
        let own_lock = fs::open_lock(&folder.path().join("lock"))?;
        let store_lock = fs::open_lock(&folder.path().join("store-lock"))?;
        Ok(Self { folder, _own_lock: own_lock, _store_lock: store_lock })
    }

    pub(super) fn folder(&self) -> &Path {
        self.folder.path()
    }
}

/// Removes the folders of runs that are no more.
fn sweep(tmp: &Path) -> Result<(), StoreError> {
    for entry in fs::sorted_entries(tmp)? {
        let path = entry.path();
        if !entry.file_name().to_string_lossy().starts_with("run-") {
            continue;
        }
        let abandoned = match fs::open(&path.join("lock")) {
            Ok(lock) => lock.try_lock().is_ok(),
            Err(_) => true,
        };
        if abandoned {
            fs::remove_dir_all(&path)?;
        }
    }
    Ok(())
}

/// Keeps other processes from building the same key. Released on drop, also by death; the
/// file stays, since removing a lock file that another process has open loses the lock.
#[derive(Debug)]
pub struct KeyLock(#[expect(dead_code, reason = "held, not used")] File);

impl KeyLock {
    pub(super) fn acquire(path: &Path, interrupt: &Interrupt) -> Result<Self, StoreError> {
        const BETWEEN_TRIES: Duration = Duration::from_millis(50);
        let file = fs::open_lock(path)?;
        loop {
            match file.try_lock() {
                Ok(()) => return Ok(Self(file)),
                Err(TryLockError::Error(error)) => return Err(StoreError::Write(error)),
                Err(TryLockError::WouldBlock) if interrupt.is_set() => return Err(StoreError::Interrupted),
                Err(TryLockError::WouldBlock) => std::thread::sleep(BETWEEN_TRIES),
            }
        }
    }
}

/// Whether somebody holds the lock of a key. Those who only look do not see one another.
pub(super) fn is_held(path: &Path) -> Result<bool, StoreError> {
    if !fs::exists(path) {
        return Ok(false);
    }
    match fs::open(path)?.try_lock_shared() {
        Ok(()) => Ok(false),
        Err(TryLockError::WouldBlock) => Ok(true),
        Err(TryLockError::Error(error)) => Err(StoreError::Write(error)),
    }
}

/// The whole store for one process alone; fails at once where another uses it.
pub(super) fn lock_exclusively(root: &Path) -> Result<File, StoreError> {
    let lock = fs::open_lock(&root.join("lock"))?;
    match lock.try_lock() {
        Ok(()) => Ok(lock),
        Err(TryLockError::WouldBlock) => Err(StoreError::InUse { root: root.display().to_string() }),
        Err(TryLockError::Error(error)) => Err(StoreError::Write(error)),
    }
}
