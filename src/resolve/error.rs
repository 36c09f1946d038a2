//! Why a package cannot be had.

use crate::model::PackageId;

#[derive(Debug, thiserror::Error)]
pub enum ResolveError {
    #[error("`{package}` was installed from a file, and the lockfile does not say which")]
    Nowhere { package: PackageId },
}

impl ResolveError {
    /// What the user can do next.
    pub fn hint(&self) -> Option<String> {
        let Self::Nowhere { package } = self;
        Some(format!(
            "put its source tarball into the project: `renv/cellar/{}_{}.tar.gz`",
            package.name, package.version
        ))
    }
}
