//! What the store holds of a package's sources, and how more of it gets in.

use super::url::redacted;
use super::verify::{Verified, Wanted, described, description_text};
use super::{FetchError, Pin, Request, SourceTarball, places};
use crate::model::{PackageId, Sha256Digest};
use crate::store::{Kind, SourceRecord, Store, StoreError};
use crate::sys::hash::sha256;

/// The package's tarball, if the store has the pinned one or, without a pin, one from any
/// of the places where it may be.
pub(super) fn find(request: &Request, store: &Store) -> Result<Option<SourceTarball>, FetchError> {
    let id = &request.package.id;
    for place in places(request) {
        let wanted = Wanted { id, md5: None, pin: request.pin.as_ref() };
        if let Some(tarball) = find_at(&place.url, &wanted, store)? {
            return Ok(Some(tarball));
        }
    }
    match &request.pin {
        Some(pin) => find_by_digest(id, pin, store),
        None => Ok(None),
    }
}

/// What was fetched from `url` before.
pub(super) fn find_at(
    url: &str,
    wanted: &Wanted<'_>,
    store: &Store,
) -> Result<Option<SourceTarball>, FetchError> {
    let Some(record) = store.record::<SourceRecord>(Kind::Source, &key(url))? else { return Ok(None) };
    let Ok(sha256) = record.sha256.parse::<Sha256Digest>() else { return Ok(None) };
    let is_pinned = wanted.pin.is_none_or(|pin| pin.sha256 == sha256);
    if !is_pinned || !store.has_blob_of(sha256, record.n_bytes) {
        return Ok(None);
    }
    let Ok(description) = described(&record.description, wanted.id) else { return Ok(None) };
    let (id, n_bytes) = (wanted.id.clone(), record.n_bytes);
    Ok(Some(SourceTarball { id, url: url.to_owned(), sha256, n_bytes, description, from_store: true }))
}

/// A blob that came by another URL, such as a mirror's: it is looked into once.
fn find_by_digest(id: &PackageId, pin: &Pin, store: &Store) -> Result<Option<SourceTarball>, FetchError> {
    if !store.has_blob_of(pin.sha256, pin.n_bytes) {
        return Ok(None);
    }
    let reader = store.open_blob(pin.sha256)?;
    let Ok(text) = description_text(reader, pin.n_bytes, &id.name) else {
        // Damaged bytes are set aside here, and fetched anew.
        damage(pin.sha256, store)?;
        return Ok(None);
    };
    let Ok(description) = described(&text, id) else { return Ok(None) };
    let verified = Verified { sha256: pin.sha256, n_bytes: pin.n_bytes, description, text };
    let tarball = keep(verified, &pin.url, store)?;
    Ok(Some(SourceTarball { from_store: true, ..tarball }))
}

/// Reads the blob for its digest alone; one that is damaged is set aside, with this error.
pub(super) fn damage(digest: Sha256Digest, store: &Store) -> Result<Option<StoreError>, StoreError> {
    let mut reader = store.open_blob(digest)?;
    let Err(error) = std::io::copy(&mut reader, &mut std::io::sink()) else { return Ok(None) };
    let error = store.read_error(digest, error);
    if matches!(error, StoreError::Corrupt { .. }) { Ok(Some(error)) } else { Err(error) }
}

/// Records what was found at `url`; its blob is in the store already.
pub(super) fn keep(verified: Verified, url: &str, store: &Store) -> Result<SourceTarball, StoreError> {
    let Verified { sha256, n_bytes, description, text } = verified;
    // The store can be shared, and passwords are none of its business.
    let record = SourceRecord { url: redacted(url), sha256: sha256.to_hex(), n_bytes, description: text };
    store.put_record(Kind::Source, &key(url), &record)?;
    let id = description.id.clone();
    Ok(SourceTarball { id, url: url.to_owned(), sha256, n_bytes, description, from_store: false })
}

fn key(url: &str) -> String {
    sha256(url.as_bytes()).to_hex()
}
