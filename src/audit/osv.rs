//! One record in the form of the OSV schema, as JSON or YAML, to the advisories it has for
//! packages that a layer can hold. Pure.
//!
//! What a record says is written by strangers: versions are checked, and texts shortened and
//! rid of control characters, before anything else sees them.

use serde::Deserialize;

use super::advisory::{Advisory, Ecosystem, Severity};
use super::range::Event;
use super::strangers::{is_id, is_time, plain};

/// Why a record is of no use.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(super) enum BrokenRecord {
    #[error("it cannot be read: {detail}")]
    Syntax { detail: String },
    #[error("it is of version {found} of the OSV schema, of which version 1 is known")]
    Schema { found: String },
    #[error("its id is not one")]
    Id,
    #[error("`{field}` is not a time")]
    Time { field: &'static str },
    #[error("an event of `{package}` has {n} of introduced, fixed, last_affected and limit, not one")]
    Event { package: String, n: usize },
    #[error("`{}` of `{package}` is not a version", .version.escape_debug())]
    Version { package: String, version: String },
    #[error("a range of `{package}` begins nowhere")]
    NoBeginning { package: String },
    #[error("it names no version of `{package}`")]
    NoVersions { package: String },
}

/// What came of a record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Read {
    pub(super) id: String,
    pub(super) modified: String,
    /// One for each package that is of an ecosystem we know.
    pub(super) advisories: Vec<Advisory>,
}

#[derive(Deserialize)]
struct Raw {
    schema_version: Option<String>,
    id: String,
    modified: String,
    withdrawn: Option<String>,
    aliases: Option<Vec<String>>,
    upstream: Option<Vec<String>>,
    summary: Option<String>,
    details: Option<String>,
    severity: Option<Vec<RawSeverity>>,
    affected: Option<Vec<RawAffected>>,
    references: Option<Vec<RawReference>>,
    database_specific: Option<Specific>,
}

#[derive(Deserialize)]
struct RawSeverity {
    #[serde(rename = "type")]
    kind: String,
    score: String,
}

#[derive(Deserialize)]
struct RawReference {
    url: String,
}

/// What databases have of their own; of it, this is what several have.
#[derive(Deserialize)]
struct Specific {
    severity: Option<String>,
    /// Debian's word for it.
    urgency: Option<String>,
}

#[derive(Deserialize)]
struct RawAffected {
    package: Option<RawPackage>,
    severity: Option<Vec<RawSeverity>>,
    ranges: Option<Vec<RawRange>>,
    versions: Option<Vec<String>>,
    ecosystem_specific: Option<Specific>,
}

#[derive(Deserialize)]
struct RawPackage {
    ecosystem: String,
    name: String,
}

#[derive(Deserialize)]
struct RawRange {
    #[serde(rename = "type")]
    kind: String,
    events: Option<Vec<RawEvent>>,
}

#[derive(Deserialize)]
struct RawEvent {
    introduced: Option<String>,
    fixed: Option<String>,
    last_affected: Option<String>,
    limit: Option<String>,
}

pub(super) fn of_json(bytes: &[u8]) -> Result<Read, BrokenRecord> {
    let raw = serde_json::from_slice(bytes);
    read(raw.map_err(|error| BrokenRecord::Syntax { detail: plain(&error.to_string(), 200) })?)
}

/// Versions are texts here as everywhere: a reader that takes `1.10` for a number would
/// make 1.1 of it.
pub(super) fn of_yaml(text: &str) -> Result<Read, BrokenRecord> {
    let raw = yaml_serde::from_str(text);
    read(raw.map_err(|error| BrokenRecord::Syntax { detail: plain(&error.to_string(), 200) })?)
}

fn read(raw: Raw) -> Result<Read, BrokenRecord> {
    let Raw { schema_version, id, modified, withdrawn, .. } = &raw;
    if let Some(version) = schema_version
        && version.split('.').next() != Some("1")
    {
        return Err(BrokenRecord::Schema { found: plain(version, 20) });
    }
    if !is_id(id) {
        return Err(BrokenRecord::Id);
    }
    if !is_time(modified) {
        return Err(BrokenRecord::Time { field: "modified" });
    }
    if withdrawn.as_deref().is_some_and(|time| !is_time(time)) {
        return Err(BrokenRecord::Time { field: "withdrawn" });
    }
    let mut advisories: Vec<Advisory> = Vec::new();
    for affected in raw.affected.iter().flatten() {
        let Some(package) = &affected.package else { continue };
        let Some(ecosystem) = Ecosystem::parse(&package.ecosystem) else { continue };
        let (ranges, versions) = affected.versions(&ecosystem, &package.name)?;
        let known = |known: &&mut Advisory| known.ecosystem == ecosystem && known.package == package.name;
        if let Some(known) = advisories.iter_mut().find(known) {
            known.ranges.extend(ranges);
            known.versions.extend(versions);
        } else {
            advisories.push(advisory(&raw, affected, ecosystem, (ranges, versions)));
        }
    }
    for advisory in &advisories {
        if advisory.ranges.is_empty() && advisory.versions.is_empty() && !advisory.withdrawn {
            return Err(BrokenRecord::NoVersions { package: plain(&advisory.package, 80) });
        }
    }
    Ok(Read { id: raw.id, modified: raw.modified, advisories })
}

