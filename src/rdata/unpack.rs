//! What R compresses, unpacked: whole files by how they begin, and the objects of an `.rdb`
//! by the letter before them. Source: `R_decompress1` to `R_decompress3` for the objects.

use std::borrow::Cow;
use std::io::{self, Read};

use bzip2::read::MultiBzDecoder;
use flate2::read::{MultiGzDecoder, ZlibDecoder};
use lzma_rust2::{Lzma2Reader, XzReader};

use super::Place;

/// Bytes that a file, or an object, may have unpacked.
const MAX_BYTES: u64 = 256 << 20;
/// Memory that unpacking may take, in KiB: the most that `xz -9` asks for is half of it.
const MEMORY_KIB: u32 = 128 << 10;
/// The same for zstd, as a power of two.
const WINDOW_LOG: u32 = 27;
/// The largest dictionary of the objects of an `.rdb`.
const DICTIONARY_BYTES: u32 = 64 << 20;

#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum UnpackError {
    #[error("it is damaged")]
    Damaged,
    #[error("it is too large")]
    TooLarge,
}

/// A file without its compression, if it has one that R knows.
///
/// # Errors
///
/// Where it cannot be unpacked, or has more than is read.
pub fn unpacked(bytes: &[u8]) -> Result<Cow<'_, [u8]>, UnpackError> {
    let all = match bytes {
        [0x1f, 0x8b, ..] => read(MultiGzDecoder::new(bytes), MAX_BYTES),
        [b'B', b'Z', b'h', ..] => read(MultiBzDecoder::new(bytes), MAX_BYTES),
        [0xfd, b'7', b'z', b'X', b'Z', 0, ..] => {
            read(XzReader::new_mem_limit(bytes, true, MEMORY_KIB), MAX_BYTES)
        }
        [0x28, 0xb5, 0x2f, 0xfd, ..] => zstd(bytes),
        _ => return Ok(Cow::Borrowed(bytes)),
    };
    all.map(Cow::Owned)
}

fn zstd(bytes: &[u8]) -> Result<Vec<u8>, UnpackError> {
    let damaged = |_: io::Error| UnpackError::Damaged;
    let mut decoder = zstd::stream::read::Decoder::with_buffer(bytes).map_err(damaged)?;
    decoder.window_log_max(WINDOW_LOG).map_err(damaged)?;
    read(decoder, MAX_BYTES)
}

/// An object of an `.rdb`: its length unpacked, for all but the first compressor a letter,
/// and its bytes.
///
/// # Errors
///
/// Where it is not there, cannot be unpacked, or has more than is read.
pub fn object(file: &[u8], (at, n): Place) -> Result<Vec<u8>, UnpackError> {
    let bytes = at.checked_add(n).and_then(|end| file.get(at..end)).ok_or(UnpackError::Damaged)?;
    // Not compressed at all: these would be the lengths of what is larger than is read.
    if bytes.starts_with(b"X\n") || bytes.starts_with(b"A\n") {
        return Ok(bytes.to_vec());
    }
    let (head, packed) = bytes.split_first_chunk::<4>().ok_or(UnpackError::Damaged)?;
    let n_bytes = u32::from_be_bytes(*head);
    if u64::from(n_bytes) > MAX_BYTES {
        return Err(UnpackError::TooLarge);
    }
    let limit = u64::from(n_bytes);
    let all = match packed {
        [b'Z', packed @ ..] => {
            // Nothing can refer to what is further back than the beginning.
            let dictionary = n_bytes.clamp(4096, DICTIONARY_BYTES);
            read(Lzma2Reader::new(packed, dictionary, None), limit)
        }
        [b'2', packed @ ..] => read(MultiBzDecoder::new(packed), limit),
        [b'0', plain @ ..] => Ok(plain.to_vec()),
        _ => read(ZlibDecoder::new(packed), limit),
    }?;
    if all.len() as u64 == limit { Ok(all) } else { Err(UnpackError::Damaged) }
}

