//! The index of an `.rdb`: where in it which object is. Source: R Internals, "Lazy
//! loading"; `lazyLoadDBinsertValue` for the objects.

use std::collections::BTreeMap;

use super::unpacked;

/// Where an object is in its file: offset and length.
pub type Place = (usize, usize);

/// By name: where each object is. `bytes` are those of the `.rdx`.
pub fn index(bytes: &[u8]) -> Option<BTreeMap<String, Place>> {
    let bytes = unpacked(bytes).ok()?;
    let mut reader = Reader { bytes: &bytes, at: 0, symbols: Vec::new(), depth: 0, objects: BTreeMap::new() };
    reader.skip(2)?; // "X\n": big-endian binary
    let version = reader.integer()?;
    reader.skip(8)?; // the R that wrote it, and the oldest that can read it
    if version == 3 {
        let length = usize::try_from(reader.integer()?).ok()?;
        reader.skip(length)?; // the native encoding
    }
    reader.item()?;
    Some(reader.objects)
}

/// Reads serialized lists, integers, strings and names: indexes have nothing else.
struct Reader<'a> {
    bytes: &'a [u8],
    at: usize,
    symbols: Vec<String>,
    depth: usize,
    objects: BTreeMap<String, Place>,
}

/// What was read of an item.
enum Item {
    Names(Vec<String>),
    Integers(Vec<i32>),
    List(Vec<Item>),
    Name(String),
    Nothing,
}

impl Reader<'_> {
    fn skip(&mut self, n: usize) -> Option<()> {
        self.at = self.at.checked_add(n).filter(|at| *at <= self.bytes.len())?;
        Some(())
    }

    fn integer(&mut self) -> Option<i32> {
        let bytes = self.bytes.get(self.at..self.at + 4)?;
        self.at += 4;
        Some(i32::from_be_bytes(bytes.try_into().ok()?))
    }

    /// The number of elements that follow, each of at least one byte.
    fn length(&mut self) -> Option<usize> {
        let n = usize::try_from(self.integer()?).ok()?;
        (n <= self.bytes.len() - self.at).then_some(n)
    }

    fn item(&mut self) -> Option<Item> {
        self.depth += 1;
        if self.depth > 100 {
            return None;
        }
        let flags = self.integer()?;
        let item = match flags & 0xff {
            254 => Some(Item::Nothing), // NULL
            255 => {
                let n = usize::try_from(flags >> 8).ok()?;
                Some(Item::Name(self.symbols.get(n.checked_sub(1)?)?.clone()))
            }
            1 => {
                let Item::Name(name) = self.item()? else { return None };
                self.symbols.push(name.clone());
                Some(Item::Name(name))
            }
            2 => self.pairs(flags),
            9 => self.text(),
            10 | 13 => {
                let n = self.length()?;
                Some(Item::Integers((0..n).map(|_| self.integer()).collect::<Option<_>>()?))
            }
            16 => {
                let n = self.length()?;
                let texts = (0..n).map(|_| match self.item()? {
                    Item::Name(text) => Some(text),
                    Item::Names(_) | Item::Integers(_) | Item::List(_) | Item::Nothing => None,
                });
                Some(Item::Names(texts.collect::<Option<_>>()?))
            }
            19 => {
                let n = self.length()?;
                Some(Item::List((0..n).map(|_| self.item()).collect::<Option<_>>()?))
            }
            _ => None,
        };
        let has_attributes = flags & 0x200 != 0 && flags & 0xff != 2;
        let item = if has_attributes { self.with_names(item?) } else { item };
        self.depth -= 1;
        item
    }

    fn text(&mut self) -> Option<Item> {
        let n = self.integer()?;
        let Ok(n) = usize::try_from(n) else { return Some(Item::Nothing) }; // NA
        let bytes = self.bytes.get(self.at..self.at.checked_add(n)?)?;
        self.at += n;
        Some(Item::Name(String::from_utf8_lossy(bytes).into_owned()))
    }

    /// A pairlist: of an index only the names among the attributes count.
    fn pairs(&mut self, flags: i32) -> Option<Item> {
        if flags & 0x200 != 0 {
            self.item()?;
        }
        let tag = if flags & 0x400 != 0 { self.item()? } else { Item::Nothing };
        let value = self.item()?;
        let rest = self.item()?;
        match (tag, rest) {
            (Item::Name(tag), _) if tag == "names" => Some(value),
            (_, rest) => Some(rest),
        }
    }

    /// A list whose names follow: pairs of integers in it are places of objects.
    fn with_names(&mut self, item: Item) -> Option<Item> {
        if let (Item::List(items), Item::Names(names)) = (&item, self.item()?) {
            for (name, item) in names.into_iter().zip(items) {
                if let Item::Integers(place) = item
                    && let [at, n] = place[..]
                {
                    self.objects.insert(name, (usize::try_from(at).ok()?, usize::try_from(n).ok()?));
                }
            }
        }
        Some(item)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What R 4.5 writes for `list(variables = list(f = c(0L, 10L)))`, without the parts
    /// that an index has beside.
    fn sample() -> Vec<u8> {
        let mut bytes = b"X\n".to_vec();
        let mut put = |values: &[i32]| values.iter().for_each(|value| bytes.extend(value.to_be_bytes()));
        put(&[2, 0x0004_0500, 0x0002_0300]);
        put(&[0x213, 1, 0x20d & !0x200, 2, 0, 10]); // list of one pair of integers, with names
        put(&[0x402, 1, 9, 5]);
        bytes.extend(b"names");
        let mut put = |values: &[i32]| values.iter().for_each(|value| bytes.extend(value.to_be_bytes()));
        put(&[16, 1, 9, 1]);
        bytes.extend(b"f");
        bytes.extend(254_i32.to_be_bytes());
        bytes
    }

    #[test]
    fn an_index_says_where_its_objects_are() {
        assert_eq!(index(&sample()), Some(BTreeMap::from([("f".to_owned(), (0, 10))])));
    }

    #[test]
    fn a_damaged_index_is_none_and_no_panic() {
        let sample = sample();
        for at in 0..sample.len() {
            for value in [0, 0x13, 0x7f, 0xff] {
                let mut bytes = sample.clone();
                bytes[at] = value;
                _ = index(&bytes);
                _ = index(&bytes[..at]);
            }
        }
    }
}
