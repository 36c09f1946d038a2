//! What is known without the network of packages that a lockfile only names: by sources and
//! indexes in the store, and by the advisories that it keeps. What nobody knows is said.

use std::fs;
use std::process::Command;

use serde_json::{Value, json};

use crate::advisories::records;
use crate::boms::read;
use crate::world::{SourcePackage, World, ran, renv_lock};

fn description(name: &str, fields: &str) -> String {
    format!("Package: {name}\nVersion: 1.0\nTitle: Test\n{fields}\n")
}

/// A project whose sources the store has, but for one, and whose lockfile says nothing of
/// licences.
fn looked_at() -> World {
    let world = World::new();
    world.publish(&SourcePackage::new("low1", &[]));
    world.publish(&SourcePackage::new("head1", &[]));
    let fields = "License: GPL-3\nImports: low1, stats\nLinkingTo: head1";
    world.publish(&SourcePackage::new("top1", &["low1"]).file("DESCRIPTION", description("top1", fields)));
    let listed = world.read("repository/src/contrib/PACKAGES");
    world.index(&format!(
        "{listed}Package: list1\nVersion: 1.0\nLicense: Apache License (>= 2)\nImports: low1\n\nPackage: old1\nVersion: 1.1\nLicense: MIT\n\n"
    ));
    world.write("project/layr.toml", format!("[repositories]\nCRAN = \"{}\"\n", world.server.url()));
    world.lock(&["head1", "list1", "low1", "old1", "top1"]);
    let fetched = world.layr(&["audit", "renv.lock", "--online", "--no-vulnerabilities"]);
    assert_eq!(fetched.code, 0, "{fetched:?}");
    world.server.forget_requests();
    world
}

fn component<'a>(bill: &'a Value, name: &str) -> &'a Value {
    bill["components"].as_array().unwrap().iter().find(|one| one["name"] == name).unwrap()
}

#[test]
fn a_lockfile_s_bill_says_what_is_at_hand_and_names_what_is_not() {
    let world = looked_at();
    let ran = world.layr(&["sbom", "renv.lock"]);
    let bill = ran.succeeded().json();
    let licences: Vec<_> = ["head1", "list1", "low1", "old1", "top1"]
        .iter()
        .map(|name| component(&bill, name)["licenses"][0]["expression"].clone())
        .collect();
    // The second one's by the index alone, which has another version of the fourth.
    let expected = [json!("MIT"), json!("Apache-2.0"), json!("MIT"), Value::Null, json!("GPL-3.0-only")];
    assert_eq!(licences, expected, "{bill:#}");
    let needs = |name: &str| {
        let all = bill["dependencies"].as_array().unwrap().iter();
        let reference = format!("package:{name}@1.0");
        all.clone().find(|one| one["ref"] == reference.as_str()).unwrap()["dependsOn"].clone()
    };
    assert_eq!(needs("top1"), json!(["package:head1@1.0", "package:low1@1.0"]));
    assert_eq!(needs("list1"), json!(["package:low1@1.0"]));
    assert_eq!((needs("low1"), needs("old1")), (json!([]), Value::Null), "none, and not known");
    let unknown = json!([{ "aggregate": "unknown", "dependencies": ["package:old1@1.0"] }]);
    assert_eq!(bill["compositions"], unknown);
    assert!(component(&bill, "old1")["properties"].to_string().contains("not known"), "{bill:#}");
    let warning = "of 5 packages, the licences of 1 and the dependencies of 1 are not known here";
    assert!(ran.stderr.contains(warning), "{}", ran.stderr);
    let spdx = world.layr(&["sbom", "renv.lock", "--format", "spdx"]).succeeded().json();
    let relation = json!({
        "spdxElementId": "SPDXRef-Package-old1-1.0", "relationshipType": "DEPENDS_ON",
        "relatedSpdxElement": "NOASSERTION",
    });
    assert!(spdx["relationships"].as_array().unwrap().contains(&relation), "{spdx:#}");
    assert!(world.server.requests().is_empty(), "nobody was asked");
    world.write("project/a.cdx.json", bill.to_string());
    world.write("project/a.spdx.json", spdx.to_string());
    let files = ["a.cdx.json", "a.spdx.json"].map(|file| world.path(&format!("project/{file}")));
    if let Some(told) = read(&files) {
        assert_eq!(told[0]["names"], told[1]["names"]);
    }
}

