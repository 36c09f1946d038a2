//! JSON text, as R's tools write and people mend it, to values that know their lines.
//!
//! Two things keep serde from being used here. renv has written a bare `NA`, which is no
//! JSON; and of two equal keys, renv takes the first and serde the last, so that a file with
//! both could show one version to a reviewer and install another. Here, equal keys with
//! equal values are one, with a note; with different values they are an error.

use std::borrow::Cow;

/// Deeper values are in no lockfile; the bound keeps the stack small.
const MAX_DEPTH: usize = 100;

/// A value and the line that it begins in, from 1. Equal by the value alone.
#[derive(Debug, Clone)]
pub(super) struct Json<'a> {
    pub(super) line: usize,
    pub(super) value: Value<'a>,
}

#[derive(Debug, Clone, PartialEq)]
pub(super) enum Value<'a> {
    /// `null`, or R's `NA`.
    Null,
    /// A number or a boolean, as it is written.
    Scalar(&'a str),
    String(Cow<'a, str>),
    Array(Vec<Json<'a>>),
    Object(Object<'a>),
}

/// Keys and values in the order of the file, no key twice.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct Object<'a>(Vec<(Cow<'a, str>, Json<'a>)>);

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum JsonError {
    #[error("line {line}, column {column}: {found} stands where {expected} should be")]
    Unexpected { line: usize, column: usize, expected: &'static str, found: String },
    #[error("line {line}: `{}` stands here again, with another value than in line {first_line}", .key.escape_debug())]
    Conflict { line: usize, first_line: usize, key: String },
    #[error("line {line}: values are nested more than {MAX_DEPTH} deep")]
    TooDeep { line: usize },
}

impl PartialEq for Json<'_> {
    fn eq(&self, other: &Self) -> bool {
        self.value == other.value
    }
}

impl<'a> Json<'a> {
    /// The text, also where R has put it into an array of its own, as it does with vectors
    /// of one.
    pub(super) fn as_str(&self) -> Option<&str> {
        match &self.value {
            Value::String(text) => Some(text),
            Value::Array(items) => match items.as_slice() {
                [Json { value: Value::String(text), .. }] => Some(text),
                _ => None,
            },
            Value::Null | Value::Scalar(_) | Value::Object(_) => None,
        }
    }

    pub(super) fn as_object(&self) -> Option<&Object<'a>> {
        match &self.value {
            Value::Object(object) => Some(object),
            Value::Null | Value::Scalar(_) | Value::String(_) | Value::Array(_) => None,
        }
    }

    /// Whether it says nothing: `null`, `NA`, or R's empty list.
    pub(super) fn is_nothing(&self) -> bool {
        match &self.value {
            Value::Null => true,
            Value::Array(items) => items.is_empty(),
            Value::Object(object) => object.0.is_empty(),
            Value::Scalar(_) | Value::String(_) => false,
        }
    }

    /// What it is, for an error.
    pub(super) fn kind(&self) -> &'static str {
        match &self.value {
            Value::Null => "null",
            Value::Scalar(_) => "a number or a boolean",
            Value::String(_) => "a string",
            Value::Array(_) => "an array",
            Value::Object(_) => "an object",
        }
    }
}

impl<'a> Object<'a> {
    pub(super) fn get(&self, key: &str) -> Option<&Json<'a>> {
        self.0.iter().find(|(name, _)| name == key).map(|(_, value)| value)
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = (&str, &Json<'a>)> {
        self.0.iter().map(|(key, value)| (key.as_ref(), value))
    }
}

/// Reads one value, and nothing but blanks after it; and says what it took together.
///
/// # Errors
///
/// The first place that is not JSON, or a key that has two values.
pub(super) fn parse(text: &str) -> Result<(Json<'_>, Vec<String>), JsonError> {
    let mut reader = Reader { text, at: 0, line: 1, line_start: 0, notes: Vec::new() };
    let value = reader.value(0)?;
    if reader.peek().is_some() {
        return Err(reader.unexpected("the end of the file"));
    }
    Ok((value, reader.notes))
}

struct Reader<'a> {
    text: &'a str,
    at: usize,
    line: usize,
    /// Where the line begins that `at` is in.
    line_start: usize,
    notes: Vec<String>,
}

impl<'a> Reader<'a> {
    /// The next byte that is no blank, without taking it.
    fn peek(&mut self) -> Option<u8> {
        while let Some(byte) = self.text.as_bytes().get(self.at) {
            match byte {
                b'\n' => {
                    self.line += 1;
                    self.line_start = self.at + 1;
                }
                b' ' | b'\t' | b'\r' => {}
                _ => return Some(*byte),
            }
            self.at += 1;
        }
        None
    }

