//! Which target a run is for: what the user asked for, and what is right for the base.

use std::path::PathBuf;

use super::{Policy, RootFs, TargetError};
use crate::sys::fs;

/// The target that is the base's own C library: layers for it bring all else with them.
pub const BASE: &str = "base";

/// What the user asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Choice {
    /// Lambda's, unless the base can only build for itself.
    Auto,
    /// Lambda's `provided.al2023`.
    Al2023,
    /// [`BASE`].
    Base,
    /// A description that `layr target inspect` wrote.
    File(PathBuf),
}

impl Choice {
    /// A name, or the path of a file, which has a slash or an ending in it.
    pub fn parse(text: &str) -> Option<Self> {
        match text {
            "auto" => Some(Self::Auto),
            "al2023" => Some(Self::Al2023),
            BASE => Some(Self::Base),
            path if path.contains(['/', '.']) => Some(Self::File(PathBuf::from(path))),
            _ => None,
        }
    }

    /// The policy for layers that are built in the base of that recipe.
    ///
    /// # Errors
    ///
    /// Where a description cannot be read, or is for another processor.
    pub fn policy(&self, recipe: &str, base: &RootFs) -> Result<Policy, TargetError> {
        match self {
            // Debian's C library is newer than Lambda's, so nothing built there loads on it.
            Self::Auto if recipe.starts_with("debian:") => base.glibc_policy(BASE),
            Self::Base => base.glibc_policy(BASE),
            Self::Auto | Self::Al2023 => {
                let failed = |source| TargetError::Policy { target: "al2023".to_owned(), source };
                Policy::al2023(base.architecture()).map_err(failed)
            }
            Self::File(path) => {
                let text = fs::read(path)?;
                let name = path.display().to_string();
                let failed = |source| TargetError::Policy { target: name.clone(), source };
                let policy = Policy::parse(&String::from_utf8_lossy(&text)).map_err(failed)?;
                if policy.arch != base.architecture() {
                    let (target, base) = (policy.arch, base.architecture());
                    return Err(TargetError::OtherArchitecture { path: name, target, base });
                }
                Ok(policy)
            }
        }
    }
}
