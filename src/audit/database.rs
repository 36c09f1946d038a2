//! Several sources of advisories as one: where they are from, how old they are, and what of
//! them affects a package. Pure.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::advisory::{Advisory, Ecosystem, Match, affecting};
use super::lines::{self, Texts};

/// A source of advisories, as it was read.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Origin {
    pub name: String,
    /// Without a password.
    pub place: String,
    /// Of all that was kept of it, so that a report says what it is based on.
    pub sha256: String,
    /// When it was fetched, in seconds since 1970; `None` for a file or folder.
    pub fetched_at: Option<u64>,
    /// When its latest record was changed: RFC 3339.
    pub newest: Option<String>,
    pub n_records: usize,
    /// Records of packages that a layer can hold, one for each package.
    pub n_advisories: usize,
    /// Records that are of no use, and why.
    pub skipped: Vec<Skipped>,
}

#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Skipped {
    /// The file that it is in.
    pub record: String,
    pub reason: String,
}

/// What advisories are looked for in.
#[derive(Debug, Clone, Default)]
pub struct Database {
    sources: Vec<(Origin, Texts)>,
}

/// The advisories that layr brings, since no database has them: those of R itself.
const BUILT_IN: &[&str] = &[include_str!("advisories/x_R-2024-0.json")];

impl Database {
    pub(super) fn add(&mut self, origin: Origin, texts: Texts) {
        self.sources.push((origin, texts));
        self.sources.sort_by(|(a, _), (b, _)| (&a.name, &a.place).cmp(&(&b.name, &b.place)));
    }

    /// Adds what another has.
    pub fn join(&mut self, other: Self) {
        for (origin, texts) in other.sources {
            self.add(origin, texts);
        }
    }

    pub fn is_empty(&self) -> bool {
        self.sources.is_empty()
    }

    pub fn origins(&self) -> impl Iterator<Item = &Origin> {
        self.sources.iter().map(|(origin, _)| origin)
    }

    /// What affects a version of an R package. Its name tells it, whichever repository it
    /// came from. An advisory that several sources have counts as the one that was changed
    /// last has it.
    pub fn of_package(&self, package: &str, version: &str) -> Vec<Match> {
        affecting(&self.advisories(&[Ecosystem::Cran, Ecosystem::Bioconductor], package), version)
    }

    /// What affects a version of a source package of a release of Debian.
    pub fn of_debian(&self, release: &str, package: &str, version: &str) -> Vec<Match> {
        affecting(&self.advisories(&[Ecosystem::Debian(release.to_owned())], package), version)
    }

    /// Whether anything is known of packages of R.
    pub(super) fn has_packages(&self) -> bool {
        self.sources.iter().any(|(_, texts)| !texts.r.is_empty())
    }

    /// Whether anything is known of that release of Debian.
    pub(super) fn has_debian(&self, release: &str) -> bool {
        let prefix = format!("{}/", Ecosystem::Debian(release.to_owned()));
        self.sources.iter().any(|(_, texts)| lines::has_prefix(&texts.debian, &prefix))
    }

    fn advisories(&self, ecosystems: &[Ecosystem], package: &str) -> Vec<Advisory> {
        let mut latest: BTreeMap<(Ecosystem, String), Advisory> = BTreeMap::new();
        let of = |texts: &Texts, one: &Ecosystem| lines::of_package(texts.of_ecosystem(one), one, package);
        let found =
            self.sources.iter().flat_map(|(_, texts)| ecosystems.iter().flat_map(|one| of(texts, one)));
        for advisory in found {
            let key = (advisory.ecosystem.clone(), advisory.id.clone());
            let known = latest.get(&key);
            if known.is_none_or(|known| time(&known.modified) <= time(&advisory.modified)) {
                latest.insert(key, advisory);
            }
        }
        latest.into_values().collect()
    }
}

pub(super) fn time(text: &str) -> Option<jiff::Timestamp> {
    text.parse().ok()
}

/// Of R itself.
pub(super) fn of_r(version: &str) -> Vec<Match> {
    let read = BUILT_IN.iter().filter_map(|text| super::osv::of_json(text.as_bytes()).ok());
    let advisories: Vec<Advisory> = read.flat_map(|read| read.advisories).collect();
    affecting(&advisories, version)
}

#[cfg(test)]
pub(super) mod tests {
    use super::super::advisory::tests::advisory;
    use super::*;

    pub(in super::super) fn database(advisories: &[Advisory]) -> Database {
        let mut database = Database::default();
        let origin = Origin {
            name: "test".to_owned(),
            place: "advisories.zip".to_owned(),
            sha256: "ab".repeat(32),
            fetched_at: None,
            newest: Some("2026-01-01T00:00:00Z".to_owned()),
            n_records: advisories.len(),
            n_advisories: advisories.len(),
            skipped: Vec::new(),
        };
        database.add(origin, Texts::of(advisories));
        database
    }

    #[test]
    fn of_two_copies_the_later_counts() {
        let old = advisory("A", &[], "1.5");
        let new = Advisory {
            withdrawn: true,
            modified: "2026-01-01T00:00:00.5Z".to_owned(), // which is before the other as a text
            ..old.clone()
        };
        for order in [[&old, &new], [&new, &old]] {
            let mut both = Database::default();
            for one in order {
                both.sources.extend(database(std::slice::from_ref(one)).sources);
            }
            assert!(both.of_package("a1", "1.0").is_empty());
        }
        assert_eq!(database(&[old]).of_package("a1", "1.0").len(), 1);
    }

    #[test]
    fn r_before_4_4_runs_code_of_rds_files() {
        for (r, affected) in [("4.3.3", true), ("3.6.1", true), ("4.4.0", false), ("4.5.2", false)] {
            assert_eq!(!of_r(r).is_empty(), affected, "{r}");
        }
        for text in BUILT_IN {
            super::super::osv::of_json(text.as_bytes()).unwrap();
        }
    }
}
