//! Bytes, by their SHA-256.

use std::fs::File;
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};

use sha2::{Digest, Sha256};

use super::{Store, StoreError};
use crate::model::Sha256Digest;
use crate::sys::fs;

/// Takes bytes of unknown number and content; they are a blob once it is finished.
pub struct BlobWriter<'a> {
    store: &'a Store,
    hasher: Sha256,
    n_bytes: u64,
    /// What is in no file yet: for a short blob that is here already, none is made.
    waiting: Vec<u8>,
    temp: Option<tempfile::NamedTempFile>,
}

/// Of a blob, in memory.
const MOST_WAITING: usize = 256 << 10;

impl Write for BlobWriter<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.hasher.update(bytes);
        self.n_bytes += bytes.len() as u64;
        if self.waiting.len() + bytes.len() > MOST_WAITING {
            self.flush()?;
        }
        self.waiting.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        let temp = match &mut self.temp {
            Some(temp) => temp,
            None => self.temp.insert(self.store.temp_file().map_err(io::Error::other)?),
        };
        temp.write_all(&self.waiting)?;
        self.waiting.clear();
        Ok(())
    }
}

impl BlobWriter<'_> {
    /// Keeps the blob, and gives its digest and size.
    pub fn finish(mut self) -> Result<(Sha256Digest, u64), StoreError> {
        let digest = Sha256Digest(self.hasher.clone().finalize().into());
        if self.temp.is_none() && self.store.has_blob_of(digest, self.n_bytes) {
            return Ok((digest, self.n_bytes));
        }
        self.flush().map_err(StoreError::Write)?;
        if let Some(temp) = self.temp {
            self.store.keep_file(temp, digest)?;
        }
        Ok((digest, self.n_bytes))
    }
}

/// Reads a blob and checks it on the way: the last read fails where the bytes were not
/// those the name promises.
pub struct BlobReader {
    file: File,
    hasher: Sha256,
    expected: Sha256Digest,
}

impl Read for BlobReader {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let n = self.file.read(buffer)?;
        if n == 0 && !buffer.is_empty() {
            let actual = Sha256Digest(self.hasher.clone().finalize().into());
            if actual != self.expected {
                return Err(io::Error::new(io::ErrorKind::InvalidData, CorruptBlob { actual }));
            }
        }
        self.hasher.update(&buffer[..n]);
        Ok(n)
    }
}

/// Inside the [`io::Error`] of a [`BlobReader`].
#[derive(Debug, thiserror::Error)]
#[error("the bytes have digest {actual}")]
struct CorruptBlob {
    actual: Sha256Digest,
}

impl Store {
    pub(super) fn blob_path(&self, digest: Sha256Digest) -> PathBuf {
        let hex = digest.to_hex();
        self.root.join("blobs").join(&hex[..2]).join(hex)
    }

