//! What can be told without building: check, vendor, why.

use std::fs;
use std::path::Path;

use crate::sources::{lock, record};
use crate::world::{SourcePackage, World, renv_lock};

fn published() -> World {
    let world = World::new();
    world.publish(&SourcePackage::new("low1", &[]));
    world.publish(&SourcePackage::new("mid1", &["low1"]));
    world.publish(&SourcePackage::new("top1", &["mid1"]));
    world
}

#[test]
fn a_check_finds_every_problem_at_once_and_builds_nothing() {
    let world = published();
    world.publish(&SourcePackage::new("needy1", &["gone1", "mid1"]));
    world.write("project/renv.lock", renv_lock("4.5.0", &["low1", "mid1", "top1", "needy1", "none1 2.0"]));
    let checked = world.layr(&["check"]);
    checked.problem(
        12,
        &[
            "function renv (renv.lock): 5 packages, cannot be built as it is",
            "failed to fetch `none1 2.0`",
            "`needy1 1.0` needs `gone1`, which the lockfile does not lock",
        ],
    );
    let checked = world.layr(&["check", "--json"]);
    let problems = checked.json()[0]["problems"].as_array().unwrap().clone();
    let codes: Vec<_> = problems.iter().map(|problem| problem["code"].as_u64().unwrap()).collect();
    assert_eq!(codes, [12, 11]);
    assert!(!world.path("project/layr.lock").exists() && !world.path("project/dist").exists());
    world.lock(&["low1", "mid1", "top1"]);
    assert!(world.layr(&["check"]).succeeded().stdout.contains("3 packages, all is well"));
}

#[test]
fn what_was_vendored_is_all_that_a_build_needs_and_gives_the_same_bytes() {
    let world = published();
    let local = "Package: own1\nVersion: 1.0\nTitle: T\nLicense: MIT\nImports: low1\n";
    world.write("project/own1/DESCRIPTION", local);
    world.write("project/own1/NAMESPACE", "import(low1)\n");
    let mut text = lock(&[record("own1", &[("Source", "Local"), ("RemoteUrl", "own1")])]);
    let records = ["low1", "mid1", "top1"]
        .map(|name| record(name, &[("Source", "Repository"), ("Repository", "CRAN")]));
    text = text.replace("\"Packages\": {", &format!("\"Packages\": {{ {},", records.join(",\n")));
    world.write("project/renv.lock", &text);
    let vendored = world.layr(&["vendor", "vendored"]);
    assert!(vendored.succeeded().stdout.starts_with("4 source tarballs, "), "{vendored:?}");
    let index = world.read("project/vendored/src/contrib/PACKAGES");
    assert!(index.contains("Layr-Url: https://cloud.r-project.org/src/contrib/low1_1.0.tar.gz\n"), "{index}");
    assert!(index.contains("Imports: low1\n"), "{index}");
    let Some(built) = world.build(&[]) else { return };
    built.succeeded();
    let (locked, layers) = (world.read("project/layr.lock"), crate::world::zips(&world.path("project/dist")));
    for gone in ["store", "project/dist", "project/own1", "repository"] {
        fs::remove_dir_all(world.path(gone)).unwrap();
    }
    fs::remove_file(world.path("project/layr.lock")).unwrap();
    world.server.forget_requests();
    world.build(&["--offline", "--vendor", "vendored"]).unwrap().succeeded();
    assert_eq!(world.read("project/layr.lock"), locked);
    assert_eq!(crate::world::zips(&world.path("project/dist")), layers);
    assert_eq!(world.server.requests(), Vec::<String>::new());
    // Other bytes than the index says are refused, as anywhere.
    let tarball = world.path("project/vendored/src/contrib/low1_1.0.tar.gz");
    fs::set_permissions(&tarball, std::os::unix::fs::PermissionsExt::from_mode(0o644)).unwrap();
    fs::write(&tarball, SourcePackage::new("low1", &[]).file("R/x.R", "x").tarball()).unwrap();
    fs::remove_dir_all(world.path("store")).unwrap();
    fs::remove_file(world.path("project/layr.lock")).unwrap();
    let refused = world.layr(&["check", "--offline", "--vendor", "vendored"]);
    refused.problem(12, &["has SHA-256", "where the vendored index has"]);
}

