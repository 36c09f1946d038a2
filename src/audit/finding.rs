//! What an audit has found, as one list in one order. Pure.

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;

use super::advisory::Severity;
use super::database::Origin;
use super::rule::{Level, Rule};

/// One thing that was found, wherever it is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Finding {
    pub rule: Rule,
    pub level: Level,
    /// A package, `R`, or a library's source package.
    pub package: Option<String>,
    pub version: Option<String>,
    /// Of the advisory.
    pub id: Option<String>,
    /// Its other names, and those of what it comes from.
    pub aliases: BTreeSet<String>,
    pub severity: Option<Severity>,
    /// CVSS's.
    pub score: Option<String>,
    /// A whole sentence without a stop.
    pub message: String,
    /// The first version without it.
    pub fixed: Option<String>,
    pub url: Option<String>,
    pub places: BTreeSet<Place>,
    /// Why it does not count, if it does not.
    pub ignored: Option<Ignored>,
}

/// Where it was found.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Place {
    pub path: String,
    pub function: Option<String>,
    /// From 1.
    pub line: Option<usize>,
    pub layers: Vec<String>,
}

#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Ignored {
    pub reason: String,
    pub owner: String,
    pub expires: String,
}

impl Finding {
    pub(super) fn new(rule: Rule, message: String) -> Self {
        Self {
            rule,
            level: rule.level(),
            package: None,
            version: None,
            id: None,
            aliases: BTreeSet::new(),
            severity: None,
            score: None,
            message,
            fixed: None,
            url: None,
            places: BTreeSet::new(),
            ignored: None,
        }
    }

    /// Whether it makes the run fail.
    pub fn is_denied(&self) -> bool {
        self.level == Level::Deny && self.ignored.is_none()
    }

    /// `jsonlite 1.8.0`, or what the finding is about else.
    pub fn subject(&self) -> String {
        match (&self.package, &self.version) {
            (Some(package), Some(version)) => format!("{package} {version}"),
            (Some(package), None) => package.clone(),
            (None, _) => "layr.toml".to_owned(),
        }
    }

    /// What makes two findings of two runs the same: not the version, so that an update that
    /// mends nothing brings nothing new.
    pub(super) fn identity(&self) -> (Rule, Option<String>, Option<String>, Option<String>) {
        let detail =
            self.id.is_none() && !matches!(self.rule, Rule::Outdated | Rule::Archived | Rule::Removed);
        (self.rule, self.package.clone(), self.id.clone(), detail.then(|| self.message.clone()))
    }
}

/// What was audited, against what, and what was found.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Report {
    pub schema: u32,
    /// The day on which ignores and ages were held against, in UTC.
    pub date: String,
    pub audited: Vec<Coverage>,
    /// What was looked for, by rule.
    pub looked_for: Vec<Rule>,
    /// `None` where nobody looked for vulnerabilities.
    pub advisories: Option<Vec<Origin>>,
    /// The worst first.
    pub findings: Vec<Finding>,
    /// How many findings there were before, where only new ones are told.
    pub n_known: Option<usize>,
}

/// How much of a subject the advisories can say anything about.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Coverage {
    pub path: String,
    pub function: Option<String>,
    pub packages: usize,
    /// Those that advisories are of.
    pub matched: usize,
    pub libraries: usize,
    pub libraries_matched: usize,
}

impl Report {
    pub const SCHEMA: u32 = 1;

    pub fn is_denied(&self) -> bool {
        self.findings.iter().any(Finding::is_denied)
    }

    /// How many findings count at a level.
    pub fn n_of(&self, level: Level) -> usize {
        self.findings.iter().filter(|finding| finding.level == level && finding.ignored.is_none()).count()
    }

    pub fn n_ignored(&self) -> usize {
        self.findings.iter().filter(|finding| finding.ignored.is_some()).count()
    }

    /// Leaves out what an earlier report has as well.
    pub fn since(&mut self, before: &Self) {
        let known: BTreeSet<_> = before.findings.iter().map(Finding::identity).collect();
        let n_before = self.findings.len();
        self.findings.retain(|finding| !known.contains(&finding.identity()));
        self.n_known = Some(n_before - self.findings.len());
    }
}

/// The same thing at several places as one finding, and all in order: what fails the run
/// first, then by rule, package and id.
pub(super) fn merged(findings: Vec<Finding>) -> Vec<Finding> {
    let mut together: BTreeMap<_, Finding> = BTreeMap::new();
    for finding in findings {
        let key = (
            finding.ignored.is_some(),
            std::cmp::Reverse(finding.level),
            finding.rule,
            std::cmp::Reverse(finding.severity),
            finding.package.clone(),
            finding.version.clone(),
            finding.id.clone(),
            (finding.message.clone(), finding.ignored.clone()),
        );
        match together.entry(key) {
            std::collections::btree_map::Entry::Vacant(entry) => _ = entry.insert(finding),
            std::collections::btree_map::Entry::Occupied(mut entry) => {
                entry.get_mut().places.extend(finding.places);
            }
        }
    }
    together.into_values().collect()
}
