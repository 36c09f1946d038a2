//! A file of R data to whether it holds code. Pure.
//!
//! The stream is walked and nothing is made of it. It is flat: what an item consists of are
//! the items that follow it, so that a count of those to come is all that has to be kept.
//! Source: R Internals, "Serialization Formats", and `ReadItem` of R's `serialize.c`.

use std::io::Read;

use flate2::read::MultiGzDecoder;

/// The worst that a file holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Content {
    Data,
    Function,
    /// What is behind it is not read: compiled code has a form of its own.
    CompiledFunction,
    Promise,
    /// It could not be read to its end, and nothing was found until there.
    Unknown(&'static str),
}

/// Bytes that a file may have unpacked.
const MAX_BYTES: u64 = 256 << 20;

pub(super) fn content(bytes: &[u8]) -> Content {
    match bytes {
        [0x1f, 0x8b, ..] => {
            let mut unpacked = Vec::new();
            let read = MultiGzDecoder::new(bytes).take(MAX_BYTES + 1).read_to_end(&mut unpacked);
            match read {
                Err(_) => Content::Unknown("it is damaged"),
                Ok(_) if unpacked.len() as u64 > MAX_BYTES => Content::Unknown("it is too large"),
                Ok(_) => of_stream(&unpacked),
            }
        }
        [b'B', b'Z', b'h', ..] => Content::Unknown("it is compressed with bzip2"),
        [0xfd, b'7', b'z', ..] => Content::Unknown("it is compressed with xz"),
        _ => of_stream(bytes),
    }
}

fn of_stream(bytes: &[u8]) -> Content {
    // A file of several objects says so first.
    let bytes = [b"RDX2\n", b"RDX3\n"].iter().find_map(|head| bytes.strip_prefix(*head)).unwrap_or(bytes);
    let Some(bytes) = bytes.strip_prefix(b"X\n") else {
        return Content::Unknown("it is not in R's binary form");
    };
    let mut walk = Walk { bytes, found: Content::Data };
    match walk.all() {
        None if walk.found == Content::Data => {
            Content::Unknown("it ends too early, or has what is not known")
        }
        Some(()) | None => walk.found,
    }
}

struct Walk<'a> {
    bytes: &'a [u8],
    found: Content,
}

