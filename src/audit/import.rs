//! A folder, zip or file of OSV records to the texts of [`lines`](super::lines).
//!
//! Nothing is written to disk, and all that is read has a bound: a database comes from
//! elsewhere, as lockfiles and tarballs do.

use std::io::{Cursor, Read};
use std::path::Path;

use zip::ZipArchive;

use super::AuditError;
use super::advisory::Advisory;
use super::database::{Origin, Skipped};
use super::lines::Texts;
use super::osv::{self, BrokenRecord};
use crate::model::human_bytes;
use crate::sys::fs;
use crate::sys::hash::sha256;

/// Of one record: the longest that OSV.dev has are lists of a kernel's versions.
const RECORD_BYTES: u64 = 16 << 20;
/// Of all records together, unpacked.
const TOTAL_BYTES: u64 = 4 << 30;
/// Of a zip: it is read as a whole.
pub(super) const ZIP_BYTES: u64 = 512 << 20;
const N_RECORDS: usize = 1_000_000;
/// Of a zip, records and others.
const N_ENTRIES: usize = 2 * N_RECORDS;
/// Folders below each other.
const DEPTH: usize = 8;

/// What is known of a source beside its records.
pub(super) struct Place<'a> {
    pub(super) name: &'a str,
    /// Its address without a password, or its path.
    pub(super) shown: &'a str,
    pub(super) fetched_at: Option<u64>,
}

/// Reads what a path leads to.
pub(super) fn of_path(path: &Path, place: &Place<'_>) -> Result<(Origin, Texts), AuditError> {
    let mut reading = Reading::new(place);
    if fs::is_dir(path) {
        reading.folder(path, "", 0)?;
        return reading.finish();
    }
    // What it says of its size is nothing where it is a pipe or a device.
    let Some(bytes) = fs::read_at_most(path, ZIP_BYTES)? else {
        return Err(reading.too_large("it has more bytes".to_owned(), human_bytes(ZIP_BYTES)));
    };
    of_bytes(&bytes, place)
}

/// Reads a zip of records, or a single one.
pub(super) fn of_bytes(bytes: &[u8], place: &Place<'_>) -> Result<(Origin, Texts), AuditError> {
    let mut reading = Reading::new(place);
    if bytes.starts_with(b"PK") {
        reading.zip(bytes)?;
    } else {
        let is_json = bytes.trim_ascii_start().starts_with(b"{");
        reading.record(if is_json { "record.json" } else { "record.yaml" }, bytes);
    }
    reading.finish()
}

/// Records that are read one after the other.
struct Reading<'a> {
    place: &'a Place<'a>,
    advisories: Vec<Advisory>,
    newest: Option<String>,
    n_records: usize,
    /// Those of them that are records of the OSV schema.
    n_read: usize,
    total_bytes: u64,
    skipped: Vec<Skipped>,
}

impl<'a> Reading<'a> {
    fn new(place: &'a Place<'a>) -> Self {
        Self {
            place,
            advisories: Vec::new(),
            newest: None,
            n_records: 0,
            n_read: 0,
            total_bytes: 0,
            skipped: Vec::new(),
        }
    }

    fn folder(&mut self, folder: &Path, within: &str, depth: usize) -> Result<(), AuditError> {
        for entry in fs::sorted_entries(folder)? {
            let name = entry.file_name().to_string_lossy().into_owned();
            let path = format!("{within}{name}");
            let is_link = fs::metadata(&entry.path())?.is_symlink();
            let Ok(metadata) = fs::followed_metadata(&entry.path()) else {
                if is_record(&path) {
                    self.count(0)?;
                    self.skip(&path, "it is a link that leads nowhere".to_owned());
                }
                continue;
            };
            if metadata.is_dir() && !name.starts_with('.') {
                // Links to folders may lead around in a circle.
                match (is_link, depth < DEPTH) {
                    (false, true) => self.folder(&entry.path(), &format!("{path}/"), depth + 1)?,
                    (true, _) => self.skip(&path, "it is a link to a folder, and not followed".to_owned()),
                    (false, false) => self.skip(&path, format!("it lies below more than {DEPTH} folders")),
                }
            } else if metadata.is_file() && is_record(&path) {
                self.count(metadata.len())?;
                let is_too_long = metadata.len() > RECORD_BYTES;
                let bytes = if is_too_long { None } else { fs::read_at_most(&entry.path(), RECORD_BYTES)? };
                match bytes {
                    Some(bytes) => self.record(&path, &bytes),
                    None => self.skip(&path, too_long()),
                }
            }
        }
        Ok(())
    }

