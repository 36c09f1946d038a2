//! Advisories to a text that is asked by package, and back. Pure.
//!
//! One line for each advisory of each package: `ECOSYSTEM/PACKAGE`, a tab, and the advisory
//! as JSON; sorted. Who wants those of some packages bisects for them, and reads no others.

use std::collections::BTreeMap;

use super::advisory::{Advisory, Ecosystem};

/// Debian's are many times those of R's packages, and mostly nobody asks for them.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Texts {
    pub(super) r: Vec<u8>,
    pub(super) debian: Vec<u8>,
}

impl Texts {
    /// The texts for these advisories, in whatever order they come.
    pub(super) fn of(advisories: &[Advisory]) -> Self {
        let is_debian = |advisory: &&Advisory| matches!(advisory.ecosystem, Ecosystem::Debian(_));
        let (debian, r): (Vec<&Advisory>, Vec<&Advisory>) = advisories.iter().partition(is_debian);
        Self { r: write(&r), debian: write(&debian) }
    }

    pub(super) fn of_ecosystem(&self, ecosystem: &Ecosystem) -> &[u8] {
        match ecosystem {
            Ecosystem::Cran | Ecosystem::Bioconductor | Ecosystem::R => &self.r,
            Ecosystem::Debian(_) => &self.debian,
        }
    }
}

fn write(advisories: &[&Advisory]) -> Vec<u8> {
    let lines = advisories.iter().map(|advisory| {
        let key = key(&advisory.ecosystem, &advisory.package);
        // Serializing plain strings to JSON cannot fail.
        let json = serde_json::to_string(advisory).unwrap_or_default();
        ((key.clone(), advisory.id.clone()), format!("{key}\t{json}\n"))
    });
    let sorted: BTreeMap<(String, String), String> = lines.collect();
    sorted.into_values().collect::<String>().into_bytes()
}

/// The advisories of one package. A line that cannot be read is passed over: [`write`] made
/// it, and the text's digest was checked.
pub(super) fn of_package(text: &[u8], ecosystem: &Ecosystem, package: &str) -> Vec<Advisory> {
    let key = key(ecosystem, package);
    let mut from = first_at_least(text, key.as_bytes());
    let mut found = Vec::new();
    while from < text.len() {
        let line = line_at(text, from);
        let Some((found_key, json)) = split(line) else { break };
        if found_key != key.as_bytes() {
            break;
        }
        found.extend(serde_json::from_slice::<Advisory>(json).ok());
        from += line.len() + 1;
    }
    found
}

/// Whether any line's key begins so.
pub(super) fn has_prefix(text: &[u8], prefix: &str) -> bool {
    let at = first_at_least(text, prefix.as_bytes());
    at < text.len() && text[at..].starts_with(prefix.as_bytes())
}

/// A name of a package has no control character, so that no two keys are mixed up.
fn key(ecosystem: &Ecosystem, package: &str) -> String {
    format!("{ecosystem}/{package}")
}

fn split(line: &[u8]) -> Option<(&[u8], &[u8])> {
    let tab = line.iter().position(|byte| *byte == b'\t')?;
    Some((&line[..tab], &line[tab + 1..]))
}

/// The line that begins at `from`, without its end.
fn line_at(text: &[u8], from: usize) -> &[u8] {
    let rest = &text[from..];
    let end = rest.iter().position(|byte| *byte == b'\n').unwrap_or(rest.len());
    &rest[..end]
}

/// Where the first line begins whose key is not before `key`.
fn first_at_least(text: &[u8], key: &[u8]) -> usize {
    let (mut low, mut high) = (0, text.len());
    while low < high {
        let middle = low + (high - low) / 2;
        let start = text[..middle].iter().rposition(|byte| *byte == b'\n').map_or(0, |at| at + 1);
        let line = line_at(text, start);
        if split(line).is_none_or(|(found, _)| found < key) {
            low = start + line.len() + 1;
        } else {
            high = start;
        }
    }
    low
}

#[cfg(test)]
mod tests {
    use super::super::advisory::tests::advisory;
    use super::*;

    fn of(package: &str, id: &str) -> Advisory {
        Advisory { package: package.to_owned(), ..advisory(id, &[], "1.0") }
    }

    #[test]
    fn each_package_s_advisories_are_found_among_all_others() {
        let packages = ["a1", "a1.b", "b1", "zoo", "B2"];
        let advisories: Vec<Advisory> = packages
            .iter()
            .flat_map(|package| ["X-2", "X-1"].map(|id| of(package, &format!("{id}-{package}"))))
            .collect();
        let text = Texts::of(&advisories).r;
        let shuffled: Vec<Advisory> = advisories.iter().rev().cloned().collect();
        assert_eq!(Texts::of(&shuffled).r, text);
        for package in packages {
            let ids: Vec<String> =
                of_package(&text, &Ecosystem::Cran, package).into_iter().map(|one| one.id).collect();
            assert_eq!(ids, [format!("X-1-{package}"), format!("X-2-{package}")]);
        }
        for package in ["", "a", "a2", "zzz", "A1"] {
            assert!(of_package(&text, &Ecosystem::Cran, package).is_empty(), "{package}");
        }
        assert!(of_package(&text, &Ecosystem::Bioconductor, "a1").is_empty());
        assert!(of_package(b"", &Ecosystem::Cran, "a1").is_empty());
        assert!(has_prefix(&text, "CRAN/") && !has_prefix(&text, "Debian:13/") && !has_prefix(b"", "CRAN/"));
    }
}
