//! A report to the XML of `JUnit`: each subject is a suite, and each rule that was looked for a test.

use std::fmt::Write as _;

use super::super::finding::{Finding, Report};
use super::super::rule::Rule;
use super::line;

pub(super) fn render(report: &Report) -> String {
    let mut text =
        String::from("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<testsuites name=\"layr audit\">\n");
    for coverage in &report.audited {
        let of_subject = |finding: &&Finding| {
            finding
                .places
                .iter()
                .any(|place| place.path == coverage.path && place.function == coverage.function)
        };
        let findings: Vec<&Finding> = report.findings.iter().filter(of_subject).collect();
        cases(&mut text, coverage.function.as_deref().unwrap_or(&coverage.path), report, &findings);
    }
    // What is of no subject: the advisories, and layr.toml.
    let is_apart = |finding: &&Finding| {
        !report.audited.iter().any(|coverage| {
            finding
                .places
                .iter()
                .any(|place| place.path == coverage.path && place.function == coverage.function)
        })
    };
    let apart: Vec<&Finding> = report.findings.iter().filter(is_apart).collect();
    if !apart.is_empty() {
        cases(&mut text, "layr audit", report, &apart);
    }
    text.push_str("</testsuites>\n");
    text
}

fn cases(text: &mut String, name: &str, report: &Report, findings: &[&Finding]) {
    let of = |rule: Rule| findings.iter().filter(move |finding| finding.rule == rule);
    let is_failed = |rule: &&Rule| of(**rule).any(|finding| finding.is_denied());
    let n_failed = report.looked_for.iter().filter(is_failed).count();
    let name = escaped(name);
    // Writing to a string cannot fail.
    _ = writeln!(
        text,
        "  <testsuite name=\"{name}\" tests=\"{}\" failures=\"{n_failed}\">",
        report.looked_for.len()
    );
    for rule in &report.looked_for {
        let denied: Vec<String> =
            of(*rule).filter(|found| found.is_denied()).map(|found| line(found)).collect();
        let others: Vec<String> =
            of(*rule).filter(|found| !found.is_denied()).map(|found| line(found)).collect();
        let head = format!("    <testcase classname=\"{name}\" name=\"{}\"", rule.name());
        if denied.is_empty() && others.is_empty() {
            _ = writeln!(text, "{head}/>");
            continue;
        }
        _ = writeln!(text, "{head}>");
        if !denied.is_empty() {
            let body = escaped(&denied.join("\n"));
            _ = writeln!(text, "      <failure message=\"{}\">{body}</failure>", escaped(rule.about()));
        }
        if !others.is_empty() {
            _ = writeln!(text, "      <system-out>{}</system-out>", escaped(&others.join("\n")));
        }
        text.push_str("    </testcase>\n");
    }
    text.push_str("  </testsuite>\n");
}

/// Characters that XML cannot hold at all are left out.
fn escaped(text: &str) -> String {
    let mut escaped = String::new();
    for c in text.chars() {
        match c {
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '&' => escaped.push_str("&amp;"),
            '"' => escaped.push_str("&quot;"),
            '\n' | '\t' => escaped.push(c),
            '\u{fffe}' | '\u{ffff}' => {}
            c if c.is_control() => {}
            c => escaped.push(c),
        }
    }
    escaped
}
