//! Writes of any sizes to writes of one size, so that what is compressed does not depend
//! on how it was read.

use std::io::{self, Write};

/// Passes bytes on in pieces of one size, however they come.
///
/// What zlib-rs makes of its input depends on how it is cut into calls, and a pipe cuts
/// it anywhere: without this, the same tarball would be compressed to other bytes each
/// time.
pub(super) struct EvenWriter<W: Write> {
    inner: W,
    piece: Vec<u8>,
}

impl<W: Write> EvenWriter<W> {
    const PIECE_BYTES: usize = 1 << 16;

    pub(super) fn new(inner: W) -> Self {
        Self { inner, piece: Vec::with_capacity(Self::PIECE_BYTES) }
    }

    /// Passes on the last piece, which may be a short one.
    pub(super) fn finish(mut self) -> io::Result<W> {
        self.inner.write_all(&self.piece)?;
        Ok(self.inner)
    }
}

impl<W: Write> Write for EvenWriter<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let n_bytes = bytes.len().min(Self::PIECE_BYTES - self.piece.len());
        self.piece.extend_from_slice(&bytes[..n_bytes]);
        if self.piece.len() == Self::PIECE_BYTES {
            self.inner.write_all(&self.piece)?;
            self.piece.clear();
        }
        Ok(n_bytes)
    }

    /// Does nothing: a flush in the middle would end a piece early.
    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use flate2::Compression;
    use flate2::write::GzEncoder;

    #[test]
    fn the_same_text_is_compressed_to_the_same_bytes_however_it_is_cut() {
        let words: Vec<String> =
            (0..60_000u32).map(|n| (n.wrapping_mul(2_654_435_761) % 977).to_string()).collect();
        let text = words.join(" ");
        let compressed = |n_bytes: usize| {
            let mut writer = EvenWriter::new(GzEncoder::new(Vec::new(), Compression::new(6)));
            for piece in text.as_bytes().chunks(n_bytes) {
                writer.write_all(piece).unwrap();
            }
            writer.finish().unwrap().finish().unwrap()
        };
        let expected = compressed(text.len());
        for n_bytes in [1000, 4096, 65_537] {
            assert!(compressed(n_bytes) == expected, "pieces of {n_bytes} bytes");
        }
    }
}
