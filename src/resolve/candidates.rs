//! Which URLs a package's exact version may be at, in which order.

use std::collections::{BTreeMap, BTreeSet};

use super::at_hand::{self, Project, Vendored};
use super::binary::{self, Binaries, of_sources};
use super::bioconductor::{self, Certainty};
use super::error::ResolveError;
use super::{PackageIndex, forge};
use crate::lockfile::{CRAN_FAMILY, ForgeOrigin, GitOrigin, LockedPackage, Lockfile, Repository, Source};
use crate::model::{
    BioconductorRelease, CommitId, PackageId, RVersion, Sha256Digest, Subfolder, compare_version,
    is_base_package, is_recommended_package,
};

/// A repository that lockfiles name without declaring it.
const R_FORGE_URL: &str = "https://R-Forge.R-project.org";

/// All packages of a lockfile that are to be built, sorted by name.
#[derive(Debug)]
pub struct Resolution {
    pub packages: Vec<ResolvedPackage>,
    /// What was assumed where the lockfile says nothing.
    pub warnings: Vec<String>,
    /// Packages that can be nowhere.
    pub lost: Vec<ResolveError>,
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

/// One place where the source may be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Candidate {
    /// As the lockfile's repository would have it: what layr.lock records. `git+https://…`
    /// and the like are for git; a `file:` URL may name a folder.
    pub url: String,
    /// What the index says its MD5 is, hexadecimal.
    pub md5: Option<String>,
    /// What the lockfile says that the source tarball's digest is.
    pub sha256: Option<Sha256Digest>,
    /// Where a whole repository is there, what of it is the package. `None`: a source
    /// tarball is there, as `R CMD build` makes it.
    pub checkout: Option<Checkout>,
    /// A `file://` URL of the source tarball, to be read instead of asking `url`.
    pub copy: Option<String>,
    /// Whether a binary package is there, which has the source tarball's form.
    pub is_binary: bool,
}

/// A package in a repository of files.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Default)]
pub struct Checkout {
    /// `None`: the place has files and no commits, or `reference` says which.
    pub commit: Option<CommitId>,
    /// A branch or tag, where the lockfile has no commit.
    pub reference: Option<String>,
    /// The package's folder; `None`: the repository's own.
    pub subfolder: Option<Subfolder>,
}

impl Checkout {
    /// Whether asking again may give other files.
    pub fn can_change(&self) -> bool {
        self.commit.is_none()
    }
}

impl Candidate {
    /// A source tarball of which nothing is known but where it is.
    pub fn tarball(url: String) -> Self {
        Self { url, md5: None, sha256: None, checkout: None, copy: None, is_binary: false }
    }
}

/// What is known besides the lockfile.
#[derive(Debug, Clone, Copy)]
pub struct Known<'a> {
    /// The repositories' indexes by their URLs; one that could not be had is absent, and
    /// then decides nothing.
    pub indexes: &'a BTreeMap<String, PackageIndex>,
    pub project: &'a Project,
    pub vendored: &'a Vendored,
    /// What binary packages are good for, where these are preferred.
    pub binaries: Option<&'a Binaries>,
}

/// Finds the places for each package.
pub fn resolve(lockfile: &Lockfile, known: &Known<'_>) -> Resolution {
    let (mut packages, mut warnings, mut lost) = (Vec::new(), BTreeSet::new(), Vec::new());
    for package in lockfile.packages.values().filter(|package| !is_base_package(&package.id.name)) {
        let places = Places::of(package, lockfile, &mut warnings);
        let copy = known.vendored.get(&package.id).cloned();
        let copy = copy.filter(|copy| !copy.is_binary || known.binaries.is_some());
        let urls = package.urls.iter().cloned().map(Candidate::tarball);
        let mut candidates: Vec<Candidate> = copy.into_iter().chain(urls).collect();
        candidates.extend(at_hand::stored(package, known.project));
        let mut newest = None;
        match places {
            Places::Repositories(repositories, origin) => {
                let wanted = known.binaries.iter();
                candidates.extend(
                    wanted.flat_map(|of| binary::candidates(&package.id, &repositories, lockfile, of)),
                );
                let found = in_repositories(package, &repositories, lockfile.r.as_ref(), known.indexes);
                newest = found.newest;
                candidates.extend(found.candidates);
                candidates.extend(origin.iter().flat_map(|origin| forge::git_candidates(origin)));
            }
            Places::Forge(origin) => candidates.extend(forge::candidates(origin)),
            Places::Git(origin) => candidates.extend(forge::git_candidates(origin)),
            Places::Archive(url) => candidates.push(at_hand::files(url.to_owned())),
            Places::Local(path) => candidates.extend(path.map(|path| at_hand::local(path, known.project))),
        }
        if candidates.is_empty() {
            lost.push(ResolveError::Nowhere { package: package.id.clone() });
            continue;
        }
        let is_source = |candidate: &&mut Candidate| candidate.checkout.is_none() && !candidate.is_binary;
        for candidate in candidates.iter_mut().filter(is_source) {
            candidate.sha256 = candidate.sha256.or(package.sha256);
        }
        packages.push(ResolvedPackage { id: package.id.clone(), candidates, newest });
    }
    let warnings = warnings.into_iter().collect();
    Resolution { packages, warnings, lost }
}

