//! Why there is no audit.

use super::policy::PolicyError;
use crate::store::StoreError;
use crate::sys::fs::PathError;

#[derive(Debug, thiserror::Error)]
pub enum AuditError {
    #[error("there are no advisories to hold packages against")]
    NoDatabase,
    #[error("there is nothing to audit: `{what}` has no packages")]
    Nothing { what: String },
    #[error("`{place}` has no records of advisories")]
    NoRecords { place: String },
    #[error("`{place}` has no record that is of use, of {n_records}; `{record}`: {reason}")]
    Useless { place: String, n_records: usize, record: String, reason: String },
    #[error("`{place}` is no database of advisories: {what} than the {limit} that one may have")]
    TooLarge { place: String, what: String, limit: String },
    #[error("`{place}` is not a zip that can be read: {detail}")]
    Zip { place: String, detail: String },
    #[error("`{name}` is none of the sources of advisories: {}", .known.join(", "))]
    UnknownSource { name: String, known: Vec<String> },
    #[error(transparent)]
    Policy(#[from] PolicyError),
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error(transparent)]
    Path(#[from] PathError),
}

impl AuditError {
    /// What the user can do next.
    pub fn hint(&self) -> Option<String> {
        let hint = match self {
            Self::NoDatabase => {
                "run `layr audit update`, name a database with --db, or go without with --no-vulnerabilities"
            }
            Self::Nothing { .. } => "name a lockfile, layr.lock, layers.json, or the zip of a layer",
            Self::NoRecords { .. } | Self::Useless { .. } | Self::Zip { .. } => {
                "name a zip or folder of OSV records, such as https://osv.dev has for each ecosystem"
            }
            Self::TooLarge { .. } => "name the records of CRAN, Bioconductor and Debian alone",
            Self::UnknownSource { .. } => "[audit.sources] of layr.toml names more",
            Self::Policy(_) => "docs/audit.md lists the keys, and what they may be",
            Self::Store(error) => return error.hint(),
            Self::Path(error) => return error.hint(),
        };
        Some(hint.to_owned())
    }
}
