//! Databases of advisories that are too much, lead astray, or say one thing in circles:
//! what of them is not used is named.

use std::fs::File;
use std::io::Write;
use std::os::unix::fs::symlink;
use std::process::Command;

use serde_json::{Value, json};

use crate::world::{Ran, World, ran, renv_lock};

const FINDINGS: i32 = 20;
const NO_AUDIT: i32 = 24;

fn world() -> World {
    let world = World::new();
    world.write("project/renv.lock", renv_lock("4.5.0", &["mime 0.12"]));
    world
}

fn audit(world: &World, database: &str) -> Ran {
    world.layr(&["audit", "--db", database, "--as-of", "2026-11-24"])
}

fn record(id: &str, aliases: &[String]) -> String {
    let record: Value = json!({
        "id": id, "modified": "2026-01-01T00:00:00Z", "summary": format!("about {id}"), "aliases": aliases,
        "affected": [{
            "package": { "ecosystem": "CRAN", "name": "mime" },
            "ranges": [{ "type": "ECOSYSTEM", "events": [{ "introduced": "0" }, { "fixed": "0.13" }] }],
        }],
    });
    record.to_string()
}

/// A file of that size, of which nothing is on the disk.
fn sparse(world: &World, name: &str, n_bytes: u64) {
    world.write(name, "");
    File::options().write(true).open(world.path(name)).unwrap().set_len(n_bytes).unwrap();
}

#[test]
fn a_folder_that_has_more_than_a_database_may_have_is_refused() {
    let world = world();
    for at in 0..257 {
        sparse(&world, &format!("project/db/A-{at}.json"), (16 << 20) + 1);
    }
    audit(&world, "db").failed(NO_AUDIT, &["`db` is no database", "it unpacks to more than the 4.3 GB"]);
}

/// Each of its entries unpacks to less than a record may have, and all of them to more than
/// a database may; it has five megabytes itself.
#[test]
fn a_zip_that_unpacks_to_more_than_a_database_may_have_is_refused() {
    let world = world();
    let mut once = zip::ZipWriter::new(std::io::Cursor::new(Vec::new()));
    once.start_file("A-0.json", zip::write::SimpleFileOptions::default()).unwrap();
    once.write_all(&vec![b' '; 16 << 20]).unwrap();
    let mut once = once.finish_into_readable().unwrap();
    let mut writer = zip::ZipWriter::new(std::io::Cursor::new(Vec::new()));
    for at in 0..257 {
        writer.raw_copy_file_rename(once.by_index(0).unwrap(), format!("A-{at}.json")).unwrap();
    }
    let bomb = writer.finish().unwrap().into_inner();
    assert!(bomb.len() < 8 << 20, "{} bytes", bomb.len());
    world.write("project/bomb.zip", bomb);
    audit(&world, "bomb.zip").failed(NO_AUDIT, &["`bomb.zip`", "it unpacks to more than the 4.3 GB"]);
}

#[test]
fn what_never_ends_is_read_no_further_than_a_database_may_go() {
    let world = world();
    sparse(&world, "project/large.zip", (512 << 20) + 1);
    audit(&world, "large.zip").failed(NO_AUDIT, &["`large.zip`", "more bytes than the 536.9 MB"]);
    audit(&world, "/dev/zero").failed(NO_AUDIT, &["`/dev/zero`", "more bytes than the 536.9 MB"]);
    for args in [&["diff", "/dev/zero", "renv.lock"][..], &["sbom", "/dev/zero"], &["audit", "/dev/zero"]] {
        world.layr(args).failed(10, &["`/dev/zero` has 268435456 bytes or more"]);
    }
}

#[test]
fn a_database_from_a_pipe_is_read_as_a_file_is() {
    let world = world();
    world.write("project/A-1.json", record("A-1", &[]));
    let mut shell = Command::new("bash");
    shell.current_dir(world.path("project")).env("LAYR_CACHE_DIR", world.path("store"));
    let told = ran(shell
        .args(["-c", "\"$0\" audit renv.lock --db <(cat A-1.json)"])
        .arg(env!("CARGO_BIN_EXE_layr")));
    told.problem(FINDINGS, &["A-1"]);
}

/// A mounted volume may have links for files; those to folders could lead around.
#[test]
fn links_to_records_are_followed_and_all_else_that_is_passed_over_is_named() {
    let world = world();
    world.write("project/elsewhere/A-1.json", record("A-1", &[]));
    world.write("project/db/B-1.json", record("B-1", &[]));
    let place = |name: &str| world.path(&format!("project/db/{name}"));
    symlink(world.path("project/elsewhere/A-1.json"), place("A-1.json")).unwrap();
    symlink(world.path("project/db"), place("around")).unwrap();
    symlink(world.path("project/gone"), place("C-1.json")).unwrap();
    let deep = format!("project/db/{}D-1.json", "deep/".repeat(12));
    world.write(&deep, record("D-1", &[]));
    audit(&world, "db").problem(
        FINDINGS,
        &[
            "A-1",
            "B-1",
            "around of db is of no use: it is a link to a folder, and not followed",
            "C-1.json of db is of no use: it is a link that leads nowhere",
            "is of no use: it lies below more than 8 folders",
        ],
    );
}

/// Three thousand names for one thing, each of which knows the next, and the last the first.
#[test]
fn aliases_in_a_long_circle_are_one_finding() {
    let world = world();
    let n = 3000;
    for at in 0..n {
        let next = format!("A-{}", (at + 1) % n);
        world.write(&format!("project/db/A-{at}.json"), record(&format!("A-{at}"), &[next]));
    }
    let report = world.layr(&["audit", "--db", "db", "--as-of", "2026-11-24", "--json"]).json();
    let findings: Vec<&Value> = report["findings"].as_array().unwrap().iter().collect();
    let found: Vec<_> = findings.iter().filter(|finding| finding["rule"] == "vulnerable").collect();
    assert_eq!(found.len(), 1);
    assert_eq!(found[0]["aliases"].as_array().unwrap().len(), n - 1);
}

/// Nine names, each of which is nine times the one before.
#[test]
fn a_record_that_unfolds_beyond_measure_is_named() {
    let world = world();
    let mut yaml = "a0: &a0 [x, x, x, x, x, x, x, x, x]\n".to_owned();
    for at in 1..9 {
        let before = format!("*a{}", at - 1);
        yaml.push_str(&format!("a{at}: &a{at} [{}]\n", [before.as_str(); 9].join(", ")));
    }
    world.write("project/db/A-1.yaml", yaml);
    world.write("project/db/B-1.json", "[".repeat(200_000));
    world.write("project/db/C-1.json", record("C-1", &[]));
    audit(&world, "db")
        .problem(FINDINGS, &["C-1", "A-1.yaml of db is of no use", "B-1.json of db is of no use"]);
}

/// An audit that finds nothing since it was given nothing is not to look like one that found
/// nothing.
#[test]
fn a_database_of_something_else_is_no_comfort() {
    let world = world();
    world.write("project/other.lock", renv_lock("4.5.0", &["mime 0.12"]));
    audit(&world, "other.lock").failed(NO_AUDIT, &["`other.lock` has no record that is of use, of 1"]);
    let npm = record("A-1", &[]).replace("\"CRAN\"", "\"npm\"");
    world.write("project/npm/A-1.json", npm);
    let ran = audit(&world, "npm");
    ran.problem(0, &["0 of 1 package matched", "not-covered"]);
    world.write("project/npm/B-1.json", record("B-1", &[]));
    audit(&world, "npm").problem(FINDINGS, &["1 of 1 package matched"]);
}