    /// Begins a blob.
    pub fn blob_writer(&self) -> BlobWriter<'_> {
        BlobWriter { store: self, hasher: Sha256::new(), n_bytes: 0, waiting: Vec::new(), temp: None }
    }

    pub fn put_bytes(&self, bytes: &[u8]) -> Result<Sha256Digest, StoreError> {
        let digest = crate::sys::hash::sha256(bytes);
        if !self.has_blob_of(digest, bytes.len() as u64) {
            let mut temp = self.temp_file()?;
            temp.write_all(bytes).map_err(StoreError::Write)?;
            self.keep_file(temp, digest)?;
        }
        Ok(digest)
    }

    /// Makes a complete file with this digest a blob. The caller has computed the digest.
    pub fn keep_file(&self, temp: tempfile::NamedTempFile, digest: Sha256Digest) -> Result<(), StoreError> {
        let path = self.blob_path(digest);
        let size = temp.as_file().metadata().map_err(StoreError::Write)?.len();
        if fs::file_size(&path) == Some(size) {
            return Ok(());
        }
        fs::create_dir_all(fs::parent(&path))?;
        // No fsync: a blob torn by a power cut has another digest than its name, which is
        // found when it is read, and is then fetched or built anew.
        fs::set_mode(temp.path(), 0o444)?;
        temp.persist(&path).map_err(|error| fs::at("write", &path)(error.error))?;
        Ok(())
    }

    pub fn has_blob(&self, digest: Sha256Digest) -> bool {
        fs::exists(&self.blob_path(digest))
    }

    /// Whether the blob is there with that many bytes.
    pub fn has_blob_of(&self, digest: Sha256Digest, n_bytes: u64) -> bool {
        fs::file_size(&self.blob_path(digest)) == Some(n_bytes)
    }

    /// The size of the blob's file; not of bytes that were checked.
    pub fn blob_size(&self, digest: Sha256Digest) -> Result<u64, StoreError> {
        fs::file_size(&self.blob_path(digest)).ok_or(StoreError::Missing { digest })
    }

    /// A reader that fails at the end where the bytes are not the right ones; give that
    /// error to [`Store::read_error`].
    pub fn open_blob(&self, digest: Sha256Digest) -> Result<BlobReader, StoreError> {
        let path = self.blob_path(digest);
        match File::open(&path) {
            Ok(file) => Ok(BlobReader { file, hasher: Sha256::new(), expected: digest }),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Err(StoreError::Missing { digest }),
            Err(error) => Err(fs::at("open", &path)(error).into()),
        }
    }

    /// The blob's bytes, checked; for small ones.
    pub fn read_blob(&self, digest: Sha256Digest) -> Result<Vec<u8>, StoreError> {
        let mut bytes = Vec::new();
        self.open_blob(digest)?.read_to_end(&mut bytes).map_err(|error| self.read_error(digest, error))?;
        Ok(bytes)
    }

    /// Whether a blob's file begins so: a look that spares reading it whole.
    pub fn begins_with(&self, digest: Sha256Digest, start: &[u8]) -> Result<bool, StoreError> {
        let mut bytes = vec![0; start.len()];
        let mut reader = self.open_blob(digest)?;
        match reader.file.read_exact(&mut bytes) {
            Ok(()) => Ok(bytes == start),
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => Ok(false),
            Err(error) => Err(StoreError::Write(error)),
        }
    }

    /// What an error of a [`BlobReader`] means. Bytes that are not the right ones are set
    /// aside, so that the next look finds the blob missing and makes it anew.
    pub fn read_error(&self, digest: Sha256Digest, error: io::Error) -> StoreError {
        let actual = error.get_ref().and_then(|inner| inner.downcast_ref::<CorruptBlob>()).map(|e| e.actual);
        let Some(actual) = actual else { return StoreError::Write(error) };
        let quarantine = match self.set_aside(digest) {
            Ok(path) => path.display().to_string(),
            Err(_) => "no place".to_owned(),
        };
        StoreError::Corrupt { digest, actual, quarantine }
    }

    /// Moves a blob whose bytes are wrong out of the way, and says where to.
    pub(super) fn set_aside(&self, digest: Sha256Digest) -> Result<PathBuf, StoreError> {
        let quarantine = self.root.join("quarantine");
        fs::create_dir_all(&quarantine)?;
        let path = quarantine.join(digest.to_hex());
        fs::rename(&self.blob_path(digest), &path)?;
        Ok(path)
    }

    /// Copies a blob out, checked, to a path that appears complete or not at all.
    pub fn export_blob(&self, digest: Sha256Digest, to: &Path) -> Result<(), StoreError> {
        let mut reader = self.open_blob(digest)?;
        let mut temp = fs::temp_file(fs::parent(to))?;
        io::copy(&mut reader, temp.as_file_mut()).map_err(|error| self.read_error(digest, error))?;
        temp.persist(to).map_err(|error| fs::at("write", to)(error.error))?;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_blob_is_the_same_in_whatever_pieces_it_comes() {
        let home = tempfile::tempdir().unwrap();
        let store = Store::open(&home.path().join("store")).unwrap();
        for length in [0, 1, MOST_WAITING, 3 * MOST_WAITING + 1] {
            let bytes: Vec<u8> = (0..length).map(|at| u8::try_from(at % 251).unwrap()).collect();
            let digest = crate::sys::hash::sha256(&bytes);
            for piece in [1000, MOST_WAITING, 2 * MOST_WAITING] {
                let mut writer = store.blob_writer();
                for piece in bytes.chunks(piece) {
                    writer.write_all(piece).unwrap();
                }
                assert_eq!(writer.finish().unwrap(), (digest, length as u64));
                assert_eq!(store.read_blob(digest).unwrap(), bytes);
            }
            assert_eq!(store.put_bytes(&bytes).unwrap(), digest);
        }
    }
}
