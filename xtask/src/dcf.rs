//! Debian-control text (DESCRIPTION, PACKAGES, Sources, packrat.lock) to records.

use std::collections::BTreeMap;

/// Field name to value; lines of a value that goes on are joined by one blank.
pub type Record = BTreeMap<String, String>;

/// The records of `text`, which blank lines part.
pub fn records(text: &str) -> Vec<Record> {
    let mut records = Vec::new();
    let mut record = Record::new();
    let mut field = String::new();
    for line in text.lines().map(str::trim_end) {
        if line.is_empty() {
            if !record.is_empty() {
                records.push(std::mem::take(&mut record));
            }
        } else if line.starts_with([' ', '\t']) {
            if let Some(value) = record.get_mut(&field) {
                if !value.is_empty() {
                    value.push(' ');
                }
                value.push_str(line.trim_start());
            }
        } else if let Some((name, value)) = line.split_once(':') {
            name.clone_into(&mut field);
            record.insert(field.clone(), value.trim().to_owned());
        }
    }
    if !record.is_empty() {
        records.push(record);
    }
    records
}

/// The text of a DESCRIPTION file: UTF-8, or else Latin-1, as R takes it.
pub fn decode(bytes: &[u8]) -> String {
    match std::str::from_utf8(bytes) {
        Ok(text) => text.to_owned(),
        Err(_) => bytes.iter().copied().map(char::from).collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blank_lines_part_records_and_indented_lines_go_on() {
        let found = records("Package: a\nImports: b,\n    c\n\n\nPackage: d\nNote:\n e\n");
        assert_eq!(found.len(), 2);
        assert_eq!(found[0]["Imports"], "b, c");
        assert_eq!(found[1]["Note"], "e");
    }

    #[test]
    fn a_description_that_is_not_utf_8_is_latin_1() {
        assert_eq!(decode(b"M\xfcller"), "Müller");
        assert_eq!(decode("Müller".as_bytes()), "Müller");
    }
}
