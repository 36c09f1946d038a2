//! Why a package cannot be had.

use crate::model::PackageId;

#[derive(Debug, thiserror::Error)]
pub enum ResolveError {
    #[error("`{package}` is locked to a source of kind {kind}, but only CRAN-like repositories can be read")]
    UnsupportedSource { package: PackageId, kind: String },
}

impl ResolveError {
    /// What the user can do next.
    pub fn hint(&self) -> Option<String> {
        let Self::UnsupportedSource { package, .. } = self;
        Some(format!("install `{}` from a CRAN-like repository and lock again", package.name))
    }
}
