//! A report to text for people, for programs and for the pages of CI. Pure.
//!
//! Whatever is shown was written by strangers: each format escapes it in its own way.

mod github;
mod junit;
mod markdown;
mod sarif;
mod text;

pub use text::Verbosity;

use super::finding::{Finding, Place, Report};
use super::rule::Level;
use crate::model::counted;

/// The forms that a report can have.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    Text(Verbosity),
    Json,
    Sarif,
    Markdown,
    Junit,
    /// Annotations of GitHub Actions.
    Github,
}

/// The report in that form, with an end of line at its end.
pub fn render(report: &Report, format: Format) -> String {
    match format {
        Format::Text(verbosity) => text::render(report, verbosity),
        Format::Json => pretty(report),
        Format::Sarif => sarif::render(report),
        Format::Markdown => markdown::render(report),
        Format::Junit => junit::render(report),
        Format::Github => github::render(report),
    }
}

fn pretty(value: &impl serde::Serialize) -> String {
    // Serializing plain strings and numbers to JSON cannot fail.
    let mut text = serde_json::to_string_pretty(value).unwrap_or_default();
    text.push('\n');
    text
}

/// `RSEC-2023-3 (CVE-2023-33460), severity high 8.8`
fn advisory(finding: &Finding) -> Option<String> {
    let mut text = finding.id.clone()?;
    if !finding.aliases.is_empty() {
        let aliases: Vec<&str> = finding.aliases.iter().map(String::as_str).collect();
        text.push_str(&format!(" ({})", aliases.join(", ")));
    }
    let severity = finding.severity.map_or("unknown", super::advisory::Severity::as_str);
    text.push_str(&format!(", severity {severity}"));
    if let Some(score) = &finding.score {
        text.push_str(&format!(" {score}"));
    }
    Some(text)
}

/// The functions or files that have it, with the layers where there are such.
fn wheres(finding: &Finding) -> String {
    let shown = |place: &Place| {
        let name = place.function.clone().unwrap_or_else(|| place.path.clone());
        if place.layers.is_empty() { name } else { format!("{name} ({})", place.layers.join(", ")) }
    };
    finding.places.iter().map(shown).collect::<Vec<_>>().join(", ")
}

/// All that is known of a finding in one line.
fn line(finding: &Finding) -> String {
    let mut text = format!("{}: ", finding.subject());
    if let Some(advisory) = advisory(finding) {
        text.push_str(&format!("{advisory}: "));
    }
    text.push_str(&finding.message);
    if let Some(fixed) = &finding.fixed {
        text.push_str(&format!("; fixed in {fixed}"));
    }
    text
}

/// `2 denied, 1 warning, 3 notes, 1 ignored`
fn sums(report: &Report) -> String {
    let mut sums = vec![
        format!("{} denied", report.n_of(Level::Deny)),
        counted(report.n_of(Level::Warn), "warning"),
        counted(report.n_of(Level::Note), "note"),
    ];
    if report.n_ignored() > 0 {
        sums.push(format!("{} ignored", report.n_ignored()));
    }
    if let Some(n_known) = report.n_known.filter(|n| *n > 0) {
        sums.push(format!("{n_known} known before"));
    }
    sums.join(", ")
}

#[cfg(test)]
mod tests;
