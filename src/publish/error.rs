//! What goes wrong between us and AWS, and what to do about it.

use std::fmt;

use super::advice;
use crate::model::{ArchiveDigest, LayerVersionArn, Sha256Digest, human_bytes};
use crate::sys::fs::PathError;

/// A call to AWS that gave no result.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CloudError {
    pub operation: &'static str,
    pub region: String,
    pub cause: Cause,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Cause {
    /// AWS understood and said no.
    Refused {
        status: u16,
        code: String,
        message: String,
    },
    /// Nothing came back, or half of it: what was asked for may have happened.
    NoAnswer {
        detail: String,
    },
    /// The request never left: no credentials, mostly.
    NotSent {
        detail: String,
    },
    /// An answer without what such an answer has to have.
    Incomplete {
        field: &'static str,
    },
    Interrupted,
}

impl Cause {
    /// Whether it was surely not done, and asking again may help.
    pub(super) fn is_refused_for_now(&self) -> bool {
        match self {
            Self::Refused { status, code, .. } => {
                *status == 429
                    || matches!(
                        code.as_str(),
                        "TooManyRequestsException" | "ThrottlingException" | "Throttling" | "SlowDown"
                    )
            }
            Self::NoAnswer { .. } | Self::NotSent { .. } | Self::Incomplete { .. } | Self::Interrupted => {
                false
            }
        }
    }

    /// Whether asking again may help; what was asked for may have been done.
    pub(super) fn is_passing(&self) -> bool {
        match self {
            Self::Refused { status, .. } => *status >= 500 || self.is_refused_for_now(),
            Self::NoAnswer { .. } => true,
            Self::NotSent { .. } | Self::Incomplete { .. } | Self::Interrupted => false,
        }
    }
}

impl CloudError {
    pub(super) fn is(&self, wanted: &str) -> bool {
        matches!(&self.cause, Cause::Refused { code, .. } if code == wanted)
    }

    pub(super) fn is_not_found(&self) -> bool {
        matches!(self.cause, Cause::Refused { status: 404, .. })
    }

    /// Whether it is there, perhaps, for others.
    pub(super) fn is_forbidden(&self) -> bool {
        matches!(self.cause, Cause::Refused { status: 403, .. })
    }

    pub(super) fn is_interrupted(&self) -> bool {
        self.cause == Cause::Interrupted
    }

    /// Cause and mend, where AWS's words are known.
    pub fn hint(&self) -> Option<String> {
        match &self.cause {
            Cause::Refused { code, message, .. } => advice::for_refusal(code, message, self.operation),
            Cause::NotSent { detail } => Some(advice::for_credentials(detail)),
            Cause::NoAnswer { .. } => Some(
                "check the network, the region's name and AWS_ENDPOINT_URL; then run it again".to_owned(),
            ),
            Cause::Incomplete { .. } | Cause::Interrupted => None,
        }
    }
}

impl fmt::Display for CloudError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { operation, region, cause } = self;
        let place = if region.is_empty() { String::new() } else { format!(" in {region}") };
        match cause {
            Cause::Refused { status, code, message } if message.is_empty() => {
                write!(f, "{operation}{place} was refused: status {status} {code}")
            }
            Cause::Refused { code, message, .. } => {
                write!(f, "{operation}{place} was refused: {message} ({code})")
            }
            Cause::NoAnswer { detail } => write!(f, "{operation}{place} got no answer: {detail}"),
            Cause::NotSent { detail } => write!(f, "{operation}{place} could not be asked: {detail}"),
            Cause::Incomplete { field } => write!(f, "the answer to {operation}{place} lacks `{field}`"),
            Cause::Interrupted => f.write_str("interrupted"),
        }
    }
}

impl std::error::Error for CloudError {}

