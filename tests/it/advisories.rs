//! Advisories: what they match, held against R's own `compareVersion`; what other scanners
//! pass over; and databases that are not what they should be.

use std::collections::BTreeMap;
use std::io::Write;

use layr::audit::{Advisory, Ecosystem, Event};
use layr::model::compare_version;
use serde_json::{Value, json};

use crate::against_r::{r, versions};
use crate::world::{Ran, World, renv_lock};

const FINDINGS: i32 = 20;
const NO_AUDIT: i32 = 24;

/// The R Consortium's records, by their facts.
pub(crate) fn records() -> String {
    format!("{}/tests/fixtures/advisories", env!("CARGO_MANIFEST_DIR"))
}

/// Whether a version is in any of some spans, by nothing but `compareVersion`. A span has
/// its first version, and after a blank the first that is not in it any more (`-`), or the
/// last that still is (`=`), or nothing.
const SPANS: &str = r#"
for (line in readLines("files/pairs")) {
  words <- strsplit(line, " ")[[1]]
  version <- words[1]
  affected <- FALSE
  for (span in strsplit(words[-1], ",")) {
    begun <- span[1] == "0" || compareVersion(version, span[1]) >= 0
    mark <- if (length(span) > 1) substr(span[2], 1, 1) else ""
    end <- if (length(span) > 1) substring(span[2], 2) else ""
    over <- (mark == "-" && compareVersion(version, end) >= 0) ||
      (mark == "=" && compareVersion(version, end) > 0)
    affected <- affected || (begun && !over)
  }
  cat(if (affected) "affected" else "fine", "\n", sep = "")
}
"#;

/// Numbers that are the same in every run.
pub(crate) struct Dice(pub(crate) u64);

impl Dice {
    pub(crate) fn below(&mut self, n: usize) -> usize {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        usize::try_from(self.0 >> 33).unwrap() % n
    }
}

/// Spans that follow each other, as R is told them and as an advisory has them, its events
/// in no order.
fn spans(dice: &mut Dice, versions: &[String]) -> (String, Vec<Event>) {
    let mut ends: Vec<&String> =
        (0..2 + 2 * dice.below(3)).map(|_| &versions[dice.below(versions.len())]).collect();
    let order = |a: &String, b: &String| compare_version(&a.parse().unwrap(), &b.parse().unwrap());
    ends.sort_by(|a, b| order(a, b));
    ends.dedup_by(|a, b| order(a, b).is_eq());
    if ends.len() % 2 == 1 {
        ends.pop();
    }
    // Some spans begin where the one before ends.
    if ends.len() > 2 && dice.below(3) == 0 {
        ends[2] = ends[1];
    }
    let n_spans = ends.len() / 2;
    let (mut told, mut events) = (Vec::new(), Vec::new());
    for (at, pair) in ends.chunks(2).enumerate() {
        let from = if at == 0 && dice.below(3) == 0 { "0".to_owned() } else { pair[0].clone() };
        events.push(Event::Introduced(from.clone()));
        let is_last = at + 1 == n_spans;
        match dice.below(3) {
            0 if is_last => told.push(from),
            1 => {
                told.push(format!("{from},={}", pair[1]));
                events.push(Event::LastAffected(pair[1].clone()));
            }
            _ => {
                told.push(format!("{from},-{}", pair[1]));
                events.push(Event::Fixed(pair[1].clone()));
            }
        }
    }
    for at in (1..events.len()).rev() {
        events.swap(at, dice.below(at + 1));
    }
    (told.join(" "), events)
}

fn advisory(events: Vec<Event>) -> Advisory {
    Advisory {
        id: "A-1".to_owned(),
        modified: "2026-01-01T00:00:00Z".to_owned(),
        withdrawn: false,
        aliases: Vec::new(),
        upstream: Vec::new(),
        summary: String::new(),
        severity: None,
        score: None,
        url: None,
        ecosystem: Ecosystem::Cran,
        package: "a1".to_owned(),
        ranges: vec![events],
        versions: Vec::new(),
    }
}

