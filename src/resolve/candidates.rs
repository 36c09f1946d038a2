//! Which URLs a package's exact version may be at, in which order.

use std::collections::BTreeMap;

use super::PackageIndex;
use super::error::ResolveError;
use crate::lockfile::{CRAN_FAMILY, LockedPackage, Lockfile, Repository, Source};
use crate::model::{Forge, PackageId, RVersion, compare_version, is_base_package, is_recommended_package};

/// All packages of a lockfile that are to be built, sorted by name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Resolution {
    pub packages: Vec<ResolvedPackage>,
}

/// A package and the places to look for it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ResolvedPackage {
    pub id: PackageId,
    /// In the order to try; never empty.
    pub candidates: Vec<Candidate>,
    /// The newest version that any repository's index has, for the error where none of
    /// the candidates exists.
    pub newest: Option<RVersion>,
}

/// One place where the source tarball may be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Candidate {
    /// As the lockfile's repository would have it: what layr.lock records.
    pub url: String,
    /// What the index says its MD5 is, hexadecimal.
    pub md5: Option<String>,
}

/// Finds the places for each package. `indexes` holds a repository's index by its URL;
/// one that could not be had is absent, and then decides nothing.
///
/// # Errors
///
/// All packages that cannot be had from a repository, at once.
pub fn resolve(
    lockfile: &Lockfile,
    indexes: &BTreeMap<String, PackageIndex>,
) -> Result<Resolution, Vec<ResolveError>> {
    let mut packages = Vec::new();
    let mut errors = Vec::new();
    for package in lockfile.packages.values().filter(|package| !is_base_package(&package.id.name)) {
        if let Source::Repository { recorded, .. } = &package.source {
            let repositories = in_order(recorded.as_deref(), &lockfile.repositories);
            packages.push(resolve_one(package, &repositories, lockfile.r.as_ref(), indexes));
        } else {
            let (package, kind) = (package.id.clone(), kind(&package.source).to_owned());
            errors.push(ResolveError::UnsupportedSource { package, kind });
        }
    }
    if errors.is_empty() { Ok(Resolution { packages }) } else { Err(errors) }
}

/// The word for a source in errors.
fn kind(source: &Source) -> &str {
    match source {
        Source::Repository { .. } => "repository",
        Source::Bioconductor { .. } => "Bioconductor",
        Source::Forge(origin) => match origin.forge {
            Forge::GitHub => "GitHub",
            Forge::GitLab => "GitLab",
            Forge::Bitbucket => "Bitbucket",
        },
        Source::Git(_) => "git",
        Source::Archive { .. } => "URL",
        Source::Local { .. } => "local",
        Source::Unknown { kind } => kind,
    }
}

/// All URLs that a lockfile's packages may be looked for under, each once.
pub fn repository_urls(lockfile: &Lockfile) -> Vec<String> {
    let mut urls: Vec<String> =
        lockfile.repositories.iter().map(|repository| repository.url.clone()).collect();
    for package in lockfile.packages.values() {
        if let Source::Repository { recorded: Some(url), .. } = &package.source
            && url.contains("://")
            && !urls.contains(url)
        {
            urls.push(url.clone());
        }
    }
    urls
}

/// The recorded repository first, then all others: a name is a preference, since the
/// same packages go by different names on different machines.
fn in_order(recorded: Option<&str>, repositories: &[Repository]) -> Vec<String> {
    let mut urls: Vec<String> = Vec::new();
    match recorded {
        Some(url) if url.contains("://") => urls.push(url.to_owned()),
        Some(name) => {
            let exact = repositories.iter().filter(|repository| repository.name == name);
            let family = repositories.iter().filter(|repository| {
                CRAN_FAMILY.contains(&name) && CRAN_FAMILY.contains(&repository.name.as_str())
            });
            urls.extend(exact.chain(family).map(|repository| repository.url.clone()));
        }
        None => {}
    }
    urls.extend(repositories.iter().map(|repository| repository.url.clone()));
    let mut seen = std::collections::BTreeSet::new();
    urls.retain(|url| seen.insert(url.clone()));
    urls
}

