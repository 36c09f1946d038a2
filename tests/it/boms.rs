//! Bills of materials and differences: of what a build has made, and as independent tools
//! read them.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::{Value, json};

use crate::advisories::records;
use crate::cloud::Cloud;
use crate::world::{Ran, SourcePackage, World, from_environment, ran, renv_lock, zips};

const FULL: &str = include_str!("../fixtures/layers-full.json");

/// A project that was built, as far as layers.json tells.
pub(crate) fn built() -> World {
    let world = World::new();
    world.write("project/dist/layers.json", FULL);
    world
}

/// What is in files that are as their formats' schemas say: for bills, as CycloneDX's and
/// SPDX's own libraries read them.
pub(crate) fn read(files: &[PathBuf]) -> Option<Vec<Value>> {
    let python = from_environment("LAYR_TEST_BOM_READERS")?;
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it/read_formats.py");
    let told = ran(Command::new(python.join("python3")).arg(script).args(files));
    Some(told.succeeded().stdout.lines().map(|line| serde_json::from_str(line).unwrap()).collect())
}

fn files(folder: &Path) -> Vec<PathBuf> {
    let mut files: Vec<_> = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    files
}

#[test]
fn a_bill_of_each_function_and_layer_is_read_by_the_formats_own_libraries() {
    let world = built();
    for format in ["cyclonedx", "spdx"] {
        world.layr(&["sbom", "--format", format, "--out", "bills"]).succeeded();
    }
    let files = files(&world.path("project/bills"));
    let names: Vec<_> = files.iter().map(|file| file.file_name().unwrap().to_str().unwrap()).collect();
    let subjects =
        ["layr-r4-5-x86-64-12a523c9d44303e1", "layr-r4-5-x86-64-77ab0f3c5d61e208", "report", "score"];
    let expected: Vec<_> =
        subjects.iter().flat_map(|name| [format!("{name}.cdx.json"), format!("{name}.spdx.json")]).collect();
    assert_eq!(names, expected);
    let Some(told) = read(&files) else { return };
    for (subject, told) in subjects.iter().zip(told.chunks(2)) {
        assert_eq!((&told[0]["subject"], &told[1]["subject"]), (&json!(subject), &json!(subject)));
        assert_eq!(told[0]["names"], told[1]["names"], "both forms name the same");
        assert_eq!(told[0]["purls"], told[1]["purls"]);
    }
    let report = &told[4];
    let purls = report["purls"].as_array().unwrap();
    for purl in ["pkg:cran/xml2@1.3.6", "pkg:deb/debian/libxml2@2.12.7%2Bdfsg-3?arch=amd64&distro=trixie"] {
        assert!(purls.contains(&purl.into()), "{purl} is not in {purls:?}");
    }
    assert_eq!(report["names"].as_array().unwrap().len(), 9, "{report}");
}

#[test]
fn a_library_of_amazon_linux_is_an_rpm_package_of_its_release() {
    let world = World::new();
    world.write("project/dist/layers.json", FULL.replace("\"debian:trixie\"", "\"al2023\""));
    let bill = world.layr(&["sbom", "--function", "report", "--format", "cyclonedx"]);
    let purl = "pkg:rpm/amzn/libxml2@2.12.7%2Bdfsg-3?arch=x86_64&distro=amzn-2023";
    assert!(bill.succeeded().stdout.contains(purl), "{purl} is not in {}", bill.stdout);
}

#[test]
fn a_bill_is_the_same_on_any_day_unless_a_day_is_asked_for() {
    let world = built();
    let bill = |format: &str, epoch: Option<&str>| {
        let mut command = world.command(&["sbom", "--function", "report", "--format", format]);
        command.envs(epoch.map(|epoch| ("SOURCE_DATE_EPOCH", epoch)));
        ran(&mut command)
    };
    for format in ["cyclonedx", "spdx"] {
        assert_eq!(bill(format, None).succeeded().stdout, bill(format, None).stdout);
        let dated = bill(format, Some("1735689600"));
        assert!(dated.succeeded().stdout.contains("\"2025-01-01T00:00:00Z\""), "{dated:?}");
    }
    assert!(!bill("cyclonedx", None).stdout.contains("timestamp"));
    bill("spdx", Some("today")).failed(2, &["SOURCE_DATE_EPOCH is `today`"]);
}

