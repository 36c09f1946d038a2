//! R as a layer, and a Lambda on this machine to try functions with.

mod error;
mod layer;
pub mod local;
mod samples;
mod select;

pub use error::RuntimeError;
pub use layer::{Ingredients, RuntimeTree, build, own_files};

pub use crate::target::Vendored;
pub use samples::{SAMPLES, sample};

/// What Lambda starts, as build.rs compiled it.
pub const BOOTSTRAP: &[u8] = include_bytes!(env!("LAYR_BOOTSTRAP"));
