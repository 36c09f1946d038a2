//! Folders by their digests, wherever they lie: trees are made of others without knowing.

use super::tree::Directory;
use super::{Store, StoreError};
use crate::model::Sha256Digest;

pub(super) trait Shelf {
    fn folder(&self, digest: Sha256Digest) -> Result<Directory, StoreError>;

    /// Of its message.
    fn folder_size(&self, digest: Sha256Digest) -> Result<u64, StoreError>;

    /// Gives the digest and size of the folder's message, which is made canonical.
    fn put_folder(&mut self, folder: Directory) -> Result<(Sha256Digest, u64), StoreError>;
}

impl Shelf for &Store {
    fn folder(&self, digest: Sha256Digest) -> Result<Directory, StoreError> {
        self.directory(digest)
    }

    fn folder_size(&self, digest: Sha256Digest) -> Result<u64, StoreError> {
        self.blob_size(digest)
    }

    fn put_folder(&mut self, folder: Directory) -> Result<(Sha256Digest, u64), StoreError> {
        self.put_directory(folder)
    }
}
