//! Why nothing can be built here.

use crate::sys::fs::PathError;
use crate::sys::process::ProcessError;

#[derive(Debug, thiserror::Error)]
pub enum EngineError {
    #[error("`{name}` is not on the search path")]
    NotFound { name: &'static str },
    #[error("`{name}` is here, but does not answer")]
    NoAnswer {
        name: &'static str,
        #[source]
        source: ProcessError,
    },
    #[error("no engine to build with: {}", .tried.iter().map(ToString::to_string).collect::<Vec<_>>().join("; "))]
    None { tried: Vec<EngineError> },
    #[error("bwrap cannot start from image `{image}`")]
    ImageNeedsContainer { image: String },
    #[error(transparent)]
    Path(#[from] PathError),
    #[error(transparent)]
    Process(#[from] ProcessError),
}

impl EngineError {
    /// What the user can do next.
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::NotFound { name } => Some(format!("install {name}, or choose another with --engine")),
            Self::NoAnswer { name: "docker", .. } => {
                Some("start its daemon, or choose another with --engine".to_owned())
            }
            Self::NoAnswer { .. } => Some("choose another with --engine".to_owned()),
            Self::None { .. } => Some(
                "install bubblewrap (package `bubblewrap`), which needs no daemon, or start docker"
                    .to_owned(),
            ),
            Self::ImageNeedsContainer { .. } => Some(
                "use --engine docker or podman, or a base that is a folder, such as debian:trixie".to_owned(),
            ),
            Self::Path(error) => error.hint(),
            Self::Process(_) => None,
        }
    }
}