fn advisory(
    raw: &Raw,
    affected: &RawAffected,
    ecosystem: Ecosystem,
    (ranges, versions): (Vec<Vec<Event>>, Vec<String>),
) -> Advisory {
    let ids = |ids: &Option<Vec<String>>| {
        let mut ids: Vec<String> = ids.iter().flatten().filter(|id| is_id(id)).cloned().collect();
        ids.sort();
        ids.dedup();
        ids
    };
    let vectors = affected.severity.iter().chain(&raw.severity).flatten();
    let score = vectors.filter_map(RawSeverity::score).max_by(f64::total_cmp);
    let words = affected.ecosystem_specific.iter().chain(&raw.database_specific);
    let word = words.filter_map(|specific| specific.severity.as_deref().or(specific.urgency.as_deref()));
    let summary = raw.summary.as_deref().or(raw.details.as_deref()).unwrap_or_default();
    let is_web = |url: &&String| url.starts_with("https://") || url.starts_with("http://");
    let url = raw.references.iter().flatten().map(|reference| &reference.url).find(is_web);
    Advisory {
        id: raw.id.clone(),
        modified: raw.modified.clone(),
        withdrawn: raw.withdrawn.is_some(),
        aliases: ids(&raw.aliases),
        upstream: ids(&raw.upstream),
        summary: plain(summary, 300),
        severity: score.map(Severity::of_score).or_else(|| { word }.find_map(Severity::of_word)),
        score: score.map(|score| format!("{score:.1}")),
        url: url.map(|url| plain(url, 300)),
        ecosystem,
        package: affected.package.as_ref().map(|package| package.name.clone()).unwrap_or_default(),
        ranges,
        versions,
    }
}

impl RawSeverity {
    /// Of the vectors of three versions of CVSS. What is neither says nothing.
    fn score(&self) -> Option<f64> {
        let vector: cvss::Cvss = match self.kind.as_str() {
            // Version 2 is written without its version in front.
            "CVSS_V2" | "CVSS_V3" | "CVSS_V4" => self.score.parse().ok()?,
            _ => return None,
        };
        Some(vector.score())
    }
}

impl RawAffected {
    fn versions(
        &self,
        ecosystem: &Ecosystem,
        package: &str,
    ) -> Result<(Vec<Vec<Event>>, Vec<String>), BrokenRecord> {
        let mut ranges = Vec::new();
        // Commits are no versions.
        for range in self.ranges.iter().flatten().filter(|range| range.kind != "GIT") {
            let events = range.events.iter().flatten().map(|event| event.read(package));
            let events: Vec<Event> = events.collect::<Result<_, _>>()?;
            for event in events.iter().filter(|event| !event.is_open()) {
                ecosystem.check(event.version(), package)?;
            }
            if !events.iter().any(|event| matches!(event, Event::Introduced(_))) {
                return Err(BrokenRecord::NoBeginning { package: plain(package, 80) });
            }
            ranges.push(events);
        }
        let mut versions = self.versions.clone().unwrap_or_default();
        for version in &versions {
            ecosystem.check(version, package)?;
        }
        // Debian's ranges are spelt out in lists of thousands; R's lists have gaps, and so
        // both are looked at.
        if matches!(ecosystem, Ecosystem::Debian(_)) && !ranges.is_empty() {
            versions.clear();
        }
        Ok((ranges, versions))
    }
}

impl RawEvent {
    fn read(&self, package: &str) -> Result<Event, BrokenRecord> {
        let mut found = [
            self.introduced.clone().map(Event::Introduced),
            self.fixed.clone().map(Event::Fixed),
            self.last_affected.clone().map(Event::LastAffected),
            self.limit.clone().map(Event::Limit),
        ]
        .into_iter()
        .flatten();
        match (found.next(), found.count()) {
            (Some(event), 0) => Ok(event),
            (first, more) => Err(BrokenRecord::Event {
                package: plain(package, 80),
                n: usize::from(first.is_some()) + more,
            }),
        }
    }
}

