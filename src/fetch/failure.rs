//! Why one URL gave nothing, and whether asking again can help.

use std::time::Duration;

use super::{FetchError, Violation};
use crate::model::{CommitId, DescriptionError, InvalidGitPlace, PackageId, Sha256Digest, human_bytes};
use crate::report::causes;
use crate::store::StoreError;
use crate::sys::fs::PathError;

/// What a URL answered instead of the tarball. Every message is one line: it stands in a
/// list of all URLs that were tried.
#[derive(Debug, thiserror::Error)]
pub enum Failure {
    #[error("answered {status} {reason}")]
    Status { status: u16, reason: String, retry_after: Option<Duration> },
    #[error("no such file")]
    NoSuchFile,
    #[error("{source}: {}", .source.source)]
    Unreadable { source: PathError },
    #[error("could not be reached: {detail}")]
    Unreachable { detail: String },
    #[error("not tried, since `{host}` could not be reached before: {detail}")]
    GivenUp { host: String, detail: String },
    #[error("no secure connection: {detail}")]
    Tls { detail: String },
    #[error("the connection broke: {detail}")]
    Broken { detail: String },
    #[error("sent too little for {} s", .limit.as_secs_f64())]
    Stalled { limit: Duration },
    #[error("sent {received} of {announced} bytes")]
    CutShort { received: u64, announced: u64 },
    #[error("sent another part of the file than was asked for")]
    WrongRange,
    #[error("holds more than {}", human_bytes(*.limit))]
    TooLarge { limit: u64 },
    #[error("redirected wrongly: {detail}")]
    Redirect { detail: String },
    #[error("is no URL that can be asked: {detail}")]
    BadUrl { detail: String },
    #[error("not in the store, and the network may not be used")]
    Offline,
    #[error("is {what}, no gzip archive")]
    NotGzip { what: String },
    #[error("has SHA-256 {actual}, where {by} has {expected}")]
    WrongSha256 { expected: Sha256Digest, actual: Sha256Digest, by: &'static str },
    #[error("has MD5 {actual}, where the package index has {expected}")]
    WrongMd5 { expected: String, actual: String },
    #[error("is refused: {0}")]
    Violation(Violation),
    #[error("has no `{package}/DESCRIPTION`")]
    NoDescription { package: String },
    #[error("has an unusable DESCRIPTION: {}", causes::in_one_line(.source))]
    Description { source: DescriptionError },
    #[error("holds `{actual}`")]
    OtherPackage { actual: PackageId },
    #[error("has no folder `{folder}` with a DESCRIPTION")]
    NoFolder { folder: String },
    #[error("is commit {actual}, where {expected} is locked")]
    WrongCommit { expected: CommitId, actual: CommitId },
    #[error("is an archive without the submodules that the package needs")]
    Submodules,
    #[error("git: {detail}")]
    Git { detail: String },
    #[error("takes git longer than {} min", .limit.as_secs() / 60)]
    GitTooLong { limit: Duration },
    #[error("has more than {limit} submodules")]
    ManySubmodules { limit: usize },
    #[error("has a submodule in the wrong place: {source}")]
    Submodule { source: InvalidGitPlace },
    #[error("needs git, which is not installed")]
    NoGit,
    #[error("is a binary package, with a `Built` field in its DESCRIPTION")]
    Binary,
    #[error("is a source package, where a binary one was asked for")]
    NotBinary,
}

/// How often it is worth to try again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Retry {
    Never,
    /// The bytes were wrong: they may have been damaged under way.
    Once,
    /// The server or the network may recover.
    AsOftenAsAllowed,
}