#[test]
fn ranges_hold_what_compare_version_says_they_hold() {
    let known: Vec<String> = versions().iter().map(ToString::to_string).collect();
    let mut dice = Dice(7);
    let mut pairs = Vec::new();
    for _ in 0..600 {
        let (told, events) = spans(&mut dice, &known);
        let advisory = advisory(events);
        let bounds = advisory.ranges[0].iter().map(|event| match event {
            Event::Introduced(v) | Event::Fixed(v) | Event::LastAffected(v) | Event::Limit(v) => v.clone(),
        });
        // The bounds themselves, what is close to them, and what is anywhere.
        let bounds: Vec<String> = bounds.filter(|bound| bound != "0").collect();
        let near =
            bounds.iter().flat_map(|bound| [bound.clone(), format!("{bound}.0"), format!("{bound}-1")]);
        let anywhere = (0..8).map(|_| known[dice.below(known.len())].clone());
        for version in near.chain(anywhere.collect::<Vec<_>>()) {
            pairs.push((version.clone(), told.clone(), advisory.affects(&version)));
        }
    }
    assert!(pairs.len() > 5000, "{} pairs", pairs.len());
    let text: String = pairs.iter().map(|(version, told, _)| format!("{version} {told}\n")).collect();
    let Some(by_r) = r(SPANS, &BTreeMap::from([("pairs".to_owned(), text.into_bytes())])) else { return };
    let n_affected = by_r.lines().filter(|line| *line == "affected").count();
    assert!(n_affected > 1000 && n_affected < pairs.len() - 1000, "{n_affected} of {}", pairs.len());
    assert_eq!(by_r.lines().count(), pairs.len());
    for ((version, told, ours), theirs) in pairs.iter().zip(by_r.lines()) {
        assert_eq!(*ours, theirs == "affected", "{version} in {told}");
    }
}

/// `layr audit` of what is in the project, with the fourteen records.
fn audit(world: &World, args: &[&str]) -> Ran {
    let records = records();
    let mut all = vec!["audit", "--db", &records, "--as-of", "2026-11-24"];
    all.extend(args);
    world.layr(&all)
}

/// `package version id` of the vulnerabilities that are told.
fn vulnerable(ran: &Ran) -> Vec<String> {
    let report = ran.json();
    let findings = report["findings"].as_array().unwrap().iter();
    let text = |finding: &Value, field: &str| finding[field].as_str().unwrap().to_owned();
    findings
        .filter(|finding| finding["rule"] == "vulnerable")
        .map(|finding| {
            format!("{} {} {}", text(finding, "package"), text(finding, "version"), text(finding, "id"))
        })
        .collect()
}

#[test]
fn the_fourteen_records_are_found_where_they_are_and_nowhere_else() {
    let cases = [
        ("readxl 1.0.0", "RSEC-2023-0 RSEC-2023-1"),
        ("readxl 1.1.0", "RSEC-2023-1"),
        ("readxl 1.4.0", ""),
        ("readxl 1.4.1", "RSEC-2023-2"),
        ("jsonlite 1.7.1", "RSEC-2023-3"), // the list has a gap there
        ("jsonlite 1.8.8", ""),
        ("jsonlite 0.9.11", ""),
        ("igraph 1.2.2", "RSEC-2023-4"),
        ("igraph 1.2.2-1", "RSEC-2023-4"),
        ("igraph 1.2.2-2", ""),
        ("igraph 1.2.2.2", ""),
        ("haven 1.1.0", "RSEC-2023-5"),
        ("commonmark 1.7", "RSEC-2023-6 RSEC-2023-7 RSEC-2023-8"),
        ("commonmark 1.9", "RSEC-2023-8"),
        ("gdata 2.18.0.1", "RSEC-2023-9"),
        ("gh 1.4.1", "RSEC-2025-0"),
        ("plotly 4.10.4", "RSEC-2025-1"),
        ("widgetframe 99.0", "RSEC-2026-0"),
        ("png 0.1-8", "RSEC-2026-1"),
        ("png 0.1.8", "RSEC-2026-1"),
        ("png 0.1-9", ""),
        ("mime 0.12", ""),
    ];
    let world = World::new();
    for (package, ids) in cases {
        world.write("project/renv.lock", renv_lock("4.5.0", &[package]));
        let ran = audit(&world, &["--json"]);
        let expected: Vec<String> = ids.split_whitespace().map(|id| format!("{package} {id}")).collect();
        assert_eq!(vulnerable(&ran), expected);
        assert_eq!(ran.code, if ids.is_empty() { 0 } else { FINDINGS }, "{package}: {ran:#?}");
    }
}

