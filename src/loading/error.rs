//! What does not load, and why nothing could be loaded.

use std::io;
use std::path::PathBuf;

use super::diagnosis::diagnose;
use crate::engine::EngineError;
use crate::model::PackageName;
use crate::store::StoreError;
use crate::sys::fs::PathError;
use crate::target::TargetError;

#[derive(Debug, thiserror::Error)]
pub enum LoadError {
    #[error("{}", list(.function, .failures))]
    Failed { function: String, failures: Vec<LoadFailure> },
    #[error("R did not start in the load test: {how}\n  {}", .last.join("\n  "))]
    NoStart { how: String, last: Vec<String> },
    #[error("cannot unpack {} to try it", path.display())]
    Zip { path: PathBuf, source: io::Error },
    #[error(transparent)]
    Engine(#[from] EngineError),
    #[error(transparent)]
    Target(#[from] TargetError),
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error(transparent)]
    Path(#[from] PathError),
}

/// A package that does not load.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LoadFailure {
    pub package: PackageName,
    /// What R said, or how it ended.
    pub message: String,
    /// What the cause is and what to do, where it is known.
    pub diagnosis: Option<String>,
}

impl LoadFailure {
    pub(super) fn new(package: PackageName, message: String) -> Self {
        let diagnosis = diagnose(&message);
        Self { package, message, diagnosis }
    }
}

fn list(function: &str, failures: &[LoadFailure]) -> String {
    let mut text = match failures.len() {
        1 => format!("1 package of function `{function}` was built, but does not load"),
        n => format!("{n} packages of function `{function}` were built, but do not load"),
    };
    for failure in failures {
        text.push_str(&format!("\n\n`{}`: {}", failure.package, failure.message));
        if let Some(diagnosis) = &failure.diagnosis {
            text.push_str(&format!("\n  cause: {diagnosis}"));
        }
    }
    text
}

impl LoadError {
    /// What the user can do next.
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::Failed { .. } => Some(
                "mend these, or pass --no-load-test if the function has on Lambda what is missing here"
                    .to_owned(),
            ),
            Self::NoStart { .. } | Self::Zip { .. } => {
                Some("pass --no-load-test to go on without".to_owned())
            }
            Self::Engine(error) => error.hint(),
            Self::Target(error) => error.hint(),
            Self::Store(error) => error.hint(),
            Self::Path(error) => error.hint(),
        }
    }
}
