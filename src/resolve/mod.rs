//! Stage 2: a lockfile and the repositories' indexes to the places that each package's
//! source tarball can come from. Pure.

mod candidates;
mod index;

pub use candidates::{Candidate, Repository, Resolution, ResolvedPackage, resolve};
pub use index::PackageIndex;
