//! What the store holds of a package's sources, and how more of it gets in.

use super::sources::Namer;
use super::url::redacted;
use super::verify::{Verified, Wanted, described, description_text};
use super::{FetchError, Pin, Request, SourceTarball, places};
use crate::model::{CommitId, PackageId, Sha256Digest, Subfolder};
use crate::resolve::{Candidate, Checkout};
use crate::store::{Kind, SourceRecord, Store, StoreError};
use crate::sys::hash::sha256;

/// The package's tarball, if the store has the pinned one or, without a pin, one from any
/// of the places where it may be.
pub(super) fn find(request: &Request, store: &Store) -> Result<Option<SourceTarball>, FetchError> {
    let id = &request.package.id;
    for place in places(request) {
        let Candidate { sha256, is_binary, .. } = place;
        let (pin, named) = (request.pin.as_ref(), request.named);
        let wanted = Wanted { id, md5: None, sha256, by: "", is_binary, pin, named };
        if let Some(tarball) = find_at(&place, &wanted, store)? {
            return Ok(Some(tarball));
        }
        // It is asked for before anything that the store may have by chance of what comes
        // after it: what is locked must not depend on that.
        if is_binary && request.pin.is_none() {
            return Ok(None);
        }
    }
    match &request.pin {
        Some(pin) => find_by_digest((id, request.named), pin, store),
        None => Ok(None),
    }
}

/// What was fetched from a place before.
pub(super) fn find_at(
    candidate: &Candidate,
    wanted: &Wanted<'_>,
    store: &Store,
) -> Result<Option<SourceTarball>, FetchError> {
    // Files without a commit can be others by now.
    let can_change = candidate.checkout.as_ref().is_some_and(Checkout::can_change);
    if can_change && wanted.pin.is_none() {
        return Ok(None);
    }
    let Some(record) = store.record::<SourceRecord>(Kind::Source, &key(candidate))? else { return Ok(None) };
    let Ok(sha256) = record.sha256.parse::<Sha256Digest>() else { return Ok(None) };
    let is_pinned = wanted.digest().is_none_or(|(expected, _)| expected == sha256);
    if !is_pinned || !store.has_blob_of(sha256, record.n_bytes) {
        return Ok(None);
    }
    let Ok(description) = described(&record.description, wanted.id, candidate.is_binary) else {
        return Ok(None);
    };
    let text = record.description;
    let verified = Verified { sha256, n_bytes: record.n_bytes, description, text, files: None };
    let found = Found { verified, candidate, commit: record.commit.and_then(|text| text.parse().ok()) };
    Ok(Some(SourceTarball { from_store: true, ..found.tarball() }))
}

/// A blob that came by another URL, such as a mirror's: it is looked into once.
fn find_by_digest(
    (id, named): (&PackageId, bool),
    pin: &Pin,
    store: &Store,
) -> Result<Option<SourceTarball>, FetchError> {
    if !store.has_blob_of(pin.sha256, pin.n_bytes) {
        return Ok(None);
    }
    let reader = store.open_blob(pin.sha256)?;
    let mut files = named.then(Namer::default);
    let Ok(text) = description_text(reader, pin.n_bytes, &id.name, files.as_mut()) else {
        // Damaged bytes are set aside here, and fetched anew.
        damage(pin.sha256, store)?;
        return Ok(None);
    };
    let Ok(description) = described(&text, id, pin.is_binary) else { return Ok(None) };
    let verified = Verified { sha256: pin.sha256, n_bytes: pin.n_bytes, description, text, files };
    let candidate = pin.candidate();
    let tarball = keep(Found { verified, candidate: &candidate, commit: None }, store)?;
    Ok(Some(SourceTarball { from_store: true, ..tarball }))
}

/// Reads the blob for its digest alone; one that is damaged is set aside, with this error.
pub(super) fn damage(digest: Sha256Digest, store: &Store) -> Result<Option<StoreError>, StoreError> {
    let mut reader = store.open_blob(digest)?;
    let Err(error) = std::io::copy(&mut reader, &mut std::io::sink()) else { return Ok(None) };
    let error = store.read_error(digest, error);
    if matches!(error, StoreError::Corrupt { .. }) { Ok(Some(error)) } else { Err(error) }
}

/// What was found at a place.
pub(super) struct Found<'a> {
    pub(super) verified: Verified,
    pub(super) candidate: &'a Candidate,
    /// All digits of the commit, where the place says it.
    pub(super) commit: Option<CommitId>,
}

impl Found<'_> {
    fn tarball(self) -> SourceTarball {
        let Verified { sha256, n_bytes, description, .. } = self.verified;
        let (id, url) = (description.id.clone(), self.candidate.url.clone());
        let checkout = self.candidate.checkout.clone();
        let checkout = checkout.map(|locked| Checkout { commit: self.commit.or(locked.commit), ..locked });
        SourceTarball { id, url, checkout, sha256, n_bytes, description, from_store: false }
    }
}

/// Records what was found; its blob is in the store already.
pub(super) fn keep(mut found: Found<'_>, store: &Store) -> Result<SourceTarball, StoreError> {
    if let Some(files) = found.verified.files.take() {
        files.keep(found.verified.sha256, store)?;
    }
    let Found { verified, candidate, commit } = &found;
    let record = SourceRecord {
        // The store can be shared, and passwords are none of its business.
        url: redacted(&candidate.url),
        sha256: verified.sha256.to_hex(),
        n_bytes: verified.n_bytes,
        description: verified.text.clone(),
        commit: commit.as_ref().map(ToString::to_string),
    };
    store.put_record(Kind::Source, &key(candidate), &record)?;
    Ok(found.tarball())
}

/// A URL has several packages where it is a repository's, and other bytes for each commit.
fn key(Candidate { url, checkout, .. }: &Candidate) -> String {
    let text = match checkout {
        None => url.clone(),
        Some(Checkout { commit, reference, subfolder }) => {
            let commit = commit.as_ref().map(CommitId::as_str).or(reference.as_deref());
            let subfolder = subfolder.as_ref().map(Subfolder::as_str);
            [url, commit.unwrap_or_default(), subfolder.unwrap_or_default()].join("\n")
        }
    };
    sha256(text.as_bytes()).to_hex()
}
