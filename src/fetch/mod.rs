//! Stage 3: resolved packages to source tarballs, verified, in the store.
//!
//! A tarball is looked for in the store first, then at one URL after the other. Its bytes
//! are held against what is known of them, and the whole archive is read under
//! the rules of `policy`, before anything else may see it.

mod checkout;
mod credentials;
mod download;
mod error;
mod even;
mod failure;
mod git;
mod headers;
mod http;
mod index;
mod look;
mod netrc;
mod pace;
mod partial;
mod policy;
mod resume;
mod sniff;
mod sources;
mod stored;
mod unpack;
mod url;
mod vendor;
mod verify;
mod walk;
mod whole;
mod zip;

pub use credentials::Credentials;
pub use error::{FetchError, Tried};
pub use failure::Failure;
pub use headers::{first_include, is_cpp};
pub use http::{Http, HttpOptions};
pub use index::{fetch_index, kept_index};
pub use look::each_file;
pub use policy::{Flaw, Violation};
pub use sources::{Sources, Tarball, sources};
pub use unpack::unpack;
pub use url::{redacted, without_secrets};
pub use vendor::{VendorReport, vendor};
pub use whole::{fetch_digest, fetch_whole, is_there};

use self::failure::Fault;
use crate::model::{Description, PackageId, Sha256Digest};
use crate::report::{Event, Report};
use crate::resolve::{Candidate, Checkout, ResolvedPackage};
use crate::store::Store;
use crate::sys::threads::in_parallel;

/// What the bytes must be, from `layr.lock`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pin {
    pub url: String,
    pub checkout: Option<Checkout>,
    pub is_binary: bool,
    pub sha256: Sha256Digest,
    pub n_bytes: u64,
}

impl Pin {
    /// The place that it names.
    fn candidate(&self) -> Candidate {
        let Self { url, checkout, is_binary, .. } = self.clone();
        Candidate { checkout, is_binary, ..Candidate::tarball(url) }
    }

    /// Whether it is of what the lockfile locks: a package that comes from elsewhere by now,
    /// or from another commit, may have the same version.
    pub fn fits(&self, package: &ResolvedPackage) -> bool {
        package.candidates.iter().any(|candidate| match (&self.checkout, &candidate.checkout) {
            (None, None) => !self.is_binary || candidate.is_binary,
            (Some(pinned), Some(locked)) => {
                let is_same_commit = match (&pinned.commit, &locked.commit) {
                    (Some(pinned), Some(locked)) => pinned.as_str().starts_with(locked.as_str()),
                    (_, None) => true,
                    (None, Some(_)) => false,
                };
                is_same_commit && pinned.subfolder == locked.subfolder
            }
            (Some(_), None) | (None, Some(_)) => false,
        })
    }
}

/// A package to fetch.
#[derive(Debug, Clone)]
pub struct Request {
    pub package: ResolvedPackage,
    pub pin: Option<Pin>,
    /// Whether its files are named while they are read: for who asks for [`sources`] next.
    pub named: bool,
}

/// A package's source, verified: a blob of the store.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SourceTarball {
    pub id: PackageId,
    /// Where it was found, as the lockfile's repository has it: what `layr.lock` records.
    pub url: String,
    /// What of the repository at `url` it was made of, with all of the commit's digits.
    pub checkout: Option<Checkout>,
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
    in_parallel(http.n_parallel(), requests, |request| fetch_one(request, context))
}

fn fetch_one(request: &Request, context: Context<'_>) -> Result<SourceTarball, FetchError> {
    let Request { package, pin, named } = request;
    if context.http.is_interrupted() {
        return Err(FetchError::Interrupted);
    }
    if let Some(tarball) = stored::find(request, context.store)? {
        return Ok(tarball);
    }
    let mut tried = Vec::new();
    for candidate in places(request) {
        let wanted = verify::Wanted {
            id: &package.id,
            md5: candidate.md5.as_deref(),
            sha256: candidate.sha256,
            is_binary: candidate.is_binary,
            by: if candidate.copy.is_some() { "the vendored index" } else { "the lockfile" },
            pin: pin.as_ref(),
            named: *named,
        };
        match download::obtain(&candidate, &wanted, context) {
            Ok(tarball) => {
                let n_bytes = tarball.n_bytes;
                if !tarball.from_store {
                    context.report.report(&Event::Fetched { package: &package.id, n_bytes });
                }
                return Ok(tarball);
            }
            Err(Fault::Here(error)) => return Err(error),
            Err(Fault::There(failure)) => {
                let asked = candidate.copy.unwrap_or_else(|| context.http.place(&candidate.url));
                tried.push(Tried { url: url::redacted(&asked), failure });
            }
        }
    }
    if tried.iter().all(|tried| matches!(tried.failure, Failure::Offline)) {
        return Err(FetchError::Offline { package: package.id.clone() });
    }
    Err(FetchError::NotFetched { package: package.id.clone(), tried, newest: package.newest.clone() })
}

/// Where to look: copies that are at hand first, then what is pinned, then the candidates,
/// each once. A candidate's URL may hold a password that the pinned one has not.
fn places(request: &Request) -> Vec<Candidate> {
    let candidates = &request.package.candidates;
    let Some(pin) = &request.pin else { return candidates.clone() };
    let is_pinned = |candidate: &Candidate| url::without_secrets(&candidate.url) == pin.url;
    let pinned = pin.candidate();
    let (copies, others): (Vec<_>, Vec<_>) =
        candidates.iter().cloned().partition(|candidate| candidate.copy.is_some());
    let known = others.iter().find(|candidate| is_pinned(candidate)).map(|candidate| candidate.url.clone());
    let pinned = Candidate { url: known.unwrap_or(pinned.url), ..pinned };
    let others = others.into_iter().filter(|candidate| !is_pinned(candidate));
    copies.into_iter().chain([pinned]).chain(others).collect()
}

#[cfg(test)]
mod tests;
