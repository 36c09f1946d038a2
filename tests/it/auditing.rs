//! Audits beside advisories: policies, forms of the report, what repositories have by now,
//! what packages do, licences, and layers as well as lockfiles.

use std::fs;

use serde_json::{Value, json};

use crate::advisories::records;
use crate::boms::read;
use crate::world::{Ran, SourcePackage, World, renv_lock};

const FINDINGS: i32 = 20;
const USAGE: i32 = 2;
const FETCH: i32 = 12;
const NO_AUDIT: i32 = 24;

/// `layr audit`, with the repository in CRAN's place and on a fixed day.
fn audit(world: &World, args: &[&str]) -> Ran {
    let repository = format!("CRAN={}", world.server.url());
    let mut all = vec!["audit", "--repository", &repository, "--as-of", "2026-11-24"];
    all.extend(args);
    world.layr(&all)
}

/// The rules by which something was found, each once, with what it was found in.
fn found(ran: &Ran) -> Vec<String> {
    let report = ran.json();
    let findings = report["findings"].as_array().unwrap().iter();
    let name = |finding: &Value| finding["package"].as_str().unwrap_or("layr.toml").to_owned();
    findings.map(|finding| format!("{} {}", finding["rule"].as_str().unwrap(), name(finding))).collect()
}

const TWO_FUNCTIONS: &str = r#"
[functions.score]
lockfile = "score.lock"
[functions.report]
lockfile = "report.lock"
"#;

/// Two functions, of which both have jsonlite and one png.
fn project(policy: &str) -> World {
    let world = World::new();
    world.write("project/layr.toml", format!("{policy}\n{TWO_FUNCTIONS}"));
    world.write("project/score.lock", renv_lock("4.5.0", &["jsonlite 1.8.0"]));
    world.write("project/report.lock", renv_lock("4.5.0", &["jsonlite 1.8.0", "png 0.1-8"]));
    world
}

#[test]
fn all_functions_are_audited_at_once_and_each_finding_is_told_once() {
    let ran = audit(&project(""), &["--db", &records()]);
    ran.problem(FINDINGS, &["audited report (report.lock): 2 of 2", "in report, score", "2 denied"]);
    assert_eq!(ran.stdout.matches("RSEC-2023-3").count(), 2, "once by name, once by address: {}", ran.stdout);
}

#[test]
fn layr_toml_says_what_fails_and_for_how_long_it_is_put_up_with() {
    let ignore = |id: &str, fields: &str| {
        format!("[[audit.ignore]]\nid = \"{id}\"\nreason = \"no such input\"\nowner = \"ops\"\n{fields}\n")
    };
    let until = |id: &str, day: &str| ignore(id, &format!("expires = \"{day}\""));
    let cases: [(String, i32, &[&str]); 8] = [
        ("[audit.severity]\nunknown = \"warn\"\n".to_owned(), 0, &["0 denied, 3 warnings"]),
        (
            until("RSEC-2023-3", "2026-11-24"),
            FINDINGS,
            &["1 denied", "ignored by ops until 2026-11-24: no such input"],
        ),
        (until("RSEC-2023-3", "2026-11-23"), FINDINGS, &["2 denied", "has expired on 2026-11-23; ask ops"]),
        // By the name of what it comes from, too.
        (
            format!("{}{}", until("CVE-2023-33460", "2027-01-01"), until("RSEC-2026-1", "2027-01-01")),
            0,
            &["2 ignored"],
        ),
        (
            ignore("RSEC-2023-3", "expires = \"fixed\""),
            FINDINGS,
            &["2 denied", "held until there is a fix, and 1.8.8 is one"],
        ),
        (until("RSEC-2020-0", "2027-01-01"), FINDINGS, &["the ignore of RSEC-2020-0 applies to nothing"]),
        (
            ignore("RSEC-2023-3", "expires = \"2027-01-01\"\nfunctions = [\"score\"]"),
            FINDINGS,
            &["2 denied", "in report\n", "in score\n    ignored by ops"],
        ),
        (
            "[functions.score.audit]\nlevels = { vulnerable = \"note\" }\n".to_owned(),
            FINDINGS,
            &["in report\n"],
        ),
    ];
    for (policy, code, parts) in cases {
        let world = World::new();
        // A function's own table has to come behind its own head.
        let toml = if policy.starts_with("[functions") {
            format!("{TWO_FUNCTIONS}{policy}")
        } else {
            format!("{policy}{TWO_FUNCTIONS}")
        };
        let sample = project("");
        for file in ["score.lock", "report.lock"] {
            world.write(&format!("project/{file}"), sample.read(&format!("project/{file}")));
        }
        world.write("project/layr.toml", toml);
        audit(&world, &["--db", &records()]).problem(code, parts);
    }
}

