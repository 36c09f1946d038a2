//! Sources that lie on this machine already: in the project's own store, which packrat and
//! renv keep, at a path that the lockfile names, or in a folder that `layr vendor` made.

use std::collections::{BTreeMap, BTreeSet};
use std::str::FromStr;

use super::{Candidate, Checkout};
use crate::lockfile::{LockedPackage, Source};
use crate::model::{DcfError, PackageId, Record, Subfolder, parse_dcf};

/// A lockfile's project, as far as it has sources.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Project {
    /// The URL of its folder as layr.lock has it: `file:./score`.
    pub url: String,
    /// Files below `renv/cellar`, `renv/local` and `packrat/src`, by their paths from there.
    pub files: BTreeSet<String>,
    /// Where `~` leads to, if it is known.
    pub home: Option<String>,
}

/// The packages of a folder that `layr vendor` made.
pub type Vendored = BTreeMap<PackageId, Candidate>;

/// What the project's store has of a package.
pub(super) fn stored(package: &LockedPackage, project: &Project) -> Vec<Candidate> {
    let PackageId { name, version } = &package.id;
    let tarball = format!("{name}_{version}.tar.gz");
    let commit = match &package.source {
        Source::Forge(origin) => origin.commit.as_ref(),
        Source::Git(origin) => origin.commit.as_ref(),
        Source::Repository { .. }
        | Source::Bioconductor { .. }
        | Source::Archive { .. }
        | Source::Local { .. }
        | Source::Unknown { .. } => None,
    };
    let by_commit = commit.map(|commit| format!("packrat/src/{name}/{commit}.tar.gz"));
    let tarballs = [
        format!("renv/cellar/{tarball}"),
        format!("renv/cellar/{name}/{tarball}"),
        format!("renv/local/{tarball}"),
        format!("packrat/src/{name}/{tarball}"),
    ];
    let found = tarballs.into_iter().chain(by_commit).filter(|path| project.files.contains(path));
    // packrat keeps some of them as it got them, with whatever folder they lie in.
    found.map(|path| files(format!("{}/{path}", project.url))).collect()
}

/// A path that the lockfile names: of the project, below the user's home, or absolute.
pub(super) fn local(path: &str, project: &Project) -> Candidate {
    let url = match (path.strip_prefix("~/"), &project.home) {
        (Some(rest), Some(home)) => format!("file://{home}/{rest}"),
        _ if path.starts_with('/') => format!("file://{path}"),
        _ => format!("{}/{}", project.url, path.trim_start_matches("./")),
    };
    files(url)
}

/// Files that are not known by a commit.
pub(super) fn files(url: String) -> Candidate {
    Candidate { checkout: Some(Checkout::default()), ..Candidate::tarball(url) }
}

/// The text of a vendored folder's `PACKAGES` to its packages. It is an index as any other,
/// with fields of ours that say where each tarball is from.
///
/// # Errors
///
/// Where the text is no index, or an entry is not one of ours.
pub fn vendored(text: &str, folder_url: &str) -> Result<Vendored, VendorError> {
    let records = parse_dcf(text).map_err(|source| VendorError::NoIndex { source })?;
    records.iter().map(|record| entry(record, folder_url)).collect()
}

/// Why a folder was not made by `layr vendor`, or not by this version.
#[derive(Debug, thiserror::Error)]
pub enum VendorError {
    #[error("its PACKAGES is no index")]
    NoIndex {
        #[source]
        source: DcfError,
    },
    #[error("the entry at line {line} of its PACKAGES has no usable `{field}`")]
    Field { line: usize, field: &'static str },
}

fn entry(record: &Record, folder_url: &str) -> Result<(PackageId, Candidate), VendorError> {
    fn value<T: FromStr>(record: &Record, field: &'static str) -> Result<T, VendorError> {
        let text = record.get(field).and_then(|text| text.parse().ok());
        text.ok_or(VendorError::Field { line: record.line, field })
    }
    let id = PackageId { name: value(record, "Package")?, version: value(record, "Version")? };
    let form = record.get("Layr-Form");
    let checkout = form.filter(|form| *form == "files").map(|_| Checkout {
        commit: record.get("Layr-Commit").and_then(|text| text.parse().ok()),
        reference: None,
        subfolder: record.get("Layr-Subfolder").and_then(|text| Subfolder::parse(text).ok()?),
    });
    let folder = if record.get("Path").is_some() { format!("Archive/{}/", id.name) } else { String::new() };
    let candidate = Candidate {
        sha256: Some(value(record, "Layr-SHA256")?),
        checkout,
        is_binary: form == Some("binary"),
        copy: Some(format!("{folder_url}/src/contrib/{folder}{}_{}.tar.gz", id.name, id.version)),
        ..Candidate::tarball(value(record, "Layr-Url")?)
    };
    Ok((id, candidate))
}
