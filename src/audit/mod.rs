//! What is in lockfiles and layers, held against advisories, licences, repositories and a
//! policy: to findings. docs/audit.md says what each of them means.
//!
//! Deciding is pure: `check` is given all that it needs. `import` reads databases of
//! advisories, `stored` keeps them; no other file here does I/O.

mod advisory;
mod behaviour;
mod check;
mod database;
mod debian;
mod error;
mod finding;
mod import;
pub mod licence;
mod lines;
mod osv;
mod policy;
mod r_series;
mod range;
pub mod render;
mod rule;
mod stored;
mod strangers;
mod subject;
mod wording;

pub use advisory::{Advisory, Ecosystem, Match, Severity};
pub use behaviour::{Behaviour, Scan};
pub use check::{Request, check};
pub use database::{Database, Origin, Skipped};
pub use error::AuditError;
pub use finding::{Coverage, Finding, Ignored, Place, Report};
pub use policy::{Policy, PolicyError};
pub use range::Event;
pub use rule::{Level, Rule};
pub use stored::{Content, Fetched, SOURCES, keep, open, read};
pub use subject::{Audited, AuditedLibrary, Bytes, Source, Standing, Subject};