#[test]
fn a_bill_that_nobody_can_mean_is_an_error_that_names_those_there_are() {
    let world = built();
    let names = ["function `report`, function `score`, layer `layr-r4-5-x86-64-12a523c9d44303e1`"];
    world.layr(&["sbom"]).failed(2, &names);
    world.layr(&["sbom", "--function", "nobody"]).failed(2, &["has no `nobody`", names[0]]);
    world.layr(&["sbom", "nowhere"]).failed(10, &["nowhere"]);
}

/// The build knows more than its layers, and its layers explain themselves.
#[test]
fn what_a_build_made_is_told_alike_by_its_manifest_its_lock_and_its_layers() {
    let world = World::new();
    world.publish(&SourcePackage::new("low1", &[]));
    world.publish(&SourcePackage::new("top1", &["low1"]));
    world.lock(&["low1", "top1"]);
    let Some(ran) = world.build(&[]) else { return };
    ran.succeeded();
    let zip = world.path("project/dist").join(&zips(&world.path("project/dist"))[0].0);
    let (zip, lock) = (zip.to_str().unwrap(), "layr.lock");
    for (one, two) in [("dist", lock), ("dist", zip), (lock, "renv.lock"), ("renv.lock", "dist")] {
        let diff = world.layr(&["diff", one, two, "--json"]);
        assert_eq!(diff.succeeded().json()["packages"], json!([]), "{one} and {two}");
    }
    let manifest: Value = serde_json::from_str(&world.read("project/dist/layers.json")).unwrap();
    let packages = &manifest["functions"][0]["packages"];
    assert_eq!(packages[1]["dependencies"], json!(["low1 1.0"]));
    for what in ["dist", zip, lock, "renv.lock"] {
        let bill = world.layr(&["sbom", what]).succeeded().json();
        let components = bill["components"].as_array().unwrap().iter();
        let purls: Vec<_> = components.clone().filter_map(|one| one["purl"].as_str()).collect();
        let of_packages: Vec<_> = components.filter(|one| one["type"] == "library").collect();
        assert_eq!(of_packages.len(), 2, "{what}: {purls:?}");
        let licences = of_packages.iter().filter(|one| one["licenses"][0]["expression"] == "MIT").count();
        assert_eq!(licences, 2, "{what}: the store has the sources of lockfiles");
    }
    // Then a package is updated, and brings another.
    let mut newer = SourcePackage::new("top1", &["low1", "new1"]);
    newer.version = "1.1".to_owned();
    let description = "Package: top1\nVersion: 1.1\nTitle: T\nLicense: GPL-3\nImports: low1, new1\n";
    world.publish(&newer.file("DESCRIPTION", description));
    world.publish(&SourcePackage::new("new1", &[]));
    world.write("project/renv.lock", renv_lock("4.5.0", &["low1", "new1", "top1 1.1"]));
    fs::rename(world.path("project/dist"), world.path("project/before")).unwrap();
    world.build(&[]).unwrap().succeeded();
    let told = world.layr(&["diff", "before", "dist"]).succeeded().stdout.clone();
    for line in [
        "packages: 1 added, 1 up\n",
        "  + new1 1.0",
        "  ^ top1 1.0 -> 1.1",
        "licence MIT -> GPL-3",
        "layers: 1 new",
    ] {
        assert!(told.contains(line), "{line:?} is not in {told}");
    }
    let markdown = world.layr(&["diff", "before", "dist", "--markdown"]).succeeded().stdout.clone();
    assert!(markdown.contains("| `top1` | 1.0 | 1.1 |"), "{markdown}");
}

