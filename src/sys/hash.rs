//! Bytes to digests, while they pass.

use std::io::{self, Read, Write};

use sha2::{Digest, Sha256};

use crate::model::Sha256Digest;

/// Passes bytes on to `inner`; keeps their SHA-256 and their number on the way.
pub struct DigestWriter<W> {
    inner: W,
    hasher: Sha256,
    n_bytes: u64,
}

impl<W: Write> DigestWriter<W> {
    pub fn new(inner: W) -> Self {
        Self { inner, hasher: Sha256::new(), n_bytes: 0 }
    }

    pub fn finish(mut self) -> io::Result<(W, Sha256Digest, u64)> {
        self.inner.flush()?;
        Ok((self.inner, Sha256Digest(self.hasher.finalize().into()), self.n_bytes))
    }
}

impl<W: Write> Write for DigestWriter<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let n = self.inner.write(bytes)?; // can be less than all of them
        self.hasher.update(&bytes[..n]);
        self.n_bytes += n as u64;
        Ok(n)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.inner.flush()
    }
}

pub fn sha256(bytes: &[u8]) -> Sha256Digest {
    Sha256Digest(Sha256::digest(bytes).into())
}

/// The digest of a list: no two lists have the same.
pub fn sha256_of_list(parts: &[String]) -> Sha256Digest {
    let mut hasher = Sha256::new();
    for part in parts {
        // Lengths first, so that no part can pass for two.
        hasher.update((part.len() as u64).to_be_bytes());
        hasher.update(part.as_bytes());
    }
    Sha256Digest(hasher.finalize().into())
}

/// The digest of all that is left in `reader`, and the number of its bytes.
pub fn sha256_of(mut reader: impl Read) -> io::Result<(Sha256Digest, u64)> {
    let mut writer = DigestWriter::new(io::sink());
    let mut buffer = vec![0; 256 << 10];
    loop {
        match reader.read(&mut buffer)? {
            0 => break,
            n => writer.write_all(&buffer[..n])?,
        }
    }
    let (_, digest, n_bytes) = writer.finish()?;
    Ok((digest, n_bytes))
}
