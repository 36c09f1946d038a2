//! Why a layer has no zip.

use std::io;

use crate::model::LayerDigest;
use crate::store::StoreError;
use crate::sys::fs::PathError;

#[derive(Debug, thiserror::Error)]
pub enum PackError {
    #[error("`{path}` in a layer has a name that zips cannot tell: {reason}")]
    Name { path: String, reason: &'static str },
    #[error("the layer is too large for a zip: {what} is {value}, the limit {limit}")]
    ZipLimit { what: &'static str, value: u64, limit: u64 },
    #[error("the record of layer {digest} cannot be read")]
    BrokenRecord { digest: LayerDigest },
    #[error("failed to write a layer's zip")]
    Zip(#[source] io::Error),
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error(transparent)]
    Path(#[from] PathError),
}

impl PackError {
    /// What the user can do next.
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::Store(error) => error.hint(),
            Self::Path(error) => error.hint(),
            Self::Name { .. } | Self::ZipLimit { .. } | Self::BrokenRecord { .. } | Self::Zip(_) => None,
        }
    }
}