#[test]
fn a_lockfile_from_git_is_compared_without_a_checkout() {
    let world = World::new();
    world.lock(&["low1", "top1"]);
    world.write("project/now.lock", renv_lock("4.5.1", &["low1", "top1 1.1"]));
    let mut shell = Command::new("bash");
    shell
        .current_dir(world.path("project"))
        .args(["-c", "\"$0\" diff <(cat renv.lock) now.lock --no-vulnerabilities"]);
    let told: Ran = ran(shell.arg(env!("CARGO_BIN_EXE_layr")));
    assert_eq!(
        told.succeeded().stdout,
        "R 4.5.0 -> 4.5.1\npackages: 1 up\n  ^ top1 1.0 -> 1.1              licence not known\n"
    );
}

#[test]
fn an_update_says_which_advisories_it_brings_and_which_it_mends() {
    let world = World::new();
    world.write("project/old.lock", renv_lock("4.5.0", &["haven 1.1.0", "jsonlite 1.8.0"]));
    world.write("project/new.lock", renv_lock("4.5.0", &["haven 1.0.0", "jsonlite 1.8.8", "png 0.1-8"]));
    let diff = world.layr(&["diff", "old.lock", "new.lock", "--db", &records(), "--json"]).succeeded().json();
    let ids = |side: &str| -> Vec<String> {
        let all = diff["advisories"][side].as_array().unwrap().iter();
        all.map(|one| format!("{} {}", one["id"].as_str().unwrap(), one["package"].as_str().unwrap()))
            .collect()
    };
    assert_eq!(ids("gained"), ["RSEC-2026-1 png"]);
    assert_eq!(ids("lost"), ["RSEC-2023-3 jsonlite"]);
    assert_eq!(diff["advisories"]["kept"], 1, "haven is affected as it was");
    let markdown = ["diff", "old.lock", "new.lock", "--db", &records(), "--markdown"];
    let told = world.layr(&markdown).succeeded().stdout.clone();
    assert!(told.contains("### New advisories\n\n- RSEC-2026-1 in `png` 0.1-8: "), "{told}");
    assert_eq!(world.layr(&["diff", "old.lock", "new.lock", "--json"]).json()["advisories"], Value::Null);
    let lost = world.layr(&["diff", "old.lock", "new.lock", "--db", "nowhere"]);
    assert!(lost.code != 0 && lost.stderr.contains("nowhere"), "{lost:?}");
    let page = world.layr(&["report", "new.lock", "--since", "old.lock", "--db", &records(), "--out", "-"]);
    for part in [
        "3 of 3 packages",
        "<strong class=\"found\">RSEC-2026-1</strong>",
        "Advisories: 1 gained, 1 lost, 1 on both sides.",
    ] {
        assert!(page.succeeded().stdout.contains(part), "{part}");
    }
}

#[test]
fn a_published_layer_is_looked_into_by_its_arn() {
    let Some(cloud) = Cloud::new() else { return };
    let description = b"Package: lookup\nVersion: 1.0\nLicense: MIT\n";
    let zip = crate::cloud::zip(&[("R/library/lookup/DESCRIPTION", description)]);
    let name = cloud.manifest(&[cloud.layer("lookup", zip)])[0].clone();
    cloud.layr(&["publish", "--region", "eu-central-1"]).succeeded();
    let arn = cloud.recorded(&name, "eu-central-1").unwrap();
    let bill = cloud.layr(&["sbom", &arn]).succeeded().json();
    assert_eq!(bill["metadata"]["component"]["name"], name.as_str());
    assert_eq!(bill["components"][0]["name"], "lookup");
    let file = format!("dist/{name}.zip");
    for other in [&file, &arn] {
        let diff = cloud.layr(&["diff", &arn, other, "--no-vulnerabilities"]);
        assert_eq!(diff.succeeded().stdout, "no difference\n");
    }
    let audited = cloud.layr(&["audit", &arn, "--no-vulnerabilities"]);
    assert!(audited.succeeded().stdout.starts_with(&format!("audited {arn}: 1 package, ")), "{audited:?}");
    let gone = format!("{}7", arn.strip_suffix('1').unwrap());
    cloud.layr(&["sbom", &gone]).failed(15, &[&gone, "none that this account may see"]);
    cloud.layr(&["sbom", &arn, "--offline"]).failed(2, &["--offline forbids the network"]);
}