#[test]
fn differences_reports_and_audits_of_lockfiles_say_licences_that_are_at_hand() {
    let world = looked_at();
    world.write("project/before.lock", renv_lock("4.5.0", &["low1", "old1"]));
    let diff = world.layr(&["diff", "before.lock", "renv.lock", "--no-vulnerabilities"]);
    let expected = "packages: 3 added\n  + head1 1.0              licence MIT\n";
    assert!(diff.succeeded().stdout.starts_with(expected), "{}", diff.stdout);
    assert!(diff.stdout.contains("+ top1 1.0               licence GPL-3\n"), "{}", diff.stdout);
    let back = world.layr(&["diff", "before.lock", "renv.lock", "--json"]).succeeded().json();
    assert_eq!(back["packages"][2]["after"]["license"], "GPL-3");
    let new = renv_lock("4.5.0", &["low1", "unseen1"]);
    world.write("project/new.lock", new);
    let diff = world.layr(&["diff", "before.lock", "new.lock", "--no-vulnerabilities"]);
    assert!(
        diff.succeeded().stdout.contains("+ unseen1 1.0              licence not known\n"),
        "{}",
        diff.stdout
    );
    let page = world.layr(&["report", "renv.lock", "--out", "-"]).succeeded().stdout.clone();
    assert!(page.contains("<td>GPL-3</td>") && page.contains("not known"), "{page}");
    let audit = world.layr(&["audit", "renv.lock", "--no-vulnerabilities", "--json"]).json();
    let findings = audit["findings"].as_array().unwrap().iter();
    let unknown: Vec<_> =
        findings.filter(|one| one["rule"] == "license-unknown").map(|one| one["package"].clone()).collect();
    assert_eq!(unknown, ["old1"]);
}

/// layr.lock has digests, by which the store finds the sources; and so has it what a build
/// was made of.
#[test]
fn a_layr_lock_s_licences_are_those_of_its_sources() {
    let world = looked_at();
    world.write("project/renv.lock", renv_lock("4.5.0", &["head1", "low1", "top1"]));
    let url = "https://cloud.r-project.org/src/contrib/top1_1.0.tar.gz";
    let bill = world.layr(&["sbom", "renv.lock"]).succeeded().json();
    let sha256 = component(&bill, "top1")["hashes"][0]["content"].as_str().unwrap().to_owned();
    let lock = format!(
        "# Written by layr: commit it, and let layr change it.\n\nversion = 1\n\n[[package]]\nname = \"top1\"\nversion = \"1.0\"\nurl = \"{url}\"\nsha256 = \"{sha256}\"\nsize = {}\n\n[[function]]\nname = \"score\"\nlockfile = \"renv.lock\"\npackages = [\"top1 1.0\"]\nlayers = []\n",
        fs::metadata(world.path("repository/src/contrib/top1_1.0.tar.gz")).unwrap().len()
    );
    world.write("project/layr.lock", lock);
    let bill = world.layr(&["sbom", "layr.lock"]).succeeded().json();
    assert_eq!(component(&bill, "top1")["licenses"][0]["expression"], "GPL-3.0-only");
}

/// `layr diff` and `layr report` ask what `layr audit` asks.
#[test]
fn advisories_that_were_fetched_are_asked_by_all_and_their_absence_is_said() {
    let world = World::new();
    world.write("project/old.lock", renv_lock("4.5.0", &["jsonlite 1.8.0"]));
    world.write("project/new.lock", renv_lock("4.5.0", &["jsonlite 1.8.8"]));
    let missing = "not looked for, since there are none here";
    for args in [
        &["diff", "old.lock", "new.lock"][..],
        &["diff", "old.lock", "new.lock", "--markdown"],
        &["diff", "old.lock", "old.lock"],
        &["report", "new.lock", "--out", "-"],
    ] {
        let silent = [args, &["--no-vulnerabilities"]].concat();
        assert!(world.layr(args).succeeded().stdout.contains(missing), "{args:?}");
        assert!(!world.layr(&silent).succeeded().stdout.contains(missing), "{args:?}");
    }
    let records = records();
    world.layr(&["audit", "update", "--source", "r-consortium", "--from", &records]).succeeded();
    let diff = world.layr(&["diff", "old.lock", "new.lock"]).succeeded().stdout.clone();
    for part in ["advisories: 0 gained, 1 lost", "1 of 1 packages", "14 records", "- RSEC-2023-3 in jsonlite"]
    {
        assert!(diff.contains(part), "{part} is not in {diff}");
    }
    assert_eq!(world.layr(&["diff", "old.lock", "new.lock", "--db", &records]).stdout, diff);
    let report = world.layr(&["report", "old.lock", "--since", "new.lock", "--out", "-"]);
    assert!(report.succeeded().stdout.contains("<strong class=\"found\">RSEC-2023-3</strong>"));
    let both = world.layr(&["diff", "old.lock", "new.lock", "--db", &records, "--no-vulnerabilities"]);
    assert_eq!(both.code, 2, "{both:?}");
}

#[test]
fn a_lockfile_from_a_pipe_is_audited_as_a_file_is() {
    let world = World::new();
    world.lock(&["jsonlite 1.8.0"]);
    let mut shell = Command::new("bash");
    shell.current_dir(world.path("project")).env("LAYR_CACHE_DIR", world.path("store"));
    shell.args(["-c", "\"$0\" audit <(cat renv.lock) --db \"$1\""]);
    let told = ran(shell.args([env!("CARGO_BIN_EXE_layr"), &records()]));
    told.problem(20, &["jsonlite 1.8.0  RSEC-2023-3"]);
}

/// A store is made by what fills it, and not by a look at two files.
#[test]
fn a_look_at_files_makes_no_store() {
    let world = World::new();
    world.lock(&["jsonlite 1.8.0"]);
    for args in [&["diff", "renv.lock", "renv.lock"][..], &["sbom", "renv.lock"], &["report", "renv.lock"]] {
        world.layr(args).succeeded();
    }
    assert!(!world.path("store").exists());
}