fn resolve_one(
    package: &LockedPackage,
    repositories: &[String],
    r: Option<&RVersion>,
    indexes: &BTreeMap<String, PackageIndex>,
) -> ResolvedPackage {
    let id = &package.id;
    let mut listed = Vec::new();
    let mut unlisted = Vec::new();
    let mut newest: Option<&RVersion> = None;
    for repository in repositories {
        let index = indexes.get(repository);
        let found = index.and_then(|index| index.newest(&id.name));
        newest = [newest, found].into_iter().flatten().max_by(|a, b| compare_version(a, b));
        let listing = index.and_then(|index| index.listing(&id.name, &id.version));
        let current = Candidate {
            url: current_url(repository, id, listing.and_then(|listing| listing.path.as_deref())),
            md5: listing.and_then(|listing| listing.md5.clone()),
        };
        let archived = Candidate {
            url: format!("{repository}/src/contrib/Archive/{0}/{0}_{1}.tar.gz", id.name, id.version),
            md5: None,
        };
        // The index decides which is likelier; the other is tried too, since mirrors lag
        // behind and packages move to the archive between two requests.
        if listing.is_some() {
            listed.push(current);
            unlisted.push(archived);
        } else {
            unlisted.push(archived);
            unlisted.push(current);
        }
        if let (true, Some(r)) = (is_recommended_package(&id.name), r) {
            let path = format!("{r}/Recommended");
            unlisted.push(Candidate { url: current_url(repository, id, Some(&path)), md5: None });
        }
    }
    listed.extend(unlisted);
    ResolvedPackage { id: id.clone(), candidates: listed, newest: newest.cloned() }
}

fn current_url(repository: &str, id: &PackageId, path: Option<&str>) -> String {
    let folder = path.map(|path| format!("{path}/")).unwrap_or_default();
    format!("{repository}/src/contrib/{folder}{}_{}.tar.gz", id.name, id.version)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lockfile(record: &str) -> Lockfile {
        let text = format!(
            r#"{{ "R": {{ "Version": "4.5.0", "Repositories": [
                {{ "Name": "Own", "URL": "https://own.example" }}, {{ "Name": "CRAN", "URL": "https://cran.example" }} ] }},
                "Packages": {{ {record} }} }}"#
        );
        crate::lockfile::parse(&text).unwrap()
    }

    fn urls(record: &str, index_of_cran: &str) -> Vec<String> {
        let index = PackageIndex::parse(index_of_cran).unwrap();
        let indexes = BTreeMap::from([("https://cran.example".to_owned(), index)]);
        let resolution = resolve(&lockfile(record), &indexes).unwrap();
        resolution.packages[0].candidates.iter().map(|candidate| candidate.url.clone()).collect()
    }

    #[test]
    fn the_recorded_repository_comes_first_and_the_archive_of_each_is_tried() {
        let record = r#""mime": { "Package": "mime", "Version": "0.12", "Source": "Repository", "Repository": "RSPM" }"#;
        assert_eq!(
            urls(record, "Package: mime\nVersion: 0.13\n"),
            [
                "https://cran.example/src/contrib/Archive/mime/mime_0.12.tar.gz",
                "https://cran.example/src/contrib/mime_0.12.tar.gz",
                "https://own.example/src/contrib/Archive/mime/mime_0.12.tar.gz",
                "https://own.example/src/contrib/mime_0.12.tar.gz",
            ],
            "RSPM is CRAN by another name"
        );
    }

    #[test]
    fn a_repository_whose_index_lists_the_version_comes_before_all_guesses() {
        let record = r#""mime": { "Package": "mime", "Version": "0.12", "Source": "Repository", "Repository": "Own" }"#;
        assert_eq!(
            urls(record, "Package: mime\nVersion: 0.12\n")[0],
            "https://cran.example/src/contrib/mime_0.12.tar.gz"
        );
    }

    #[test]
    fn a_recommended_package_is_also_looked_for_in_r_s_own_folder() {
        let record = r#""Matrix": { "Package": "Matrix", "Version": "1.7-3", "Source": "Repository", "Repository": "https://r.example" }"#;
        let urls = urls(record, "");
        assert_eq!(urls[2], "https://r.example/src/contrib/4.5.0/Recommended/Matrix_1.7-3.tar.gz");
        assert_eq!(urls.len(), 9, "three places in each of three repositories");
    }

    #[test]
    fn every_package_of_an_unsupported_source_is_reported_and_base_packages_are_passed_over() {
        let record = r#""a1": { "Package": "a1", "Version": "1.0", "Source": "GitHub",
                                "RemoteUsername": "o", "RemoteRepo": "a1" },
                        "b1": { "Package": "b1", "Version": "1.0", "Source": "Bioconductor" },
                        "stats": { "Package": "stats", "Version": "4.5.0", "Source": "R" }"#;
        assert_eq!(resolve(&lockfile(record), &BTreeMap::new()).unwrap_err().len(), 2);
    }
}
