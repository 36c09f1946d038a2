//! What an advisory says of one package, and which versions of it are affected. Pure.

use std::cmp::Ordering;
use std::collections::BTreeSet;
use std::fmt;

use serde::{Deserialize, Serialize};

use super::debian;
use super::range::{self, Compare, Event};
use crate::model::compare_version_texts;

/// Whose package an advisory is of.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
pub enum Ecosystem {
    Cran,
    Bioconductor,
    /// R itself, of which no database has an ecosystem.
    R,
    /// A release of Debian's, such as `13`; the packages are source packages.
    Debian(String),
}

impl Ecosystem {
    /// As the OSV schema has it, with a release behind a colon or without.
    pub(super) fn parse(text: &str) -> Option<Self> {
        let (name, release) = text.split_once(':').unwrap_or((text, ""));
        match name {
            "CRAN" => Some(Self::Cran),
            "Bioconductor" => Some(Self::Bioconductor),
            "x_R" => Some(Self::R),
            "Debian" if is_release(release) => Some(Self::Debian(release.to_owned())),
            _ => None,
        }
    }

    fn compare(&self) -> Compare {
        match self {
            Self::Cran | Self::Bioconductor | Self::R => compare_version_texts,
            Self::Debian(_) => debian::compare,
        }
    }

    pub(super) fn is_version(&self, text: &str) -> bool {
        match self {
            Self::Cran | Self::Bioconductor | Self::R => compare_version_texts(text, text).is_some(),
            Self::Debian(_) => {
                (1..=200).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_graphic())
            }
        }
    }
}

fn is_release(text: &str) -> bool {
    (1..=20).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'.')
}

impl fmt::Display for Ecosystem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Cran => f.write_str("CRAN"),
            Self::Bioconductor => f.write_str("Bioconductor"),
            Self::R => f.write_str("x_R"),
            Self::Debian(release) => write!(f, "Debian:{release}"),
        }
    }
}

impl From<Ecosystem> for String {
    fn from(ecosystem: Ecosystem) -> Self {
        ecosystem.to_string()
    }
}

impl TryFrom<String> for Ecosystem {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        Self::parse(&text).ok_or(text)
    }
}

/// How bad it is; advisories of R packages mostly do not say.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    Low,
    Medium,
    High,
    Critical,
}

impl Severity {
    /// By the scale of CVSS 3 and 4.
    pub(super) fn of_score(score: f64) -> Self {
        match score {
            score if score >= 9.0 => Self::Critical,
            score if score >= 7.0 => Self::High,
            score if score >= 4.0 => Self::Medium,
            _ => Self::Low,
        }
    }

    pub(super) fn of_word(word: &str) -> Option<Self> {
        match word.to_ascii_lowercase().as_str() {
            "critical" => Some(Self::Critical),
            "high" => Some(Self::High),
            "medium" | "moderate" => Some(Self::Medium),
            "low" | "unimportant" => Some(Self::Low),
            _ => None,
        }
    }

    pub fn as_str(self) -> &'static str {
        match self {
            Self::Low => "low",
            Self::Medium => "medium",
            Self::High => "high",
            Self::Critical => "critical",
        }
    }
}

/// What one record says of one package.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Advisory {
    pub id: String,
    /// RFC 3339, in UTC.
    pub modified: String,
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub withdrawn: bool,
    /// Other names of the same vulnerability.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub aliases: Vec<String>,
    /// Vulnerabilities of something that is part of the package: several advisories may
    /// have the same.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub upstream: Vec<String>,
    pub summary: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub severity: Option<Severity>,
    /// CVSS's, with one digit behind the point.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub score: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub url: Option<String>,
    pub ecosystem: Ecosystem,
    pub package: String,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub ranges: Vec<Vec<Event>>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub versions: Vec<String>,
}

impl Advisory {
    /// Whether the version is listed, or in any range.
    pub fn affects(&self, version: &str) -> bool {
        let compare = self.ecosystem.compare();
        let is_listed = |listed: &String| compare(listed, version) == Some(Ordering::Equal);
        self.ranges.iter().any(|events| range::contains(events, version, compare))
            || self.versions.iter().any(is_listed)
    }

    /// The first version after this one that no range has any more.
    pub fn fixed_in(&self, version: &str) -> Option<String> {
        let compare = self.ecosystem.compare();
        let mut from = version.to_owned();
        // Each step leaves one range for good, or there is none to take.
        for _ in 0..=self.ranges.iter().map(Vec::len).sum::<usize>() {
            let inside = self.ranges.iter().find(|events| range::contains(events, &from, compare));
            let Some(events) = inside else { return (from != version).then_some(from) };
            range::next_fix(events, &from, compare)?.clone_into(&mut from);
        }
        None
    }
}

/// One vulnerability of one package, by however many records.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Match {
    /// The record that says most: the worst severity, then the first id.
    pub advisory: Advisory,
    /// The ids of all records that are of it, and their aliases, sorted.
    pub ids: BTreeSet<String>,
    /// Ids of what it comes from.
    pub upstream: BTreeSet<String>,
    /// The first version that none of the records has, where there is one.
    pub fixed: Option<String>,
}

