//! Why there is no image.

use std::io;
use std::path::PathBuf;

use crate::store::StoreError;
use crate::sys::fs::PathError;
use crate::sys::process::ProcessError;

#[derive(Debug, thiserror::Error)]
pub enum ImageError {
    #[error("failed to get the image `{base}`")]
    Base { base: String, source: ProcessError },
    #[error("the image `{base}` is for {found}, and the layers are for {wanted}")]
    OtherArchitecture { base: String, found: String, wanted: &'static str },
    #[error("what the container program saved is no image archive: {reason}")]
    NoArchive { reason: &'static str },
    #[error("images are made with docker or podman, not with {engine}")]
    NeedsContainer { engine: &'static str },
    #[error("layer `{layer}` is not in the store")]
    NotHere { layer: String },
    #[error("`{}` has other files than those of one image, which would be lost", .folder.display())]
    OtherFiles { folder: PathBuf },
    #[error("failed to write the image")]
    Write(#[source] io::Error),
    #[error("failed to hand the image to the container program")]
    Load(#[source] ProcessError),
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error(transparent)]
    Path(#[from] PathError),
}

impl ImageError {
    /// What the user can do next.
    pub fn hint(&self) -> Option<String> {
        let text = match self {
            Self::Base { .. } => "name an image that can be pulled, by digest: NAME@sha256:DIGEST",
            Self::OtherArchitecture { .. } => "name the digest of the image for that architecture",
            Self::NoArchive { .. } => "pull the image again, or use the other of docker and podman",
            Self::NeedsContainer { .. } => "use --engine docker or --engine podman",
            Self::NotHere { .. } => "run `layr build` here first: images are made of the store's trees",
            Self::OtherFiles { .. } => "name another folder with --out, or a new one",
            Self::Load(_) => "look at what the container program says",
            Self::Store(error) => return error.hint(),
            Self::Path(error) => return error.hint(),
            Self::Write(_) => return None,
        };
        Some(text.to_owned())
    }
}
