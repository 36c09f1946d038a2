//! Databases of advisories, kept in the store between runs.

use std::path::Path;

use super::AuditError;
use super::database::{Database, Origin};
use super::import::{self, Place};
use super::lines::Texts;
use crate::store::{AdvisoriesRecord, Kind, Store, StoreError};
use crate::sys::hash::sha256;

/// Where advisories are fetched from, unless layr.toml says otherwise: by name. The R
/// Consortium's are the ones that OSV.dev has of CRAN, sooner.
pub const SOURCES: [(&str, &str); 4] = [
    ("bioconductor", "https://osv-vulnerabilities.storage.googleapis.com/Bioconductor/all.zip"),
    ("cran", "https://osv-vulnerabilities.storage.googleapis.com/CRAN/all.zip"),
    ("debian", "https://osv-vulnerabilities.storage.googleapis.com/Debian/all.zip"),
    ("r-consortium", "https://github.com/RConsortium/r-advisory-database/archive/refs/heads/main.zip"),
];

/// Reads what is at a path, without keeping it.
///
/// # Errors
///
/// Where it is no database, or a larger one than is taken.
pub fn read(path: &Path) -> Result<Database, AuditError> {
    let shown = path.display().to_string();
    let (origin, texts) = import::of_path(path, &Place { name: &shown, shown: &shown, fetched_at: None })?;
    let mut database = Database::default();
    database.add(origin, texts);
    Ok(database)
}

/// What was had of a source.
#[derive(Debug, Clone, Copy)]
pub struct Fetched<'a> {
    pub name: &'a str,
    pub url: &'a str,
    /// The URL without a password.
    pub shown: &'a str,
    pub content: Content<'a>,
    /// In seconds since 1970.
    pub at: u64,
}

/// Where it lies.
#[derive(Debug, Clone, Copy)]
pub enum Content<'a> {
    /// A zip, or a single record.
    Bytes(&'a [u8]),
    /// Either of these, or a folder of records.
    Path(&'a Path),
}

/// Keeps it, in place of what was there before.
///
/// # Errors
///
/// As [`read`]; then what was there before stays.
pub fn keep(fetched: &Fetched<'_>, store: &Store) -> Result<Origin, AuditError> {
    let Fetched { name, url, shown, content, at } = *fetched;
    let place = Place { name, shown, fetched_at: Some(at) };
    let (origin, texts) = match content {
        Content::Bytes(bytes) => import::of_bytes(bytes, &place)?,
        Content::Path(path) => import::of_path(path, &place)?,
    };
    for (part, text) in [(Part::R, &texts.r), (Part::Debian, &texts.debian)] {
        let sha256 = store.put_bytes(text)?.to_hex();
        let origin = serde_json::to_value(&origin).unwrap_or_default();
        store.put_record(Kind::Advisories, &key(name, url, part), &AdvisoriesRecord { sha256, origin })?;
    }
    Ok(origin)
}

/// What was kept of these sources, by name and URL. One that is damaged is as good as none:
/// it is fetched again.
///
/// # Errors
///
/// Where the store fails.
pub fn open(sources: &[(String, String)], with_debian: bool, store: &Store) -> Result<Database, AuditError> {
    let mut database = Database::default();
    for (name, url) in sources {
        let Some((origin, r)) = part(name, url, Part::R, store)? else { continue };
        let debian = if with_debian { part(name, url, Part::Debian, store)? } else { None };
        let debian = debian.map(|(_, text)| text).unwrap_or_default();
        database.add(origin, Texts { r, debian });
    }
    Ok(database)
}

#[derive(Debug, Clone, Copy)]
enum Part {
    R,
    Debian,
}

fn part(name: &str, url: &str, part: Part, store: &Store) -> Result<Option<(Origin, Vec<u8>)>, AuditError> {
    let record = store.record::<AdvisoriesRecord>(Kind::Advisories, &key(name, url, part))?;
    let Some(AdvisoriesRecord { sha256, origin }) = record else { return Ok(None) };
    let (Ok(origin), Ok(digest)) = (serde_json::from_value(origin), sha256.parse()) else { return Ok(None) };
    match store.read_blob(digest) {
        Ok(text) => Ok(Some((origin, text))),
        Err(StoreError::Missing { .. } | StoreError::Corrupt { .. }) => Ok(None),
        Err(error) => Err(error.into()),
    }
}

fn key(name: &str, url: &str, part: Part) -> String {
    sha256(format!("{name}\n{url}\n{part:?}").as_bytes()).to_hex()
}