#[test]
fn a_policy_that_is_misspelt_is_an_error() {
    let world = project("[audit.levels]\nvulnerabel = \"off\"\n");
    audit(&world, &["--db", &records()]).failed(USAGE, &["`vulnerabel`", "`vulnerable` is one"]);
    let world = project("[audit]\nmaxage = 3\n");
    audit(&world, &["--db", &records()]).failed(USAGE, &["maxage"]);
}

#[test]
fn every_form_is_the_same_each_time() {
    let world = project("");
    for format in ["text", "json", "sarif", "markdown", "junit", "github"] {
        let run = || audit(&world, &["--db", &records(), "--format", format]);
        let (first, second) = (run(), run());
        assert_eq!(first.code, FINDINGS);
        assert!(first.stdout.contains("RSEC-2023-3"), "{}", first.stdout);
        assert_eq!(first.stdout, second.stdout, "{format}");
    }
    let sarif = audit(&world, &["--db", &records(), "--format", "sarif"]);
    world.write("project/found.sarif", &sarif.stdout);
    if let Some(told) = read(&[world.path("project/found.sarif")]) {
        let n_results = sarif.json()["runs"][0]["results"].as_array().unwrap().len();
        assert_eq!(told, [json!({ "results": n_results })]);
    }
    audit(&world, &["score.lock", "--db", &records(), "--format", "github"])
        .problem(FINDINGS, &["::error file=score.lock,line=7,title=vulnerable::jsonlite 1.8.0"]);
}

#[test]
fn only_what_is_new_is_told_where_that_is_asked() {
    let world = project("");
    world.write("project/old.lock", renv_lock("4.5.0", &["jsonlite 1.7.0"]));
    let ran = audit(&world, &["report.lock", "--db", &records(), "--since", "old.lock"]);
    ran.problem(FINDINGS, &["RSEC-2026-1", "1 denied", "known before"]);
    assert!(!ran.stdout.contains("RSEC-2023-3"), "{}", ran.stdout);
}

/// The records in one zip, as OSV.dev has them.
fn zip_of_records() -> Vec<u8> {
    let mut writer = zip::ZipWriter::new(std::io::Cursor::new(Vec::new()));
    let mut left = vec![std::path::PathBuf::from(records())];
    while let Some(path) = left.pop() {
        if path.is_dir() {
            left.extend(fs::read_dir(&path).unwrap().map(|entry| entry.unwrap().path()));
        } else {
            let name = path.strip_prefix(records()).unwrap().to_str().unwrap().to_owned();
            writer.start_file(format!("main/{name}"), zip::write::SimpleFileOptions::default()).unwrap();
            std::io::Write::write_all(&mut writer, &fs::read(&path).unwrap()).unwrap();
        }
    }
    writer.finish().unwrap().into_inner()
}

#[test]
fn advisories_are_fetched_once_and_used_without_the_network() {
    let world = project("");
    let url = world.server.url();
    let sources = format!(
        "[audit]\nmax-age = 30\n[audit.sources]\nr-consortium = \"{url}/all.zip\"\ncran = \"\"\nbioconductor = \"\"\ndebian = \"\"\n"
    );
    world.write("project/layr.toml", format!("{sources}{TWO_FUNCTIONS}"));
    audit(&world, &[]).failed(NO_AUDIT, &["no advisories"]);
    world.layr(&["audit", "update"]).failed(FETCH, &["/all.zip`: answered 404"]);
    world.write("repository/all.zip", zip_of_records());
    let ran = world.layr(&["audit", "update"]);
    assert_eq!(
        ran.succeeded().stdout,
        "r-consortium: 14 records, 14 of packages that layers can hold, newest of 2026-07-13T02:46:57.600Z\n"
    );
    world.server.forget_requests();
    let today = world.layr(&["audit", "--offline"]);
    today.problem(FINDINGS, &["advisories: r-consortium, fetched ", "14 records", "RSEC-2023-3"]);
    assert!(!today.stdout.contains("database-stale"), "{}", today.stdout);
    let later = world.layr(&["audit", "--as-of", "2099-01-01"]);
    later.problem(FINDINGS, &["database-stale", "the limit is 30"]);
    assert!(world.server.requests().is_empty(), "nobody was asked");
    // What cannot be had again stays as it is.
    fs::remove_file(world.path("repository/all.zip")).unwrap();
    world.layr(&["audit", "update"]).failed(FETCH, &["404"]);
    world.layr(&["audit"]).problem(FINDINGS, &["RSEC-2023-3"]);
    world.layr(&["audit", "update", "--source", "crna"]).failed(USAGE, &["`crna`", "r-consortium"]);
}

