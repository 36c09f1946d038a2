//! One URL to a verified blob of the store.

use std::fs::File;
use std::io::{Read, Write};
use std::path::Path;

use tempfile::NamedTempFile;

use super::checkout::Listing;
use super::failure::Fault;
use super::http::Answer;
use super::partial::Partial;
use super::verify::{Wanted, verify};
use super::{Context, Failure, FetchError, SourceTarball, git, stored, url};
use crate::model::CommitId;
use crate::report::Event;
use crate::resolve::{Candidate, Checkout};
use crate::sys::fs;
use crate::sys::hash::sha256;

/// A source tarball of more than that, compressed, is none: Lambda takes 250 MB unpacked.
const LARGEST_BYTES: u64 = 2 << 30;

/// Gets, verifies and keeps what is at `url`. One process at a time: the others wait, and
/// then find it in the store.
pub(super) fn obtain(
    candidate: &Candidate,
    wanted: &Wanted<'_>,
    context: Context<'_>,
) -> Result<SourceTarball, Fault> {
    let Context { http, store, .. } = context;
    let asked = candidate.copy.clone().unwrap_or_else(|| http.place(&candidate.url));
    if url::file_path(&asked).is_none() && http.is_offline() {
        return stored::find_at(candidate, wanted, store)?.ok_or_else(|| Failure::Offline.into());
    }
    let key = sha256(asked.as_bytes()).to_hex();
    let _lock = store.lock_key(&format!("fetch-{key}"), http.interrupt())?;
    if let Some(tarball) = stored::find_at(candidate, wanted, store)? {
        return Ok(tarball);
    }
    http.retrying(&asked, || {
        let (temp, commit) = match &candidate.checkout {
            Some(checkout) if candidate.copy.is_none() => {
                taken_out(&asked, checkout, (wanted.id.name.as_str(), &key), context)?
            }
            Some(_) | None => (brought(&asked, &key, context)?, None),
        };
        let verified = verify(temp.path(), wanted)?;
        store.keep_file(temp, verified.sha256)?;
        let found = stored::Found { verified, candidate, commit };
        Ok(stored::keep(found, store)?)
    })
}

/// What is at a URL, as it is there.
fn brought(asked: &str, key: &str, context: Context<'_>) -> Result<NamedTempFile, Fault> {
    match url::file_path(asked) {
        Some(path) => copied(&path, context),
        None => transferred(asked, Partial::new(context.store.partial_path(key)), context),
    }
}

/// The package of a repository as a source tarball, and the commit it is of.
fn taken_out(
    asked: &str,
    checkout: &Checkout,
    (package, key): (&str, &str),
    context: Context<'_>,
) -> Result<(NamedTempFile, Option<CommitId>), Fault> {
    let store = context.store;
    if let Some(url) = asked.strip_prefix("git+") {
        let git::Fetched { listing, commit } = git::fetch(url, checkout, context)?;
        return Ok((listing.package(package, checkout, store)?, Some(commit)));
    }
    if let Some(folder) = url::file_path(asked).filter(|path| fs::is_dir(path)) {
        return Ok((Listing::of_folder(&folder)?.package(package, checkout, store)?, None));
    }
    let mut listing = Listing::new(store)?;
    let comment = listing.add_archive(brought(asked, key, context)?.path(), None)?;
    let found = comment.and_then(|comment| comment.parse::<CommitId>().ok());
    if let (Some(expected), Some(actual)) = (&checkout.commit, &found)
        && !actual.as_str().starts_with(expected.as_str())
    {
        return Err(Failure::WrongCommit { expected: expected.clone(), actual: actual.clone() }.into());
    }
    if listing.lacks_submodules(checkout)? {
        return Err(Failure::Submodules.into());
    }
    Ok((listing.package(package, checkout, store)?, found))
}

/// A file that a `file://` URL names.
pub(super) fn open_source(path: &Path) -> Result<File, Failure> {
    fs::open(path).map_err(unreadable)
}

pub(super) fn unreadable(source: fs::PathError) -> Failure {
    if source.source.kind() == std::io::ErrorKind::NotFound {
        Failure::NoSuchFile
    } else {
        Failure::Unreadable { source }
    }
}

/// A copy of a file, from disk.
fn copied(path: &Path, context: Context<'_>) -> Result<NamedTempFile, Fault> {
    let mut source = open_source(path)?;
    let temp = context.store.temp_file()?;
    let mut growing = Growing { file: temp.as_file(), path: temp.path(), n_bytes: 0, context };
    let mut buffer = vec![0; 256 << 10];
    loop {
        match source.read(&mut buffer).map_err(fs::at("read", path)).map_err(unreadable)? {
            0 => return Ok(temp),
            n => growing.add(&buffer[..n])?,
        }
    }
}

/// A download, of what an earlier run has not got yet.
fn transferred(url: &str, partial: Partial, context: Context<'_>) -> Result<NamedTempFile, Fault> {
    let resume = partial.resume()?;
    let mut answer = match context.http.get(url, resume.as_ref(), context.report) {
        Err(Fault::There(Failure::WrongRange)) => {
            partial.discard()?;
            return Err(Failure::WrongRange.into());
        }
        answer => answer?,
    };
    let (file, n_bytes) = match (&resume, answer.is_partial()) {
        (Some(resume), true) if resume.goes_on_with(answer.etag(), answer.range()) => {
            (partial.append()?, resume.from)
        }
        (_, true) => {
            partial.discard()?;
            return Err(Failure::WrongRange.into());
        }
        (_, false) => (partial.restart(answer.etag())?, 0),
    };
    let mut growing = Growing { file: &file, path: partial.path(), n_bytes, context };
    if let Err(fault) = growing.receive(&mut answer) {
        // What will not be resumed only takes room.
        if matches!(fault, Fault::There(Failure::TooLarge { .. })) || partial.resume()?.is_none() {
            partial.discard()?;
        }
        return Err(fault);
    }
    let received = growing.n_bytes;
    if let Some(announced) = answer.announced_bytes().filter(|announced| *announced != received) {
        return Err(Failure::CutShort { received, announced }.into());
    }
    Ok(partial.complete()?)
}

/// A file that bytes are added to.
struct Growing<'a> {
    file: &'a File,
    path: &'a Path,
    n_bytes: u64,
    context: Context<'a>,
}

impl Growing<'_> {
    fn receive(&mut self, answer: &mut Answer<'_>) -> Result<(), Fault> {
        while let Some(bytes) = answer.next()? {
            self.add(bytes.as_ref())?;
        }
        Ok(())
    }

    fn add(&mut self, bytes: &[u8]) -> Result<(), Fault> {
        self.n_bytes += bytes.len() as u64;
        if self.n_bytes > LARGEST_BYTES {
            return Err(Failure::TooLarge { limit: LARGEST_BYTES }.into());
        }
        if self.context.http.is_interrupted() {
            return Err(FetchError::Interrupted.into());
        }
        self.file.write_all(bytes).map_err(fs::at("write", self.path))?;
        self.context.report.report(&Event::Received { n_bytes: bytes.len() as u64 });
        Ok(())
    }
}
