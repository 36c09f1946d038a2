//! A database of advisories to what it says of an inventory, for commands that show it beside
//! other things. `layr audit` is the one that judges.

use std::path::PathBuf;

use jiff::Timestamp;

use crate::audit::{self, Database, Policy, Report, Rule, Subject};
use crate::config::AuditConfig;
use crate::diff::Advisory;
use crate::error::Error;
use crate::inventory::Inventory;

/// Which advisories are asked.
#[derive(Debug, clap::Args)]
pub(super) struct AdvisoryArgs {
    /// Say which advisories hold, from a folder, zip or file of OSV records; may be repeated
    #[arg(long = "db", value_name = "PATH")]
    databases: Vec<PathBuf>,
}

/// What is known of an inventory, and how much of it anything is known of.
pub(super) struct Known {
    pub(super) found: Vec<Advisory>,
    pub(super) coverage: String,
}

impl AdvisoryArgs {
    /// `None` where nobody asks.
    pub(super) fn database(&self) -> Result<Option<Database>, Error> {
        if self.databases.is_empty() {
            return Ok(None);
        }
        let mut database = Database::default();
        for path in &self.databases {
            database.join(audit::read(path)?);
        }
        Ok(Some(database))
    }
}

/// Without a policy: what is ignored for a reason is still there.
pub(super) fn known(inventory: &Inventory, database: &Database) -> Result<Known, Error> {
    let policy = Policy::new(&AuditConfig::default(), &std::collections::BTreeMap::new())
        .map_err(audit::AuditError::from)?;
    let subjects = Subject::of(inventory, "", None);
    let report = audit::check(&audit::Request {
        subjects: &subjects,
        database: Some(database),
        policy: &policy,
        // What holds does not depend on the day.
        now: Timestamp::UNIX_EPOCH,
        is_whole: false,
    });
    Ok(Known { found: advisories(&report), coverage: coverage(&report) })
}

fn advisories(report: &Report) -> Vec<Advisory> {
    let findings = report.findings.iter().filter(|finding| finding.rule == Rule::Vulnerable);
    let mut found: Vec<Advisory> = findings
        .filter_map(|finding| {
            Some(Advisory {
                id: finding.id.clone()?,
                package: finding.package.clone()?,
                version: finding.version.clone().unwrap_or_default(),
                summary: finding.message.clone(),
            })
        })
        .collect();
    found.sort();
    found.dedup();
    found
}

/// `52 of 57 packages are covered by 14 advisories, the newest of 2026-03-01`
fn coverage(report: &Report) -> String {
    let sum = |of: fn(&audit::Coverage) -> usize| report.audited.iter().map(of).sum::<usize>();
    let origins = || report.advisories.iter().flatten();
    let n_records: usize = origins().map(|origin| origin.n_records).sum();
    let newest = origins().filter_map(|origin| origin.newest.as_deref()).max();
    let newest = newest.map_or("unknown date", |newest| newest.get(..10).unwrap_or(newest));
    format!(
        "{} of {} packages, and {} of {} libraries, can be matched against {n_records} records, the newest of {newest}.",
        sum(|one| one.matched),
        sum(|one| one.packages),
        sum(|one| one.libraries_matched),
        sum(|one| one.libraries),
    )
}