    fn zip(&mut self, bytes: &[u8]) -> Result<(), AuditError> {
        let damaged = |error: zip::result::ZipError| AuditError::Zip {
            place: self.place.shown.to_owned(),
            detail: error.to_string(),
        };
        let mut archive = ZipArchive::new(Cursor::new(bytes)).map_err(damaged)?;
        // What it says of itself is enough to refuse it, and never to take it.
        if archive.decompressed_size().is_some_and(|n_bytes| n_bytes > u128::from(TOTAL_BYTES)) {
            return Err(self.unpacks_to_more());
        }
        if archive.len() > N_ENTRIES {
            return Err(self.too_large("it has more files".to_owned(), N_ENTRIES.to_string()));
        }
        for at in 0..archive.len() {
            let mut text = Vec::new();
            let path = {
                let entry = archive.by_index(at).map_err(damaged)?;
                let path = String::from_utf8_lossy(entry.name_raw()).into_owned();
                if !entry.is_file() || !is_record(&path) {
                    continue;
                }
                // What the zip says of its size is a claim; so many bytes are read and no more.
                let read = { entry }.by_ref().take(RECORD_BYTES + 1).read_to_end(&mut text);
                if let Err(error) = read {
                    text.clear();
                    self.count(0)?;
                    self.skip(&path, format!("it cannot be unpacked: {error}"));
                    continue;
                }
                path
            };
            self.count(text.len() as u64)?;
            if text.len() as u64 > RECORD_BYTES {
                self.skip(&path, too_long());
            } else {
                self.record(&path, &text);
            }
        }
        Ok(())
    }

    fn count(&mut self, n_bytes: u64) -> Result<(), AuditError> {
        self.n_records += 1;
        self.total_bytes += n_bytes;
        if self.n_records > N_RECORDS {
            return Err(self.too_large("it has more records".to_owned(), N_RECORDS.to_string()));
        }
        if self.total_bytes > TOTAL_BYTES {
            return Err(self.unpacks_to_more());
        }
        Ok(())
    }

    fn unpacks_to_more(&self) -> AuditError {
        self.too_large("it unpacks to more".to_owned(), human_bytes(TOTAL_BYTES))
    }

    fn too_large(&self, what: String, limit: String) -> AuditError {
        AuditError::TooLarge { place: self.place.shown.to_owned(), what, limit }
    }

    fn record(&mut self, path: &str, bytes: &[u8]) {
        let read = if is_yaml(path) {
            match std::str::from_utf8(bytes) {
                Ok(text) => osv::of_yaml(text),
                Err(error) => Err(BrokenRecord::Syntax { detail: error.to_string() }),
            }
        } else {
            osv::of_json(bytes)
        };
        match read {
            Ok(read) => {
                self.n_read += 1;
                let is_later =
                    |newest: &String| super::database::time(newest) < super::database::time(&read.modified);
                if self.newest.as_ref().is_none_or(is_later) {
                    self.newest = Some(read.modified);
                }
                self.advisories.extend(read.advisories);
            }
            Err(broken) => self.skip(path, broken.to_string()),
        }
    }

    fn skip(&mut self, path: &str, reason: String) {
        let record = path.chars().filter(|c| !c.is_control()).take(200).collect();
        self.skipped.push(Skipped { record, reason });
    }

    fn finish(mut self) -> Result<(Origin, Texts), AuditError> {
        if self.n_records == 0 && self.advisories.is_empty() && self.skipped.is_empty() {
            return Err(AuditError::NoRecords { place: self.place.shown.to_owned() });
        }
        self.skipped.sort();
        if let (0, Some(first)) = (self.n_read, self.skipped.first()) {
            return Err(AuditError::Useless {
                place: self.place.shown.to_owned(),
                n_records: self.skipped.len(),
                record: first.record.clone(),
                reason: first.reason.clone(),
            });
        }
        let texts = Texts::of(&self.advisories);
        let origin = Origin {
            name: self.place.name.to_owned(),
            place: self.place.shown.to_owned(),
            sha256: sha256(&[texts.r.as_slice(), &texts.debian].concat()).to_hex(),
            fetched_at: self.place.fetched_at,
            newest: self.newest,
            n_records: self.n_records.max(1),
            n_advisories: self.advisories.len(),
            skipped: self.skipped,
        };
        Ok((origin, texts))
    }
}

fn too_long() -> String {
    format!("it has more than {}", human_bytes(RECORD_BYTES))
}

fn is_yaml(path: &str) -> bool {
    [".yaml", ".yml"].iter().any(|ending| path.ends_with(ending))
}

/// Whether a file of a database is a record. Databases that are repositories have other
/// YAML files, whose names have no number: those of records are their ids.
fn is_record(path: &str) -> bool {
    let name = path.rsplit('/').next().unwrap_or(path);
    if name.starts_with('.') || path.split('/').any(|part| part.starts_with('.')) {
        return false;
    }
    let is_json = Path::new(name).extension().is_some_and(|extension| extension == "json");
    is_json || (is_yaml(name) && name.contains('-') && name.bytes().any(|b| b.is_ascii_digit()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn records_are_told_from_what_else_a_repository_has() {
        let cases = [
            ("RSEC-2023-3.json", true),
            ("r-advisory-database-main/vulns/png/RSEC-2026-1.yaml", true),
            ("r-advisory-database-main/.github/workflows/check-2.yaml", false),
            ("r-advisory-database-main/triage/false_positives.yaml", false),
            ("README.md", false),
            (".hidden.json", false),
        ];
        for (path, is) in cases {
            assert_eq!(is_record(path), is, "{path}");
        }
    }
}
