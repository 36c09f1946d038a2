//! Blobs as they travel where the server takes zstd. Pure.

use std::io::{self, Read, Write};

use bazel_remote_apis::build::bazel::remote::execution::v2::compressor;

use crate::remote::RemoteError;
use crate::store::Blob;

/// zstd's own default: most of what it can do, at the speed of a network.
const LEVEL: i32 = 3;

const IDENTITY: i32 = compressor::Value::Identity as i32;
const ZSTD: i32 = compressor::Value::Zstd as i32;

/// A blob's bytes, compressed where that is wanted and of use.
pub(super) fn packed(bytes: Vec<u8>, may_compress: bool) -> (Vec<u8>, i32) {
    if !may_compress {
        return (bytes, IDENTITY);
    }
    match zstd::bulk::compress(&bytes, LEVEL) {
        Ok(smaller) if smaller.len() < bytes.len() => (smaller, ZSTD),
        Ok(_) | Err(_) => (bytes, IDENTITY),
    }
}

/// The bytes that came. What is compressed may unfold to as much as was promised, and a
/// byte more, by which it is known not to be the blob.
pub(super) fn unpacked(bytes: Vec<u8>, compressor: i32, blob: Blob) -> Result<Vec<u8>, RemoteError> {
    let wrong = || RemoteError::WrongBytes { digest: blob.digest };
    match compressor {
        IDENTITY => Ok(bytes),
        ZSTD => {
            let mut unfolded = Vec::new();
            let decoder = zstd::stream::read::Decoder::new(&*bytes).ok().ok_or_else(wrong)?;
            decoder.take(blob.n_bytes + 1).read_to_end(&mut unfolded).ok().ok_or_else(wrong)?;
            Ok(unfolded)
        }
        _ => Err(wrong()),
    }
}

/// What a blob takes compressed, at most: zstd makes hardly anything longer, and yet there are
/// frames without a byte in them.
pub(super) fn most_bytes(blob: Blob) -> u64 {
    blob.n_bytes.saturating_mul(2).saturating_add(64 << 10)
}

/// Writes what zstd unfolds to, up to what was promised and a byte more.
pub(super) struct Unfolding<'a> {
    decoder: zstd::stream::write::Decoder<'static, Bounded<'a>>,
}

struct Bounded<'a> {
    to: &'a mut (dyn Write + Send),
    left: u64,
}

impl Write for Bounded<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.left = self.left.checked_sub(bytes.len() as u64).ok_or(io::ErrorKind::FileTooLarge)?;
        self.to.write_all(bytes)?;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.to.flush()
    }
}

impl<'a> Unfolding<'a> {
    pub(super) fn new(to: &'a mut (dyn Write + Send), blob: Blob) -> io::Result<Self> {
        let decoder = zstd::stream::write::Decoder::new(Bounded { to, left: blob.n_bytes })?;
        Ok(Self { decoder })
    }
}

impl Write for Unfolding<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.decoder.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.decoder.flush()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sys::hash::sha256;

    fn blob(bytes: &[u8]) -> Blob {
        Blob { digest: sha256(bytes), n_bytes: bytes.len() as u64 }
    }

    #[test]
    fn what_was_compressed_comes_back_and_noise_is_left_as_it_is() {
        let text = b"text ".repeat(100);
        let (smaller, how) = packed(text.clone(), true);
        assert!(smaller.len() < 50 && how == ZSTD);
        assert_eq!(unpacked(smaller.clone(), how, blob(&text)).unwrap(), text);
        let mut out = Vec::new();
        let mut unfolding = Unfolding::new(&mut out, blob(&text)).unwrap();
        unfolding.write_all(&smaller).unwrap();
        unfolding.flush().unwrap();
        drop(unfolding);
        assert_eq!(out, text);
        assert_eq!(packed(b"x".to_vec(), true), (b"x".to_vec(), IDENTITY));
        assert_eq!(packed(text.clone(), false), (text, IDENTITY));
    }

    #[test]
    fn what_unfolds_to_more_than_was_promised_is_cut_off() {
        let bomb = zstd::bulk::compress(&vec![0; 10 << 20], LEVEL).unwrap();
        let promised = blob(b"small");
        assert_eq!(unpacked(bomb.clone(), ZSTD, promised).unwrap().len(), 6);
        let mut out = Vec::new();
        assert!(Unfolding::new(&mut out, promised).unwrap().write_all(&bomb).is_err());
        assert!(unpacked(b"no zstd".to_vec(), ZSTD, promised).is_err());
        assert!(unpacked(b"small".to_vec(), 77, promised).is_err());
    }
}
