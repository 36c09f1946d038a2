//! Stage 1: the text of a lockfile to a [`Lockfile`]. Pure.

mod error;
mod packrat;
mod remote;
mod renv;
mod source;
mod unique_json;

use std::collections::BTreeMap;

pub use error::{InvalidOrigin, LockfileError};
pub use source::{ForgeOrigin, GitOrigin, Source};

use crate::model::{BioconductorRelease, PackageId, PackageName, RVersion, Sha256Digest};

/// Where CRAN is, for files that name no repository: R's own default mirror.
pub const CRAN_URL: &str = "https://cloud.r-project.org";

/// What a lockfile locks, whichever tool wrote it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Lockfile {
    pub format: Format,
    /// The R it was made with, e.g. `4.5.0`; some files do not say.
    pub r: Option<RVersion>,
    /// In the file's order, which is the order they are searched in.
    pub repositories: Vec<Repository>,
    /// What the lockfile says of Bioconductor as a whole.
    pub bioconductor: Option<BioconductorRelease>,
    /// All that are to be built.
    pub packages: BTreeMap<PackageName, LockedPackage>,
    /// What was assumed where the file says nothing, or nothing usable.
    pub warnings: Vec<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    Renv,
    Packrat,
}

/// A CRAN-like repository: what `options(repos = …)` holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Repository {
    pub name: String,
    /// Without a slash at the end.
    pub url: String,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LockedPackage {
    pub id: PackageId,
    pub source: Source,
    /// URLs of the very source tarball, where the lockfile has them; tried before all others.
    pub urls: Vec<String>,
    /// What the source tarball's digest must be, where the lockfile has it.
    pub sha256: Option<Sha256Digest>,
}

/// Reads a lockfile of any kind that is known here.
///
/// # Errors
///
/// What the file is instead, or the first place in it that cannot be understood.
pub fn parse(text: &str) -> Result<Lockfile, LockfileError> {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    if text.trim().is_empty() {
        return Err(LockfileError::Empty);
    }
    if let Some(line) = text.lines().position(is_merge_marker) {
        return Err(LockfileError::MergeConflict { line: line + 1 });
    }
    let first_line = text.lines().find(|line| !line.trim().is_empty()).unwrap_or_default().trim();
    if first_line.starts_with('{') {
        renv::parse(text)
    } else if text.lines().any(|line| line.starts_with("PackratFormat:")) {
        packrat::parse(text)
    } else if first_line.starts_with('[') {
        Err(LockfileError::Ini)
    } else {
        Err(LockfileError::Unknown { first_line: first_line.chars().take(60).collect() })
    }
}

/// Git's markers, which stand at the start of a line and nowhere in a lockfile.
fn is_merge_marker(line: &str) -> bool {
    line.starts_with("<<<<<<< ") || line.starts_with(">>>>>>> ")
}

/// A repository's URL as it is compared and joined: no slash at the end.
fn trim_url(url: &str) -> String {
    url.trim().trim_end_matches('/').trim_end_matches("/src/contrib").to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_lockfile_is_named_for_what_it_is() {
        type Expected = fn(&LockfileError) -> bool;
        let cases: [(&str, Expected); 7] = [
            ("", |e| matches!(e, LockfileError::Empty)),
            (" \n\t\n", |e| matches!(e, LockfileError::Empty)),
            ("[R]\nVersion=3.5.0\n", |e| matches!(e, LockfileError::Ini)),
            ("{\n<<<<<<< HEAD\n", |e| matches!(e, LockfileError::MergeConflict { line: 2 })),
            ("<!DOCTYPE html>\n", |e| matches!(e, LockfileError::Unknown { .. })),
            ("{ \"R\": ", |e| matches!(e, LockfileError::Json { .. })),
            ("{}", |e| matches!(e, LockfileError::NoPackages)),
        ];
        for (text, expected) in cases {
            let error = parse(text).unwrap_err();
            assert!(expected(&error), "{text:?} gave {error}");
            assert!(error.hint().is_some(), "{error}");
        }
    }
}
