//! The bytes that R's `serialize()` writes, to a value.
//!
//! What has no meaning in JSON (functions, environments, expressions) is read over where
//! the format lets one do so without knowing it, and is an error where not.

use super::{Data, Object};

/// Values nested deeper than this are refused, before they can exhaust the stack.
const MAX_DEPTH: usize = 1_000;

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ReadError {
    /// The bytes end, or are not what `serialize()` writes.
    Malformed(&'static str),
    TooDeep,
    /// A value whose bytes cannot be read over, and so nothing after it either. Names
    /// follow their elements, so its place is known by number alone.
    Opaque {
        what: &'static str,
        path: String,
    },
}

/// What `serialize(object, NULL, xdr = FALSE, version = 2, refhook = typeof)` wrote.
pub fn read(bytes: &[u8]) -> Result<Object, ReadError> {
    let mut reader = Reader { bytes, symbols: Vec::new(), depth: 0 };
    if reader.take(2)? != b"B\n" {
        return Err(ReadError::Malformed("not little-endian binary"));
    }
    if reader.word()? != 2 {
        return Err(ReadError::Malformed("not version 2"));
    }
    reader.take(8)?;
    reader.item()
}

struct Reader<'a> {
    bytes: &'a [u8],
    /// What later references count: symbols, and stand-ins for the rest.
    symbols: Vec<String>,
    depth: usize,
}

struct Flags(u32);

impl Flags {
    fn kind(&self) -> u32 {
        self.0 & 0xFF
    }
    fn has_attributes(&self) -> bool {
        self.0 & (1 << 9) != 0
    }
    fn has_tag(&self) -> bool {
        self.0 & (1 << 10) != 0
    }
    fn latin1(&self) -> bool {
        self.0 & (1 << 14) != 0
    }
}

impl<'a> Reader<'a> {
    fn item(&mut self) -> Result<Object, ReadError> {
        self.depth += 1;
        if self.depth > MAX_DEPTH {
            return Err(ReadError::TooDeep);
        }
        let flags = Flags(self.word()?);
        let object = self.item_of(&flags);
        self.depth -= 1;
        object
    }

    fn item_of(&mut self, flags: &Flags) -> Result<Object, ReadError> {
        let data = match flags.kind() {
            10 => Data::Logical(self.integers()?.into_iter().map(|value| value.map(|v| v != 0)).collect()),
            13 => Data::Integer(self.integers()?),
            14 => Data::Double(self.doubles()?),
            15 => self.complexes()?,
            16 => Data::Text(self.texts()?),
            19 => Data::List(self.items()?),
            24 => {
                let n = self.length()?;
                Data::Raw(self.take(n)?.to_vec())
            }
            20 => {
                self.items()?;
                Data::Other("expression")
            }
            25 => return Err(opaque("S4 object")),
            2 | 5 | 6 | 239 | 240 => return self.cells(flags),
            kind => return self.atom(kind, flags),
        };
        let attributes = if flags.has_attributes() { self.attributes()? } else { Vec::new() };
        Ok(Object { data, attributes })
    }

    /// What has neither length nor attributes of its own.
    fn atom(&mut self, kind: u32, flags: &Flags) -> Result<Object, ReadError> {
        let data = match kind {
            254 => Data::Null,
            1 => {
                self.symbol()?;
                Data::Other("symbol")
            }
            255 => {
                self.reference(flags)?;
                Data::Other("reference")
            }
            // What `refhook` named: environments, external pointers and weak references.
            247 | 249 | 250 => {
                self.take(4)?;
                let names = self.texts()?;
                self.symbols.push(String::new());
                match names.first() {
                    Some(Some(name)) if name == "externalptr" => Data::Other("external pointer"),
                    Some(Some(name)) if name == "weakref" => Data::Other("weak reference"),
                    _ => Data::Other("environment"),
                }
            }
            241 | 242 | 253 => Data::Other("environment"),
            251 | 252 => Data::Other("missing argument"),
            3 => return Err(opaque("function")),
            7 | 8 => {
                let n = self.length()?;
                self.take(n)?;
                Data::Other("function")
            }
            4 => return Err(opaque("environment")),
            21 => return Err(opaque("byte code")),
            _ => return Err(ReadError::Malformed("a kind of value that R does not write")),
        };
        Ok(data.into())
    }

    /// A pairlist or a call, cell by cell: `attributes, tag, value, the rest`.
    fn cells(&mut self, first: &Flags) -> Result<Object, ReadError> {
        let is_call = matches!(first.kind(), 6 | 240);
        let mut names = Vec::new();
        let mut values = Vec::new();
        let mut flags = Flags(first.0);
        while matches!(flags.kind(), 2 | 5 | 6 | 239 | 240) {
            let attributed = flags.has_attributes() || matches!(flags.kind(), 239 | 240);
            if attributed {
                self.item()?;
            }
            names.push(if flags.has_tag() { self.tag()? } else { String::new() });
            values.push(self.item()?);
            flags = Flags(self.word()?);
        }
        if flags.kind() != 254 {
            self.item_of(&flags)?;
        }
        if is_call {
            return Ok(Data::Other("call").into());
        }
        Ok(Object::named(names.into_iter().zip(values).collect()))
    }