#[test]
fn repositories_tell_what_is_newer_archived_removed_or_other_bytes() {
    let world = World::new();
    for name in ["a1", "b1", "c1", "d1"] {
        world.publish(&SourcePackage::new(name, &[]));
    }
    world.lock(&["a1", "b1", "c1", "d1"]);
    audit(&world, &["--online", "--no-vulnerabilities"]).succeeded();
    // From here on, each of them but the first has another fate.
    world.index("Package: a1\nVersion: 1.0\n\nPackage: b1\nVersion: 1.0.1\n\n");
    let tarball = fs::read(world.path("repository/src/contrib/c1_1.0.tar.gz")).unwrap();
    world.write("repository/src/contrib/Archive/c1/c1_1.0.tar.gz", tarball);
    world.write(
        "repository/src/contrib/a1_1.0.tar.gz",
        SourcePackage::new("a1", &[]).file("R/more.R", "x <- 1\n").tarball(),
    );
    fs::remove_file(world.path("repository/src/contrib/d1_1.0.tar.gz")).unwrap();
    fs::remove_dir_all(world.path("store/records/index")).unwrap();
    let ran = audit(&world, &["--online", "--bytes", "--no-vulnerabilities", "--json"]);
    let found = found(&ran);
    for expected in ["changed-bytes a1", "archived c1", "removed d1", "outdated b1"] {
        assert!(found.iter().any(|one| one == expected), "{expected} is not in {found:?}\n{}", ran.stderr);
    }
    assert_eq!(ran.code, FINDINGS, "other bytes are denied");
}

#[test]
fn what_a_package_does_is_told_and_what_an_update_begins_to_do() {
    let world = World::new();
    let quiet = SourcePackage::new("a1", &[]);
    world.publish(&quiet);
    world.lock(&["a1"]);
    let ran = audit(&world, &["--risks", "--online", "--no-vulnerabilities", "--json"]);
    assert!(!found(&ran).iter().any(|one| one.starts_with("downloads")), "{}", ran.stdout);
    let loud = SourcePackage::new("a1", &[])
        .file("DESCRIPTION", "Package: a1\nVersion: 1.1\nTitle: Test\nLicense: MIT + file LICENSE\n")
        .file("configure", "#!/bin/sh\ncurl -L https://a.example/lib.tar.gz\n")
        .file("src/a.c", "int a;\n")
        .file(
            "data/d.rda",
            b"RDX2\nX\n\0\0\0\x02\0\x04\x05\0\0\x02\x03\0\0\0\x04\x05\0\0\0\xfd\0\0\0\xfe\0\0\0\xfe",
        );
    world.write("repository/src/contrib/a1_1.1.tar.gz", loud.tarball());
    world.write("project/new.lock", renv_lock("4.5.0", &["a1 1.1"]));
    let ran = audit(
        &world,
        &["new.lock", "--since", "renv.lock", "--risks", "--online", "--no-vulnerabilities", "--json"],
    );
    assert_eq!(
        found(&ran),
        ["downloads a1", "runs-code a1", "native-code a1", "serialized-code a1"],
        "{}",
        ran.stderr
    );
    assert!(ran.stdout.contains("calls `curl` while the package is installed"), "{}", ran.stdout);
    assert!(ran.stdout.contains("holds a promise"), "{}", ran.stdout);
}

#[test]
fn licences_are_judged_and_their_texts_collected() {
    let world = World::new();
    let package = |name: &str, license: &str| {
        SourcePackage::new(name, &[])
            .file("DESCRIPTION", format!("Package: {name}\nVersion: 1.0\nTitle: Test\nLicense: {license}\n"))
    };
    world.publish(&package("a1", "MIT + file LICENSE").file("LICENSE", "YEAR: 2026\nCOPYRIGHT HOLDER: A\n"));
    world.publish(&package("b1", "AGPL-3").file("inst/COPYRIGHTS", "B holds it\n"));
    world.publish(&package("c1", "file LICENCE"));
    world.lock(&["a1", "b1", "c1"]);
    world.write("project/layr.toml", "[audit.licenses]\nallow = [\"MIT\"]\ndeny = [\"AGPL-*\"]\n");
    let ran = audit(&world, &["--online", "--no-vulnerabilities"]);
    ran.problem(
        FINDINGS,
        &[
            "license-denied  b1 1.0",
            "AGPL-3.0-only (`AGPL-3`) is denied",
            "license-not-allowed  c1 1.0",
            "2 denied",
        ],
    );
    let repository = format!("CRAN={}", world.server.url());
    let ran = world.layr(&["audit", "licenses", "--repository", &repository, "--bundle", "out"]);
    assert_eq!(
        ran.succeeded().stdout,
        "a1 1.0\tMIT\nb1 1.0\tAGPL-3.0-only\nc1 1.0\tLicenseRef-file-LICENCE\n"
    );
    assert!(world.read("project/out/a1/LICENSE").contains("HOLDER: A"));
    assert!(world.read("project/out/b1/inst-COPYRIGHTS").contains("B holds it"));
    let list: Value = serde_json::from_str(&world.read("project/out/licenses.json")).unwrap();
    assert_eq!(list["packages"][0]["files"], json!(["a1/DESCRIPTION", "a1/LICENSE"]));
}

