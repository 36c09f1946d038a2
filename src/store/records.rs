//! What was derived from what: small JSON files, each replaceable by doing the work again.

use std::collections::BTreeMap;
use std::path::PathBuf;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use super::{Store, StoreError};
use crate::sys::fs;

/// The kinds of records; each has a folder of its own, named after what its key is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Build key to [`BuildRecord`].
    Build,
    /// Package name to the [`BuildRecord`] of its last build: how long the next may take.
    Timing,
    /// Build key to [`JobRecord`].
    Job,
    /// Key of what makes a built tree fit to be shipped, to [`FinishRecord`].
    Finish,
    /// Key of layers and what they were loaded in, to [`LoadRecord`].
    Load,
    /// Hash of a URL to [`SourceRecord`].
    Source,
    /// Digest of a source tarball to [`SourceTreeRecord`].
    SourceTree,
    /// Layer digest to [`ArchiveRecord`].
    Archive,
    /// Hash of a URL to [`IndexRecord`].
    Index,
    /// Hash of what a runtime layer is made of to [`RuntimeRecord`].
    Runtime,
    /// Base digest to [`BaseTreeRecord`].
    BaseTree,
    /// Hash of a source of advisories to [`AdvisoriesRecord`].
    Advisories,
}

/// A package that was built.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct BuildRecord {
    pub package: String,
    pub version: String,
    /// Tree digest, hexadecimal.
    pub tree: String,
    /// Sum of the files' sizes: what Lambda counts.
    pub unzipped_bytes: u64,
    /// How long the build took: the scheduler's estimate for the next one.
    pub build_ms: u64,
}

/// A package that a job of a scheduler is to build, on a machine that has this store too.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct JobRecord {
    pub package: String,
    pub version: String,
    /// Digest of the source tarball, hexadecimal.
    pub tarball: String,
    pub tarball_bytes: u64,
    pub needs_compilation: bool,
    /// Digest of the base, hexadecimal, and the folder that has it, or its record.
    pub base: String,
    pub base_folder: PathBuf,
    /// By name, what it is built against: tree digests, hexadecimal.
    pub library: BTreeMap<String, String>,
    pub memory_bytes: u64,
    pub n_processes: u32,
    pub seconds: u64,
    /// Whether the result is recorded: not where it is to be compared with one that is.
    pub is_recorded: bool,
    /// What came of it, once something has.
    pub outcome: Option<JobOutcome>,
}

/// How a job ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum JobOutcome {
    /// Tree digest, hexadecimal, and how long it took.
    Built { tree: String, build_ms: u64 },
    /// The package does not build.
    Failed { reason: String },
    /// The machine could not build it.
    Stopped { error: String },
}

/// A package as it is shipped: slim, and with the libraries it brings.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FinishRecord {
    pub package: String,
    pub version: String,
    /// Tree digest, hexadecimal.
    pub tree: String,
    /// Sum of the files' sizes: what Lambda counts.
    pub unzipped_bytes: u64,
    pub libraries: Vec<LibraryRecord>,
}

/// A library that comes along with packages.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LibraryRecord {
    pub name: String,
    pub soname: String,
    /// Where it lies in the base.
    pub path: String,
    /// Tree digest, hexadecimal.
    pub tree: String,
    pub unzipped_bytes: u64,
    /// The names of those it needs itself.
    pub needs: Vec<String>,
    /// The system package it is part of, where that is known.
    pub owner: Option<Owner>,
}

/// The system package that a library of a base was part of.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Owner {
    pub package: String,
    pub version: String,
    /// The source package it was built of: what advisories name.
    pub source: String,
    pub source_version: String,
    /// As its copyright file has them, each once; empty where it has none that a program
    /// can read.
    pub licenses: Vec<String>,
    /// The form of its packages and the distribution, as package URLs have them, e.g.
    /// `deb/debian-13` or `rpm/amzn-2023`.
    #[serde(default)]
    pub system: Option<String>,
}

/// Layers whose packages load, all of them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LoadRecord {
    pub n_packages: usize,
}