/// What osv-scanner keeps of a renv.lock are the records whose `Repository` is `CRAN`, to the
/// letter; it reads no packrat.lock, and has no advisories of R.
#[test]
fn what_other_scanners_pass_over_is_found() {
    let world = World::new();
    let lock = |r: &str, record: &str| {
        format!(
            r#"{{ "R": {{ "Version": "{r}", "Repositories": [{{ "Name": "CRAN", "URL": "https://cloud.r-project.org" }}] }},
  "Packages": {{
    "jsonlite": {{ "Package": "jsonlite", "Version": "1.8.0", {record} }}
  }} }}"#
        )
    };
    let jsonlite = "jsonlite 1.8.0 RSEC-2023-3";
    let cases = [
        (r#""Source": "Repository", "Repository": "RSPM""#, "4.5.0", vec![jsonlite]),
        (r#""Source": "Repository""#, "4.5.0", vec![jsonlite]),
        (
            r#""Source": "Repository", "Repository": "https://packagemanager.posit.co/cran/latest""#,
            "4.5.0",
            vec![jsonlite],
        ),
        (r#""Source": "Repository", "Repository": "CRAN""#, "4.3.3", vec!["R 4.3.3 x_R-2024-0", jsonlite]),
    ];
    for (record, r, expected) in cases {
        world.write("project/renv.lock", lock(r, record));
        let mut found = vulnerable(&audit(&world, &["renv.lock", "--json"]));
        found.sort();
        assert_eq!(found, expected, "{record}");
    }
    world.write(
        "project/packrat.lock",
        "PackratFormat: 1.4\nPackratVersion: 0.5.0\nRVersion: 4.5.0\nRepos: CRAN=https://cran.rstudio.com\n\nPackage: jsonlite\nSource: CRAN\nVersion: 1.8.0\nHash: 0123456789abcdef0123456789abcdef\n",
    );
    assert_eq!(vulnerable(&audit(&world, &["packrat.lock", "--json"])), [jsonlite]);
}

#[test]
fn a_package_from_elsewhere_is_matched_by_name_and_said_to_be() {
    let world = World::new();
    world.write(
        "project/renv.lock",
        r#"{ "R": { "Version": "4.5.0", "Repositories": [] }, "Packages": {
    "jsonlite": { "Package": "jsonlite", "Version": "1.8.0", "Source": "GitHub", "RemoteType": "github", "RemoteHost": "api.github.com", "RemoteUsername": "acme", "RemoteRepo": "jsonlite", "RemoteSha": "0123456789012345678901234567890123456789" }
  } }"#,
    );
    let ran = audit(&world, &["-v"]);
    ran.problem(
        FINDINGS,
        &[
            "0 of 1 package matched",
            "matched by name: it is from github.com/acme/jsonlite@012345678901",
            "not-covered",
        ],
    );
}

/// A zip of records, by their names and texts.
fn database(records: &[(&str, Vec<u8>)]) -> Vec<u8> {
    let mut writer = zip::ZipWriter::new(std::io::Cursor::new(Vec::new()));
    for (name, bytes) in records {
        writer.start_file(*name, zip::write::SimpleFileOptions::default()).unwrap();
        writer.write_all(bytes).unwrap();
    }
    writer.finish().unwrap().into_inner()
}