#[test]
fn a_lockfile_alone_does_not_say_its_licences_and_that_is_said() {
    let world = World::new();
    world.lock(&["a1"]);
    audit(&world, &["--no-vulnerabilities"]).problem(0, &["note  license-unknown  a1 1.0"]);
}

/// layers.json with a library of Debian's, and its advisories.
#[test]
fn layers_are_audited_with_the_libraries_that_came_along() {
    let world = World::new();
    let mut manifest: Value = serde_json::from_str(include_str!("../fixtures/layers.json")).unwrap();
    let library = |source_version: &str| {
        json!({
            "name": "libxml2-0123456789ab", "soname": "libxml2.so.2", "layer": "layr-r4-5-x86-64-12a523c9d44303e1",
            "tree": "12".repeat(32), "unzipped_bytes": 3, "package": "libxml2", "version": source_version,
            "source_package": "libxml2", "source_version": source_version, "licenses": ["Expat"],
        })
    };
    manifest["functions"][1]["libraries"] = json!([library("2.12.7+dfsg-3")]);
    world.write("project/dist/layers.json", manifest.to_string());
    let record = json!({
        "id": "DSA-1", "modified": "2026-01-01T00:00:00Z", "summary": "reads too far",
        "affected": [
            { "package": { "ecosystem": "Debian:13", "name": "libxml2" },
              "ranges": [{ "type": "ECOSYSTEM", "events": [{ "introduced": "0" }, { "fixed": "2.12.7+dfsg-3+deb13u1" }] }] },
            { "package": { "ecosystem": "Debian:12", "name": "libxml2" }, "versions": ["2.12.7+dfsg-3+deb13u1"] },
        ],
    });
    world.write("project/db/DSA-1.json", record.to_string());
    let ran = audit(&world, &["dist", "--db", "db"]);
    ran.problem(
        FINDINGS,
        &[
            "audited score (dist/layers.json): 0 of 1 package matched against advisories, 1 of 1 libraries",
            "deny  vulnerable  libxml2 2.12.7+dfsg-3  DSA-1",
            "fixed in 2.12.7+dfsg-3+deb13u1",
            "in score (layr-r4-5-x86-64-12a523c9d44303e1)",
        ],
    );
    manifest["functions"][1]["libraries"] = json!([library("2.12.7+dfsg-3+deb13u1")]);
    world.write("project/dist/layers.json", manifest.to_string());
    audit(&world, &["dist/layers.json", "--db", "db"]).succeeded();
}

#[test]
fn a_layer_s_zip_and_layr_lock_are_audited_as_lockfiles_are() {
    let world = World::new();
    let description =
        "Package: jsonlite\nVersion: 1.8.0\nLicense: MIT + file LICENSE\nBuilt: R 4.5.0; ; ; unix\n";
    world.write(
        "project/layer.zip",
        crate::cloud::zip(&[("R/library/jsonlite/DESCRIPTION", description.as_bytes())]),
    );
    let lock = format!(
        "# Written by layr: commit it, and let layr change it.\n\nversion = 1\n\n[[package]]\nname = \"jsonlite\"\nversion = \"1.8.0\"\nurl = \"https://cloud.r-project.org/src/contrib/jsonlite_1.8.0.tar.gz\"\nsha256 = \"{}\"\nsize = 3\n\n[[function]]\nname = \"score\"\nlockfile = \"renv.lock\"\npackages = [\"jsonlite 1.8.0\"]\nlayers = []\n",
        "ab".repeat(32)
    );
    world.write("project/layr.lock", lock);
    for (what, place) in [("layer.zip", "in layer.zip (layer)"), ("layr.lock", "in score")] {
        audit(&world, &[what, "--db", &records()])
            .problem(FINDINGS, &["1 of 1 package matched", "jsonlite 1.8.0  RSEC-2023-3", place]);
    }
}

#[test]
fn nothing_to_audit_is_no_success() {
    let world = World::new();
    world.lock(&[]);
    audit(&world, &["--db", &records()]).failed(NO_AUDIT, &["nothing to audit", "renv.lock"]);
}
