//! What can go wrong with a store.

use std::io;

use crate::model::Sha256Digest;
use crate::sys::fs::{MAKE_ROOM, PathError};

#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    #[error(transparent)]
    Path(#[from] PathError),
    #[error("failed to write to the store")]
    Write(#[source] io::Error),
    #[error("the store lacks blob {digest}")]
    Missing { digest: Sha256Digest },
    #[error(
        "blob {digest} of the store held other bytes, with digest {actual}; it was set aside in {quarantine}"
    )]
    Corrupt { digest: Sha256Digest, actual: Sha256Digest, quarantine: String },
    #[error("`{path}` is a {kind}, which a package may not hold")]
    UnsupportedFile { path: String, kind: &'static str },
    #[error("`{path}` is a link to `{target}`, outside of its package")]
    EscapingLink { path: String, target: String },
    #[error("directory message {digest} is not in REAPI's canonical form")]
    NotCanonical { digest: Sha256Digest },
    #[error("failed to unpack source tarball {digest} of the store")]
    NotUnpacked { digest: Sha256Digest, source: Box<dyn std::error::Error + Send + Sync> },
    #[error("the store at `{root}` is in use by another process")]
    InUse { root: String },
    #[error("interrupted")]
    Interrupted,
}

impl StoreError {
    /// What the user can do next.
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::Path(error) => error.hint(),
            Self::Missing { .. } | Self::Corrupt { .. } | Self::NotCanonical { .. } => Some(
                "run again: what is missing is fetched or built anew; `layr cache verify` checks the rest"
                    .to_owned(),
            ),
            Self::InUse { .. } => Some("wait until it has ended, and run again".to_owned()),
            Self::Write(error) if error.kind() == io::ErrorKind::StorageFull => Some(MAKE_ROOM.to_owned()),
            Self::Write(_)
            | Self::UnsupportedFile { .. }
            | Self::EscapingLink { .. }
            | Self::NotUnpacked { .. }
            | Self::Interrupted => None,
        }
    }
}
