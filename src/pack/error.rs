//! Why there are no layers.

use std::io;

use super::SizedPackage;
use crate::model::{LayerDigest, human_bytes};
use crate::store::StoreError;
use crate::sys::fs::PathError;

#[derive(Debug, thiserror::Error)]
pub enum PackError {
    #[error("{}", too_large(*.unzipped_bytes, *.code_bytes, *.limit, .heaviest))]
    TooLarge { unzipped_bytes: u64, code_bytes: u64, limit: u64, heaviest: Vec<SizedPackage> },
    #[error("all {n_layers} layers of a function are taken: {n_reserved} by others")]
    NoLayerLeft { n_reserved: usize, n_layers: usize },
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

fn too_large(unzipped: u64, code: u64, limit: u64, heaviest: &[SizedPackage]) -> String {
    let total = unzipped + code;
    let mut text = format!(
        "the function has {total} bytes unzipped ({} of packages, {} of code), {} more than Lambda's limit of {limit}; \
         the heaviest packages:",
        human_bytes(unzipped),
        human_bytes(code),
        human_bytes(total - limit),
    );
    for package in heaviest {
        let needed_by: Vec<_> = package.needed_by.iter().map(|id| format!("`{}`", id.name)).collect();
        let why = match needed_by.len() {
            0 => "in the lockfile by itself".to_owned(),
            1..=4 => format!("needed by {}", needed_by.join(", ")),
            n => format!("needed by {} and {} more", needed_by[..3].join(", "), n - 3),
        };
        text.push_str(&format!("\n  {:>10}  `{}`, {why}", human_bytes(package.unzipped_bytes), package.id));
    }
    text
}

impl PackError {
    /// What the user can do next.
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::TooLarge { .. } => Some(
                "drop packages that the function does not use from the lockfile, or split the function"
                    .to_owned(),
            ),
            Self::NoLayerLeft { .. } => Some("pass --no-runtime if the runtime is not a layer".to_owned()),
            Self::Store(error) => error.hint(),
            Self::Path(error) => error.hint(),
            Self::Name { .. } | Self::ZipLimit { .. } | Self::BrokenRecord { .. } | Self::Zip(_) => None,
        }
    }
}
