//! A report to annotations of GitHub Actions.

use super::super::finding::{Finding, Place, Report};
use super::super::rule::Level;
use super::{line, sums};

/// Annotations of one kind that GitHub shows for a step. The report has the worst first.
const MOST: usize = 10;

pub(super) fn render(report: &Report) -> String {
    let mut text = String::new();
    for (level, command) in [(Level::Deny, "error"), (Level::Warn, "warning")] {
        let findings =
            report.findings.iter().filter(|finding| finding.level == level && finding.ignored.is_none());
        let annotated = findings.flat_map(|finding| finding.places.iter().map(move |place| (finding, place)));
        let shown = if level == Level::Warn { MOST - 1 } else { MOST };
        for (finding, place) in annotated.take(shown) {
            text.push_str(&annotation(command, finding, place));
        }
    }
    text.push_str(&format!("::notice title=layr audit::{}\n", message(&sums(report))));
    text
}

fn annotation(command: &str, finding: &Finding, place: &Place) -> String {
    let line_of = place.line.map(|line| format!(",line={line}")).unwrap_or_default();
    format!(
        "::{command} file={}{line_of},title={}::{}\n",
        property(place.path.trim_start_matches("./")),
        property(finding.rule.name()),
        message(&line(finding))
    )
}

/// Nothing in a message may begin a command of its own.
fn message(text: &str) -> String {
    text.replace('%', "%25").replace('\r', "%0D").replace('\n', "%0A")
}

fn property(text: &str) -> String {
    message(text).replace(':', "%3A").replace(',', "%2C")
}
