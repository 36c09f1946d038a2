//! Stage 3: resolved packages to source tarballs, verified, in the store.
//!
//! A tarball is looked for in the store first, then at one URL after the other. Its bytes
//! are held against what is known of them, and the whole archive is read under
//! the rules of `policy`, before anything else may see it.

mod download;
mod error;
mod failure;
mod http;
mod index;
mod partial;
mod policy;
mod resume;
mod sniff;
mod stored;
mod unpack;
mod url;
mod verify;
mod walk;

#[cfg(test)]
mod tests;

use std::sync::OnceLock;
use std::sync::atomic::{AtomicUsize, Ordering};

pub use error::{FetchError, Tried};
pub use failure::Failure;
pub use http::{Http, HttpOptions};
pub use index::fetch_index;
pub use policy::{Flaw, Violation};
pub use unpack::unpack;
pub use url::{redacted, without_userinfo};

use self::failure::Fault;
use crate::model::{Description, PackageId, Sha256Digest};
use crate::report::{Event, Report};
use crate::resolve::{Candidate, ResolvedPackage};
use crate::store::Store;

/// What the bytes must be, from `layr.lock`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pin {
    pub url: String,
    pub sha256: Sha256Digest,
    pub n_bytes: u64,
}

/// A package to fetch.
#[derive(Debug, Clone)]
pub struct Request {
    pub package: ResolvedPackage,
    pub pin: Option<Pin>,
}

/// A package's source, verified: a blob of the store.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SourceTarball {
    pub id: PackageId,
    /// Where it was found, as the lockfile's repository has it: what `layr.lock` records.
    pub url: String,
    pub sha256: Sha256Digest,
    pub n_bytes: u64,
    pub description: Description,
    /// Whether the store had it, so that nothing was asked for.
    pub from_store: bool,
}

/// What all parts of this stage work with.
#[derive(Clone, Copy)]
struct Context<'a> {
    http: &'a Http,
    store: &'a Store,
    report: &'a dyn Report,
}

/// Fetches all packages, several at a time; the results are in the order of the requests.
///
/// # Errors
///
/// One for each package that cannot be had: the others are fetched all the same.
pub fn fetch(
    requests: &[Request],
    http: &Http,
    store: &Store,
    report: &dyn Report,
) -> Vec<Result<SourceTarball, FetchError>> {
    let context = Context { http, store, report };
    let next = AtomicUsize::new(0);
    let results: Vec<OnceLock<_>> = requests.iter().map(|_| OnceLock::new()).collect();
    let work = || {
        while let Some(at) = Some(next.fetch_add(1, Ordering::Relaxed)).filter(|at| *at < requests.len()) {
            _ = results[at].set(fetch_one(&requests[at], context));
        }
    };
    std::thread::scope(|scope| {
        for _ in 0..http.n_parallel().min(requests.len()) {
            scope.spawn(work);
        }
    });
    results.into_iter().map(|result| result.into_inner().unwrap_or(Err(FetchError::Interrupted))).collect()
}

fn fetch_one(request: &Request, context: Context<'_>) -> Result<SourceTarball, FetchError> {
    let Request { package, pin } = request;
    if context.http.is_interrupted() {
        return Err(FetchError::Interrupted);
    }
    if let Some(tarball) = stored::find(request, context.store)? {
        return Ok(tarball);
    }
    let mut tried = Vec::new();
    for candidate in places(request) {
        let wanted = verify::Wanted { id: &package.id, md5: candidate.md5.as_deref(), pin: pin.as_ref() };
        match download::obtain(&candidate.url, &wanted, context) {
            Ok(tarball) => {
                let n_bytes = tarball.n_bytes;
                if !tarball.from_store {
                    context.report.report(&Event::Fetched { package: &package.id, n_bytes });
                }
                return Ok(tarball);
            }
            Err(Fault::Here(error)) => return Err(error),
            Err(Fault::There(failure)) => {
                tried.push(Tried { url: url::redacted(&context.http.place(&candidate.url)), failure });
            }
        }
    }
    if tried.iter().all(|tried| matches!(tried.failure, Failure::Offline)) {
        return Err(FetchError::Offline { package: package.id.clone() });
    }
    Err(FetchError::NotFetched { package: package.id.clone(), tried, newest: package.newest.clone() })
}

/// Where to look: what is pinned first, then the candidates, each once.
fn places(request: &Request) -> Vec<Candidate> {
    let candidates = &request.package.candidates;
    let Some(pin) = &request.pin else { return candidates.clone() };
    let mut places = vec![Candidate { url: pin.url.clone(), md5: None }];
    places.extend(candidates.iter().filter(|candidate| candidate.url != pin.url).cloned());
    places
}
