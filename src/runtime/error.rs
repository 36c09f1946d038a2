//! Why there is no runtime layer.

use std::collections::BTreeSet;

use crate::model::Architecture;
use crate::store::StoreError;
use crate::sys::fs::PathError;
use crate::target::{Problem, TargetError};

#[derive(Debug, thiserror::Error)]
pub enum RuntimeError {
    #[error("the base's R is not complete: `{file}` is missing")]
    Incomplete { file: String },
    #[error("R would not load on {target}:\n  {}", .problems.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n  "))]
    DoesNotLoad { target: String, problems: BTreeSet<Problem> },
    #[error("this layr carries a bootstrap for {host}, and the base is for {base}")]
    OtherBootstrap { host: Architecture, base: Architecture },
    #[error(transparent)]
    Target(#[from] TargetError),
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error(transparent)]
    Path(#[from] PathError),
}

impl RuntimeError {
    /// What the user can do next.
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::Incomplete { .. } => Some("use a base with R as its makers install it".to_owned()),
            Self::DoesNotLoad { .. } => {
                Some("use a base whose glibc is not newer than the target's, such as al2023".to_owned())
            }
            Self::OtherBootstrap { base, .. } => {
                Some(format!("make the runtime layer on a machine of {base}"))
            }
            Self::Target(error) => error.hint(),
            Self::Store(error) => error.hint(),
            Self::Path(error) => error.hint(),
        }
    }
}