fn record(id: &str, fields: &Value) -> Vec<u8> {
    let mut record = json!({
        "id": id, "modified": "2026-01-01T00:00:00Z", "summary": format!("about {id}"),
        "affected": [{
            "package": { "ecosystem": "CRAN", "name": "mime" },
            "ranges": [{ "type": "ECOSYSTEM", "events": [{ "introduced": "0" }, { "fixed": "0.13" }] }],
        }],
    });
    record.as_object_mut().unwrap().extend(fields.as_object().unwrap().clone());
    record.to_string().into_bytes()
}

#[test]
fn what_is_wrong_with_a_record_is_said_and_the_others_count() {
    let world = World::new();
    world.write("project/renv.lock", renv_lock("4.5.0", &["mime 0.12"]));
    let good = record("A-1", &json!({}));
    let bomb = vec![b' '; (16 << 20) + 1];
    let cases: [(&str, Vec<u8>, &str); 6] = [
        ("B-1.json", b"{ \"id\": ".to_vec(), "cannot be read: EOF while parsing"),
        ("B-2.json", record("B-2", &json!({ "schema_version": "2.0.0" })), "version 2.0.0 of the OSV schema"),
        ("B-3.json", bomb, "more than 16.8 MB"),
        ("B-4.json", record("B-4", &json!({ "modified": "soon" })), "`modified` is not a time"),
        ("B-5.yaml", b"a: [".to_vec(), "cannot be read"),
        ("B-6.json", b"\xff\xfe{}".to_vec(), "cannot be read"),
    ];
    for (name, bytes, part) in cases {
        let zip = database(&[("A-1.json", good.clone()), (name, bytes)]);
        world.write("project/all.zip", zip);
        let ran = world.layr(&["audit", "--db", "all.zip", "--as-of", "2026-11-24"]);
        ran.problem(FINDINGS, &["A-1", "database-record", name, part]);
    }
}

#[test]
fn a_database_that_is_none_is_refused() {
    let world = World::new();
    world.lock(&["mime"]);
    std::fs::create_dir(world.path("project/empty")).unwrap();
    world.write("project/half.zip", &database(&[("A-1.json", record("A-1", &json!({})))])[..40]);
    world.write("project/none.zip", database(&[("README.md", b"nothing".to_vec())]));
    for (name, part) in [("empty", "no records"), ("half.zip", "not a zip"), ("none.zip", "no records")] {
        world.layr(&["audit", "--db", name]).failed(NO_AUDIT, &[part, name]);
    }
    world.layr(&["audit"]).failed(NO_AUDIT, &["no advisories"]);
    world.layr(&["audit", "--no-vulnerabilities", "--as-of", "2025-05-01"]).succeeded();
}

#[test]
fn a_database_from_the_future_is_told_and_aliases_in_a_circle_are_one() {
    let world = World::new();
    world.write("project/renv.lock", renv_lock("4.5.0", &["mime 0.12"]));
    let zip = database(&[
        ("A-1.json", record("A-1", &json!({ "aliases": ["B-1"] }))),
        ("B-1.json", record("B-1", &json!({ "aliases": ["C-1"] }))),
        ("C-1.json", record("C-1", &json!({ "aliases": ["A-1"], "modified": "2030-01-01T00:00:00Z" }))),
        ("D-1.json", record("D-1", &json!({ "withdrawn": "2026-02-01T00:00:00Z" }))),
    ]);
    world.write("project/all.zip", zip);
    let ran = world.layr(&["audit", "--db", "all.zip", "--as-of", "2026-11-24"]);
    ran.problem(
        FINDINGS,
        &["A-1 (B-1, C-1), severity unknown", "database-future", "from the future", "1 denied"],
    );
    assert!(!ran.stdout.contains("D-1"), "{}", ran.stdout);
}
