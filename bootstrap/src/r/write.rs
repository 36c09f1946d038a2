//! A value to the bytes that R's `unserialize()` reads.

use super::{Data, Object};

const SYMBOL: u32 = 1;
const PAIRLIST: u32 = 2;
const CHARACTERS: u32 = 9;
const LOGICAL: u32 = 10;
const INTEGER: u32 = 13;
const DOUBLE: u32 = 14;
const COMPLEX: u32 = 15;
const TEXT: u32 = 16;
const LIST: u32 = 19;
const RAW: u32 = 24;
const NULL: u32 = 254;

const HAS_CLASS: u32 = 1 << 8;
const HAS_ATTRIBUTES: u32 = 1 << 9;
const HAS_TAG: u32 = 1 << 10;
/// R marks each string with its encoding; ASCII is apart, as R compares it faster.
const UTF8: u32 = 1 << 15;
const ASCII: u32 = 1 << 18;

/// How R writes NA among logicals and integers.
const NA: i32 = i32::MIN;

/// Version 2 of the format, "written by R 4.0.0, readable from R 2.3.0 on".
const HEAD: [u32; 3] = [2, 0x0004_0000, 0x0002_0300];

/// R's bytes of `object`.
pub fn write(object: &Object) -> Vec<u8> {
    let mut bytes = b"B\n".to_vec();
    for word in HEAD {
        put(&mut bytes, word);
    }
    item(&mut bytes, object);
    bytes
}

fn item(bytes: &mut Vec<u8>, object: &Object) {
    let mut flags = 0;
    if object.attribute("class").is_some() {
        flags |= HAS_CLASS;
    }
    if !object.attributes.is_empty() {
        flags |= HAS_ATTRIBUTES;
    }
    let head = |bytes: &mut Vec<u8>, kind: u32, n: usize| {
        put(bytes, kind | flags);
        length(bytes, n);
    };
    match &object.data {
        // Neither can have attributes in R.
        Data::Null | Data::Other(_) => return put(bytes, NULL),
        Data::Logical(values) => {
            head(bytes, LOGICAL, values.len());
            for value in values {
                put_signed(bytes, value.map_or(NA, i32::from));
            }
        }
        Data::Integer(values) => {
            head(bytes, INTEGER, values.len());
            for value in values {
                put_signed(bytes, value.unwrap_or(NA));
            }
        }
        Data::Double(values) => {
            head(bytes, DOUBLE, values.len());
            for value in values {
                bytes.extend(value.to_le_bytes());
            }
        }
        Data::Complex(values) => {
            head(bytes, COMPLEX, values.len());
            for (re, im) in values {
                bytes.extend(re.to_le_bytes());
                bytes.extend(im.to_le_bytes());
            }
        }
        Data::Text(values) => {
            head(bytes, TEXT, values.len());
            for value in values {
                characters(bytes, value.as_deref());
            }
        }
        Data::Raw(values) => {
            head(bytes, RAW, values.len());
            bytes.extend(values);
        }
        Data::List(values) => {
            head(bytes, LIST, values.len());
            for value in values {
                item(bytes, value);
            }
        }
    }
    attributes(bytes, &object.attributes);
}

fn attributes(bytes: &mut Vec<u8>, attributes: &[(String, Object)]) {
    for (name, value) in attributes {
        put(bytes, PAIRLIST | HAS_TAG);
        // A symbol that was written before could be a reference to it; R reads a second
        // one just as well.
        put(bytes, SYMBOL);
        characters(bytes, Some(name));
        item(bytes, value);
    }
    if !attributes.is_empty() {
        put(bytes, NULL);
    }
}

fn characters(bytes: &mut Vec<u8>, text: Option<&str>) {
    match text {
        None => {
            put(bytes, CHARACTERS);
            put_signed(bytes, -1);
        }
        Some(text) => {
            put(bytes, CHARACTERS | if text.is_ascii() { ASCII } else { UTF8 });
            length(bytes, text.len());
            bytes.extend(text.as_bytes());
        }
    }
}

/// What Lambda passes has 6 MiB at most, so every length is far below R's limit for
/// short vectors, 2^31 - 1.
fn length(bytes: &mut Vec<u8>, n: usize) {
    put_signed(bytes, i32::try_from(n).unwrap_or(i32::MAX));
}

fn put(bytes: &mut Vec<u8>, word: u32) {
    bytes.extend(word.to_le_bytes());
}

fn put_signed(bytes: &mut Vec<u8>, word: i32) {
    bytes.extend(word.to_le_bytes());
}
