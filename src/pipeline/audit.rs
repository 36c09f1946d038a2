//! What an audit asks the stages: sources, what they do, and what repositories have by now.

use std::collections::{BTreeMap, BTreeSet};

use super::run::Run;
use super::{BuildRequest, FunctionRequest, Services, select};
use crate::audit::licence::is_text;
use crate::audit::{Audited, Bytes, Scan, Standing, Subject};
use crate::error::Error;
use crate::fetch::{self, FetchError, Pin, SourceTarball};
use crate::lockfile::Lockfile;
use crate::model::{PackageId, Sha256Digest, compare_version};
use crate::report::Event;
use crate::resolve::{self, Candidate, Known, PackageIndex, ResolvedPackage};
use crate::sys::threads::in_parallel;

/// Packages that are asked for or looked into at the same time: as many as downloads.
const N_AT_ONCE: usize = 8;

/// Source tarballs by package: where a run looks for what lockfiles and layers do not say.
pub type Sources = BTreeMap<PackageId, SourceTarball>;

/// The sources of lockfiles' packages, each with the function that it is of: those that the store has and, with the network, all.
/// What cannot be had is warned of, and absent.
///
/// # Errors
///
/// What keeps from looking: a lockfile that cannot be read, the store, an interrupt.
pub fn sources(
    lockfiles: &[(FunctionRequest, Lockfile)],
    request: &BuildRequest,
    services: &Services,
) -> Result<Sources, Error> {
    let run = Run::new(request, services);
    let locked = run.read_layr_lock()?;
    let mut sources = Sources::new();
    for (function, lockfile) in lockfiles {
        let resolution = if services.offline {
            // No index is needed to know under which URLs the store may have a package.
            let project = select::project(function, request, services.home.as_deref())?;
            let (indexes, vendored) = (BTreeMap::new(), run.vendored()?);
            resolve::resolve(
                lockfile,
                &Known { indexes: &indexes, project: &project, vendored: &vendored, binaries: None },
            )
        } else {
            run.resolve(function, lockfile, &locked)?
        };
        let (tarballs, failed) = run.fetch(&resolution, &locked)?;
        warn(&failed, services);
        sources.extend(tarballs.into_iter().map(|tarball| (tarball.id.clone(), tarball)));
    }
    Ok(sources)
}

/// The sources of packages whose URLs and digests are known.
///
/// # Errors
///
/// As [`sources`].
pub fn known_sources(subjects: &[Subject], services: &Services) -> Result<Sources, Error> {
    let Services { store, http, report, .. } = services;
    let packages = subjects.iter().flat_map(|subject| &subject.packages);
    let known: BTreeSet<(&PackageId, &(String, Sha256Digest))> =
        packages.filter_map(|package| Some((&package.id, package.tarball.as_ref()?))).collect();
    let mut requests = Vec::new();
    for (id, (url, sha256)) in known {
        let candidate = Candidate { sha256: Some(*sha256), ..Candidate::tarball(url.clone()) };
        let pin = if store.has_blob(*sha256) {
            let n_bytes = store.blob_size(*sha256)?;
            Some(Pin { url: url.clone(), checkout: None, is_binary: false, sha256: *sha256, n_bytes })
        } else {
            None
        };
        let package = ResolvedPackage { id: id.clone(), candidates: vec![candidate], newest: None };
        requests.push(fetch::Request { package, pin, named: false });
    }
    let mut sources = Sources::new();
    let mut failed = Vec::new();
    for result in fetch::fetch(&requests, http, store, &**report) {
        match result {
            Ok(tarball) => _ = sources.insert(tarball.id.clone(), tarball),
            Err(FetchError::Interrupted) => return Err(Error::Interrupted),
            Err(error) => failed.push(error),
        }
    }
    warn(&failed, services);
    Ok(sources)
}

fn warn(failed: &[FetchError], services: &Services) {
    for error in failed.iter().filter(|error| !matches!(error, FetchError::Offline { .. })) {
        let text = format!("not looked into: {error}");
        services.report.report(&Event::Warning { text: &text });
    }
}

/// Whether packages' files are read for what they do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Risks {
    Scan,
    Skip,
}

/// Tells subjects what the sources say: licences, where they are from, and what they do.
///
/// # Errors
///
/// A tarball that the store has damaged.
pub fn look_into(
    subjects: &mut [Subject],
    sources: &Sources,
    risks: Risks,
    services: &Services,
) -> Result<(), Error> {
    let packages = || subjects.iter().flat_map(|subject| &subject.packages);
    let ids: BTreeSet<&PackageId> = packages().map(|package| &package.id).collect();
    let wanted: Vec<&SourceTarball> = match risks {
        Risks::Scan => ids.into_iter().filter_map(|id| sources.get(id)).collect(),
        Risks::Skip => Vec::new(),
    };
    let scanned = in_parallel(N_AT_ONCE, &wanted, |tarball| {
        let mut scan = Scan::default();
        fetch::each_file(tarball, &services.store, &mut |path, bytes| scan.file(path, bytes))?;
        Ok((tarball.id.clone(), scan.finish()))
    });
    let scanned: Result<BTreeMap<_, _>, FetchError> = scanned.into_iter().collect();
    let scanned = scanned.map_err(|error| Error::Fetch(vec![error]))?;
    for package in subjects.iter_mut().flat_map(|subject| &mut subject.packages) {
        let Some(tarball) = sources.get(&package.id) else { continue };
        // What the source says counts, whatever a lockfile repeats of it.
        let of_source = tarball.description.license.clone();
        package.licence = of_source.or_else(|| package.licence.take());
        package.tarball.get_or_insert_with(|| (tarball.url.clone(), tarball.sha256));
        package.behaviours = scanned.get(&package.id).cloned();
    }
    Ok(())
}

