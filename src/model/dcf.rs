//! Debian-control text, as R writes and reads it, to records of fields.
//!
//! R's rules (`read.dcf`, R 4.2.2): records are separated by blank lines, a line that
//! starts with a blank continues the field before it, the last of two equal fields wins.
//! `packrat.lock`, `DESCRIPTION` and `PACKAGES` are all written in it.

use std::collections::BTreeMap;

/// One record: values by field name, continuation lines joined by one newline each and
/// every line trimmed.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Record {
    fields: BTreeMap<String, String>,
    /// Line of the record's first field in the text, from 1.
    pub line: usize,
}

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DcfError {
    #[error("line {line}: `{}` is neither `Field: value` nor the continuation of a field", .text.escape_debug())]
    NotAField { line: usize, text: String },
}

impl Record {
    /// The field's value; an empty field is as good as none.
    pub fn get(&self, field: &str) -> Option<&str> {
        self.fields.get(field).map(String::as_str).filter(|value| !value.is_empty())
    }

    /// Names and values in the order of the names.
    pub fn fields(&self) -> impl Iterator<Item = (&str, &str)> {
        self.fields.iter().map(|(name, value)| (name.as_str(), value.as_str()))
    }
}

/// Reads all records. Tolerates what R tolerates: CRLF, trailing blanks, a byte-order mark,
/// a missing last newline.
///
/// # Errors
///
/// The first line that is neither a field nor a continuation.
pub fn parse_dcf(text: &str) -> Result<Vec<Record>, DcfError> {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let mut records = Vec::new();
    let mut current = Record::default();
    let mut last_field: Option<String> = None;
    for (at, line) in text.lines().enumerate() {
        let line = line.trim_end();
        if line.is_empty() {
            if last_field.take().is_some() {
                records.push(std::mem::take(&mut current));
            }
        } else if let (true, Some(field)) = (line.starts_with([' ', '\t']), &last_field) {
            let value = current.fields.entry(field.clone()).or_default();
            if !value.is_empty() {
                value.push('\n');
            }
            value.push_str(line.trim_start());
        } else {
            let (name, value) = field(line)
                .ok_or_else(|| DcfError::NotAField { line: at + 1, text: line.chars().take(80).collect() })?;
            if last_field.is_none() {
                current.line = at + 1;
            }
            current.fields.insert(name.to_owned(), value.trim().to_owned());
            last_field = Some(name.to_owned());
        }
    }
    if last_field.is_some() {
        records.push(current);
    }
    Ok(records)
}

/// `Name: value`, the name without blanks.
fn field(line: &str) -> Option<(&str, &str)> {
    let (name, value) = line.split_once(':')?;
    let valid = !name.is_empty() && name.bytes().all(|b| b.is_ascii_graphic() && b != b'#');
    valid.then_some((name, value))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn records_fields_and_continuations_are_read_as_r_reads_them() {
        let text = "\u{feff}A: 1\r\nB: one\r\n    two\r\n\tthree\r\n \r\n\r\nA: 2\nA: 3\nEmpty:";
        let records = parse_dcf(text).unwrap();
        assert_eq!(records.len(), 2);
        assert_eq!(records[0].get("B"), Some("one\ntwo\nthree"));
        assert_eq!(records[1].get("A"), Some("3"), "the last of two equal fields wins");
        assert_eq!(records[1].get("Empty"), None);
        assert_eq!((records[0].line, records[1].line), (1, 7));
    }

    #[test]
    fn what_is_no_field_is_an_error_with_its_line() {
        for (text, line) in
            [("A: 1\nnonsense\n", 2), (" leading: x", 1), ("# note: x", 1), ("<<<<<<< HEAD", 1)]
        {
            let DcfError::NotAField { line: found, .. } = parse_dcf(text).unwrap_err();
            assert_eq!(found, line, "{text:?}");
        }
    }
}