impl Ecosystem {
    fn check(&self, version: &str, package: &str) -> Result<(), BrokenRecord> {
        if self.is_version(version) {
            return Ok(());
        }
        Err(BrokenRecord::Version { package: plain(package, 80), version: plain(version, 80) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const YAML: &str = r#"
id: RSEC-2026-1
modified: 2026-03-01T10:00:00Z
published: 2026-03-02
details: |
  First line.
  Second line.
affected:
- package:
    ecosystem: CRAN
    name: png
  ranges:
  - type: ECOSYSTEM
    events:
    - introduced: 0.1-3
    - fixed: 1.10
  versions: ["0.1-3", 1.1]
upstream: [CVE-2026-25646]
references:
- type: WEB
  url: https://example.org/
"#;

    #[test]
    fn versions_in_yaml_are_texts_quoted_or_not() {
        let read = of_yaml(YAML).unwrap();
        let [advisory] = &read.advisories[..] else { panic!("{read:?}") };
        assert_eq!(
            advisory.ranges,
            [[Event::Introduced("0.1-3".to_owned()), Event::Fixed("1.10".to_owned())]]
        );
        assert_eq!(advisory.versions, ["0.1-3", "1.1"]);
        assert_eq!(advisory.summary, "First line.");
        assert_eq!((advisory.severity, advisory.upstream[0].as_str()), (None, "CVE-2026-25646"));
    }

    fn json(fields: &str, affected: &str) -> Vec<u8> {
        format!(r#"{{"id": "A-1", "modified": "2026-01-01T00:00:00Z", {fields} "affected": [{affected}]}}"#)
            .into_bytes()
    }

    const AFFECTED: &str = r#"{"package": {"ecosystem": "CRAN", "name": "a1"}, "versions": ["1.0"]}"#;

    #[test]
    fn what_is_broken_is_named() {
        type Expected = fn(&BrokenRecord) -> bool;
        let range = |events: &str| {
            format!(
                r#"{{"package": {{"ecosystem": "CRAN", "name": "a1"}}, "ranges": [{{"type": "ECOSYSTEM", "events": [{events}]}}]}}"#
            )
        };
        let cases: [(Vec<u8>, Expected); 10] = [
            (b"{".to_vec(), |e| matches!(e, BrokenRecord::Syntax { .. })),
            (json(r#""schema_version": "2.0.0","#, AFFECTED), |e| matches!(e, BrokenRecord::Schema { .. })),
            (json(r#""withdrawn": "yesterday","#, AFFECTED), |e| matches!(e, BrokenRecord::Time { .. })),
            (json("", &range(r#"{"introduced": "0", "fixed": "1.0"}"#)), |e| {
                matches!(e, BrokenRecord::Event { n: 2, .. })
            }),
            (json("", &range("{}")), |e| matches!(e, BrokenRecord::Event { n: 0, .. })),
            (json("", &range(r#"{"introduced": "1.0-rc1"}"#)), |e| matches!(e, BrokenRecord::Version { .. })),
            (json("", &range(r#"{"introduced": 1.10}"#)), |e| matches!(e, BrokenRecord::Syntax { .. })),
            (json("", &range(r#"{"fixed": "1.0"}"#)), |e| matches!(e, BrokenRecord::NoBeginning { .. })),
            (json("", &range("")), |e| matches!(e, BrokenRecord::NoBeginning { .. })),
            (json("", r#"{"package": {"ecosystem": "CRAN", "name": "a1"}}"#), |e| {
                matches!(e, BrokenRecord::NoVersions { .. })
            }),
        ];
        for (bytes, expected) in cases {
            let error = of_json(&bytes).unwrap_err();
            assert!(expected(&error), "{} gave {error}", String::from_utf8_lossy(&bytes));
        }
        let bad_id = String::from_utf8(json("", AFFECTED)).unwrap().replace("A-1", "A 1\\n::error::");
        assert_eq!(of_json(bad_id.as_bytes()).unwrap_err(), BrokenRecord::Id);
    }

    #[test]
    fn newer_minor_versions_and_unknown_fields_are_read_as_far_as_they_are_known() {
        let read = of_json(&json(r#""schema_version": "1.99.0", "novelty": {"a": [1]},"#, AFFECTED)).unwrap();
        assert_eq!(read.advisories.len(), 1);
    }

    #[test]
    fn other_ecosystems_are_none_of_ours_and_one_package_is_one_advisory() {
        let other = r#"{"package": {"ecosystem": "npm", "name": "a1"}, "versions": ["x"]}"#;
        let twice = format!("{AFFECTED}, {other}, {}", AFFECTED.replace("1.0", "1.1"));
        let read = of_json(&json("", &twice)).unwrap();
        assert_eq!(read.advisories.len(), 1);
        assert_eq!(read.advisories[0].versions, ["1.0", "1.1"]);
    }

    #[test]
    fn how_severe_it_is_comes_from_the_worst_vector_else_from_a_word() {
        let vector = r#""severity": [{"type": "CVSS_V3", "score": "CVSS:3.1/AV:N/AC:L/PR:N/UI:R/S:U/C:H/I:H/A:H"}, {"type": "Ubuntu", "score": "low"}],"#;
        let advisory = &of_json(&json(vector, AFFECTED)).unwrap().advisories[0];
        assert_eq!((advisory.severity, advisory.score.as_deref()), (Some(Severity::High), Some("8.8")));
        let word = r#""database_specific": {"severity": "MODERATE"},"#;
        assert_eq!(of_json(&json(word, AFFECTED)).unwrap().advisories[0].severity, Some(Severity::Medium));
        let nonsense = r#""severity": [{"type": "CVSS_V3", "score": "AV:nonsense"}],"#;
        assert_eq!(of_json(&json(nonsense, AFFECTED)).unwrap().advisories[0].severity, None);
    }
}
