//! Small packages built for real: what is built, what is not built again, what is said of
//! those that do not build.

use std::fs;
use std::io::Read;
use std::path::{Path, PathBuf};

use xtask::sandbox::{self, Network};

use crate::world::{SourcePackage, World, ran, zips};

const BUILD: i32 = 13;

fn c_package(name: &str, code: &str) -> SourcePackage {
    SourcePackage::new(name, &[]).file("NAMESPACE", format!("useDynLib({name})\n")).file("src/code.c", code)
}

#[test]
fn a_second_build_builds_nothing_fetches_nothing_and_gives_the_same_bytes() {
    let world = World::new();
    world.publish(&SourcePackage::new("one1", &["two2"]));
    world.publish(&SourcePackage::new("two2", &[]));
    world.lock(&["one1", "two2"]);
    let Some(first) = world.build(&["--json"]) else { return };
    assert_eq!((&first.succeeded().json()["built"], &first.json()["from_store"]), (&2.into(), &0.into()));
    let (made, lock) = (zips(&world.path("project/dist")), world.read("project/layr.lock"));
    assert_eq!(made.len(), 1);

    fs::remove_dir_all(world.path("project/dist")).unwrap();
    world.server.forget_requests();
    let second = world.build(&["--json", "--locked", "--offline"]).unwrap();
    assert_eq!((&second.succeeded().json()["built"], &second.json()["from_store"]), (&0.into(), &2.into()));
    assert_eq!(zips(&world.path("project/dist")), made);
    assert_eq!(world.read("project/layr.lock"), lock);
    assert!(world.server.requests().is_empty());
}

#[test]
fn what_is_only_linked_to_is_built_against_and_not_shipped() {
    let world = World::new();
    let user = c_package("user1", "#include <hdr1.h>\nint user1_value(void) { return HDR1; }\n").file(
        "DESCRIPTION",
        "Package: user1\nVersion: 1.0\nTitle: T\nLicense: MIT\nLinkingTo: hdr1\nNeedsCompilation: yes\n",
    );
    world.publish(&user);
    world.publish(&SourcePackage::new("hdr1", &[]).file("inst/include/hdr1.h", "#define HDR1 1\n"));
    world.lock(&["user1", "hdr1"]);
    let Some(built) = world.build(&["--json"]) else { return };
    assert_eq!(built.succeeded().json()["layers"][0]["packages"], serde_json::json!(["user1 1.0"]));
    assert_eq!(built.json()["built"], 2);
    let kept = world.build(&["--json", "--keep", "hdr1"]).unwrap();
    assert_eq!(
        kept.succeeded().json()["layers"][0]["packages"],
        serde_json::json!(["hdr1 1.0", "user1 1.0"])
    );
}

#[test]
fn a_namespace_may_ask_for_versions() {
    let world = World::new();
    let namespace = "export(f_asks1)\nif (packageVersion(\"base\") >= \"4.0.0\") importFrom(stats, sd)\n";
    world.publish(&SourcePackage::new("asks1", &[]).file("NAMESPACE", namespace));
    world.lock(&["asks1"]);
    let Some(built) = world.build(&[]) else { return };
    built.succeeded();
}

#[test]
fn a_failure_in_one_function_does_not_keep_others_from_being_built() {
    let world = World::new();
    for (name, code) in [("bad1", "no C 1"), ("bad2", "no C 2"), ("good1", "int good1(void) { return 1; }\n")]
    {
        world.publish(&c_package(name, code));
    }
    for (function, packages) in [("a", &["bad1"][..]), ("b", &["bad1", "good1"]), ("c", &["bad2"])] {
        world.write(&format!("project/{function}.lock"), crate::world::renv_lock("4.5.0", packages));
    }
    let Some(failed) = world.build(&["a.lock", "b.lock", "c.lock"]) else { return };
    failed.failed(BUILD, &["2 packages did not build", "`bad1 1.0`: ", "`bad2 1.0`: "]);
    assert!(failed.stderr.contains("built good1 1.0"), "{}", failed.stderr);
}

