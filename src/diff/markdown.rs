//! A difference to Markdown for a pull request. Pure.

use super::text::{counts, layers, library_versions, notes, signed, sizes};
use super::{Advised, AdvisoryChanges, Diff, NO_DATABASE, PackageChange};

/// Packages that are shown before the rest is folded: a comment is to be read.
const N_SHOWN: usize = 25;

pub fn markdown(diff: &Diff<'_>) -> String {
    let mut text = String::from("### Packages\n\n");
    if diff.is_empty() {
        return text + "No difference.\n" + &advisories(&diff.advisories);
    }
    for (what, change) in [("R", diff.r()), ("Base", diff.base())] {
        if let Some((before, after)) = change {
            text.push_str(&format!("{what}: {} → {}\n\n", escaped(&before), escaped(&after)));
        }
    }
    if diff.packages.is_empty() {
        text.push_str("The packages are the same.\n");
    } else {
        text.push_str(&format!("{}.\n\n{}", counts(diff), packages(&diff.packages)));
    }
    text.push_str(&advisories(&diff.advisories));
    if !diff.libraries.is_empty() {
        text.push_str("\n### Libraries\n\n");
        for change in &diff.libraries {
            let sign = if change.before.is_none() {
                "new: "
            } else if change.after.is_none() {
                "gone: "
            } else {
                ""
            };
            text.push_str(&format!("- {sign}{}\n", escaped(&library_versions(change))));
        }
    }
    let changed: Vec<_> =
        diff.functions.iter().filter(|function| function.before != function.after).collect();
    if !changed.is_empty() {
        text.push_str("\n### Functions\n\n");
        for function in changed {
            text.push_str(&format!("- `{}`: {}\n", code(function.name), sizes(function)));
        }
    }
    if let Some(layers) = layers(diff) {
        text.push_str(&format!("\nLayers: {layers}.\n"));
    }
    text
}

fn packages(changes: &[PackageChange<'_>]) -> String {
    let (shown, folded) = changes.split_at(changes.len().min(N_SHOWN));
    let mut text = table(shown);
    if !folded.is_empty() {
        let (n, rows) = (folded.len(), table(folded));
        text.push_str(&format!("\n<details><summary>{n} more</summary>\n\n{rows}\n</details>\n"));
    }
    text
}

fn table(changes: &[PackageChange<'_>]) -> String {
    let mut text = String::from("| package | before | after | size | |\n|---|---|---|---:|---|\n");
    for change in changes {
        let version = |side: Option<&crate::inventory::Package>| {
            side.map(|package| package.id.version.to_string()).unwrap_or_default()
        };
        let bytes = change.bytes().filter(|bytes| *bytes != 0).map(signed).unwrap_or_default();
        text.push_str(&format!(
            "| `{}` | {} | {} | {bytes} | {} |\n",
            change.name(),
            version(change.before),
            version(change.after),
            escaped(&notes(change).join("; ")),
        ));
    }
    text
}

fn advisories(advised: &Advised<AdvisoryChanges>) -> String {
    let changes = match advised {
        Advised::NotAsked => return String::new(),
        Advised::NoDatabase => return format!("\nAdvisories: {NO_DATABASE}.\n"),
        Advised::Known(changes) => changes,
    };
    let mut text = String::new();
    for (title, all) in [("New advisories", &changes.gained), ("Advisories that are gone", &changes.lost)] {
        if !all.is_empty() {
            text.push_str(&format!("\n### {title}\n\n"));
            for found in all {
                let (id, package) = (escaped(&found.id), code(&found.package));
                let (version, summary) = (escaped(&found.version), escaped(&found.summary));
                text.push_str(&format!("- {id} in `{package}` {version}: {summary}\n"));
            }
        }
    }
    text.push_str(&format!(
        "\nAdvisories on both sides: {}. {}\n",
        changes.n_kept,
        escaped(&changes.coverage)
    ));
    text
}

/// Text of others, which may be no markup here: no HTML, no mention of people, no cell's end.
fn escaped(text: &str) -> String {
    let mut safe = String::new();
    for c in text.chars() {
        match c {
            '<' => safe.push_str("&lt;"),
            '>' => safe.push_str("&gt;"),
            '&' => safe.push_str("&amp;"),
            '@' => safe.push_str("&#64;"),
            '\\' | '|' | '`' | '*' | '_' | '[' | ']' | '#' | '~' => {
                safe.push('\\');
                safe.push(c);
            }
            c if c.is_control() => safe.push(' '),
            c => safe.push(c),
        }
    }
    safe
}

/// Between backticks nothing is markup but these and the end of a cell.
fn code(text: &str) -> String {
    text.chars().map(|c| if c == '`' || c == '|' || c.is_control() { ' ' } else { c }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_of_others_is_no_markup() {
        assert_eq!(escaped("a|b <img> @all\n#1"), "a\\|b &lt;img&gt; &#64;all \\#1");
        assert_eq!(code("a`b|c"), "a b c");
    }
}