#[derive(Debug, thiserror::Error)]
pub enum PublishError {
    #[error("no region is given")]
    NoRegion,
    #[error("`{zip}` has other bytes than layers.json says: {found}, not {expected}")]
    ZipChanged { zip: String, expected: ArchiveDigest, found: Sha256Digest },
    #[error(
        "layer `{layer}` has {} zipped, and more than {} cannot be sent to Lambda but through S3",
        human_bytes(*.zip_bytes), human_bytes(super::DIRECT_UPLOAD_BYTES)
    )]
    NeedsBucket { layer: String, zip_bytes: u64 },
    #[error(
        "the code of function `{function}` has {} zipped, and more than {} cannot be sent to Lambda but through S3",
        human_bytes(*.zip_bytes), human_bytes(super::DIRECT_UPLOAD_BYTES)
    )]
    CodeTooLarge { function: String, zip_bytes: u64 },
    #[error("there is no bucket `{bucket}` in {region}")]
    NoBucket { bucket: String, region: String },
    #[error("`{arn}` has CodeSha256 {found}, but {expected} was sent")]
    WrongBytes { arn: Box<LayerVersionArn>, expected: String, found: String },
    #[error("layer `{layer}` is not published in {region}")]
    NotPublished { layer: String, region: String },
    #[error("layers.json names no published layer version")]
    NothingPublished,
    #[error("there is no function `{name}` in {place}")]
    NoFunction { name: String, place: &'static str },
    #[error("function `{name}` has no `{key}` in layr.toml")]
    NotConfigured { name: String, key: &'static str },
    #[error("function `{name}` in {region} is `{state}`: {reason}")]
    FunctionState { name: String, region: String, state: String, reason: String },
    #[error("function `{name}` failed ({kind}): its answer is above")]
    FunctionFailed { name: String, kind: String },
    #[error("`{text}` is not {expected}")]
    NotA { text: String, expected: &'static str },
    #[error(transparent)]
    Cloud(#[from] CloudError),
    #[error(transparent)]
    Path(#[from] PathError),
    #[error("{} of {n_wanted} failed:{}", .failures.len(), list(.failures))]
    Several { n_wanted: usize, failures: Vec<(String, PublishError)> },
}

fn list(failures: &[(String, PublishError)]) -> String {
    failures.iter().map(|(what, error)| format!("\n  {what}: {error}")).collect()
}

impl PublishError {
    pub fn is_interrupted(&self) -> bool {
        match self {
            Self::Cloud(error) => error.is_interrupted(),
            Self::Several { failures, .. } => failures.iter().any(|(_, error)| error.is_interrupted()),
            Self::NoRegion
            | Self::ZipChanged { .. }
            | Self::NeedsBucket { .. }
            | Self::CodeTooLarge { .. }
            | Self::NoBucket { .. }
            | Self::WrongBytes { .. }
            | Self::NotPublished { .. }
            | Self::NothingPublished
            | Self::NoFunction { .. }
            | Self::NotConfigured { .. }
            | Self::FunctionState { .. }
            | Self::FunctionFailed { .. }
            | Self::NotA { .. }
            | Self::Path(_) => false,
        }
    }

    /// What the user can do next.
    pub fn hint(&self) -> Option<String> {
        let text = match self {
            Self::NoRegion => {
                "say --region REGION, or set publish.regions in layr.toml, AWS_REGION, or a region in the profile"
            }
            Self::ZipChanged { .. } => "run `layr build` again: it writes the zip anew",
            Self::NeedsBucket { .. } => {
                "name a bucket with --bucket or publish.bucket in layr.toml; --create-bucket makes it"
            }
            Self::CodeTooLarge { .. } => {
                "leave large files out of `code` and have the function read them from S3, or make it a container \
                 image: `image = true` for it in layr.toml, and `layr image`"
            }
            Self::NoBucket { .. } => {
                "make it with --create-bucket, or name one that is in that region; `{region}` in the name stands for the region"
            }
            Self::WrongBytes { .. } => "do not use that version; run `layr publish` again",
            Self::NotPublished { .. } => "run `layr publish` first, for that region",
            Self::NothingPublished => "run `layr publish` first; it notes each version there",
            Self::NoFunction { .. } => "`layr plan` tells the functions there are",
            Self::NotConfigured { .. } => "docs/configuration.md has the keys of [functions.NAME]",
            Self::NotA { .. } => "`layr help` tells what each command takes",
            Self::FunctionFailed { .. } => "look at its log: --tail shows the end of it",
            Self::FunctionState { .. } => return None,
            Self::Cloud(error) => return error.hint(),
            Self::Path(error) => return error.hint(),
            Self::Several { failures, .. } => {
                let first = failures.iter().find_map(|(_, error)| error.hint());
                let rest = "what was published is kept in layers.json; running it again does the rest";
                return Some(first.map_or(rest.to_owned(), |hint| format!("{hint}; {rest}")));
            }
        };
        Some(text.to_owned())
    }
}