    /// Takes the next byte, if it is this one.
    fn take(&mut self, byte: u8) -> bool {
        let is_it = self.peek() == Some(byte);
        self.at += usize::from(is_it);
        is_it
    }

    fn unexpected(&self, expected: &'static str) -> JsonError {
        let rest = &self.text[self.at..];
        let word: String = rest.chars().take_while(|c| !c.is_whitespace()).take(30).collect();
        let found = if rest.is_empty() {
            "the end of the file".to_owned()
        } else {
            format!("`{}`", word.escape_debug())
        };
        let column = self.text[self.line_start..self.at].chars().count() + 1;
        JsonError::Unexpected { line: self.line, column, expected, found }
    }

    fn value(&mut self, depth: usize) -> Result<Json<'a>, JsonError> {
        let first = self.peek();
        let line = self.line;
        if depth > MAX_DEPTH {
            return Err(JsonError::TooDeep { line });
        }
        let value = match first {
            Some(b'{') => self.object(depth)?,
            Some(b'[') => self.array(depth)?,
            Some(b'"') => Value::String(self.string()?),
            _ => self.word()?,
        };
        Ok(Json { line, value })
    }

    fn object(&mut self, depth: usize) -> Result<Value<'a>, JsonError> {
        self.at += 1;
        let mut entries = Vec::new();
        if self.take(b'}') {
            return Ok(Value::Object(Object(entries)));
        }
        loop {
            if self.peek() != Some(b'"') {
                return Err(self.unexpected("a key in quotes"));
            }
            let key = self.string()?;
            if !self.take(b':') {
                return Err(self.unexpected("`:`"));
            }
            entries.push((key, self.value(depth + 1)?));
            if !self.take(b',') {
                break;
            }
        }
        if !self.take(b'}') {
            return Err(self.unexpected("`,` or `}`"));
        }
        Ok(Value::Object(Object(self.once_each(entries)?)))
    }

    /// Keys with equal values are taken together. Sorting finds them without a second map.
    fn once_each(
        &mut self,
        mut entries: Vec<(Cow<'a, str>, Json<'a>)>,
    ) -> Result<Vec<(Cow<'a, str>, Json<'a>)>, JsonError> {
        let mut order: Vec<usize> = (0..entries.len()).collect();
        order.sort_by(|a, b| entries[*a].0.cmp(&entries[*b].0).then(a.cmp(b)));
        let mut again = Vec::new();
        for pair in order.windows(2) {
            let ((key, first), (other, second)) = (&entries[pair[0]], &entries[pair[1]]);
            if key != other {
                continue;
            }
            if first != second {
                let key = key.to_string();
                return Err(JsonError::Conflict { line: second.line, first_line: first.line, key });
            }
            let key = key.escape_debug();
            self.notes.push(format!("line {}: `{key}` stands here again, with the same value", second.line));
            again.push(pair[1]);
        }
        again.sort_unstable();
        for at in again.into_iter().rev() {
            entries.remove(at);
        }
        Ok(entries)
    }

    fn array(&mut self, depth: usize) -> Result<Value<'a>, JsonError> {
        self.at += 1;
        let mut items = Vec::new();
        if self.take(b']') {
            return Ok(Value::Array(items));
        }
        loop {
            items.push(self.value(depth + 1)?);
            if !self.take(b',') {
                break;
            }
        }
        if self.take(b']') { Ok(Value::Array(items)) } else { Err(self.unexpected("`,` or `]`")) }
    }

    /// What is neither in quotes nor in brackets.
    fn word(&mut self) -> Result<Value<'a>, JsonError> {
        let rest = &self.text[self.at..];
        let end = rest.find(|c: char| !(c.is_ascii_alphanumeric() || matches!(c, '+' | '-' | '.')));
        let word = &rest[..end.unwrap_or(rest.len())];
        let value = match word {
            "null" | "NA" => Value::Null,
            "true" | "false" => Value::Scalar(word),
            _ if is_number(word) => Value::Scalar(word),
            _ => return Err(self.unexpected("a value")),
        };
        self.at += word.len();
        Ok(value)
    }

    /// Borrowed from the text where it holds no escapes, as nearly all strings do.
    fn string(&mut self) -> Result<Cow<'a, str>, JsonError> {
        self.at += 1;
        let mut text: Cow<'a, str> = Cow::Borrowed("");
        loop {
            let rest = &self.text[self.at..];
            let end = rest.bytes().position(|b| matches!(b, b'"' | b'\\') || b < 0x20);
            let plain = &rest[..end.unwrap_or(rest.len())];
            if text.is_empty() {
                text = Cow::Borrowed(plain);
            } else {
                text.to_mut().push_str(plain);
            }
            self.at += plain.len();
            match self.text.as_bytes().get(self.at) {
                Some(b'"') => {
                    self.at += 1;
                    return Ok(text);
                }
                Some(b'\\') => {
                    let c = self.escape()?;
                    text.to_mut().push(c);
                }
                _ => return Err(self.unexpected("the rest of a string, on one line and with its quote")),
            }
        }
    }

    fn escape(&mut self) -> Result<char, JsonError> {
        let rest = &self.text.as_bytes()[self.at..];
        let (c, n_bytes) = match rest.get(1) {
            Some(b'n') => ('\n', 2),
            Some(b't') => ('\t', 2),
            Some(b'r') => ('\r', 2),
            Some(b'b') => ('\u{8}', 2),
            Some(b'f') => ('\u{c}', 2),
            Some(b @ (b'"' | b'\\' | b'/')) => (char::from(*b), 2),
            Some(b'u') => unicode(rest).ok_or_else(|| self.unexpected("an escape such as `\\u00e9`"))?,
            _ => return Err(self.unexpected("an escape such as `\\n`")),
        };
        self.at += n_bytes;
        Ok(c)
    }
}