#[test]
fn all_failures_are_listed_with_log_and_cause_and_the_rest_is_built() {
    let world = World::new();
    world.publish(&c_package("broken1", "int f( {\n"));
    world.publish(&c_package("header1", "#include <udunits2.h>\n"));
    world.publish(&SourcePackage::new("network1", &[]).file(
        "configure",
        "#!/bin/sh\n(exec 3<>/dev/null); echo 'GET http://10.0.0.1/' ; cat /proc/net/dev\necho 'curl: (6) Could not resolve host: example.org' >&2; exit 1\n",
    ));
    world.publish(&SourcePackage::new("needs1", &["broken1"]));
    world.publish(&SourcePackage::new("fine1", &[]));
    world.lock(&["broken1", "header1", "network1", "needs1", "fine1"]);
    let Some(built) = world.build(&[]) else { return };
    built.failed(
        BUILD,
        &[
            "3 packages did not build",
            "`broken1 1.0`: the installer ended with code 1",
            "the base lacks the header `udunits2.h`",
            "it tried to reach the network",
            "not tried, since they need these: `needs1`",
            "whole log: ",
            "built fine1 1.0",
        ],
    );
    let log = built.stderr.lines().find_map(|line| line.trim().strip_prefix("whole log: ")).unwrap();
    assert!(fs::read_to_string(log).unwrap().contains("broken1"));
}

#[test]
fn a_package_whose_rules_fail_in_parallel_is_built_without() {
    let world = World::new();
    let rules = ".PHONY: all alone\nall: alone $(SHLIB)\nalone:\n\t@case \"$$MAKEFLAGS\" in *jobserver*) exit 1;; esac\n";
    let package = c_package("alone1", "int f(void) { return 1; }\n")
        .file("DESCRIPTION", "Package: alone1\nVersion: 1.0\nTitle: T\nLicense: MIT\nNeedsCompilation: yes\n")
        .file("src/Makevars", rules);
    world.publish(&package);
    world.lock(&["alone1"]);
    let Some(built) = world.build(&[]) else { return };
    assert!(built.succeeded().stderr.contains("built alone1 1.0"));
}

#[test]
fn a_changed_lockfile_is_refused_with_locked_and_taken_without() {
    let world = World::new();
    world.publish(&SourcePackage::new("one1", &[]));
    world.publish(&SourcePackage::new("two2", &[]));
    world.lock(&["one1"]);
    let Some(missing) = world.build(&["--locked"]) else { return };
    missing.failed(19, &["there is no layr.lock"]);
    world.build(&[]).unwrap().succeeded();
    world.lock(&["one1", "two2"]);
    let before = world.read("project/layr.lock");
    world.build(&["--locked"]).unwrap().failed(19, &["package `two2 1.0` is new"]);
    assert_eq!(world.read("project/layr.lock"), before);
    world.build(&[]).unwrap().succeeded();
    world.build(&["--locked"]).unwrap().succeeded();
}

#[test]
fn other_bytes_than_layr_lock_has_are_refused_even_under_the_same_name() {
    let world = World::new();
    world.publish(&SourcePackage::new("one1", &[]));
    world.lock(&["one1"]);
    let Some(first) = world.build(&[]) else { return };
    first.succeeded();
    world.publish(&SourcePackage::new("one1", &[]).file("R/code.R", "f_one1 <- function(x) system('id')\n"));
    fs::remove_dir_all(world.path("store")).unwrap();
    world.build(&[]).unwrap().failed(12, &["where layr.lock has", "not the one that was locked"]);
}

#[test]
fn a_damaged_store_is_noticed_and_mended() {
    let world = World::new();
    world.publish(&SourcePackage::new("one1", &[]));
    world.lock(&["one1"]);
    let Some(first) = world.build(&[]) else { return };
    first.succeeded();
    let made = zips(&world.path("project/dist"));
    fs::remove_dir_all(world.path("project/dist")).unwrap();
    fs::remove_dir_all(world.path("store/records/archive")).unwrap();
    let namespace = blob_holding(&world, b"export(f_one1)\n");
    let n_bytes = fs::metadata(&namespace).unwrap().len();
    fs::remove_file(&namespace).unwrap();
    fs::write(&namespace, vec![b'x'; usize::try_from(n_bytes).unwrap()]).unwrap();
    let mended = world.build(&[]).unwrap();
    assert!(mended.succeeded().stderr.contains("held other bytes"), "{}", mended.stderr);
    assert_eq!(zips(&world.path("project/dist")), made);
    world.layr(&["cache", "verify"]).succeeded();
}

fn blob_holding(world: &World, bytes: &[u8]) -> std::path::PathBuf {
    let shards = fs::read_dir(world.path("store/blobs")).unwrap();
    let blobs = shards.flat_map(|shard| fs::read_dir(shard.unwrap().path()).unwrap());
    blobs.map(|blob| blob.unwrap().path()).find(|path| fs::read(path).unwrap() == bytes).unwrap()
}

