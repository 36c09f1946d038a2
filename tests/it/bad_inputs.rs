//! Lockfiles and repositories that are not what they should be: each has an error of its
//! own that says what to do.

use xtask::serve::Fault;

use crate::world::{SourcePackage, World, noise, renv_lock};

const LOCKFILE: i32 = 10;
const RESOLVE: i32 = 11;
const FETCH: i32 = 12;
const TARBALL: &str = "/src/contrib/one1_1.0.tar.gz";

/// `plan` needs no base: it ends where a build would begin to compile.
fn plan(world: &World) -> crate::world::Ran {
    world.layr(&["plan", "--base", "debian:trixie"])
}

fn published() -> World {
    let world = World::new();
    world.publish(&SourcePackage::new("one1", &[]));
    world.lock(&["one1"]);
    world
}

#[test]
fn a_lockfile_that_is_none_is_named_for_what_it_is() {
    let world = World::new();
    let cases: [(&str, &str); 8] = [
        ("", "is empty"),
        ("{\n", "line 2, column 1: the end of the file stands where a key in quotes should be"),
        ("{\n<<<<<<< HEAD\n", "line 2: `<<<<<<<` is the mark of a merge conflict"),
        ("[R]\nVersion=3.5\n", "INI form"),
        ("<!DOCTYPE html>\n", "no lockfile that is known here"),
        ("{}", "has no `Packages`"),
        (r#"{ "Packages": { "../x": {} } }"#, "impossible package"),
        (
            r#"{ "Packages": { "one1": { "Version": "1.0" }, "one1": { "Version": "2.0" } } }"#,
            "line 1: `one1` stands here again, with another value than in line 1",
        ),
    ];
    for (text, part) in cases {
        world.write("project/renv.lock", text);
        plan(&world).failed(LOCKFILE, &["renv.lock", part]);
    }
    world.write("project/renv.lock", b"{ \"R\": \"\xff\" }");
    plan(&world).failed(LOCKFILE, &["line 1: the file is not UTF-8, at byte 8"]);
}

#[test]
fn a_lockfile_that_is_missing_is_an_error_and_no_guess() {
    let world = World::new();
    world.layr(&["plan", "gone.lock"]).failed(LOCKFILE, &["`gone.lock`", "No such file"]);
    world.layr(&["plan"]).failed(2, &["there is no renv.lock"]);
}

#[test]
fn a_version_that_does_not_exist_lists_every_url_and_the_newest_version() {
    let world = published();
    world.lock(&["one1 0.9", "two2 3.0"]);
    let ran = plan(&world);
    ran.failed(
        FETCH,
        &[
            "2 packages cannot be fetched",
            "/src/contrib/one1_0.9.tar.gz: answered 404",
            "/src/contrib/Archive/one1/one1_0.9.tar.gz: answered 404",
            "/src/contrib/two2_3.0.tar.gz: answered 404",
            "the newest of `one1` is 1.0",
        ],
    );
}

#[test]
fn a_version_that_moved_to_the_archive_is_found_there() {
    let world = published();
    let from = world.path("repository/src/contrib/one1_1.0.tar.gz");
    let to = world.path("repository/src/contrib/Archive/one1/one1_1.0.tar.gz");
    std::fs::create_dir_all(to.parent().unwrap()).unwrap();
    std::fs::rename(from, to).unwrap(); // the index lags behind, as on a mirror
    plan(&world).succeeded();
    assert_eq!(world.server.count(TARBALL), 1, "the index said it was there");
}

#[test]
fn a_repository_that_fails_is_asked_again_and_then_named() {
    let world = published();
    world.server.fault(TARBALL, Fault::StatusTimes(500, 1));
    plan(&world).succeeded();

    let world = published();
    world.server.fault(TARBALL, Fault::Status(500));
    plan(&world).failed(FETCH, &["one1_1.0.tar.gz: answered 500"]);
    assert_eq!(world.server.count(TARBALL), 2, "once, and once again");
}

#[test]
fn a_server_that_stalls_or_cuts_off_ends_in_an_error_and_not_in_a_hang() {
    for (fault, part) in
        [(Fault::Stall, "sent too little for 1 s"), (Fault::CutAfter(100), "one1_1.0.tar.gz: ")]
    {
        let world = published();
        world.server.fault(TARBALL, fault);
        plan(&world).failed(FETCH, &[part]);
    }
}

#[test]
fn half_a_file_is_completed_and_not_begun_again() {
    let world = published();
    world.publish(&SourcePackage::new("one1", &[]).file("inst/noise", noise(200_000)));
    world.server.fault(TARBALL, Fault::CutAfterTimes(50_000, 1));
    plan(&world).succeeded();
    assert_eq!(world.server.count(TARBALL), 2);
}

#[test]
fn bytes_that_the_index_does_not_expect_are_refused() {
    let world = published();
    world.index("Package: one1\nVersion: 1.0\nMD5sum: 0123456789abcdef0123456789abcdef\n");
    plan(&world).failed(FETCH, &["where the package index has 0123456789abcdef0123456789abcdef"]);
    assert_eq!(world.layr(&["cache", "stats"]).succeeded().stdout.matches("sources   0").count(), 1);
}

#[test]
fn a_page_in_a_tarball_s_place_is_told_from_a_tarball() {
    let world = published();
    world.server.fault(TARBALL, Fault::HtmlPage);
    plan(&world).failed(FETCH, &["an HTML page"]);
}

#[test]
fn offline_and_unknown_is_an_error_before_any_request() {
    let world = published();
    world
        .layr(&["plan", "--base", "debian:trixie", "--offline"])
        .failed(FETCH, &["`one1 1.0` is not in the store"]);
    assert!(world.server.requests().is_empty());
    plan(&world).succeeded();
    world.server.forget_requests();
    world.layr(&["plan", "--base", "debian:trixie", "--offline"]).succeeded();
    assert!(world.server.requests().is_empty(), "what was fetched once needs no network");
}

#[test]
fn everything_that_does_not_fit_together_is_said_at_once() {
    let world = World::new();
    world.publish(&SourcePackage::new("one1", &["gone1", "two2 (>= 2.0)"]));
    world.publish(&SourcePackage::new("two2", &[]));
    world.lock(&["one1", "two2"]);
    plan(&world).failed(
        RESOLVE,
        &["`one1 1.0` needs `gone1`, which the lockfile does not lock", "`one1 1.0` needs `two2` (>= 2.0)"],
    );
}

#[test]
fn a_file_that_the_lockfile_does_not_name_is_said_and_not_guessed_at() {
    let world = World::new();
    let lock = renv_lock("4.5.0", &["one1"]).replace("\"Repository\", \"Repository\": \"CRAN\"", "\"Local\"");
    world.write("project/renv.lock", lock);
    world
        .layr(&["plan"])
        .failed(RESOLVE, &["`one1 1.0` was installed from a file", "renv/cellar/one1_1.0.tar.gz"]);
}
#[test]
fn a_misspelt_key_of_layr_toml_is_an_error_with_its_line() {
    let world = published();
    world.write("project/layr.toml", "[layers]\nprefx = \"acme\"\n");
    plan(&world).failed(2, &["prefx", "line 2"]);
}

#[test]
fn errors_are_json_where_json_was_asked_for() {
    let world = World::new();
    let ran = world.layr(&["plan", "gone.lock", "--json"]);
    assert_eq!(ran.json()["error"]["exit_code"], 10);
    assert!(ran.json()["error"]["message"].as_str().unwrap().contains("gone.lock"));
}
