//! Why there is no plan.

use super::{SizedTree, TreeId};
use crate::model::human_bytes;

#[derive(Debug, thiserror::Error)]
pub enum PlanError {
    #[error("{}", too_large(.function, (*.unzipped_bytes, *.code_bytes, *.limit), .heaviest))]
    TooLarge {
        function: String,
        unzipped_bytes: u64,
        code_bytes: u64,
        limit: u64,
        /// With what needs them.
        heaviest: Vec<(Vec<TreeId>, SizedTree)>,
    },
    #[error("function `{function}` needs both `{one}` and `{other}`, which lie at the same path")]
    Conflict { function: String, one: TreeId, other: TreeId },
    #[error("function `{function}` has no layer left: {n_reserved} of its {n_layers} are others'")]
    NoLayerLeft { function: String, n_reserved: usize, n_layers: usize },
}

fn too_large(
    function: &str,
    (unzipped, code, limit): (u64, u64, u64),
    heaviest: &[(Vec<TreeId>, SizedTree)],
) -> String {
    let total = unzipped + code;
    let mut text = format!(
        "function `{function}` has {total} bytes unzipped ({} of packages, {} of code), {} more than Lambda's limit of {limit}; \
         the heaviest packages:",
        human_bytes(unzipped),
        human_bytes(code),
        human_bytes(total - limit),
    );
    for (needed_by, tree) in heaviest {
        let needed_by: Vec<_> = needed_by.iter().map(|id| format!("`{}`", id.name())).collect();
        let why = match needed_by.len() {
            0 => "in the lockfile by itself".to_owned(),
            1..=4 => format!("needed by {}", needed_by.join(", ")),
            n => format!("needed by {} and {} more", needed_by[..3].join(", "), n - 3),
        };
        text.push_str(&format!("\n  {:>10}  `{}`, {why}", human_bytes(tree.unzipped_bytes), tree.id));
    }
    text
}

impl PlanError {
    /// What the user can do next.
    pub fn hint(&self) -> Option<String> {
        let hint = match self {
            Self::TooLarge { .. } => {
                "drop packages that the function does not use from the lockfile, pass --slim max, split the \
                 function, or deploy it as a container image, which may have 10 GB"
            }
            Self::Conflict { .. } => "lock one version of each package, and lock again",
            Self::NoLayerLeft { .. } => "pass --no-runtime if the runtime is not a layer",
        };
        Some(hint.to_owned())
    }
}