impl Walk<'_> {
    fn all(&mut self) -> Option<()> {
        let version = self.integer()?;
        self.skip(8)?; // the R that wrote it, and the oldest that can read it
        if version == 3 {
            let n = self.length()?;
            self.skip(n)?; // the native encoding
        }
        let mut n_to_come = 1_usize;
        while let Some(left) = n_to_come.checked_sub(1) {
            // Every item has four bytes or more: a count beyond that is a lie.
            n_to_come = left.checked_add(self.item()?).filter(|n| *n <= self.bytes.len())?;
            if self.found == Content::Promise {
                return Some(());
            }
        }
        Some(())
    }

    /// How many items the next one consists of.
    fn item(&mut self) -> Option<usize> {
        let flags = self.integer()?;
        let n_attributes = usize::from(flags & 0x200 != 0);
        let n_tags = usize::from(flags & 0x400 != 0);
        match flags & 0xff {
            // Lists, calls, functions, promises and dots: each of a head and the rest.
            kind @ (2 | 3 | 5 | 6 | 17) => {
                match kind {
                    5 => self.found = Content::Promise,
                    3 => self.found = Content::Function,
                    _ => {}
                }
                Some(2 + n_attributes + n_tags)
            }
            1 => Some(1), // a symbol's name
            4 => {
                self.skip(4)?;
                Some(4) // an environment: around it, its frame, its table, its attributes
            }
            7..=9 => {
                // Names of R's own functions; texts, of which one is missing.
                let n = self.integer()?;
                self.skip(usize::try_from(n).unwrap_or(0))?;
                Some(0)
            }
            10 | 13 => self.vector(4, n_attributes),
            14 => self.vector(8, n_attributes),
            15 => self.vector(16, n_attributes),
            24 => self.vector(1, n_attributes),
            16 | 19 | 20 => Some(self.length()?.checked_add(n_attributes)?),
            21 => {
                self.found = Content::CompiledFunction;
                None
            }
            22 => Some(2 + n_attributes),
            23 | 25 => Some(n_attributes),
            255 => {
                if flags >> 8 == 0 {
                    self.skip(4)?;
                }
                Some(0)
            }
            241 | 242 | 250..=254 => Some(0),
            247..=249 => {
                self.skip(4)?;
                self.length()
            }
            238 => Some(3),
            _ => None,
        }
    }

    fn vector(&mut self, n_bytes: usize, n_attributes: usize) -> Option<usize> {
        let n = self.length()?;
        self.skip(n.checked_mul(n_bytes)?)?;
        Some(n_attributes)
    }

    /// A length; very long ones are in two parts.
    fn length(&mut self) -> Option<usize> {
        match self.integer()? {
            -1 => {
                let (high, low) =
                    (u64::from(self.integer()?.cast_unsigned()), self.integer()?.cast_unsigned());
                usize::try_from(high << 32 | u64::from(low)).ok()
            }
            n => usize::try_from(n).ok(),
        }
    }

    fn integer(&mut self) -> Option<i32> {
        let (head, rest) = self.bytes.split_first_chunk::<4>()?;
        self.bytes = rest;
        Some(i32::from_be_bytes(*head))
    }

    fn skip(&mut self, n: usize) -> Option<()> {
        self.bytes = self.bytes.get(n..)?;
        Some(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A stream of version 2 with these integers as its items.
    fn stream(items: &[i32]) -> Vec<u8> {
        let mut bytes = b"X\n".to_vec();
        let numbers = [2, 0x0004_0500, 0x0002_0300].iter().chain(items);
        numbers.for_each(|number| bytes.extend(number.to_be_bytes()));
        bytes
    }

    #[test]
    fn what_holds_code_is_told_from_data() {
        let vector = [13, 2, 7, 8];
        let list_of = |items: &[&[i32]]| {
            let n = i32::try_from(items.len()).unwrap();
            [&[19, n][..], &items.concat()].concat()
        };
        let promise: &[i32] = &[0x405, 253, 254, 254];
        let function: &[i32] = &[0x403, 253, 254, 254];
        let cases = [
            (vector.to_vec(), Content::Data),
            (list_of(&[&vector, &[254], &[255 + (1 << 8)]]), Content::Data),
            (list_of(&[&vector, promise]), Content::Promise),
            (list_of(&[function, &vector]), Content::Function),
            (list_of(&[function, promise]), Content::Promise),
            (list_of(&[&[4, 0], promise, &[254], &[254], &[254]]), Content::Promise),
            (vec![21], Content::CompiledFunction),
        ];
        for (items, expected) in cases {
            assert_eq!(content(&stream(&items)), expected, "{items:?}");
        }
    }

    #[test]
    fn what_is_damaged_or_lies_of_its_length_is_said_to_be_unknown() {
        let cases: [&[i32]; 5] = [&[13, 100], &[19, i32::MAX], &[16, -1, -1, -1], &[99], &[]];
        for items in cases {
            assert!(matches!(content(&stream(items)), Content::Unknown(_)), "{items:?}");
        }
        for bytes in [&b"BZh9"[..], b"\xfd7zXZ", b"\x1f\x8bnonsense", b"A\n2\n", b""] {
            assert!(matches!(content(bytes), Content::Unknown(_)), "{bytes:?}");
        }
    }

    #[test]
    fn no_change_of_a_byte_ends_in_a_panic() {
        let whole = stream(&[19, 2, 0x403, 253, 254, 254, 16, 1, 9, 0]);
        for at in 0..whole.len() {
            for value in [0, 3, 5, 0x7f, 0xff] {
                let mut bytes = whole.clone();
                bytes[at] = value;
                _ = content(&bytes);
                _ = content(&bytes[..at]);
            }
        }
    }
}