/// A zip's name, its entries, and what is wrong with it.
type Case<'a> = (&'a str, &'a [(&'a str, &'a str)], &'a str);

#[test]
fn a_layer_that_is_not_what_it_says_is_named() {
    let world = World::new();
    let zip = |entries: &[(&str, &str)]| {
        let mut writer = zip::ZipWriter::new(std::io::Cursor::new(Vec::new()));
        for (name, text) in entries {
            let options = zip::write::SimpleFileOptions::default();
            writer.start_file(*name, options).unwrap();
            std::io::Write::write_all(&mut writer, text.as_bytes()).unwrap();
        }
        writer.finish().unwrap().into_inner()
    };
    let description = "Package: low1\nVersion: 1.0\nLicense: MIT\n";
    let tree = "ab".repeat(32);
    let line = format!(r#"{{"kind":"package","name":"low1","version":"1.1","tree":"{tree}"}}"#);
    let broken = format!("Package: low1\n{}", "x".repeat(2 << 20));
    let cases: [Case<'_>; 7] = [
        ("folder", &[("R/library/high1/DESCRIPTION", description)], "it is of a package `low1`"),
        ("way", &[("../R/library/low1/DESCRIPTION", description)], "its path leads out of the layer"),
        (
            "other",
            &[("R/library/low1/DESCRIPTION", description), ("layr/0.jsonl", &line)],
            "lists `low1 1.1`, but holds `low1 1.0`",
        ),
        ("gone", &[("layr/0.jsonl", &line)], "lists `low1 1.1`, but holds `nothing of that name`"),
        (
            "line",
            &[("R/library/low1/DESCRIPTION", description), ("layr/0.jsonl", "{\"kind\":\"module\"}")],
            "unknown variant `module`",
        ),
        ("large", &[("R/library/low1/DESCRIPTION", &broken)], "has more than 1048576 bytes"),
        ("empty", &[("python/x.py", "")], "holds no R packages"),
    ];
    for (name, entries, part) in cases {
        let file = format!("project/{name}.zip");
        world.write(&file, zip(entries));
        world.layr(&["sbom", &format!("{name}.zip")]).failed(10, &[&format!("{name}.zip"), part]);
    }
    let whole = zip(&[("R/library/low1/DESCRIPTION", description)]);
    world.write("project/cut.zip", &whole[..whole.len() - 10]);
    world.layr(&["diff", "cut.zip", "cut.zip"]).failed(10, &["cut.zip", "not a zip that can be read"]);
    // A package that lies there twice is told twice: either may be loaded.
    let other = description.replace("1.0", "0.9");
    let both = [("R/library/low1/DESCRIPTION", description), ("x/site-library/low1/DESCRIPTION", &other)];
    world.write("project/both.zip", zip(&both));
    let bill = world.layr(&["sbom", "both.zip"]).succeeded().stdout.clone();
    assert!(bill.contains("package:low1@1.0") && bill.contains("package:low1@0.9"), "{bill}");
    // A layer of another tool, which has no list.
    world.write("project/foreign.zip", zip(&[("lib/R/site-library/low1/DESCRIPTION", description)]));
    assert!(world.layr(&["sbom", "foreign.zip"]).succeeded().stdout.contains("\"package:low1@1.0\""));
}