/// All URLs that a lockfile's packages may be looked for under, each once.
pub fn repository_urls(lockfile: &Lockfile) -> Vec<String> {
    let mut urls: Vec<String> = Vec::new();
    for package in lockfile.packages.values() {
        if let Places::Repositories(repositories, _) = Places::of(package, lockfile, &mut BTreeSet::new()) {
            urls.extend(repositories);
        }
    }
    let mut seen = BTreeSet::new();
    urls.retain(|url| seen.insert(url.clone()));
    urls
}

/// What kind of places a package is looked for in.
enum Places<'a> {
    /// In order, and where the package was made, should its version be gone.
    Repositories(Vec<String>, Option<&'a GitOrigin>),
    Forge(&'a ForgeOrigin),
    Git(&'a GitOrigin),
    Archive(&'a str),
    Local(Option<&'a str>),
}

impl<'a> Places<'a> {
    /// What had to be assumed is put into `warnings`.
    fn of(package: &'a LockedPackage, lockfile: &Lockfile, warnings: &mut BTreeSet<String>) -> Self {
        let unpinned = |warnings: &mut BTreeSet<String>| {
            let text =
                format!("`{}` is locked to no commit; layr.lock locks the one that is there", package.id);
            warnings.insert(text);
        };
        match &package.source {
            Source::Repository { recorded, origin } => {
                Self::Repositories(in_order(recorded.as_deref(), &lockfile.repositories), origin.as_ref())
            }
            Source::Bioconductor { release, origin } => {
                let mut repositories = of_bioconductor(*release, lockfile, warnings);
                repositories.extend(in_order(None, &lockfile.repositories));
                Self::Repositories(repositories, origin.as_ref())
            }
            Source::Forge(origin) => {
                if origin.commit.is_none() {
                    unpinned(warnings);
                }
                Self::Forge(origin)
            }
            Source::Git(origin) => {
                if origin.commit.is_none() {
                    unpinned(warnings);
                }
                Self::Git(origin)
            }
            Source::Archive { url } => Self::Archive(url),
            Source::Local { path } => Self::Local(path.as_deref()),
            Source::Unknown { kind } => {
                warnings.insert(format!(
                    "`{}` is from a source of kind `{kind}`; it is looked for in the repositories",
                    package.id
                ));
                Self::Repositories(in_order(None, &lockfile.repositories), None)
            }
        }
    }
}

fn of_bioconductor(
    recorded: Option<BioconductorRelease>,
    lockfile: &Lockfile,
    warnings: &mut BTreeSet<String>,
) -> Vec<String> {
    let unsaid = "the lockfile does not say which release of Bioconductor it is for";
    let Some((release, certainty)) = bioconductor::release_of(recorded, lockfile) else {
        warnings.insert(unsaid.to_owned());
        return Vec::new();
    };
    if certainty == Certainty::Guessed {
        warnings.insert(format!("{unsaid}; {release} is used, the last for its R"));
    }
    bioconductor::repositories(release).to_vec()
}

/// The recorded repository first, then all others: a name is a preference, since the
/// same packages go by different names on different machines.
fn in_order(recorded: Option<&str>, repositories: &[Repository]) -> Vec<String> {
    let mut urls: Vec<String> = Vec::new();
    match recorded {
        Some(url) if url.contains("://") => urls.push(of_sources(url)),
        Some(name) => {
            let exact = repositories.iter().filter(|repository| repository.name == name);
            let family = repositories.iter().filter(|repository| {
                CRAN_FAMILY.contains(&name) && CRAN_FAMILY.contains(&repository.name.as_str())
            });
            urls.extend(exact.chain(family).map(|repository| of_sources(&repository.url)));
            if matches!(name, "R-Forge" | "RForge") {
                urls.push(R_FORGE_URL.to_owned());
            }
        }
        None => {}
    }
    urls.extend(repositories.iter().map(|repository| of_sources(&repository.url)));
    let mut seen = BTreeSet::new();
    urls.retain(|url| seen.insert(url.clone()));
    urls
}

struct InRepositories {
    candidates: Vec<Candidate>,
    newest: Option<RVersion>,
}

fn in_repositories(
    package: &LockedPackage,
    repositories: &[String],
    r: Option<&RVersion>,
    indexes: &BTreeMap<String, PackageIndex>,
) -> InRepositories {
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
            ..Candidate::tarball(String::new())
        };
        let archived = Candidate::tarball(format!(
            "{repository}/src/contrib/Archive/{0}/{0}_{1}.tar.gz",
            id.name, id.version
        ));
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
            unlisted.push(Candidate::tarball(current_url(repository, id, Some(&path))));
        }
    }
    listed.extend(unlisted);
    InRepositories { candidates: listed, newest: newest.cloned() }
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

    fn resolved(lockfile: &Lockfile, indexes: &BTreeMap<String, PackageIndex>) -> Resolution {
        let (project, vendored) = (Project::default(), Vendored::new());
        let known = Known { indexes, project: &project, vendored: &vendored, binaries: None };
        resolve(lockfile, &known)
    }

    fn urls(record: &str, index_of_cran: &str) -> Vec<String> {
        let index = PackageIndex::parse(index_of_cran).unwrap();
        let indexes = BTreeMap::from([("https://cran.example".to_owned(), index)]);
        let resolution = resolved(&lockfile(record), &indexes);
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
    fn a_package_of_bioconductor_is_looked_for_in_all_parts_of_its_release_and_then_in_git() {
        let record = r#""limma": { "Package": "limma", "Version": "3.58.1", "Source": "Bioconductor",
            "git_url": "https://git.bioconductor.org/packages/limma", "git_branch": "RELEASE_3_18",
            "git_last_commit": "f3b6b2c" }"#;
        let urls = urls(record, "");
        let bioc = "https://bioconductor.org/packages/3.18";
        assert_eq!(urls[0], format!("{bioc}/bioc/src/contrib/Archive/limma/limma_3.58.1.tar.gz"));
        assert_eq!(urls[2], format!("{bioc}/data/annotation/src/contrib/Archive/limma/limma_3.58.1.tar.gz"));
        assert_eq!(urls.len(), 10 + 4 + 1, "five parts, two repositories, git");
        assert_eq!(urls[14], "git+https://git.bioconductor.org/packages/limma");
    }

    #[test]
    fn what_the_project_has_comes_first_and_what_nobody_can_find_is_an_error() {
        let record = r#""own1": { "Package": "own1", "Version": "1.0", "Source": "Local", "RemoteUrl": "../own1" },
                        "lost1": { "Package": "lost1", "Version": "1.0", "Source": "unknown" },
                        "stats": { "Package": "stats", "Version": "4.5.0", "Source": "R" }"#;
        let project = Project {
            url: "file:./score".to_owned(),
            files: ["renv/cellar/own1_1.0.tar.gz".to_owned()].into(),
            home: None,
        };
        let vendored = Vendored::new();
        let known =
            Known { indexes: &BTreeMap::new(), project: &project, vendored: &vendored, binaries: None };
        let resolution = resolve(&lockfile(record), &known);
        let names: Vec<_> = resolution.packages.iter().map(|package| package.id.name.as_str()).collect();
        assert_eq!(names, ["lost1", "own1"], "base packages are passed over");
        let urls: Vec<_> = resolution.packages[1].candidates.iter().map(|at| at.url.as_str()).collect();
        assert_eq!(urls, ["file:./score/renv/cellar/own1_1.0.tar.gz", "file:./score/../own1"]);
        assert_eq!(resolution.warnings.len(), 1, "{:?}", resolution.warnings);
        let nowhere = r#""own1": { "Package": "own1", "Version": "1.0", "Source": "Local" }"#;
        let known = Known { project: &Project::default(), ..known };
        assert_eq!(resolve(&lockfile(nowhere), &known).lost.len(), 1);
    }
}
