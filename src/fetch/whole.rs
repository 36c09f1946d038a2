//! A URL to the bytes that are there, all of them, or to their digest alone.

use std::io::Read;

use sha2::{Digest, Sha256};

use super::download::{open_source, unreadable};
use super::failure::Fault;
use super::http::Http;
use super::url::{file_path, redacted};
use super::{Context, Failure, FetchError};
use crate::model::Sha256Digest;
use crate::report::Report;
use crate::store::Store;
use crate::sys::fs;

/// All bytes of a file that is no source tarball.
///
/// # Errors
///
/// Where it is not there, or has more bytes than `limit_bytes`.
pub fn fetch_whole(
    url: &str,
    limit_bytes: u64,
    (http, store): (&Http, &Store),
    report: &dyn Report,
) -> Result<Vec<u8>, FetchError> {
    let context = Context { http, store, report };
    let asked = http.place(url);
    http.retrying(&asked, || read(&asked, limit_bytes, context)).map_err(|fault| of_fault(fault, &asked))
}

/// The digest of what is at a URL by now; nothing of it is kept.
///
/// # Errors
///
/// Where it is not there.
pub fn fetch_digest(
    url: &str,
    (http, store): (&Http, &Store),
    report: &dyn Report,
) -> Result<Sha256Digest, FetchError> {
    /// As much as a source tarball may have.
    const LARGEST_BYTES: u64 = 2 << 30;
    let context = Context { http, store, report };
    let asked = http.place(url);
    let digest = || {
        let mut sha256 = Sha256::new();
        each_chunk(&asked, LARGEST_BYTES, context, &mut |bytes| sha256.update(bytes))?;
        Ok(Sha256Digest(sha256.finalize().into()))
    };
    http.retrying(&asked, digest).map_err(|fault| of_fault(fault, &asked))
}

/// Whether there is anything at a URL. Only the beginning of the answer is waited for.
///
/// # Errors
///
/// Where nobody says.
pub fn is_there(url: &str, (http, store): (&Http, &Store), report: &dyn Report) -> Result<bool, FetchError> {
    let context = Context { http, store, report };
    let asked = http.place(url);
    let answered = http.retrying(&asked, || match file_path(&asked) {
        Some(path) => Ok(open_source(&path).map(|_| ())?),
        None => context.http.get(&asked, None, context.report).map(|_| ()),
    });
    match answered {
        Ok(()) => Ok(true),
        Err(Fault::There(failure)) if failure.is_not_there() => Ok(false),
        Err(fault) => Err(of_fault(fault, &asked)),
    }
}

fn of_fault(fault: Fault, asked: &str) -> FetchError {
    match fault {
        Fault::Here(error) => error,
        Fault::There(failure) => FetchError::NotThere { url: redacted(asked), failure },
    }
}

/// All bytes of a small file.
pub(super) fn read(url: &str, limit_bytes: u64, context: Context<'_>) -> Result<Vec<u8>, Fault> {
    let mut bytes = Vec::new();
    each_chunk(url, limit_bytes, context, &mut |chunk| bytes.extend_from_slice(chunk))?;
    Ok(bytes)
}

fn each_chunk(
    url: &str,
    limit_bytes: u64,
    context: Context<'_>,
    take: &mut dyn FnMut(&[u8]),
) -> Result<(), Fault> {
    let mut n_bytes = 0;
    let mut counted = |bytes: &[u8]| {
        n_bytes += bytes.len() as u64;
        if n_bytes > limit_bytes {
            return Err(Failure::TooLarge { limit: limit_bytes });
        }
        take(bytes);
        Ok(())
    };
    let Some(path) = file_path(url) else {
        let mut answer = context.http.get(url, None, context.report)?;
        while let Some(chunk) = answer.next()? {
            counted(chunk.as_ref())?;
        }
        return Ok(());
    };
    let mut source = open_source(&path)?;
    let mut buffer = vec![0; 256 << 10];
    loop {
        match source.read(&mut buffer).map_err(fs::at("read", &path)).map_err(unreadable)? {
            0 => return Ok(()),
            n => counted(&buffer[..n])?,
        }
    }
}
