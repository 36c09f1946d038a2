//! What can go wrong with a cache of other machines.

use std::io;
use std::time::Duration;

use super::address::InvalidAddress;
use super::signature::InvalidKey;
use crate::model::{Sha256Digest, human_duration};
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
    #[error("{place} has had the job for {}, and it has not ended", human_duration(*.limit))]
    Overdue { place: &'static str, limit: Duration },
    #[error("the job took longer than it may")]
    TimedOut,
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
            | Self::Overdue { .. }
            | Self::TimedOut
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

    /// Whether the server does not know what it was asked about, or how to tell.
    pub(super) fn is_of_unknown(&self) -> bool {
        matches!(self, Self::Refused { status, .. } if status == "not found" || status == "unimplemented")
    }

    /// Whether the server lacks what it was given before: the protocol has the one word for
    /// that, and buildbox the other.
    pub(super) fn is_of_lost_blobs(&self) -> bool {
        let words = ["failed precondition", "not found"];
        matches!(self, Self::Refused { status, .. } if words.contains(&status.as_str()))
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
            Self::Overdue { .. } => Some(
                "`farm.seconds` of layr.toml bounds a job's time in the queue and on workers, `build.seconds` that on a worker"
                    .to_owned(),
            ),
            Self::Unreachable { .. }
            | Self::Silent { .. }
            | Self::TimedOut
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
