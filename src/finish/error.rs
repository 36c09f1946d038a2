//! Why a package cannot be shipped.

use super::ProfileError;
use crate::model::PackageId;
use crate::store::StoreError;
use crate::target::{Problem, TargetError};

#[derive(Debug, thiserror::Error)]
pub enum FinishError {
    #[error("{}", list(.packages, .target))]
    Unfit { packages: Vec<Unfit>, target: String, is_base: bool },
    #[error("the record of a package that is to be shipped cannot be read")]
    BrokenRecord,
    #[error(transparent)]
    Profile(#[from] ProfileError),
    #[error(transparent)]
    Target(#[from] TargetError),
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// A package that would not load on the target.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unfit {
    pub package: PackageId,
    pub problems: Vec<Problem>,
}

/// Problems of one package that are shown.
const N_SHOWN: usize = 5;

fn list(packages: &[Unfit], target: &str) -> String {
    let mut text = match packages.len() {
        1 => format!("1 package would not load on target {target}"),
        n => format!("{n} packages would not load on target {target}"),
    };
    for Unfit { package, problems } in packages {
        text.push_str(&format!("\n\n`{package}`:"));
        for problem in problems.iter().take(N_SHOWN) {
            text.push_str(&format!("\n  {problem}"));
        }
        if let Some(n_more) = problems.len().checked_sub(N_SHOWN).filter(|n| *n > 0) {
            text.push_str(&format!("\n  and {n_more} more"));
        }
    }
    text
}

impl FinishError {
    /// What the user can do next.
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::Unfit { is_base: false, .. } => Some(
                "build with a base that has the target's C library (--base al2023), or, for layers that are \
                 not for Lambda, choose --target base"
                    .to_owned(),
            ),
            Self::Unfit { is_base: true, .. } => Some(
                "make a base that has these libraries, with `layr base build --include PACKAGE`".to_owned(),
            ),
            Self::Profile(_) => Some("docs/slim.md has the form of patterns".to_owned()),
            Self::Target(error) => error.hint(),
            Self::Store(error) => error.hint(),
            Self::BrokenRecord => None,
        }
    }
}
