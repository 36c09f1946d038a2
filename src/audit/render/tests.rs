//! Each form of one report, with a stranger's text in it.

use super::super::advisory::tests::advisory;
use super::super::database::tests::database;
use super::super::policy::tests::policy;
use super::super::subject::{Audited, Subject};
use super::super::{Request, check};
use super::*;

const HOSTILE: &str = "a | <script>alert(1)</script> [x](javascript:y) %0A::error::z, \"q\" & @all https://evil.example \\| `c`";

/// Two functions with a vulnerable package, of which one is known and put up with.
fn report() -> Report {
    let mut hostile = advisory("RSEC-2023-3", &["CVE-2023-33460"], "1.8.8");
    hostile.package = "jsonlite".to_owned();
    hostile.summary = HOSTILE.to_owned();
    let known = super::super::Advisory {
        id: "RSEC-2026-1".to_owned(),
        package: "png".to_owned(),
        aliases: Vec::new(),
        ..hostile.clone()
    };
    let package = |name: &str, line| Audited {
        line: Some(line),
        licence: Some("MIT + file LICENSE".to_owned()),
        ..Audited::bare(
            crate::model::PackageId { name: name.parse().unwrap(), version: "1.8.0".parse().unwrap() },
            Vec::new(),
        )
    };
    let subject = |function: &str| Subject {
        path: format!("./{function}, x/renv.lock"),
        function: Some(function.to_owned()),
        r: None,
        debian: None,
        packages: vec![package("jsonlite", 12), package("png", 20), package("R6", 30)],
        libraries: Vec::new(),
        unknown_layers: Vec::new(),
    };
    let policy = policy(
        "[[audit.ignore]]\nid = \"RSEC-2026-1\"\nreason = \"only <Windows>\"\nowner = \"ops\"\nexpires = \"2026-12-31\"",
    );
    check(&Request {
        subjects: &[subject("score"), subject("report")],
        database: Some(&database(&[hostile, known])),
        policy: &policy,
        now: "2026-11-24T10:00:00Z".parse().unwrap(),
        is_whole: true,
    })
}

#[test]
fn people_read_what_it_is_based_on_what_was_found_and_the_sums() {
    let text = render(&report(), Format::Text(Verbosity::Summed));
    let expected = format!(
        "audited score (./score, x/renv.lock): 3 of 3 packages matched against advisories
audited report (./report, x/renv.lock): 3 of 3 packages matched against advisories
advisories: advisories.zip: 2 records, newest of 2026-01-01, 2 of packages that layers can hold

deny  vulnerable  jsonlite 1.8.0  RSEC-2023-3 (CVE-2023-33460), severity unknown
    {HOSTILE}
    fixed in 1.8.8
    in report, score
ignored  vulnerable  png 1.8.0  RSEC-2026-1, severity unknown
    {HOSTILE}
    fixed in 1.8.8
    in report, score
    ignored by ops until 2026-12-31: only <Windows>

1 denied, 0 warnings, 0 notes, 1 ignored
"
    );
    assert_eq!(text, expected);
}

#[test]
fn annotations_hold_no_command_but_their_own() {
    let text = render(&report(), Format::Github);
    let lines: Vec<&str> = text.lines().collect();
    assert_eq!(lines.len(), 3, "{text}");
    assert!(
        lines[0].starts_with(
            "::error file=report%2C x/renv.lock,line=12,title=vulnerable::jsonlite 1.8.0: RSEC-2023-3"
        ),
        "{text}"
    );
    assert!(
        text.contains("%250A::error::z") && lines[2].starts_with("::notice title=layr audit::1 denied"),
        "{text}"
    );
}

#[test]
fn markdown_stays_a_table_of_text() {
    let text = render(&report(), Format::Markdown);
    let row = text.lines().find(|line| line.contains("jsonlite")).unwrap();
    assert_eq!(row.replace("\\|", "").matches('|').count(), 6, "{row}");
    for wrong in ["<script>", "](", "@all", "https://"] {
        assert!(!row.contains(wrong), "{wrong} in {row}");
    }
    assert!(text.starts_with("### layr audit fails: 1 denied"), "{text}");
}

#[test]
fn sarif_has_a_rule_a_place_and_a_fingerprint_for_each_result() {
    let report = report();
    let sarif: serde_json::Value = serde_json::from_str(&render(&report, Format::Sarif)).unwrap();
    let run = &sarif["runs"][0];
    let results = run["results"].as_array().unwrap();
    assert_eq!(results.len(), 2);
    let rules: Vec<&str> = run["tool"]["driver"]["rules"]
        .as_array()
        .unwrap()
        .iter()
        .map(|rule| rule["id"].as_str().unwrap())
        .collect();
    for result in results {
        assert!(rules.contains(&result["ruleId"].as_str().unwrap()));
        assert_eq!(result["partialFingerprints"]["layr/v1"].as_str().unwrap().len(), 64);
    }
    assert_eq!(results[0]["level"], "error");
    let place = &results[0]["locations"][0]["physicalLocation"];
    assert_eq!(
        (&place["artifactLocation"]["uri"], &place["region"]["startLine"]),
        (&serde_json::json!("report%2C%20x/renv.lock"), &serde_json::json!(12))
    );
    assert_eq!(results[1]["suppressions"][0]["justification"], "only <Windows> (ops, until 2026-12-31)");
}

#[test]
fn junit_fails_the_rule_in_each_subject() {
    let text = render(&report(), Format::Junit);
    assert_eq!(text.matches("<failure message=\"An advisory affects the version\">").count(), 2, "{text}");
    assert!(text.contains("failures=\"1\">") && !text.contains("<script>"), "{text}");
    assert!(text.contains("<testcase classname=\"score\" name=\"r-unsupported\"/>"), "{text}");
}

#[test]
fn json_says_it_all_and_the_same_each_time() {
    let (first, second) = (render(&report(), Format::Json), render(&report(), Format::Json));
    assert_eq!(first, second);
    let json: serde_json::Value = serde_json::from_str(&first).unwrap();
    assert_eq!(json["schema"], 1);
    assert_eq!(json["findings"][0]["places"].as_array().unwrap().len(), 2);
    assert_eq!(json["findings"][0]["rule"], "vulnerable");
}

#[test]
fn what_was_known_before_is_left_out_whatever_its_version() {
    let mut now = report();
    let before = report();
    now.since(&before);
    assert!(now.findings.is_empty());
    assert!(
        render(&now, Format::Text(Verbosity::Full))
            .ends_with("0 denied, 0 warnings, 0 notes, 2 known before\n")
    );
}
