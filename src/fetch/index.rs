//! A repository's URL to the text of its package index, by way of the store.

use std::io::Read;
use std::time::{Duration, UNIX_EPOCH};

use flate2::read::MultiGzDecoder;

use super::failure::Fault;
use super::http::Http;
use super::url::redacted;
use super::whole::read;
use super::{Context, Failure, FetchError, sniff};
use crate::model::Sha256Digest;
use crate::report::{Event, Report};
use crate::store::{IndexRecord, Kind, Store, StoreError};
use crate::sys::hash::sha256;

/// A copy that is younger is used without asking: runs follow each other closely.
const FRESH: Duration = Duration::from_mins(10);

/// CRAN's index has 2 MB compressed and 10 MB unpacked.
const LARGEST_BYTES: u64 = 256 << 20;

/// The text of the repository's `PACKAGES`. `None`, after a warning, where it cannot be
/// had: resolving then goes without it.
///
/// # Errors
///
/// Where the store fails, or the user interrupts; never because of the repository.
pub fn fetch_index(
    repository_url: &str,
    http: &Http,
    store: &Store,
    report: &dyn Report,
) -> Result<Option<String>, FetchError> {
    let context = Context { http, store, report };
    let (asked, key) = place_of(repository_url, http);
    let now = http.now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
    let record = store.record::<IndexRecord>(Kind::Index, &key)?;
    if let Some(record) = &record
        // A copy from the future is one from before the clock was set.
        && now.checked_sub(record.fetched_at).is_some_and(|age| age < FRESH.as_secs())
        && let Some(text) = kept(record, store)?
    {
        return Ok(Some(text));
    }
    let failure = match asked_for(&asked, context) {
        Ok(text) => {
            let digest = store.put_bytes(text.as_bytes())?;
            let record = IndexRecord { url: redacted(&asked), sha256: digest.to_hex(), fetched_at: now };
            store.put_record(Kind::Index, &key, &record)?;
            return Ok(Some(text));
        }
        Err(Fault::Here(error)) => return Err(error),
        Err(Fault::There(failure)) => failure,
    };
    let older = record.as_ref().map(|record| kept(record, store)).transpose()?.flatten();
    announce(&failure, &asked, older.is_some(), report);
    Ok(older)
}

/// The text that the store keeps, however old; nobody is asked.
///
/// # Errors
///
/// Where the store fails.
pub fn kept_index(repository_url: &str, http: &Http, store: &Store) -> Result<Option<String>, FetchError> {
    let (_, key) = place_of(repository_url, http);
    let record = store.record::<IndexRecord>(Kind::Index, &key)?;
    Ok(record.map(|record| kept(&record, store)).transpose()?.flatten())
}

/// Where an index is asked for, and the name that the store has it under.
fn place_of(repository_url: &str, http: &Http) -> (String, String) {
    let asked = format!("{}/src/contrib/PACKAGES", http.place(repository_url).trim_end_matches('/'));
    let key = sha256(asked.as_bytes()).to_hex();
    (asked, key)
}

fn announce(failure: &Failure, asked: &str, has_older: bool, report: &dyn Report) {
    let url = redacted(asked);
    let instead = if has_older { "an older copy is used" } else { "packages are looked for without it" };
    let text = format!("package index `{url}`: {failure}; {instead}");
    // Without the network, nothing else is to be expected.
    if matches!(failure, Failure::Offline) {
        report.report(&Event::Note { text: &text });
    } else {
        report.report(&Event::Warning { text: &text });
    }
}

/// The store's copy; a damaged one is as good as none.
fn kept(record: &IndexRecord, store: &Store) -> Result<Option<String>, StoreError> {
    let Ok(digest) = record.sha256.parse::<Sha256Digest>() else { return Ok(None) };
    match store.read_blob(digest) {
        Ok(bytes) => Ok(Some(lossy(bytes))),
        Err(StoreError::Missing { .. } | StoreError::Corrupt { .. }) => Ok(None),
        Err(error) => Err(error),
    }
}

/// The compressed form first; small repositories have the other one only.
fn asked_for(asked: &str, context: Context<'_>) -> Result<String, Fault> {
    let compressed = format!("{asked}.gz");
    let bytes = match context.http.retrying(&compressed, || read(&compressed, LARGEST_BYTES, context)) {
        // S3 answers 403 where there is nothing.
        Err(Fault::There(Failure::NoSuchFile | Failure::Status { status: 403 | 404 | 410, .. })) => {
            context.http.retrying(asked, || read(asked, LARGEST_BYTES, context))?
        }
        bytes => unpacked(&bytes?)?,
    };
    if sniff::is_html(&bytes) {
        return Err(Failure::NotGzip { what: "an HTML page".to_owned() }.into());
    }
    Ok(lossy(bytes))
}

fn unpacked(compressed: &[u8]) -> Result<Vec<u8>, Failure> {
    if let Some(what) = sniff::not_gzip(compressed) {
        return Err(Failure::NotGzip { what });
    }
    let mut bytes = Vec::new();
    let decoder = MultiGzDecoder::new(compressed).take(LARGEST_BYTES + 1);
    let damaged = |error: std::io::Error| Failure::Broken { detail: error.to_string() };
    { decoder }.read_to_end(&mut bytes).map_err(damaged)?;
    if bytes.len() as u64 > LARGEST_BYTES {
        return Err(Failure::TooLarge { limit: LARGEST_BYTES });
    }
    Ok(bytes)
}

/// Only names, versions and digests are read from it, and those are ASCII.
fn lossy(bytes: Vec<u8>) -> String {
    String::from_utf8(bytes).unwrap_or_else(|error| String::from_utf8_lossy(error.as_bytes()).into_owned())
}
