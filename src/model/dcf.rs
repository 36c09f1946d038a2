//! Debian-control text, as R writes and reads it, to records of fields.
//!
//! R's rules (`read.dcf`, R 4.5.0): records are separated by blank lines, a line that
//! starts with a blank continues the field before it, the last of two equal fields wins.
//! `packrat.lock`, `DESCRIPTION` and `PACKAGES` are all written in it.

/// One record: fields in the order of the text, each once, continuation lines joined by one
/// newline each and every line trimmed.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Record {
    fields: Vec<(String, String)>,
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
        self.value(field).filter(|value| !value.is_empty())
    }

    /// Whether the field is there, be it empty.
    pub fn has(&self, field: &str) -> bool {
        self.value(field).is_some()
    }

    fn value(&self, field: &str) -> Option<&str> {
        self.fields.iter().find(|(name, _)| name == field).map(|(_, value)| value.as_str())
    }

    /// Of equal fields, the last one stays. Sorting finds them, so that many fields take no
    /// longer than their number warrants.
    fn once_each(mut self) -> Self {
        let mut order: Vec<usize> = (0..self.fields.len()).collect();
        order.sort_by(|a, b| self.fields[*a].0.cmp(&self.fields[*b].0).then(a.cmp(b)));
        let mut is_replaced = vec![false; self.fields.len()];
        for pair in order.windows(2) {
            is_replaced[pair[0]] = self.fields[pair[0]].0 == self.fields[pair[1]].0;
        }
        let mut is_replaced = is_replaced.into_iter();
        self.fields.retain(|_| !is_replaced.next().unwrap_or_default());
        self
    }

    /// Names and values in the order of the text.
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
    for (at, line) in text.lines().enumerate() {
        let line = line.trim_end();
        if line.is_empty() {
            if !current.fields.is_empty() {
                records.push(std::mem::take(&mut current).once_each());
            }
        } else if let (true, Some((_, value))) = (line.starts_with([' ', '\t']), current.fields.last_mut()) {
            if !value.is_empty() {
                value.push('\n');
            }
            // A dot alone stands for an empty line.
            value.push_str(match line.trim_start() {
                "." => "",
                text => text,
            });
        } else {
            let (name, value) = field(line)
                .ok_or_else(|| DcfError::NotAField { line: at + 1, text: line.chars().take(80).collect() })?;
            if current.fields.is_empty() {
                current.line = at + 1;
            }
            current.fields.push((name.to_owned(), value.trim().to_owned()));
        }
    }
    if !current.fields.is_empty() {
        records.push(current.once_each());
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
        let text = "\u{feff}A: 1\r\nB: one\r\n    two\r\n .\r\n\tthree\r\n \r\n\r\nA: 2\nA: 3\nEmpty:";
        let records = parse_dcf(text).unwrap();
        assert_eq!(records.len(), 2);
        assert_eq!(records[0].get("B"), Some("one\ntwo\n\nthree"));
        assert_eq!(
            records[1].fields().collect::<Vec<_>>(),
            [("A", "3"), ("Empty", "")],
            "the last of two wins"
        );
        assert_eq!(records[1].get("Empty"), None);
        assert_eq!((records[0].line, records[1].line), (1, 8));
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
