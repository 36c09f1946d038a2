//! Why there is no plan.

use super::{TooLarge, TreeId};

#[derive(Debug, thiserror::Error)]
pub enum PlanError {
    #[error("{0}")]
    TooLarge(Box<TooLarge>),
    #[error("function `{function}` needs both `{one}` and `{other}`, which lie at the same path")]
    Conflict { function: String, one: TreeId, other: TreeId },
    #[error("function `{function}` has no layer left: {n_reserved} of its {n_layers} are others'")]
    NoLayerLeft { function: String, n_reserved: usize, n_layers: usize },
}

impl PlanError {
    /// What the user can do next.
    pub fn hint(&self) -> Option<String> {
        let hint = match self {
            Self::TooLarge(_) => {
                "leave out what the function does not use, pass --slim max, split the function, or make it a \
                 container image, which may have 10 GB: `image = true` for it in layr.toml, and `layr image`"
            }
            Self::Conflict { .. } => "lock one version of each package, and lock again",
            Self::NoLayerLeft { .. } => "pass --no-runtime if the runtime is not a layer",
        };
        Some(hint.to_owned())
    }
}
