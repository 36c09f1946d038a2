//! Why packages were not built.

use std::io;
use std::process::ExitStatus;
use std::time::Duration;

use crate::base::BaseError;
use crate::engine::EngineError;
use crate::fetch::FetchError;
use crate::model::{BaseDigest, BuildKey, PackageId, human_duration};
use crate::remote::RemoteError;
use crate::store::StoreError;
use crate::sys::fs::PathError;
use crate::sys::process::ProcessError;

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
    #[error("the job that builds `{package}` {fault}")]
    Job { package: PackageId, fault: JobFault },
    #[error("failed to hand a job to the scheduler")]
    Submit(#[source] ProcessError),
    #[error("nobody who uses the store `{store}` waits for {key}, as far as can be seen from this machine")]
    NobodyWaits { key: BuildKey, store: String },
    #[error("the store does not say how {key} is to be built")]
    NotAsked { key: BuildKey },
    #[error("base {digest} is neither in the store nor in `{folder}` on this machine")]
    OtherBase { digest: BaseDigest, folder: String },
    #[error("what is asked for as {key} is {here} on this machine")]
    OtherKey { key: BuildKey, here: BuildKey },
    #[error("interrupted")]
    Interrupted,
}

/// What is wrong with a scheduler's job, other than that the package does not build.
#[derive(Debug, thiserror::Error)]
pub enum JobFault {
    #[error("left no result: the submit command ended with {status}{}", quoted(.said))]
    NoResult { status: ExitStatus, said: Vec<String> },
    #[error("has not ended within {}", human_duration(*.0))]
    Overdue(Duration),
    #[error("could not be run: {0}")]
    Stopped(String),
    #[error("left a package of which the store has not all")]
    NoTree,
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
    TooLong(Duration),
    #[error("the installer said it was done, but left no package")]
    NoPackage,
    #[error("what it installed cannot be kept: {0}")]
    Unkeepable(String),
    /// One of these, in the words of another machine.
    #[error("{}", printable(.0))]
    OfJob(String),
}

/// All failures, one paragraph each: the user mends them in one go.
fn failures(failed: &[Failure], not_tried: &[PackageId]) -> String {
    let mut text = match failed.len() {
        1 => "1 package did not build".to_owned(),
        n => format!("{n} packages did not build"),
    };
    for failure in failed {
        text.push_str(&format!("\n\n`{}`: {}", failure.package, failure.reason));
        text.push_str(&quoted(&failure.last_lines));
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

/// Lines of a log.
fn quoted(lines: &[String]) -> String {
    lines.iter().map(|line| format!("\n  | {}", printable(line))).collect()
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
            Self::Farm(error) => error.hint().or_else(|| {
                let hint = "build here with `--engine auto`, or have this machine build what the farm does not: `fallback = true` in [farm] of layr.toml";
                Some(hint.to_owned())
            }),
            Self::FarmNeedsFolder { .. } => Some(
                "let workers run in it (`farm.base = \"worker\"`), or take a base that is a folder"
                    .to_owned(),
            ),
            Self::Job { fault: JobFault::Overdue(_), .. } => {
                Some("`farm.seconds` of layr.toml bounds a job's time in the queue and on a machine".to_owned())
            }
            Self::Job { .. } | Self::Submit(_) => Some(
                "`farm.submit` of layr.toml has to wait for the job's end; the scheduler's own log may say more"
                    .to_owned(),
            ),
            Self::NobodyWaits { .. } => Some(
                "`layr build --engine command` calls this; the store has to be on a file system whose locks all machines see"
                    .to_owned(),
            ),
            Self::NotAsked { .. } | Self::OtherBase { .. } | Self::OtherKey { .. } => {
                Some("run the same version of layr everywhere, with the same base".to_owned())
            }
            Self::Tokens(_) | Self::Interrupted => None,
        }
    }

    /// Whether it is the fault of a farm or a scheduler, so that this machine may do better.
    pub(super) fn is_of_others(&self) -> bool {
        matches!(self, Self::Farm(_) | Self::Job { .. } | Self::Submit(_))
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