fn read(from: impl Read, limit: u64) -> Result<Vec<u8>, UnpackError> {
    let mut all = Vec::new();
    match from.take(limit + 1).read_to_end(&mut all) {
        Err(_) => Err(UnpackError::Damaged),
        Ok(_) if all.len() as u64 > limit => Err(UnpackError::TooLarge),
        Ok(_) => Ok(all),
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;

    /// `xz` of forty times `serialized `, without its container: LZMA2.
    fn lzma2(text: &[u8]) -> Vec<u8> {
        // A chunk that is stored as it is, and the end.
        let n = u16::try_from(text.len() - 1).unwrap();
        [&[1][..], &n.to_be_bytes(), text, &[0]].concat()
    }

    fn bzip2(text: &[u8]) -> Vec<u8> {
        let mut encoder = bzip2::write::BzEncoder::new(Vec::new(), bzip2::Compression::fast());
        encoder.write_all(text).unwrap();
        encoder.finish().unwrap()
    }

    fn zlib(text: &[u8]) -> Vec<u8> {
        let mut encoder = flate2::write::ZlibEncoder::new(Vec::new(), flate2::Compression::fast());
        encoder.write_all(text).unwrap();
        encoder.finish().unwrap()
    }

    #[test]
    fn an_object_is_unpacked_by_its_letter() {
        let text = b"serialized ".repeat(40);
        let n = u32::try_from(text.len()).unwrap().to_be_bytes();
        let cases = [
            [&n[..], &zlib(&text)].concat(),
            [&n[..], b"2", &bzip2(&text)].concat(),
            [&n[..], b"Z", &lzma2(&text)].concat(),
            [&n[..], b"0", &text].concat(),
        ];
        for bytes in cases {
            let file = [b"before", bytes.as_slice(), b"behind"].concat();
            assert_eq!(object(&file, (6, bytes.len())), Ok(text.clone()));
            for end in 0..bytes.len() {
                assert!(object(&file, (6, end)).is_err(), "{end} of {}", bytes.len());
            }
            assert_eq!(object(&file, (file.len(), 1)), Err(UnpackError::Damaged));
            assert_eq!(object(&file, (usize::MAX, 2)), Err(UnpackError::Damaged));
        }
    }

    #[test]
    fn what_has_more_than_it_says_is_read_no_further() {
        let bomb = vec![0; 1 << 20];
        for (letter, packed) in [(&b""[..], zlib(&bomb)), (b"2", bzip2(&bomb))] {
            let bytes = [&100_u32.to_be_bytes()[..], letter, &packed].concat();
            assert_eq!(object(&bytes, (0, bytes.len())), Err(UnpackError::TooLarge));
        }
        assert_eq!(object(b"X\n\0\0", (0, 4)), Ok(b"X\n\0\0".to_vec()));
        let claim = [&u32::MAX.to_be_bytes()[..], b"0x"].concat();
        assert_eq!(object(&claim, (0, claim.len())), Err(UnpackError::TooLarge));
        let bomb = bzip2(&vec![0; usize::try_from(MAX_BYTES).unwrap() + 1]);
        assert!(bomb.len() < 1 << 20);
        assert_eq!(unpacked(&bomb), Err(UnpackError::TooLarge));
    }

    #[test]
    fn files_are_unpacked_by_how_they_begin() {
        let text = b"X\n".repeat(500);
        let zstd = zstd::encode_all(text.as_slice(), 3).unwrap();
        for packed in [bzip2(&text), zstd, text.clone()] {
            assert_eq!(unpacked(&packed).unwrap(), text);
        }
        for damaged in [&b"BZh9"[..], b"\xfd7zXZ\0", b"\x28\xb5\x2f\xfd", b"\x1f\x8b", b"\x1f\x8bnonsense"] {
            assert_eq!(unpacked(damaged), Err(UnpackError::Damaged), "{damaged:?}");
        }
    }
}