    fn attributes(&mut self) -> Result<Vec<(String, Object)>, ReadError> {
        let mut attributes = Vec::new();
        loop {
            let flags = Flags(self.word()?);
            match flags.kind() {
                254 => return Ok(attributes),
                2 => {
                    let name = self.tag()?;
                    attributes.push((name, self.item()?));
                }
                _ => return Err(ReadError::Malformed("attributes that are not a pairlist")),
            }
        }
    }

    fn tag(&mut self) -> Result<String, ReadError> {
        let flags = Flags(self.word()?);
        match flags.kind() {
            1 => self.symbol(),
            255 => self.reference(&flags),
            254 => Ok(String::new()),
            _ => Err(ReadError::Malformed("a tag that is not a symbol")),
        }
    }

    fn symbol(&mut self) -> Result<String, ReadError> {
        let name = self.characters()?.unwrap_or_default();
        self.symbols.push(name.clone());
        Ok(name)
    }

    fn reference(&mut self, flags: &Flags) -> Result<String, ReadError> {
        let packed = flags.0 >> 8;
        let index = if packed == 0 { self.word()? } else { packed };
        let at = usize::try_from(index).unwrap_or_default().checked_sub(1);
        at.and_then(|at| self.symbols.get(at)).cloned().ok_or(ReadError::Malformed("a reference to nothing"))
    }

    fn items(&mut self) -> Result<Vec<Object>, ReadError> {
        let n = self.length()?;
        (0..n).map(|at| self.item().map_err(|error| error.below(at + 1))).collect()
    }

    fn integers(&mut self) -> Result<Vec<Option<i32>>, ReadError> {
        let n = self.length()?;
        let bytes = self.take(n.saturating_mul(4))?;
        let words = bytes.chunks_exact(4).map(|word| i32::from_le_bytes(word.try_into().unwrap_or_default()));
        Ok(words.map(|word| Some(word).filter(|word| *word != i32::MIN)).collect())
    }

    fn doubles(&mut self) -> Result<Vec<f64>, ReadError> {
        let n = self.length()?;
        let bytes = self.take(n.saturating_mul(8))?;
        Ok(bytes
            .chunks_exact(8)
            .map(|word| f64::from_le_bytes(word.try_into().unwrap_or_default()))
            .collect())
    }

    fn complexes(&mut self) -> Result<Data, ReadError> {
        let n = self.length()?;
        let bytes = self.take(n.saturating_mul(16))?;
        let part = |bytes: &[u8]| f64::from_le_bytes(bytes.try_into().unwrap_or_default());
        Ok(Data::Complex(bytes.chunks_exact(16).map(|pair| (part(&pair[..8]), part(&pair[8..]))).collect()))
    }

    fn texts(&mut self) -> Result<Vec<Option<String>>, ReadError> {
        let n = self.length()?;
        (0..n).map(|_| self.characters()).collect()
    }

    /// Text of no declared encoding is UTF-8, as R's locale is here; bytes that are no
    /// UTF-8 become U+FFFD.
    fn characters(&mut self) -> Result<Option<String>, ReadError> {
        let flags = Flags(self.word()?);
        if flags.kind() != 9 {
            return Err(ReadError::Malformed("text that is not made of strings"));
        }
        let length = self.word()?;
        if length == u32::MAX {
            return Ok(None);
        }
        let bytes = self.take(usize::try_from(length).unwrap_or(usize::MAX))?;
        Ok(Some(if flags.latin1() {
            bytes.iter().copied().map(char::from).collect()
        } else {
            String::from_utf8_lossy(bytes).into_owned()
        }))
    }

    /// A length of -1 announces one beyond 2^31, which no response can hold.
    fn length(&mut self) -> Result<usize, ReadError> {
        let length = self.word()?;
        let length = i32::try_from(length).ok().and_then(|length| usize::try_from(length).ok());
        length.ok_or_else(|| opaque("vector of more than 2^31 elements"))
    }

    fn word(&mut self) -> Result<u32, ReadError> {
        Ok(u32::from_le_bytes(self.take(4)?.try_into().unwrap_or_default()))
    }

    fn take(&mut self, n: usize) -> Result<&'a [u8], ReadError> {
        let Some((taken, rest)) = self.bytes.split_at_checked(n) else {
            return Err(ReadError::Malformed("the bytes end too early"));
        };
        self.bytes = rest;
        Ok(taken)
    }
}

fn opaque(what: &'static str) -> ReadError {
    ReadError::Opaque { what, path: String::new() }
}

impl ReadError {
    fn below(self, at: usize) -> Self {
        let Self::Opaque { what, path } = self else { return self };
        Self::Opaque { what, path: format!("[[{at}]]{path}") }
    }
}