/// `\u0041`, or two of them for what lies beyond 16 bits; with its length in bytes.
fn unicode(text: &[u8]) -> Option<(char, usize)> {
    let unit = |at: usize| {
        let digits = text.get(at..at + 6)?.strip_prefix(b"\\u")?;
        let is_hex = digits.iter().all(u8::is_ascii_hexdigit);
        is_hex.then(|| u32::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok())?
    };
    let first = unit(0)?;
    if let Some(c) = char::from_u32(first) {
        return Some((c, 6));
    }
    let second = unit(6).filter(|second| (0xdc00..0xe000).contains(second) && first < 0xdc00)?;
    char::from_u32(0x1_0000 + ((first - 0xd800) << 10) + (second - 0xdc00)).map(|c| (c, 12))
}

/// RFC 8259, "Numbers".
fn is_number(word: &str) -> bool {
    let all_digits = |text: &str| !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
    let (mantissa, exponent) = match word.split_once(['e', 'E']) {
        Some((mantissa, exponent)) => (mantissa, Some(exponent)),
        None => (word, None),
    };
    let mantissa = mantissa.strip_prefix('-').unwrap_or(mantissa);
    let (whole, fraction) = match mantissa.split_once('.') {
        Some((whole, fraction)) => (whole, Some(fraction)),
        None => (mantissa, None),
    };
    all_digits(whole)
        && (whole == "0" || !whole.starts_with('0'))
        && fraction.is_none_or(all_digits)
        && exponent.is_none_or(|text| all_digits(text.strip_prefix(['+', '-']).unwrap_or(text)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_json_is_said_with_its_place() {
        let cases = [
            ("{ \"a\": 1,\n}", 2, 1, "a key in quotes"),
            ("[1,\n 2\n \"x\": 3]", 3, 2, "`,` or `]`"),
            ("{ \"a\"\n 1 }", 2, 2, "`:`"),
            ("{ \"a\": NAN }", 1, 8, "a value"),
            ("{ \"a\": 01 }", 1, 8, "a value"),
            ("[\"a\nb\"]", 1, 4, "the rest of a string, on one line and with its quote"),
            ("[\"\\x\"]", 1, 3, "an escape such as `\\n`"),
            ("[\"\\ud800\"]", 1, 3, "an escape such as `\\u00e9`"),
            ("{} {}", 1, 4, "the end of the file"),
            ("{ \"é\": ", 1, 8, "a value"), // columns are characters
        ];
        for (text, line, column, expected) in cases {
            let JsonError::Unexpected { line: at_line, column: at_column, expected: wanted, .. } =
                parse(text).unwrap_err()
            else {
                panic!("{text:?}")
            };
            assert_eq!((at_line, at_column, wanted), (line, column, expected), "{text:?}");
        }
        assert!(matches!(parse(&"[".repeat(100_000)), Err(JsonError::TooDeep { line: 1 })));
    }

    #[test]
    fn values_are_read_with_their_lines_and_r_s_na_is_nothing() {
        let (json, notes) =
            parse("{ \"a\": [1.5e3,\n true, NA],\n \"b\": \"\\u00e9\\ud83d\\ude00\\n/\" }").unwrap();
        let object = json.as_object().unwrap();
        let Value::Array(items) = &object.get("a").unwrap().value else { panic!("an array") };
        assert_eq!(items[0].value, Value::Scalar("1.5e3"));
        assert_eq!((items[1].line, &items[2].value), (2, &Value::Null));
        assert_eq!(object.get("b").unwrap().as_str(), Some("é\u{1f600}\n/"));
        assert!(notes.is_empty());
    }
}
