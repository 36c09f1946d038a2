//! Stage 2: a lockfile and the repositories' indexes to the places that each package's
//! source can come from. Pure.

mod at_hand;
mod binary;
mod bioconductor;
mod candidates;
mod error;
mod forge;
mod graph;
mod index;
mod why;

pub use at_hand::{Project, VendorError, Vendored, vendored};
pub use binary::Binaries;
pub use bioconductor::BIOCONDUCTOR_URL;
pub use candidates::{Candidate, Checkout, Known, Resolution, ResolvedPackage, repository_urls, resolve};
pub use error::ResolveError;
pub use graph::{Graph, GraphError, Node};
pub use index::{Listed, PackageIndex};
pub use why::{Why, why};