/// Tells subjects what repositories have of their packages: newer versions, or none at all.
/// Where a repository does not answer, nothing is said of its packages.
///
/// # Errors
///
/// An interrupt, or a store that fails.
pub fn standings(subjects: &mut [Subject], services: &Services) -> Result<(), Error> {
    let Services { store, http, report, .. } = services;
    let of = |package: &Audited| Some((package.repository.clone()?, package.id.clone()));
    let packages = subjects.iter().flat_map(|subject| &subject.packages);
    let wanted: BTreeSet<(String, PackageId)> = packages.filter_map(of).collect();
    let mut indexes = BTreeMap::new();
    for url in wanted.iter().map(|(url, _)| url).collect::<BTreeSet<_>>() {
        let text = fetch::fetch_index(url, http, store, &**report);
        let text = text.map_err(|error| Error::Fetch(vec![error]))?;
        if let Some(Ok(index)) = text.as_deref().map(PackageIndex::parse) {
            indexes.insert(url.clone(), index);
        }
    }
    let wanted: Vec<(String, PackageId)> = wanted.into_iter().collect();
    let found = in_parallel(N_AT_ONCE, &wanted, |(url, id)| {
        let Some(index) = indexes.get(url) else { return Ok(None) };
        standing(index, url, id, services).map(Some)
    });
    let mut standings = BTreeMap::new();
    for (key, standing) in wanted.into_iter().zip(found) {
        match standing {
            Ok(Some(standing)) => _ = standings.insert(key, standing),
            Ok(None) => {}
            Err(FetchError::Interrupted) => return Err(Error::Interrupted),
            Err(error) => warn(&[error], services),
        }
    }
    for package in subjects.iter_mut().flat_map(|subject| &mut subject.packages) {
        package.standing = of(package).and_then(|key| standings.get(&key).cloned());
    }
    Ok(())
}

fn standing(
    index: &PackageIndex,
    repository: &str,
    id: &PackageId,
    services: &Services,
) -> Result<Standing, FetchError> {
    let PackageId { name, version } = id;
    match index.newest(name) {
        Some(newest) if compare_version(newest, version).is_gt() => Ok(Standing::Newer(newest.clone())),
        Some(_) => Ok(Standing::Current),
        None => {
            let url = format!("{repository}/src/contrib/Archive/{name}/{name}_{version}.tar.gz");
            let place = (&services.http, &services.store);
            let is_there = fetch::is_there(&url, place, &*services.report)?;
            Ok(if is_there { Standing::Archived } else { Standing::Removed })
        }
    }
}

/// Tells subjects whether their source tarballs are still what they were, by fetching them
/// again.
///
/// # Errors
///
/// An interrupt.
pub fn fetch_again(subjects: &mut [Subject], services: &Services) -> Result<(), Error> {
    let packages = subjects.iter().flat_map(|subject| &subject.packages);
    let is_tarball = |url: &str| url.ends_with(".tar.gz") && url.contains("/src/contrib/");
    let tarballs = packages.filter_map(|package| package.tarball.clone());
    let wanted: BTreeSet<(String, Sha256Digest)> = tarballs.filter(|(url, _)| is_tarball(url)).collect();
    let wanted: Vec<(String, Sha256Digest)> = wanted.into_iter().collect();
    let place = (&services.http, &services.store);
    let found =
        in_parallel(N_AT_ONCE, &wanted, |(url, _)| fetch::fetch_digest(url, place, &*services.report));
    let mut bytes = BTreeMap::new();
    for (key, found) in wanted.into_iter().zip(found) {
        match found {
            Ok(found) if found == key.1 => _ = bytes.insert(key, Bytes::Same),
            Ok(found) => {
                let (locked, found) = (key.1.to_hex(), found.to_hex());
                bytes.insert(key, Bytes::Other { locked, found });
            }
            Err(FetchError::Interrupted) => return Err(Error::Interrupted),
            Err(error) => warn(&[error], services),
        }
    }
    for package in subjects.iter_mut().flat_map(|subject| &mut subject.packages) {
        package.bytes = package.tarball.as_ref().and_then(|key| bytes.get(key).cloned());
    }
    Ok(())
}

/// What a package says of its licence in files, by their paths in it.
pub type LicenceTexts = BTreeMap<PackageId, BTreeMap<String, Vec<u8>>>;

/// The texts of licences and copyrights that the sources bring.
///
/// # Errors
///
/// A tarball that the store has damaged.
pub fn licence_texts(sources: &Sources, services: &Services) -> Result<LicenceTexts, Error> {
    let tarballs: Vec<&SourceTarball> = sources.values().collect();
    let texts = in_parallel(N_AT_ONCE, &tarballs, |tarball| {
        let mut texts = BTreeMap::new();
        fetch::each_file(tarball, &services.store, &mut |path, bytes| {
            if is_text(path) {
                texts.insert(path.to_owned(), bytes.to_vec());
            }
        })?;
        Ok((tarball.id.clone(), texts))
    });
    let texts: Result<LicenceTexts, FetchError> = texts.into_iter().collect();
    texts.map_err(|error| Error::Fetch(vec![error]))
}
