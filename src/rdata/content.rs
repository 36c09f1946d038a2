//! A serialized object to whether it holds code.
//!
//! The stream is walked and nothing is made of it. It is flat: what an item consists of are
//! the items that follow it, so that what is to come is all that has to be kept. Source:
//! `ReadItem` and `ReadBC` of R's `serialize.c`.

/// The worst that an object holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Content {
    Data,
    /// It could not be read to its end, and nothing was found until there.
    Unknown(&'static str),
    Function,
    Promise,
}

/// `bytes` are of a file that is not compressed, or of one object.
pub fn content(bytes: &[u8]) -> Content {
    // A file of several objects says so first.
    let heads = [b"RDX2\n", b"RDX3\n", b"RDA2\n", b"RDA3\n", b"RDB2\n", b"RDB3\n"];
    let bytes = heads.iter().find_map(|head| bytes.strip_prefix(*head)).unwrap_or(bytes);
    let (form, bytes) = match bytes {
        [b'X', b'\n', rest @ ..] => (Form::Big, rest),
        [b'B', b'\n', rest @ ..] => (Form::Little, rest),
        [b'A', b'\n', rest @ ..] => (Form::Text, rest),
        _ => return Content::Unknown("it is not in a form that R writes today"),
    };
    let mut walk = Walk { bytes, form, found: Content::Data, to_come: Vec::new() };
    match walk.all() {
        None if walk.found == Content::Data => {
            Content::Unknown("it ends too early, or has what is not known")
        }
        Some(()) | None => walk.found,
    }
}

/// How numbers are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Form {
    /// The most significant byte first, which is what R does unless it is asked.
    Big,
    Little,
    /// Words with space between.
    Text,
}

struct Walk<'a> {
    bytes: &'a [u8],
    form: Form,
    found: Content,
    /// The next is last.
    to_come: Vec<Next>,
}

/// What is to come.
#[derive(Debug, Clone, Copy)]
enum Next {
    /// So many items.
    Items(usize),
    /// How many constants a function's bytecode has, and these.
    Pool,
    /// So many constants of bytecode.
    Constants(usize),
    /// A part of a call among these.
    Call,
}

