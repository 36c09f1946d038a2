//! Files to a source tarball with the same bytes for the same files, on any machine and
//! with any version of this program: its digest is that of the content.

use std::io::{self, Read, Write};

use crc32fast::Hasher;

/// 1980-01-01, as everywhere.
const FIXED_SECONDS: u64 = 3652 * 24 * 3600;

/// A tarball under construction. Files have to come sorted by their paths.
pub(super) struct EvenTarball<W: Write> {
    tar: tar::Builder<StoredGzip<W>>,
}

impl<W: Write> EvenTarball<W> {
    pub(super) fn new(out: W) -> io::Result<Self> {
        Ok(Self { tar: tar::Builder::new(StoredGzip::new(out)?) })
    }

    pub(super) fn file(
        &mut self,
        path: &str,
        is_executable: bool,
        (bytes, n_bytes): (impl Read, u64),
    ) -> io::Result<()> {
        let mut header = tar::Header::new_gnu();
        // R's own `untar` knows no other mark for a plain file.
        header.set_entry_type(tar::EntryType::Regular);
        header.set_size(n_bytes);
        header.set_mode(if is_executable { 0o755 } else { 0o644 });
        header.set_mtime(FIXED_SECONDS);
        self.tar.append_data(&mut header, path, bytes)
    }

    pub(super) fn finish(self) -> io::Result<W> {
        self.tar.into_inner()?.finish()
    }
}

/// gzip that does not compress: compressors change their output from version to version.
pub(super) struct StoredGzip<W: Write> {
    out: W,
    block: Vec<u8>,
    crc: Hasher,
    n_bytes: u32,
}

/// What one stored block of deflate can hold.
const BLOCK_BYTES: usize = 0xffff;

impl<W: Write> StoredGzip<W> {
    pub(super) fn new(mut out: W) -> io::Result<Self> {
        // Deflate, no flags, no time, no hint on the effort, no system (RFC 1952).
        out.write_all(&[0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 0xff])?;
        Ok(Self { out, block: Vec::with_capacity(BLOCK_BYTES), crc: Hasher::new(), n_bytes: 0 })
    }

    pub(super) fn finish(mut self) -> io::Result<W> {
        self.write_block(true)?;
        self.out.write_all(&self.crc.finalize().to_le_bytes())?;
        self.out.write_all(&self.n_bytes.to_le_bytes())?;
        Ok(self.out)
    }

    /// RFC 1951, 3.2.4.
    fn write_block(&mut self, is_last: bool) -> io::Result<()> {
        let length = u16::try_from(self.block.len()).map_err(io::Error::other)?;
        self.out.write_all(&[u8::from(is_last)])?;
        self.out.write_all(&length.to_le_bytes())?;
        self.out.write_all(&(!length).to_le_bytes())?;
        self.out.write_all(&self.block)?;
        self.block.clear();
        Ok(())
    }
}

impl<W: Write> Write for StoredGzip<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.block.len() == BLOCK_BYTES {
            self.write_block(false)?;
        }
        let n = bytes.len().min(BLOCK_BYTES - self.block.len());
        self.block.extend_from_slice(&bytes[..n]);
        self.crc.update(&bytes[..n]);
        // Modulo 2^32, as gzip counts.
        self.n_bytes = self.n_bytes.wrapping_add(u32::try_from(n).map_err(io::Error::other)?);
        Ok(n)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.out.flush()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_stored_is_gzip_and_comes_back_whatever_its_length() {
        for n_bytes in [0, 1, 0xfffe, 0xffff, 0x1_0000, 200_000] {
            let bytes: Vec<u8> = (0..n_bytes).map(|at: u32| at.to_le_bytes()[0]).collect();
            let mut gzip = StoredGzip::new(Vec::new()).unwrap();
            gzip.write_all(&bytes).unwrap();
            let stored = gzip.finish().unwrap();
            let mut back = Vec::new();
            flate2::read::GzDecoder::new(stored.as_slice()).read_to_end(&mut back).unwrap();
            assert_eq!(back, bytes, "{n_bytes} bytes");
        }
    }

    /// Should this digest ever change, every layr.lock with such a source is void.
    #[test]
    fn the_bytes_are_those_of_every_version() {
        let mut tarball = EvenTarball::new(Vec::new()).unwrap();
        tarball.file("x1/DESCRIPTION", false, (&b"Package: x1\n"[..], 12)).unwrap();
        tarball.file("x1/configure", true, (&b"#!/bin/sh\n"[..], 10)).unwrap();
        let long = format!("x1/inst/{}", "a/".repeat(60) + "b");
        tarball.file(&long, false, (&b""[..], 0)).unwrap();
        let digest = crate::sys::hash::sha256(&tarball.finish().unwrap());
        assert_eq!(digest.to_hex(), "450e13bd48193eb1e3f63a5ab7ed13f73abfdc631b1eb42921981e888ef90628");
    }
}
