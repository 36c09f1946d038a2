//! Why packages were not built.

use std::io;

use crate::base::BaseError;
use crate::engine::EngineError;
use crate::fetch::FetchError;
use crate::model::{PackageId, human_duration};
use crate::remote::RemoteError;
use crate::store::StoreError;
use crate::sys::fs::PathError;

#[derive(Debug, thiserror::Error)]
pub enum BuildError {
    #[error("{}", failures(.failed, .not_tried))]
    Failed { failed: Vec<Failure>, not_tried: Vec<PackageId> },
    #[error("failed to run builds")]
    Tokens(#[source] io::Error),
    #[error(transparent)]
    Engine(#[from] EngineError),
    #[error(transparent)]
    Base(#[from] BaseError),
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error(transparent)]
    Fetch(#[from] Box<FetchError>),
    #[error(transparent)]
    Path(#[from] PathError),
    #[error("the farm does not build")]
    Farm(#[source] Box<RemoteError>),
    #[error("base {base} is an image, and cannot be sent to a farm")]
    FarmNeedsFolder { base: String },
    #[error("interrupted")]
    Interrupted,
}

/// One package that did not build.
#[derive(Debug)]
pub struct Failure {
    pub package: PackageId,
    pub reason: Reason,
    /// Where the whole log is.
    pub log: String,
    pub last_lines: Vec<String>,
    /// What the log shows to be the cause, where it is one that we know.
    pub diagnosis: Option<String>,
}

#[derive(Debug, thiserror::Error)]
pub enum Reason {
    #[error("the installer ended with code {0}")]
    Exit(i32),
    #[error("a process of it was ended by {0}")]
    Signal(String),
    #[error("it took longer than {}", human_duration(*.0))]
    TooLong(std::time::Duration),
    #[error("the installer said it was done, but left no package")]
    NoPackage,
    #[error("what it installed cannot be kept: {0}")]
    Unkeepable(String),
}

/// All failures, one paragraph each: the user mends them in one go.
fn failures(failed: &[Failure], not_tried: &[PackageId]) -> String {
    let mut text = match failed.len() {
        1 => "1 package did not build".to_owned(),
        n => format!("{n} packages did not build"),
    };
    for failure in failed {
        text.push_str(&format!("\n\n`{}`: {}", failure.package, failure.reason));
        for line in &failure.last_lines {
            text.push_str(&format!("\n  | {}", printable(line)));
        }
        if let Some(diagnosis) = &failure.diagnosis {
            text.push_str(&format!("\n  cause: {diagnosis}"));
        }
        text.push_str(&format!("\n  whole log: {}", failure.log));
    }
    if !not_tried.is_empty() {
        let names: Vec<_> = not_tried.iter().map(|package| format!("`{}`", package.name)).collect();
        text.push_str(&format!("\n\nnot tried, since they need these: {}", names.join(", ")));
    }
    text
}

/// A line of a log without what could steer a terminal: logs are the package's own words.
fn printable(line: &str) -> String {
    line.chars().map(|c| if c.is_control() && c != '\t' { '\u{fffd}' } else { c }).collect()
}

impl BuildError {
    /// What the user can do next.
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::Failed { .. } => {
                Some("mend these and run again: what was built stays in the store".to_owned())
            }
            Self::Engine(error) => error.hint(),
            Self::Base(error) => error.hint(),
            Self::Store(error) => error.hint(),
            Self::Fetch(error) => error.hint(),
            Self::Path(error) => error.hint(),
            Self::Farm(error) => error.hint(),
            Self::FarmNeedsFolder { .. } => Some(
                "let workers run in it (`farm.base = \"worker\"`), or take a base that is a folder"
                    .to_owned(),
            ),
            Self::Tokens(_) | Self::Interrupted => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_log_cannot_steer_the_terminal() {
        assert_eq!(printable("a\tb\u{1b}[2Jc\r"), "a\tb\u{fffd}[2Jc\u{fffd}");
    }
}
