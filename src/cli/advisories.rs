//! Which advisories are asked, for all commands that ask any; and what they say of an
//! inventory, for those that show it beside other things. `layr audit` is the one that judges.

use std::collections::BTreeMap;
use std::path::PathBuf;

use jiff::Timestamp;

use super::audit::update;
use crate::audit::{self, Database, Policy, Report, Rule, Subject};
use crate::config::{AuditConfig, Config};
use crate::diff::{Advised, Advisory};
use crate::error::Error;
use crate::inventory::Inventory;
use crate::store::Store;

#[derive(Debug, clap::Args)]
pub(super) struct DatabaseArgs {
    /// Advisories from a folder, zip or file of OSV records, instead of those of `layr audit
    /// update`; may be repeated
    #[arg(long = "db", value_name = "PATH")]
    databases: Vec<PathBuf>,
    /// Look for no vulnerabilities
    #[arg(long, conflicts_with = "databases")]
    no_vulnerabilities: bool,
}

impl DatabaseArgs {
    /// Those of the flags, else those that the store keeps, if there is one.
    pub(super) fn asked(
        &self,
        config: &Config,
        with_debian: bool,
        store: Option<&Store>,
    ) -> Result<Advised<Database>, Error> {
        if self.no_vulnerabilities {
            return Ok(Advised::NotAsked);
        }
        let mut database = Database::default();
        for path in &self.databases {
            database.join(audit::read(path)?);
        }
        if let (true, Some(store)) = (self.databases.is_empty(), store) {
            database = audit::open(&update::sources(config), with_debian, store)?;
        }
        Ok(if database.is_empty() { Advised::NoDatabase } else { Advised::Known(database) })
    }
}

/// What is known of an inventory, and how much of it anything is known of.
pub(super) struct Known {
    pub(super) found: Vec<Advisory>,
    pub(super) coverage: String,
}

/// Without a policy: what is ignored for a reason is still there.
pub(super) fn known(inventory: &Inventory, database: &Database) -> Result<Known, Error> {
    let policy = Policy::new(&AuditConfig::default(), &BTreeMap::new()).map_err(audit::AuditError::from)?;
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
