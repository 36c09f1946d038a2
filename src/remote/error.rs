//! What can go wrong with a cache of other machines.

use std::io;
use std::time::Duration;

use super::address::InvalidAddress;
use super::signature::InvalidKey;
use crate::model::Sha256Digest;
use crate::store::{StoreError, TreeFlaw};
use crate::sys::fs::PathError;

#[derive(Debug, thiserror::Error)]
pub enum RemoteError {
    #[error(transparent)]
    Address(#[from] InvalidAddress),
    #[error("the key `{path}` cannot be used: {source}")]
    Key { path: String, source: InvalidKey },
    #[error("`cache.trusted` of layr.toml: {0}")]
    Trusted(#[source] InvalidKey),
    #[error("header {0:?} is not of the form `Name: value`")]
    Header(String),
    #[error("there is no remote cache")]
    NoAddress,
    #[error("failed to use {address}")]
    At {
        address: String,
        #[source]
        source: Box<RemoteError>,
    },
    #[error("it cannot be connected to: {detail}")]
    Unreachable { detail: String },
    #[error("it was silent for {} s", .limit.as_secs())]
    Silent { limit: Duration },
    #[error("the connection broke: {detail}")]
    Broken { detail: String },
    #[error("it answers {status}{}", said(.detail))]
    Refused { status: String, detail: String, is_passing: bool },
    #[error("it does not speak {what}")]
    Unfit { what: &'static str },
    #[error("it gives other bytes for blob {digest}")]
    WrongBytes { digest: Sha256Digest },
    #[error("blob {digest} does not fit: it is larger than {limit} bytes")]
    TooLarge { digest: Sha256Digest, limit: u64 },
    #[error("failed to read a file of its settings")]
    Settings(#[source] PathError),
    #[error("this machine gives no threads or sockets")]
    Runtime(#[source] io::Error),
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error("what it gives back is no package: {flaw}")]
    Tree { flaw: TreeFlaw },
    #[error("it was given up before")]
    GivenUp,
    #[error("interrupted")]
    Interrupted,
}

fn said(detail: &str) -> String {
    if detail.is_empty() { String::new() } else { format!(": {}", detail.escape_debug()) }
}

impl RemoteError {
    /// Whether the same request may go well a moment later. One that is met by silence is
    /// not sent again: a build does not wait for that more than once.
    pub(super) fn is_passing(&self) -> bool {
        match self {
            Self::Broken { .. } => true,
            Self::Refused { is_passing, .. } => *is_passing,
            Self::Address(_)
            | Self::Key { .. }
            | Self::Trusted(_)
            | Self::Header(_)
            | Self::NoAddress
            | Self::At { .. }
            | Self::Unreachable { .. }
            | Self::Silent { .. }
            | Self::Unfit { .. }
            | Self::WrongBytes { .. }
            | Self::TooLarge { .. }
            | Self::Settings(_)
            | Self::Runtime(_)
            | Self::Store(_)
            | Self::Tree { .. }
            | Self::GivenUp
            | Self::Interrupted => false,
        }
    }

    /// What the user can do next.
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::Address(error) => Some(error.hint()),
            Self::Key { .. } => Some("make one with `layr cache key FILE`".to_owned()),
            Self::Trusted(_) => Some("`layr cache key FILE` prints what belongs there".to_owned()),
            Self::Header(_) => {
                Some("LAYR_REMOTE_CACHE_HEADERS has one header a line, such as `x-api-key: abc`".to_owned())
            }
            Self::NoAddress => Some(
                "name one with --remote-cache, LAYR_REMOTE_CACHE or `remote` in [cache] of layr.toml"
                    .to_owned(),
            ),
            Self::Refused { status, .. } if status.starts_with("401") || status == "unauthenticated" => {
                Some("LAYR_REMOTE_CACHE_TOKEN holds a bearer token, if the server wants one".to_owned())
            }
            Self::At { source, .. } => source.hint(),
            Self::Store(error) => error.hint(),
            Self::Settings(error) => error.hint(),
            Self::Unreachable { .. }
            | Self::Silent { .. }
            | Self::Broken { .. }
            | Self::Refused { .. }
            | Self::Unfit { .. }
            | Self::WrongBytes { .. }
            | Self::TooLarge { .. }
            | Self::Runtime(_)
            | Self::Tree { .. }
            | Self::GivenUp
            | Self::Interrupted => None,
        }
    }
}
