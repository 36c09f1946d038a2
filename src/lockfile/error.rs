//! Why a text is not a lockfile: where, what was found, and how to mend it.

use super::json::JsonError;
use crate::model::{
    DcfError, InvalidGitPlace, InvalidPackageName, InvalidProject, InvalidVersion, PackageName,
};

#[derive(Debug, thiserror::Error)]
pub enum LockfileError {
    #[error("the file is empty")]
    Empty,
    #[error("the file is in UTF-16")]
    Utf16,
    #[error("line {line}: the file is not UTF-8, at byte {at}")]
    NotUtf8 { line: usize, at: usize },
    #[error("line {line}: `{marker}` is the mark of a merge conflict")]
    MergeConflict { line: usize, marker: String },
    #[error("the file is in the INI form that renv wrote before 0.6")]
    Ini,
    #[error("the file is in the JSON form of packrat's prototype of 2013, which was never released")]
    Prototype,
    #[error("the file is of version {found} of {format}, of which version {known} is known")]
    FormatVersion { format: &'static str, found: String, known: &'static str },
    #[error("the file is no lockfile that is known here: it begins with `{}`", .first_line.escape_debug())]
    Unknown { first_line: String },
    #[error("the file is not the JSON that it should be")]
    Json {
        #[source]
        source: JsonError,
    },
    #[error("line {line}: {}", .message.escape_debug())]
    Toml { line: usize, message: String },
    #[error("the file is not in packrat's form")]
    Dcf {
        #[source]
        source: DcfError,
    },
    #[error("the file has no `Packages`")]
    NoPackages,
    #[error("line {line}: `{field}` is {found}, not {expected}")]
    WrongType { line: usize, field: String, found: String, expected: &'static str },
    #[error("line {line}: the record of `{package}` has no `{field}`")]
    MissingField { line: usize, package: String, field: &'static str },
    #[error("line {line}: the record `{key}` is of package `{package}`")]
    KeyIsNotPackage { line: usize, key: String, package: PackageName },
    #[error("line {line}: the record of `{key}` is outside of `Packages`")]
    OutOfPlace { line: usize, key: String },
    #[error("line {line}: `{package}` has a record here and another in line {first_line}")]
    Duplicate { line: usize, first_line: usize, package: PackageName },
    #[error("line {line}: a record is of an impossible package")]
    Name {
        line: usize,
        #[source]
        source: InvalidPackageName,
    },
    #[error("line {line}: `{package}` is locked to an impossible version")]
    Version {
        line: usize,
        package: PackageName,
        #[source]
        source: InvalidVersion,
    },
    #[error("line {line}: `{field}` of `{package}` is no place to fetch from")]
    Origin {
        line: usize,
        package: PackageName,
        field: String,
        #[source]
        source: InvalidOrigin,
    },
}

/// Why a record names no place that a package could have come from.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InvalidOrigin {
    #[error(transparent)]
    Git(#[from] InvalidGitPlace),
    #[error(transparent)]
    Project(#[from] InvalidProject),
}

impl LockfileError {
    /// What the user can do next.
    pub fn hint(&self) -> Option<String> {
        let hint = match self {
            Self::Empty | Self::NoPackages => {
                "write it anew in the project, with `renv::snapshot()` or `packrat::snapshot()`"
            }
            Self::Utf16 => {
                "save it as UTF-8; on Windows, `>` in PowerShell writes UTF-16, and an editor can save it anew"
            }
            Self::NotUtf8 { .. } => "save it as UTF-8",
            Self::MergeConflict { .. } => {
                "keep one side of each conflict, or run `renv::snapshot()`, and commit the result"
            }
            Self::Ini | Self::Prototype => {
                "open the project in R, install a current renv, and run `renv::snapshot()`"
            }
            Self::FormatVersion { .. } => "write it anew with the tool that made it, or use a newer layr",
            Self::Unknown { .. } => {
                "give the path of a renv.lock, packrat.lock, pkg.lock, rv.lock or uvr.lock"
            }
            Self::Json { source: JsonError::Conflict { .. } } | Self::Duplicate { .. } => {
                "remove the one that is wrong"
            }
            Self::Json { .. }
            | Self::Toml { .. }
            | Self::Dcf { .. }
            | Self::WrongType { .. }
            | Self::MissingField { .. } => {
                "mend that line, or write the file anew with the tool that made it"
            }
            Self::KeyIsNotPackage { .. } => "make the key and `Package` the same, or remove the record",
            Self::OutOfPlace { .. } => "move it into `Packages`, or remove it",
            Self::Name { .. } | Self::Version { .. } | Self::Origin { .. } => {
                "correct it; in R, `renv::record(\"package@version\")` writes a record that is right"
            }
        };
        Some(hint.to_owned())
    }
}
