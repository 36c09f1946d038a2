//! A report to Markdown, for comments on pull requests and summaries of jobs.

use super::super::finding::{Finding, Report};
use super::super::rule::Level;
use super::{advisory, sums, wheres};

/// GitHub drops a summary of a job above 1 MiB, and a comment above 64 KiB.
const MOST_BYTES: usize = 60_000;

pub(super) fn render(report: &Report) -> String {
    let verdict = if report.is_denied() { "fails" } else { "passes" };
    let mut text = format!("### layr audit {verdict}: {}\n\n", sums(report));
    for coverage in &report.audited {
        let name = coverage.function.as_deref().unwrap_or(&coverage.path);
        text.push_str(&format!(
            "- {}: {} of {} packages matched against advisories\n",
            escaped(name),
            coverage.matched,
            coverage.packages
        ));
    }
    text.push_str("\n| | rule | what | finding | where |\n|---|---|---|---|---|\n");
    let mut n_left = report.findings.len();
    for finding in &report.findings {
        let row = row(finding);
        if text.len() + row.len() > MOST_BYTES {
            text.push_str(&format!("\n{n_left} more are not shown here.\n"));
            break;
        }
        text.push_str(&row);
        n_left -= 1;
    }
    text
}

fn row(finding: &Finding) -> String {
    let level = match (finding.ignored.is_some(), finding.level) {
        (true, _) => "ignored",
        (false, Level::Deny) => "**deny**",
        (false, level) => level.as_str(),
    };
    let mut about = advisory(finding).map(|text| format!("{}: ", escaped(&text))).unwrap_or_default();
    about.push_str(&escaped(&finding.message));
    if let Some(fixed) = &finding.fixed {
        about.push_str(&format!("; fixed in {}", escaped(fixed)));
    }
    format!(
        "| {level} | {} | {} | {about} | {} |\n",
        finding.rule.name(),
        escaped(&finding.subject()),
        escaped(&wheres(finding))
    )
}

/// Text that stays text, in a table: no link, no image, no cell, no HTML, nobody's name.
fn escaped(text: &str) -> String {
    let mut escaped = String::new();
    for c in text.chars() {
        match c {
            '\\' | '`' | '*' | '_' | '[' | ']' | '(' | ')' | '#' | '!' | '|' | '~' => {
                escaped.push('\\');
                escaped.push(c);
            }
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '&' => escaped.push_str("&amp;"),
            '@' => escaped.push_str("&#64;"),
            c if c.is_control() => escaped.push(' '),
            c => escaped.push(c),
        }
    }
    // What looks like an address becomes a link without any brackets.
    escaped.replace("://", ":&#47;&#47;")
}
