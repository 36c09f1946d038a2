//! Why it cannot be told what packages are in a thing.

use crate::layr_lock::LayrLockError;
use crate::lockfile::LockfileError;
use crate::manifest::ManifestError;
use crate::model::{ArchiveDigest, LayerVersionArn};
use crate::sys::fs::PathError;

#[derive(Debug, thiserror::Error)]
pub enum InventoryError {
    #[error(transparent)]
    Path(#[from] PathError),
    #[error("`{path}` is no layr.lock, no layers.json, no zip, and no lockfile that can be read")]
    Lockfile { path: String, source: Box<LockfileError> },
    #[error(transparent)]
    LayrLock(#[from] LayrLockError),
    #[error(transparent)]
    Manifest(#[from] ManifestError),
    #[error("`{path}` is not a zip that can be read")]
    Zip { path: String, source: Box<zip::result::ZipError> },
    #[error("`{path}` has {limit} bytes or more, as no lockfile or layers.json has")]
    TooMuch { path: String, limit: u64 },
    #[error("`{entry}` of `{path}` has more than {limit} bytes")]
    TooLarge { path: String, entry: String, limit: u64 },
    #[error("`{entry}` of `{path}` is not as layr or R writes it: {detail}")]
    Entry { path: String, entry: String, detail: String },
    #[error("`{path}` lists `{listed}`, but holds `{found}`")]
    Disagrees { path: String, listed: String, found: String },
    #[error("there is no layer version `{arn}`, or none that this account may see")]
    NoLayer { arn: Box<LayerVersionArn> },
    #[error("what was downloaded of `{arn}` has SHA-256 {found}, where Lambda says {expected}")]
    OtherBytes { arn: Box<LayerVersionArn>, expected: ArchiveDigest, found: ArchiveDigest },
    #[error("`{path}` holds no R packages")]
    Nothing { path: String },
    #[error("`{name} {version}` is not a package at a version")]
    Package { name: String, version: String },
}

/// What there is to look into.
const KINDS: &str = "name a lockfile, a layr.lock, a layers.json or its folder, the zip of a layer, the ARN of a layer version, or a function of layr.toml";

impl InventoryError {
    /// What the user can do next.
    pub fn hint(&self) -> Option<String> {
        let hint = match self {
            Self::Path(error) => return error.hint().or_else(|| Some(KINDS.to_owned())),
            Self::Lockfile { source, .. } => return source.hint(),
            Self::LayrLock(error) => return error.hint(),
            Self::Manifest(error) => return Some(error.hint()),
            Self::TooMuch { .. } => KINDS,
            Self::Zip { .. } => "download or build it again",
            Self::TooLarge { .. } | Self::Entry { .. } | Self::Disagrees { .. } => {
                "do not trust this layer: build it again from its lockfile"
            }
            Self::NoLayer { .. } => "look at the ARN, and at which account and profile are in use",
            Self::OtherBytes { .. } => "try again; do not use what was downloaded",
            Self::Nothing { .. } => "give a layer that has packages in a folder `library`",
            Self::Package { .. } => "run `layr build` again: it writes the file anew",
        };
        Some(hint.to_owned())
    }
}