/// Those of the advisories that affect the version. Records that share a name, or an alias,
/// directly or by way of others, are one vulnerability.
pub(super) fn affecting(advisories: &[Advisory], version: &str) -> Vec<Match> {
    let mut groups: Vec<(BTreeSet<String>, Vec<&Advisory>)> = Vec::new();
    for advisory in advisories.iter().filter(|one| !one.withdrawn && one.affects(version)) {
        let mut ids: BTreeSet<String> = advisory.aliases.iter().cloned().collect();
        ids.insert(advisory.id.clone());
        let mut together = vec![advisory];
        // It may join groups that had nothing to do with each other so far.
        groups.retain_mut(|(others, members)| {
            let joins = !others.is_disjoint(&ids);
            if joins {
                ids.append(others);
                together.append(members);
            }
            !joins
        });
        groups.push((ids, together));
    }
    let mut matches: Vec<Match> =
        groups.into_iter().filter_map(|(ids, members)| one_match(ids, members, version)).collect();
    matches.sort_by(|a, b| a.advisory.id.cmp(&b.advisory.id));
    matches
}

fn one_match(ids: BTreeSet<String>, mut members: Vec<&Advisory>, version: &str) -> Option<Match> {
    members.sort_by(|a, b| b.severity.cmp(&a.severity).then_with(|| a.id.cmp(&b.id)));
    let advisory = (*members.first()?).clone();
    let compare = advisory.ecosystem.compare();
    let mended: Option<Vec<String>> = members.iter().map(|member| member.fixed_in(version)).collect();
    let latest = |a: &String, b: &String| compare(a, b).unwrap_or(Ordering::Equal);
    let fixed = mended.and_then(|versions| versions.into_iter().max_by(latest));
    let upstream = members.iter().flat_map(|member| member.upstream.iter().cloned()).collect();
    Some(Match { advisory, ids, upstream, fixed })
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    pub(in super::super) fn advisory(id: &str, aliases: &[&str], fixed: &str) -> Advisory {
        Advisory {
            id: id.to_owned(),
            modified: "2026-01-01T00:00:00Z".to_owned(),
            withdrawn: false,
            aliases: aliases.iter().map(|alias| (*alias).to_owned()).collect(),
            upstream: Vec::new(),
            summary: format!("about {id}"),
            severity: None,
            score: None,
            url: None,
            ecosystem: Ecosystem::Cran,
            package: "a1".to_owned(),
            ranges: vec![vec![Event::Introduced("0".to_owned()), Event::Fixed(fixed.to_owned())]],
            versions: Vec::new(),
        }
    }

    fn ids(matches: &[Match]) -> Vec<Vec<&str>> {
        matches.iter().map(|one| one.ids.iter().map(String::as_str).collect()).collect()
    }

    #[test]
    fn aliases_join_in_circles_and_by_way_of_others() {
        let advisories = [
            advisory("A", &["B"], "1.5"),
            advisory("D", &["C"], "1.7"),
            advisory("B", &["C", "A"], "1.6"),
            advisory("E", &["E"], "1.8"),
        ];
        let found = affecting(&advisories, "1.0");
        assert_eq!(ids(&found), [vec!["A", "B", "C", "D"], vec!["E"]]);
        assert_eq!(found[0].fixed.as_deref(), Some("1.7"), "all of them have to be mended");
        assert_eq!(ids(&affecting(&advisories, "1.6")), [vec!["C", "D"], vec!["E"]]);
    }

    #[test]
    fn a_shared_upstream_joins_nothing() {
        let mut advisories = [advisory("A", &[], "1.5"), advisory("B", &[], "1.5")];
        for advisory in &mut advisories {
            advisory.upstream.push("CVE-1".to_owned());
        }
        assert_eq!(ids(&affecting(&advisories, "1.0")), [vec!["A"], vec!["B"]]);
    }

    #[test]
    fn what_was_withdrawn_affects_nothing() {
        let withdrawn = Advisory { withdrawn: true, ..advisory("A", &[], "1.5") };
        assert!(affecting(&[withdrawn], "1.0").is_empty());
    }

    /// RSEC-2023-3 lists 1.7.0 and 1.7.2 of jsonlite and not 1.7.1, which exists.
    #[test]
    fn a_version_counts_by_the_range_or_by_the_list() {
        let mut advisory = advisory("A", &[], "1.8.8");
        advisory.versions = vec!["1.7.0".to_owned(), "2.0-1".to_owned()];
        assert!(advisory.affects("1.7.1"));
        assert!(advisory.affects("2.0.1"), "equal by its numbers");
        assert!(!advisory.affects("2.0"));
        assert_eq!(advisory.fixed_in("1.0").as_deref(), Some("1.8.8"));
    }

    #[test]
    fn a_fix_that_is_in_another_range_is_none() {
        let mut advisory = advisory("A", &[], "1.5");
        let event = |fixed: &str| vec![Event::Introduced("1.5".to_owned()), Event::Fixed(fixed.to_owned())];
        advisory.ranges.push(event("1.6"));
        assert_eq!(advisory.fixed_in("1.0").as_deref(), Some("1.6"));
        advisory.ranges.push(vec![Event::Introduced("1.6".to_owned())]);
        assert_eq!(advisory.fixed_in("1.0"), None);
    }
}
