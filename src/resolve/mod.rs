//! Stage 2: a lockfile and the repositories' indexes to the places that each package's
//! source tarball can come from. Pure.

mod candidates;
mod error;
mod graph;
mod index;

pub use candidates::{Candidate, Resolution, ResolvedPackage, repository_urls, resolve};
pub use error::ResolveError;
pub use graph::{Graph, GraphError, Node};
pub use index::PackageIndex;
