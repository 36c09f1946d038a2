//! Stage 1: the text of a lockfile to a [`Lockfile`]. Pure.

mod error;
mod json;
mod packrat;
mod pak;
mod reading;
mod remote;
mod renv;
mod rv;
mod source;
mod stated;
mod uvr;

use std::collections::BTreeMap;

pub use error::{InvalidOrigin, LockfileError};
pub use json::JsonError;
pub use source::{ForgeOrigin, GitOrigin, Source};
pub use stated::Stated;

use crate::hashes::LockedHash;
use crate::model::{BioconductorRelease, PackageId, PackageName, RVersion, Sha256Digest};

/// Where CRAN is, for files that name no repository: R's own default mirror.
pub const CRAN_URL: &str = "https://cloud.r-project.org";

/// Names that all mean CRAN's packages: Posit's package managers stamp theirs on packages,
/// and lockfiles repeat them without declaring such a repository.
pub const CRAN_FAMILY: [&str; 4] = ["CRAN", "RSPM", "PPM", "P3M"];

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
    /// What is locked and not built.
    pub left_out: Vec<LeftOut>,
    /// What was assumed where the file says nothing, or nothing usable.
    pub warnings: Vec<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    Renv,
    Packrat,
    /// pkg.lock
    Pak,
    Rv,
    Uvr,
}

/// A CRAN-like repository: what `options(repos = …)` holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Repository {
    pub name: String,
    /// Without a slash at the end.
    pub url: String,
}

impl Repository {
    /// The first repository that has no name is CRAN; others go by their URL.
    fn without_name(at: usize, url: &str) -> Self {
        let url = trim_url(url);
        Self { name: if at == 0 { "CRAN".to_owned() } else { url.clone() }, url }
    }
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LockedPackage {
    pub id: PackageId,
    pub source: Source,
    /// URLs of the very source tarball, where the lockfile has them; tried before all others.
    pub urls: Vec<String>,
    /// What the source tarball's digest must be, where the lockfile has it.
    pub sha256: Option<Sha256Digest>,
    /// What the package's DESCRIPTION digests to.
    pub hash: Option<LockedHash>,
    pub stated: Stated,
}

/// A package that is locked, and that no layer has a use for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LeftOut {
    pub id: PackageId,
    pub why: WhyLeftOut,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WhyLeftOut {
    /// R has it.
    Base,
    /// It is for Windows alone.
    Windows,
}

/// Reads the bytes of a lockfile of any kind that is known here.
///
/// # Errors
///
/// As [`parse`]; and where the bytes are not UTF-8.
pub fn read(bytes: &[u8]) -> Result<Lockfile, LockfileError> {
    // A mark of UTF-16, or, without one, the zeros of ASCII in it.
    let is_utf16 = bytes.starts_with(b"\xff\xfe")
        || bytes.starts_with(b"\xfe\xff")
        || matches!(bytes, [_, 0, _, 0, ..] | [0, _, 0, _, ..]);
    if is_utf16 {
        return Err(LockfileError::Utf16);
    }
    let text = std::str::from_utf8(bytes).map_err(|error| {
        let at = error.valid_up_to();
        let line = bytes[..at].split(|byte| *byte == b'\n').count();
        LockfileError::NotUtf8 { line, at }
    })?;
    parse(text)
}

/// Reads the text of a lockfile of any kind that is known here.
///
/// # Errors
///
/// What the file is instead, or the first place in it that cannot be understood.
pub fn parse(text: &str) -> Result<Lockfile, LockfileError> {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    if text.trim().is_empty() {
        return Err(LockfileError::Empty);
    }
    if let Some((at, line)) = text.lines().enumerate().find(|(_, line)| is_merge_marker(line)) {
        return Err(LockfileError::MergeConflict { line: at + 1, marker: line[..7].to_owned() });
    }
    let first_line = text.lines().find(|line| !line.trim().is_empty()).unwrap_or_default().trim();
    if first_line.starts_with('{') {
        return of_json(text);
    }
    if text.lines().any(|line| line.starts_with("PackratFormat:")) {
        return packrat::parse(text);
    }
    if ["[R]", "[renv]", "[R/"].iter().any(|head| first_line.starts_with(head)) {
        return Err(LockfileError::Ini);
    }
    let starts_line = |start: &str| text.lines().any(|line| line.starts_with(start));
    if starts_line("r_version = ") {
        return rv::parse(text);
    }
    if starts_line("[r]") {
        return uvr::parse(text);
    }
    Err(LockfileError::Unknown { first_line: first_line.chars().take(60).collect() })
}

/// The formats that are written in JSON are told apart by their keys.
fn of_json(text: &str) -> Result<Lockfile, LockfileError> {
    let (root, notes) = json::parse(text).map_err(|source| LockfileError::Json { source })?;
    let has = |key: &str| root.as_object().is_some_and(|top| top.get(key).is_some());
    if has("packrat_format") {
        return Err(LockfileError::Prototype);
    }
    if has("lockfile_version") { pak::parse(&root, notes) } else { renv::parse(&root, notes) }
}

/// Git's markers, which stand at the start of a line and nowhere in a lockfile.
fn is_merge_marker(line: &str) -> bool {
    line.starts_with("<<<<<<< ") || line.starts_with(">>>>>>> ")
}

/// A repository's URL as it is compared and joined: no slash at the end.
fn trim_url(url: &str) -> String {
    url.trim().trim_end_matches('/').trim_end_matches("/src/contrib").to_owned()
}

/// Whether a URL is of a source tarball: Posit's package manager gives binaries under the
/// same name, below `__linux__`.
fn is_source_url(url: &str) -> bool {
    let path = url.split(['?', '#']).next().unwrap_or(url);
    path.ends_with(".tar.gz") && !path.contains("/__linux__/") && !path.contains("/bin/")
}

#[cfg(test)]
mod any_json;

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
            ("{\n<<<<<<< HEAD\n", |e| matches!(e, LockfileError::MergeConflict { line: 2, .. })),
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

    #[test]
    fn bytes_that_are_not_utf_8_are_named_for_what_they_are() {
        let utf16 = |text: &str| -> Vec<u8> { text.encode_utf16().flat_map(u16::to_le_bytes).collect() };
        assert!(matches!(read(&utf16("\u{feff}{}")), Err(LockfileError::Utf16)));
        assert!(matches!(read(&utf16("{}")), Err(LockfileError::Utf16)));
        assert!(matches!(read(b"{\n\"a\": \"\xff\" }"), Err(LockfileError::NotUtf8 { line: 2, at: 8 })));
        assert!(
            matches!(read(b"\xef\xbb\xbf{}"), Err(LockfileError::NoPackages)),
            "a byte-order mark is none"
        );
    }
}
