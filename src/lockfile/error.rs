//! Why a text is not a lockfile.

use crate::model::{
    DcfError, InvalidGitPlace, InvalidPackageName, InvalidProject, InvalidVersion, PackageName,
};

#[derive(Debug, thiserror::Error)]
pub enum LockfileError {
    #[error("the lockfile is empty")]
    Empty,
    #[error("the lockfile is not UTF-8, at byte {at}")]
    NotUtf8 { at: usize },
    #[error("line {line} of the lockfile is a merge conflict's marker")]
    MergeConflict { line: usize },
    #[error("the lockfile is in the INI form that renv wrote before 0.7")]
    Ini,
    #[error("the lockfile is neither renv's nor packrat's: it begins with `{}`", .first_line.escape_debug())]
    Unknown { first_line: String },
    #[error("the lockfile is not valid JSON, or holds a key twice")]
    Json {
        #[source]
        source: serde_json::Error,
    },
    #[error("the lockfile is not in packrat's form")]
    Dcf {
        #[source]
        source: DcfError,
    },
    #[error("the lockfile has no `Packages`")]
    NoPackages,
    #[error("`{field}` in the lockfile is not {expected}")]
    WrongType { field: String, expected: &'static str },
    #[error("the lockfile's record of `{package}` lacks `{field}`")]
    MissingField { package: String, field: &'static str },
    #[error("the lockfile's record `{key}` is of package `{package}`")]
    KeyIsNotPackage { key: String, package: PackageName },
    #[error("the lockfile has two records of `{package}`")]
    Duplicate { package: PackageName },
    #[error("the lockfile names an impossible package")]
    Name {
        #[source]
        source: InvalidPackageName,
    },
    #[error("the lockfile locks `{package}` to an impossible version")]
    Version {
        package: PackageName,
        #[source]
        source: InvalidVersion,
    },
    #[error("`{field}` of `{package}` in the lockfile is no place to fetch from")]
    Origin {
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
            Self::Empty | Self::NoPackages | Self::MissingField { .. } => {
                "write it anew in the project, with `renv::snapshot()` or `packrat::snapshot()`"
            }
            Self::NotUtf8 { .. } => "save it as UTF-8 without a byte-order mark",
            Self::MergeConflict { .. } => "resolve the conflict, then `renv::snapshot()` and commit",
            Self::Ini => "open the project with a current renv and run `renv::snapshot()`",
            Self::Unknown { .. } => "give the path of a `renv.lock` or a `packrat.lock`",
            Self::Json { .. } | Self::Dcf { .. } | Self::WrongType { .. } => {
                "mend that place, or write the file anew with `renv::snapshot()` or `packrat::snapshot()`"
            }
            Self::KeyIsNotPackage { .. } | Self::Duplicate { .. } => "remove the record that is wrong",
            Self::Name { .. } | Self::Version { .. } | Self::Origin { .. } => {
                "correct it; in R, `renv::record(\"package@version\")` writes a record that is right"
            }
        };
        Some(hint.to_owned())
    }
}