impl Walk<'_> {
    fn all(&mut self) -> Option<()> {
        let version = self.integer()?;
        self.integer()?; // the R that wrote it
        self.integer()?; // the oldest that can read it
        if version == 3 {
            let n = self.length()?;
            self.text(n)?; // the native encoding
        }
        self.items(1)?;
        while let Some(next) = self.to_come.pop() {
            match next {
                Next::Items(n) => {
                    self.items(n - 1)?;
                    self.item()?;
                }
                Next::Pool => {
                    let n = self.length()?;
                    self.constants(n)?;
                }
                Next::Constants(n) => {
                    self.constants(n - 1)?;
                    self.constant()?;
                }
                Next::Call => {
                    let kind = self.integer()?;
                    self.call(kind)?;
                }
            }
            if self.found == Content::Promise {
                return Some(());
            }
        }
        Some(())
    }

    /// Each of them has a byte or more: a count beyond that is a lie.
    fn items(&mut self, n: usize) -> Option<()> {
        self.to_come.extend((n > 0).then_some(Next::Items(n)));
        (n <= self.bytes.len()).then_some(())
    }

    fn constants(&mut self, n: usize) -> Option<()> {
        self.to_come.extend((n > 0).then_some(Next::Constants(n)));
        (n <= self.bytes.len()).then_some(())
    }

    fn item(&mut self) -> Option<()> {
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
                self.items(2 + n_attributes + n_tags)
            }
            1 => self.items(1), // a symbol's name
            4 => {
                self.integer()?;
                self.items(4) // an environment: around it, its frame, its table, its attributes
            }
            7..=9 => {
                // Names of R's own functions; texts, of which one is missing.
                let n = self.integer()?;
                self.text(usize::try_from(n).unwrap_or(0))
            }
            10 | 13 => self.vector((4, 1), n_attributes),
            14 => self.vector((8, 1), n_attributes),
            15 => self.vector((16, 2), n_attributes),
            24 => self.vector((1, 1), n_attributes),
            16 | 19 | 20 => {
                let n = self.length()?.checked_add(n_attributes)?;
                self.items(n)
            }
            21 => {
                self.found = Content::Function;
                self.length()?; // parts of calls that stand there more than once
                self.items(n_attributes)?;
                self.bytecode()
            }
            22 => self.items(2 + n_attributes),
            23 | 25 => self.items(n_attributes),
            255 => {
                if flags >> 8 == 0 {
                    self.integer()?;
                }
                Some(())
            }
            241 | 242 | 250..=254 => Some(()),
            247..=249 => {
                self.integer()?;
                let n = self.length()?;
                self.items(n)
            }
            238 => self.items(3),
            _ => None,
        }
    }

    /// The code itself, and the constants that it works with.
    fn bytecode(&mut self) -> Option<()> {
        self.to_come.push(Next::Pool);
        self.items(1)
    }

    fn constant(&mut self) -> Option<()> {
        match self.integer()? {
            21 => self.bytecode(),
            kind @ (2 | 6 | 239 | 240 | 243 | 244) => self.call(kind),
            _ => self.items(1),
        }
    }

    /// A call or a list in a form of its own, in which parts may refer to others.
    fn call(&mut self, kind: i32) -> Option<()> {
        let kind = match kind {
            243 => return self.integer().map(|_| ()), // such a reference
            244 => {
                self.integer()?; // what it is referred to by
                self.integer()?
            }
            kind => kind,
        };
        let n_before = match kind {
            2 | 6 => 1,     // a tag
            239 | 240 => 2, // attributes, and a tag
            _ => return self.items(1),
        };
        self.to_come.extend([Next::Call, Next::Call]);
        self.items(n_before)
    }

    /// Each element has so many bytes, or so many words.
    fn vector(&mut self, (n_bytes, n_words): (usize, usize), n_attributes: usize) -> Option<()> {
        let n = self.length()?;
        if self.form == Form::Text {
            for _ in 0..n.checked_mul(n_words)? {
                self.word()?;
            }
        } else {
            self.skip(n.checked_mul(n_bytes)?)?;
        }
        self.items(n_attributes)
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
        if self.form == Form::Text {
            let word = self.word()?;
            return if word == b"NA" { Some(i32::MIN) } else { std::str::from_utf8(word).ok()?.parse().ok() };
        }
        let (head, rest) = self.bytes.split_first_chunk::<4>()?;
        self.bytes = rest;
        Some(if self.form == Form::Big { i32::from_be_bytes(*head) } else { i32::from_le_bytes(*head) })
    }

    /// A text of so many bytes, whose spaces are escaped where the form is words.
    fn text(&mut self, n: usize) -> Option<()> {
        match (self.form, n) {
            (Form::Text, 0) => Some(()),
            (Form::Text, _) => self.word().map(|_| ()),
            (Form::Big | Form::Little, n) => self.skip(n),
        }
    }

    fn word(&mut self) -> Option<&[u8]> {
        let bytes = self.bytes.trim_ascii_start();
        let end = bytes.iter().position(u8::is_ascii_whitespace).unwrap_or(bytes.len());
        let (word, rest) = bytes.split_at(end);
        self.bytes = rest;
        (!word.is_empty()).then_some(word)
    }

    fn skip(&mut self, n: usize) -> Option<()> {
        self.bytes = self.bytes.get(n..)?;
        Some(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A stream of version 2 with these integers as its items, in each form.
    fn streams(items: &[i32]) -> [Vec<u8>; 3] {
        let numbers = || [2, 0x0004_0500, 0x0002_0300].iter().chain(items);
        let mut forms = [b"X\n".to_vec(), b"B\n".to_vec(), b"A\n".to_vec()];
        numbers().for_each(|number| forms[0].extend(number.to_be_bytes()));
        numbers().for_each(|number| forms[1].extend(number.to_le_bytes()));
        numbers().for_each(|number| forms[2].extend(format!("{number}\n").bytes()));
        forms
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
        // One part that is referred to: code, and as constants a call, a reference to a
        // part of it, a number, and bytecode without constants.
        let call = [6, 254, 0, 1, 254, 244, 0, 2, 254, 0, 254, 0, 254];
        let bytecode =
            [&[21, 1][..], &vector, &[4], &call, &[243, 0], &[13], &vector, &[21], &vector, &[0]].concat();
        let cases = [
            (vector.to_vec(), Content::Data),
            (list_of(&[&vector, &[254], &[255 + (1 << 8)]]), Content::Data),
            (list_of(&[&vector, promise]), Content::Promise),
            (list_of(&[function, &vector]), Content::Function),
            (list_of(&[function, promise]), Content::Promise),
            (list_of(&[&[4, 0], promise, &[254], &[254], &[254]]), Content::Promise),
            (bytecode.clone(), Content::Function),
            (list_of(&[&bytecode, &vector]), Content::Function),
            (list_of(&[&bytecode, promise]), Content::Promise),
        ];
        for (items, expected) in cases {
            for stream in streams(&items) {
                assert_eq!(content(&stream), expected, "{items:?}");
            }
        }
        // A name as a constant of bytecode may be a promise by itself.
        let hidden = [&[21, 1][..], &vector, &[1, 5], promise].concat();
        assert_eq!(content(&streams(&hidden)[0]), Content::Promise);
    }

    #[test]
    fn what_is_damaged_or_lies_of_its_length_is_said_to_be_unknown() {
        let cases: [&[i32]; 5] = [&[13, 100], &[19, i32::MAX], &[16, -1, -1, -1], &[99], &[]];
        for items in cases {
            for stream in streams(items) {
                assert!(matches!(content(&stream), Content::Unknown(_)), "{items:?}");
            }
        }
        for bytes in [&b"X"[..], b"A\n2\n", b"A\nX\n", b"", b"data"] {
            assert!(matches!(content(bytes), Content::Unknown(_)), "{bytes:?}");
        }
    }

    #[test]
    fn no_change_of_a_byte_ends_in_a_panic() {
        let items = [19, 3, 0x403, 253, 254, 254, 16, 1, 9, 0, 21, 1, 13, 1, 7, 1, 6, 254, 0, 254, 0, 254];
        for whole in streams(&items) {
            for at in 0..whole.len() {
                for value in [0, 3, 5, 21, 0x7f, 0xf4, 0xff] {
                    let mut bytes = whole.clone();
                    bytes[at] = value;
                    _ = content(&bytes);
                    _ = content(&bytes[..at]);
                }
            }
        }
    }
}