impl Failure {
    pub(super) fn retry(&self) -> Retry {
        match self {
            Self::Status { status: 408 | 429 | 500 | 502 | 503 | 504, .. }
            | Self::Unreachable { .. }
            | Self::Broken { .. }
            | Self::Stalled { .. }
            | Self::CutShort { .. }
            | Self::WrongRange => Retry::AsOftenAsAllowed,
            Self::WrongSha256 { .. } | Self::WrongMd5 { .. } => Retry::Once,
            Self::Git { detail } if may_pass(detail) => Retry::Once,
            Self::Violation(violation) if violation.is_damage() => Retry::Once,
            Self::Status { .. }
            | Self::NoSuchFile
            | Self::Unreadable { .. }
            | Self::GivenUp { .. }
            | Self::Tls { .. }
            | Self::TooLarge { .. }
            | Self::Redirect { .. }
            | Self::BadUrl { .. }
            | Self::Offline
            | Self::NotGzip { .. }
            | Self::Violation(_)
            | Self::NoDescription { .. }
            | Self::Description { .. }
            | Self::OtherPackage { .. }
            | Self::NoFolder { .. }
            | Self::WrongCommit { .. }
            | Self::Git { .. }
            | Self::GitTooLong { .. }
            | Self::ManySubmodules { .. }
            | Self::Submodule { .. }
            | Self::NoGit
            | Self::Submodules
            | Self::Binary
            | Self::NotBinary => Retry::Never,
        }
    }

    /// How long the server asks us to wait.
    pub(super) fn retry_after(&self) -> Option<Duration> {
        if let Self::Status { retry_after, .. } = self { *retry_after } else { None }
    }

    /// Whether the URL gave something, but not a sound tarball of that package.
    pub(super) fn is_wrong_content(&self) -> bool {
        matches!(
            self,
            Self::Violation(_)
                | Self::NoDescription { .. }
                | Self::Description { .. }
                | Self::OtherPackage { .. }
                | Self::NoFolder { .. }
        )
    }

    /// Whether the URL simply has no such thing.
    pub fn is_not_there(&self) -> bool {
        matches!(self, Self::NoSuchFile | Self::Status { status: 404 | 410, .. })
    }
}

/// What git says where a network or a server may recover; it has no codes for that.
fn may_pass(said: &str) -> bool {
    [
        "Could not resolve",
        "Failed to connect",
        "Connection",
        "timed out",
        "early EOF",
        "hung up",
        "RPC failed",
    ]
    .iter()
    .any(|part| said.contains(part))
}

/// Whose fault it is that a URL gave nothing: only there is another URL worth trying.
#[derive(Debug)]
pub(super) enum Fault {
    /// Ours: the disk, the store, the user's interrupt.
    Here(FetchError),
    /// The URL's.
    There(Failure),
}

impl From<FetchError> for Fault {
    fn from(error: FetchError) -> Self {
        Self::Here(error)
    }
}

impl From<StoreError> for Fault {
    fn from(error: StoreError) -> Self {
        Self::Here(error.into())
    }
}

impl From<PathError> for Fault {
    fn from(error: PathError) -> Self {
        Self::Here(StoreError::from(error).into())
    }
}

impl From<Failure> for Fault {
    fn from(failure: Failure) -> Self {
        Self::There(failure)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_can_pass_is_tried_again() {
        use Retry::{AsOftenAsAllowed, Never, Once};
        let status = |status| Failure::Status { status, reason: String::new(), retry_after: None };
        let digest = Sha256Digest([0; 32]);
        let cases = [
            (status(408), AsOftenAsAllowed),
            (status(429), AsOftenAsAllowed),
            (status(503), AsOftenAsAllowed),
            (status(404), Never),
            (status(401), Never),
            (status(501), Never),
            (Failure::Broken { detail: String::new() }, AsOftenAsAllowed),
            (Failure::Tls { detail: String::new() }, Never), // a wrong certificate stays wrong
            (Failure::WrongSha256 { expected: digest, actual: digest, by: "layr.lock" }, Once),
            (Failure::NotGzip { what: "an HTML page".to_owned() }, Never),
            (Failure::Git { detail: "the remote end hung up unexpectedly".to_owned() }, Once),
            (Failure::Git { detail: "Authentication failed".to_owned() }, Never),
        ];
        for (failure, retry) in cases {
            assert_eq!(failure.retry(), retry, "{failure}");
        }
    }
}