/// A source tarball that was fetched and verified.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SourceRecord {
    pub url: String,
    /// Hexadecimal.
    pub sha256: String,
    pub n_bytes: u64,
    /// The text of its `DESCRIPTION`.
    pub description: String,
    /// All digits of the commit that it was made of, if it was.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub commit: Option<String>,
}

/// What a source tarball unpacks to, so that it need not be unpacked to be named.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SourceTreeRecord {
    /// Of the tree's message, hexadecimal.
    pub sha256: String,
    /// By name, for C++ files in `src`: the header that each begins with.
    pub headers: BTreeMap<String, String>,
}

/// A layer that was zipped.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ArchiveRecord {
    /// Archive digest, hexadecimal.
    pub sha256: String,
    pub n_bytes: u64,
}

/// A runtime layer that was put together.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RuntimeRecord {
    /// Layer digest, hexadecimal.
    pub tree: String,
    pub unzipped_bytes: u64,
    pub libraries: Vec<RuntimeLibrary>,
}

/// A library of the base that went into a runtime layer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RuntimeLibrary {
    pub name: String,
    /// Where it lies in the base.
    pub path: String,
    pub unzipped_bytes: u64,
}

/// A base as the tree that a farm is sent.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct BaseTreeRecord {
    /// Tree digest, hexadecimal.
    pub tree: String,
}

/// A repository's package index.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct IndexRecord {
    pub url: String,
    /// Of the index's text, uncompressed; hexadecimal.
    pub sha256: String,
    /// Seconds since 1970.
    pub fetched_at: u64,
}

/// Advisories as they were fetched.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AdvisoriesRecord {
    /// Of their text, in the form of whoever keeps them; hexadecimal.
    pub sha256: String,
    /// Where they are from, in the same one's form.
    pub origin: serde_json::Value,
}

impl Kind {
    const ALL: [Self; 12] = [
        Self::Build,
        Self::Timing,
        Self::Job,
        Self::Finish,
        Self::Load,
        Self::Source,
        Self::SourceTree,
        Self::Archive,
        Self::Index,
        Self::Runtime,
        Self::BaseTree,
        Self::Advisories,
    ];

    fn folder(self) -> &'static str {
        match self {
            Self::Build => "build",
            Self::Timing => "timing",
            Self::Job => "job",
            Self::Finish => "finish",
            Self::Load => "load",
            Self::Source => "source",
            Self::SourceTree => "source-tree",
            Self::Archive => "archive",
            Self::Index => "index",
            Self::Runtime => "runtime",
            Self::BaseTree => "base-tree",
            Self::Advisories => "advisories",
        }
    }

    pub(super) fn all() -> impl Iterator<Item = Self> {
        Self::ALL.into_iter()
    }
}

impl Store {
    pub(super) fn record_folder(&self, kind: Kind) -> PathBuf {
        self.root().join("records").join(kind.folder())
    }

    fn record_path(&self, kind: Kind, key: &str) -> PathBuf {
        self.record_folder(kind).join(format!("{key}.json"))
    }

    /// The record under `key`. One that cannot be read, say of another version of this
    /// program, is as good as none: it is written again when the work is done again.
    pub fn record<T: DeserializeOwned>(&self, kind: Kind, key: &str) -> Result<Option<T>, StoreError> {
        let path = self.record_path(kind, key);
        let Some(bytes) = fs::read_if_there(&path)? else { return Ok(None) };
        let record = serde_json::from_slice(&bytes).ok();
        if record.is_some() {
            fs::touch(&path); // `gc` removes what was not used for long
        }
        Ok(record)
    }

    /// Keeps a record, in place of an older one.
    pub fn put_record<T: Serialize>(&self, kind: Kind, key: &str, record: &T) -> Result<(), StoreError> {
        let path = self.record_path(kind, key);
        fs::create_dir_all(fs::parent(&path))?;
        let bytes = serde_json::to_vec_pretty(record).map_err(|error| StoreError::Write(error.into()))?;
        Ok(fs::write_atomic(&path, &bytes)?)
    }
}
