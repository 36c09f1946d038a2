//! A report to text for people: what it is based on, what was found, and the sums.

use std::collections::BTreeMap;

use super::super::database::Origin;
use super::super::finding::{Coverage, Finding, Report};
use super::super::rule::{Level, Rule};
use super::{advisory, sums, wheres};
use crate::model::counted;

/// Whether notes are told one by one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verbosity {
    /// By rule, with the first few packages.
    Summed,
    Full,
}

pub(super) fn render(report: &Report, verbosity: Verbosity) -> String {
    let mut text = String::new();
    for coverage in &report.audited {
        text.push_str(&audited(coverage, report.advisories.is_some()));
    }
    for origin in report.advisories.iter().flatten() {
        text.push_str(&source(origin));
    }
    if !report.findings.is_empty() {
        text.push('\n');
    }
    let is_summed = |finding: &Finding| {
        verbosity == Verbosity::Summed && finding.level == Level::Note && finding.ignored.is_none()
    };
    for finding in report.findings.iter().filter(|finding| !is_summed(finding)) {
        text.push_str(&found(finding));
    }
    let mut notes: BTreeMap<Rule, Vec<String>> = BTreeMap::new();
    for finding in report.findings.iter().filter(|finding| is_summed(finding)) {
        notes.entry(finding.rule).or_default().push(finding.subject());
    }
    for (rule, mut subjects) in notes {
        subjects.dedup();
        text.push_str(&summed(rule, &subjects));
    }
    text.push_str(&format!("\n{}\n", sums(report)));
    text
}

fn audited(coverage: &Coverage, has_advisories: bool) -> String {
    let Coverage { path, function, packages, matched, libraries, libraries_matched } = coverage;
    let name = match function {
        Some(function) if function != path => format!("{function} ({path})"),
        Some(_) | None => path.clone(),
    };
    let packages = counted(*packages, "package");
    if !has_advisories {
        return format!("audited {name}: {packages}, not held against advisories\n");
    }
    let mut text = format!("audited {name}: {matched} of {packages} matched against advisories");
    if *libraries > 0 {
        text.push_str(&format!(", {libraries_matched} of {libraries} libraries"));
    }
    text.push('\n');
    text
}

fn source(origin: &Origin) -> String {
    let Origin { name, place, fetched_at, newest, n_records, n_advisories, .. } = origin;
    let fetched = match fetched_at.and_then(day) {
        Some(day) => format!("{name}, fetched {day}"),
        None => place.clone(),
    };
    let newest = newest.as_deref().map_or("unknown", |newest| newest.get(..10).unwrap_or(newest));
    format!(
        "advisories: {fetched}: {n_records} records, newest of {newest}, {n_advisories} of packages that layers can hold\n"
    )
}

fn day(seconds: u64) -> Option<String> {
    let time = jiff::Timestamp::from_second(i64::try_from(seconds).ok()?).ok()?;
    Some(time.to_zoned_datetime(jiff::tz::TimeZone::UTC).date().to_string())
}

fn found(finding: &Finding) -> String {
    let level = if finding.ignored.is_some() { "ignored" } else { finding.level.as_str() };
    let about = advisory(finding).map(|advisory| format!("  {advisory}")).unwrap_or_default();
    let mut text = format!("{level}  {}  {}{about}\n", finding.rule.name(), finding.subject());
    text.push_str(&format!("    {}\n", finding.message));
    if let Some(fixed) = &finding.fixed {
        text.push_str(&format!("    fixed in {fixed}\n"));
    }
    if let Some(url) = &finding.url {
        text.push_str(&format!("    {url}\n"));
    }
    text.push_str(&format!("    in {}\n", wheres(finding)));
    if let Some(ignored) = &finding.ignored {
        text.push_str(&format!(
            "    ignored by {} until {}: {}\n",
            ignored.owner, ignored.expires, ignored.reason
        ));
    }
    text
}

/// As many names as are read at a glance.
const SHOWN: usize = 6;

fn summed(rule: Rule, subjects: &[String]) -> String {
    let shown = subjects.iter().take(SHOWN).cloned().collect::<Vec<_>>().join(", ");
    let more = match subjects.len().saturating_sub(SHOWN) {
        0 => String::new(),
        n => format!(" and {n} more"),
    };
    format!("note  {}  {shown}{more}\n", rule.name())
}
