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
    #[error("the packages that lie in the function's code, {digest}, are not in the store")]
    PackagesNotHere { digest: LayerDigest },
    #[error("`{path}` of the function's code is where one of its packages is to lie")]
    InTheWay { path: String },
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
            Self::PackagesNotHere { .. } => Some("run `layr build` on this machine".to_owned()),
            Self::InTheWay { .. } => {
                Some("give it another name, or keep packages in layers: `remainder = \"layer\"`".to_owned())
            }
            Self::Name { .. } | Self::ZipLimit { .. } | Self::BrokenRecord { .. } | Self::Zip(_) => None,
        }
    }
}