/// S4 methods, which R keeps in several tables; C++ files that begin with one header; help
/// and data, for the indices.
fn varied() -> SourcePackage {
    let methods = (0..20).map(|n| {
        format!("setClass(\"C{n}\", representation(x = \"numeric\"))\nsetMethod(\"area\", \"C{n}\", function(s, ...) {{ for (i in s@x) if (i > {n}) return(i); {n} }})\n")
    });
    let code = format!(
        "setGeneric(\"area\", function(s, ...) standardGeneric(\"area\"))\n{}",
        methods.collect::<String>()
    );
    let mut package = SourcePackage::new("varied1", &["methods"])
        .file("DESCRIPTION", "Package: varied1\nVersion: 1.0\nTitle: T\nLicense: MIT\nImports: methods\nLazyData: yes\nNeedsCompilation: yes\n")
        .file("NAMESPACE", "import(methods)\nuseDynLib(varied1)\nexportMethods(area)\n")
        .file("R/code.R", code)
        .file("man/area.Rd", "\\name{area}\\alias{area}\\alias{Zone}\\title{An area}\\description{Of it.}\n")
        .file("data/sizes.R", "sizes <- ts(head(rivers, 10))\n")
        .file("src/shared.h", "#include <map>\n#include <string>\n");
    for n in 0..4 {
        let code = format!(
            "#include \"shared.h\"\nextern \"C\" int size{n}() {{ std::map<std::string, int> m; m[__FILE__] = {n}; return m.size(); }}\n"
        );
        package = package.file(&format!("src/code{n}.cpp"), code);
    }
    package
}

/// The same package by `R CMD INSTALL`, with the flags that docs/reproducible-builds.md has.
fn installed_by_r(base: &Path, world: &World) -> PathBuf {
    let (sources, library) = (world.path("r/src"), world.path("r/library"));
    fs::create_dir_all(&library).unwrap();
    tar::Archive::new(flate2::read::GzDecoder::new(&varied().tarball()[..])).unpack(&sources).unwrap();
    world.write("r/src/Makevars", "CXXFLAGS += -g0\nCXX17FLAGS += -g0\n");
    let mut command = sandbox::command(&base.join("rootfs"), Network::None).unwrap();
    command.arg("--bind").args([&sources, Path::new("/build/src")]);
    command.arg("--bind").args([&library, Path::new("/opt/R/library")]);
    for (name, value) in
        [("LC_COLLATE", "C"), ("R_LIBS", "/opt/R/library"), ("R_MAKEVARS_SITE", "/build/src/Makevars")]
    {
        sandbox::set(&mut command, name, value);
    }
    command.args(["R", "CMD", "INSTALL", "--built-timestamp=", "--strip", "--strip-lib", "--no-help"]);
    command.args(["--no-docs", "--no-test-load", "--no-lock", "--library=/opt/R/library"]);
    ran(command.arg("/build/src/varied1")).succeeded();
    library.join("varied1")
}

#[test]
fn a_package_is_byte_by_byte_what_r_itself_installs() {
    let world = World::new();
    world.publish(&varied());
    world.lock(&["varied1"]);
    // It has all that the package links to, so that nothing is edited.
    let Some(built) = world.build(&["--target", "al2023"]) else { return };
    built.succeeded();
    let log = fs::read_dir(world.path("store/logs")).unwrap().next().unwrap().unwrap().path();
    let log = fs::read_to_string(log).unwrap();
    assert!(log.contains("-x c++-header") && !log.contains("ignored"), "{log}");

    let by_r = installed_by_r(&crate::world::base().unwrap(), &world);
    let (_, zip) = &zips(&world.path("project/dist"))[0];
    let mut archive = zip::ZipArchive::new(std::io::Cursor::new(zip)).unwrap();
    let mut n_files = 0;
    for n in 0..archive.len() {
        let mut file = archive.by_index(n).unwrap();
        let Some(name) = file.name().unwrap().strip_prefix("R/library/varied1/").map(str::to_owned) else {
            continue;
        };
        if file.is_file() {
            let mut bytes = Vec::new();
            file.read_to_end(&mut bytes).unwrap();
            assert!(bytes == fs::read(by_r.join(&name)).unwrap(), "{name} is another");
            n_files += 1;
        }
    }
    assert!(n_files > 8, "{n_files} files");
}
