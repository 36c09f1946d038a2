//! Installed trees and source tarballs, by the digest of their content.
//!
//! ```text
//! <store>/
//!   lock            held shared by every run, exclusively by `gc`
//!   blobs/ab/<sha256>          files, `Directory` messages, tarballs, zips
//!   records/<kind>/<key>.json  what was derived from what; small, rebuildable
//!   trees/<tree digest>/       a tree as a folder, for sandboxes; disposable
//!   bases/<base digest>/       base.json and rootfs/
//!   logs/<build key>.log
//!   locks/<key>                one build of a key at a time, over all processes
//!   tmp/<run>/                 of one run each; swept when the run is gone
//!   quarantine/                blobs whose bytes were not what their name says
//! ```
//!
//! Every file appears by one rename, complete; a process may die at any instant.

mod blobs;
mod error;
mod exchange;
mod folders;
mod gc;
mod overlay;
mod parcel;
mod records;
mod session;
mod shelf;
mod tree;

use std::path::{Path, PathBuf};

pub use blobs::{BlobReader, BlobWriter};
pub use error::StoreError;
pub use exchange::{Blob, IncomingTree, TreeFlaw};
pub use gc::{GcReport, StoreStats, VerifyReport};
pub use parcel::{Packed, Parcel, Piece};
pub use records::{
    AdvisoriesRecord, ArchiveRecord, BaseTreeRecord, BuildRecord, FinishRecord, IndexRecord, JobOutcome,
    JobRecord, Kind, LibraryRecord, LoadRecord, Owner, RuntimeLibrary, RuntimeRecord, SourceRecord,
    SourceTreeRecord,
};
pub use session::KeyLock;
pub use tree::{Entry, EntryKind, Mount};

use crate::sys::fs;
use crate::sys::interrupt::Interrupt;

/// A store on disk, in use by this process. Any number of processes may share one.
#[derive(Debug)]
pub struct Store {
    root: PathBuf,
    session: session::Session,
}

impl Store {
    /// Opens the store at `root`, made if it is missing, and sweeps what runs that were
    /// killed have left behind.
    ///
    /// # Errors
    ///
    /// Where the folder cannot be made or written to.
    pub fn open(root: &Path) -> Result<Self, StoreError> {
        for folder in ["blobs", "records", "trees", "bases", "logs", "locks", "tmp"] {
            fs::create_dir_all(&root.join(folder))?;
        }
        let session = session::Session::begin(root)?;
        Ok(Self { root: root.to_owned(), session })
    }

    pub fn root(&self) -> &Path {
        &self.root
    }

    /// A folder inside the store that is gone when the value is dropped, or, should this
    /// process be killed, when the next one opens the store.
    pub fn temp_dir(&self, prefix: &str) -> Result<tempfile::TempDir, StoreError> {
        Ok(fs::temp_dir(self.session.folder(), prefix)?)
    }

    /// A file inside the store that is gone unless it is kept.
    pub fn temp_file(&self) -> Result<tempfile::NamedTempFile, StoreError> {
        Ok(fs::temp_file(self.session.folder())?)
    }

    /// A file that outlives this run, under a name that the next run finds again: for a
    /// download that may be resumed.
    pub fn partial_path(&self, key: &str) -> PathBuf {
        self.root.join("tmp").join(format!("partial-{key}"))
    }

    /// Where the log of a build goes.
    pub fn log_path(&self, key: crate::model::BuildKey) -> PathBuf {
        self.root.join("logs").join(format!("{key}.log"))
    }

    /// The folder that holds one base.
    pub fn base_folder(&self, digest: crate::model::BaseDigest) -> PathBuf {
        self.root.join("bases").join(digest.to_hex())
    }

    /// The folder that holds all bases.
    pub fn bases_folder(&self) -> PathBuf {
        self.root.join("bases")
    }

    /// Waits until no other process works on `key`, and keeps them off until the value is
    /// dropped.
    ///
    /// # Errors
    ///
    /// [`StoreError::Interrupted`] where the user has had enough of waiting.
    pub fn lock_key(&self, key: &str, interrupt: &Interrupt) -> Result<KeyLock, StoreError> {
        KeyLock::acquire(&self.root.join("locks").join(key), interrupt)
    }

    /// Whether some process works on `key`, on this machine or another. Asked of a store
    /// that is not open yet: a file system that hides other machines' locks is noticed
    /// before anything of theirs is swept.
    pub fn is_locked(root: &Path, key: &str) -> Result<bool, StoreError> {
        session::is_held(&root.join("locks").join(key))
    }
}
