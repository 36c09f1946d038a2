//! Why a function cannot be run here at all.

use super::MAX_PAYLOAD_BYTES;
use crate::engine::EngineError;
use crate::store::StoreError;
use crate::sys::fs::PathError;

#[derive(Debug, thiserror::Error)]
pub enum LocalError {
    #[error("neither the code nor a layer has a `bootstrap` that can be run")]
    NoBootstrap,
    #[error("failed to serve on loopback")]
    Serve(#[source] std::io::Error),
    #[error("the event has {n_bytes} bytes, of which Lambda takes {MAX_PAYLOAD_BYTES}")]
    EventTooLarge { n_bytes: usize },
    #[error("the event is no JSON")]
    EventNotJson(#[source] serde_json::Error),
    #[error("interrupted")]
    Interrupted,
    #[error(transparent)]
    Engine(#[from] EngineError),
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error(transparent)]
    Path(#[from] PathError),
}

impl LocalError {
    /// What the user can do next.
    pub fn hint(&self) -> Option<String> {
        let hint = match self {
            Self::NoBootstrap => "attach a runtime layer, or put an executable `bootstrap` beside the code",
            Self::EventTooLarge { .. } => "put what is large into S3, and its place into the event",
            Self::EventNotJson(_) => "--event takes a file, `-`, JSON, or the name of a sample",
            Self::Engine(error) => return error.hint(),
            Self::Store(error) => return error.hint(),
            Self::Path(error) => return error.hint(),
            Self::Serve(_) | Self::Interrupted => return None,
        };
        Some(hint.to_owned())
    }
}