#[test]
fn r_installs_from_a_vendored_folder_and_old_packages_leave_it() {
    let world = published();
    world.lock(&["low1", "mid1", "top1"]);
    world.layr(&["vendor", "vendored"]).succeeded();
    world.lock(&["low1", "mid1"]);
    world.layr(&["vendor", "vendored"]).succeeded();
    let contrib = world.path("project/vendored/src/contrib");
    let mut names: Vec<_> = fs::read_dir(&contrib)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    assert_eq!(names, ["PACKAGES", "PACKAGES.gz", "low1_1.0.tar.gz", "mid1_1.0.tar.gz"]);
    let Some(base) = crate::world::base() else { return };
    let mut command = xtask::sandbox::command(&base.join("rootfs"), xtask::sandbox::Network::None).unwrap();
    let library = world.path("library");
    fs::create_dir_all(&library).unwrap();
    command.arg("--ro-bind").arg(world.path("project/vendored")).arg("/vendored");
    command.arg("--bind").arg(&library).arg("/library");
    let script = "install.packages('mid1', lib = '/library', repos = 'file:///vendored'); stopifnot(requireNamespace('mid1', lib.loc = '/library'))";
    xtask::sandbox::set(&mut command, "R_LIBS", "/library");
    let output = command.args(["Rscript", "--vanilla", "-e", script]).output().unwrap();
    assert!(output.status.success(), "{output:?}");
    assert!(library.join("low1/DESCRIPTION").is_file(), "its dependency came along");
}

#[test]
fn a_package_is_explained_by_the_ways_that_lead_to_it() {
    let world = published();
    world.lock(&["low1", "mid1", "top1"]);
    let why = world.layr(&["why", "low1"]);
    assert_eq!(
        why.succeeded().stdout,
        "function renv: low1 1.0, shipped\n  top1 1.0 -> mid1 1.0 -> low1 1.0\n"
    );
    let json = world.layr(&["why", "low1", "--json"]).json();
    assert_eq!(json[0]["paths"], serde_json::json!([["top1 1.0", "mid1 1.0", "low1 1.0"]]));
    world.layr(&["why", "gone1"]).failed(2, &["no lockfile locks `gone1`"]);
}

#[test]
fn a_package_of_bioconductor_is_found_in_the_release_that_its_record_names() {
    let world = World::new();
    let limma = SourcePackage::new("limma", &[]);
    let annotation = "repository/packages/3.18/data/annotation/src/contrib";
    world.write(&format!("{annotation}/PACKAGES"), "Package: limma\nVersion: 1.0\n");
    world.write(&format!("{annotation}/limma_1.0.tar.gz"), limma.tarball());
    let old = "repository/packages/3.17/bioc/src/contrib/Archive/old1/old1_1.0.tar.gz";
    world.write(old, SourcePackage::new("old1", &["limma"]).tarball());
    world.write(
        "project/renv.lock",
        lock(&[
            record("limma", &[("Source", "Bioconductor"), ("git_branch", "RELEASE_3_18")]),
            record("old1", &[("Source", "Bioconductor")]),
        ])
        .replace("\"Packages\"", "\"Bioconductor\": { \"Version\": \"3.17\" }, \"Packages\""),
    );
    let url = world.server.url();
    let checked = world.layr(&["check", "--repository", &format!("Bioconductor={url}")]);
    assert!(checked.succeeded().stdout.contains("2 packages, all is well"), "{checked:?}");
    let asked = world.server.requests();
    assert!(
        asked.contains(&format!("GET /{}/limma_1.0.tar.gz", annotation.trim_start_matches("repository/")))
    );
    assert!(Path::new(&world.path(old)).is_file());
}
