//! Several functions: what they share is stored once, and what one changes leaves the others
//! where they were.

use std::collections::BTreeSet;

use serde_json::Value;

use crate::world::{SourcePackage, World, ran, renv_lock};

/// Random numbers do not compress, and four megabytes are worth a layer of their own.
pub(crate) fn large(name: &str) -> SourcePackage {
    let mut state = 88_172_645_463_325_252_u64;
    let bytes: Vec<u8> = (0..4_000_000)
        .map(|_| {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            state.to_le_bytes()[0]
        })
        .collect();
    SourcePackage::new(name, &[]).file("inst/large", bytes)
}

fn names(layers: &Value) -> BTreeSet<&str> {
    layers.as_array().unwrap().iter().map(|layer| layer["name"].as_str().unwrap()).collect()
}

fn layers_of<'a>(manifest: &'a Value, function: &str) -> Vec<&'a str> {
    let functions = manifest["functions"].as_array().unwrap();
    let function = functions.iter().find(|of| of["name"] == function).unwrap();
    function["layers"].as_array().unwrap().iter().map(|name| name.as_str().unwrap()).collect()
}

#[test]
fn what_functions_share_is_stored_once_and_a_new_function_moves_nothing() {
    let world = World::new();
    for package in [large("shared1"), SourcePackage::new("one1", &[]), SourcePackage::new("two2", &[])] {
        world.publish(&package);
    }
    world.write("project/f/renv.lock", renv_lock("4.5.0", &["shared1", "one1"]));
    world.write("project/g/renv.lock", renv_lock("4.5.0", &["shared1", "two2"]));
    let toml = "[functions.f]\nlockfile = \"f/renv.lock\"\n[functions.g]\nlockfile = \"g/renv.lock\"\n";
    world.write("project/layr.toml", toml);
    let Some(first) = world.build(&["--json"]) else { return };
    let first = first.succeeded().json();
    assert_eq!(names(&first["layers"]).len(), 3, "one shared, and one for each: {first:#}");
    let lock = world.read("project/layr.lock");

    let again = world.build(&["--json", "--locked", "--offline"]).unwrap();
    assert_eq!(again.succeeded().json()["layers"], first["layers"]);
    assert_eq!(world.read("project/layr.lock"), lock);

    world.write("project/h/renv.lock", renv_lock("4.5.0", &["shared1"]));
    world.write("project/layr.toml", format!("{toml}[functions.h]\nlockfile = \"h/renv.lock\"\n"));
    let base = crate::world::base().unwrap();
    let args = ["plan", "--json", "--base", base.to_str().unwrap(), "--engine", "bwrap"];
    let planned = world.layr(&args).succeeded().json();
    assert_eq!(planned["plan"]["moves"], serde_json::json!({ "layers": 0, "bytes": 0, "functions": ["h"] }));
    let with_h = world.build(&["--json"]).unwrap();
    let with_h = with_h.succeeded().json();
    assert_eq!(names(&with_h["layers"]), names(&first["layers"]), "the shared layer serves h as it is");
    for function in ["f", "g"] {
        assert_eq!(layers_of(&with_h, function), layers_of(&first, function));
    }

    let args = ["plan", "--explain", "--bound", "--what-if", "one1@2.0", "--base", base.to_str().unwrap()];
    let text = world.layr(&args).succeeded().stdout.clone();
    for part in ["what 3 functions need", "no plan can store less", "with `one1 2.0`", "points f to"] {
        assert!(text.contains(part), "{part:?} is not in {text}");
    }
}

#[test]
fn a_small_project_has_one_layer_and_a_bound_that_it_meets() {
    let world = World::new();
    for package in ["one1", "two2", "three3"] {
        world.publish(&SourcePackage::new(package, &[]));
    }
    world.lock(&["one1", "two2", "three3"]);
    let Some(built) = world.build(&["--json"]) else { return };
    assert_eq!(names(&built.succeeded().json()["layers"]).len(), 1);
    let base = crate::world::base().unwrap();
    let planned = world.layr(&["plan", "--json", "--bound", "--base", base.to_str().unwrap()]);
    let planned = planned.succeeded().json();
    assert_eq!(planned["bound"]["bytes"], planned["plan"]["stored_bytes"]);
}

#[test]
fn a_layr_lock_whose_layers_cannot_be_read_is_told_and_planned_without() {
    let world = World::new();
    world.publish(&SourcePackage::new("one1", &[]));
    world.lock(&["one1"]);
    let Some(first) = world.build(&["--json"]) else { return };
    let lock = world.read("project/layr.lock");
    let at = lock.find("trees = [\"one1 ").unwrap();
    let broken = format!("{}trees = [\"one1 xyz{}", &lock[..at], &lock[at + "trees = [\"one1 ".len() + 3..]);
    world.write("project/layr.lock", broken);
    let again = world.build(&["--json"]).unwrap();
    assert!(
        again.succeeded().stderr.contains("warning: in layr.lock, it is unreadable what layer"),
        "{again:?}"
    );
    assert_eq!(again.json()["layers"], first.succeeded().json()["layers"]);
    assert_eq!(world.read("project/layr.lock"), lock, "it is mended");
}

#[test]
fn a_function_that_is_too_large_is_told_what_would_make_it_fit() {
    let world = World::new();
    world.publish(&large("large1").file("inst/CITATION", "x".repeat(500_000)));
    world.publish(&SourcePackage::new("small1", &["large1"]));
    world.lock(&["large1", "small1"]);
    world.write("project/layr.toml", "[functions.f]\nlockfile = \"renv.lock\"\ncode = \"code\"\n");
    world.write("project/code/f.R", "");
    // Empty but for its size: what is on disk does not matter.
    let model = std::fs::File::create(world.path("project/code/model.rds")).unwrap();
    model.set_len(262_144_000 - 4_100_000).unwrap();
    let Some(with_r) = world.build(&[]) else { return };
    with_r.failed(
        14,
        &["function `f` has 3", " of R), ", "without `small1` and 1 that it alone needs: not enough"],
    );
    let refused = world.build(&["--no-runtime"]).unwrap();
    refused.failed(
        14,
        &[
            "function `f` has 262",
            "more than Lambda's limit of 262144000",
            "`large1 1.0`, needed by `small1`",
            "by --slim max: enough",
            "without `small1` and 1 that it alone needs: enough",
            "`image = true`",
        ],
    );

    let toml = world.read("project/layr.toml");
    world.write("project/g/renv.lock", renv_lock("4.5.0", &["large1"]));
    world.write(
        "project/layr.toml",
        format!("{toml}image = true\n[functions.g]\nlockfile = \"g/renv.lock\"\n"),
    );
    world.build(&[]).unwrap().succeeded();
    let manifest: Value = serde_json::from_str(&world.read("project/dist/layers.json")).unwrap();
    assert_eq!(manifest["functions"][0]["is_image"], true);
    assert_eq!(layers_of(&manifest, "g").len(), 1);
    let told = world.layr(&["emit", "json", "f"]);
    told.failed(15, &["no function `f`", "g"]);
    world
        .layr(&["deploy", "f", "--region", "us-east-1"])
        .failed(2, &["`f` is a container image", "layr image f"]);
}

#[test]
fn what_one_function_alone_needs_lies_in_its_code_and_leaves_a_layer() {
    let world = World::new();
    for package in [large("shared1"), SourcePackage::new("own1", &[]), SourcePackage::new("other1", &[])] {
        world.publish(&package);
    }
    world.write("project/f/renv.lock", renv_lock("4.5.0", &["shared1", "own1"]));
    world.write("project/g/renv.lock", renv_lock("4.5.0", &["shared1", "other1"]));
    world.write("project/code/score.R", "handler <- function(x) own1::f_own1(x)\n");
    let toml = "[layers]\nremainder = \"code\"\n\
                [functions.f]\nlockfile = \"f/renv.lock\"\ncode = \"code\"\nhandler = \"score.handler\"\n\
                [functions.g]\nlockfile = \"g/renv.lock\"\n";
    world.write("project/layr.toml", toml);
    let Some(mut command) = world.build_command(&["--json"]) else { return };
    // With the load test: packages are found in the code, and loaded from there.
    let built = ran(command.env_remove("LAYR_NO_LOAD_TEST")).succeeded().json();
    assert_eq!(layers_of(&built, "f").len(), 1, "the shared one: {built:#}");
    assert_eq!(layers_of(&built, "g").len(), 2, "g has no code to put anything in: {built:#}");
    let manifest: Value = serde_json::from_str(&world.read("project/dist/layers.json")).unwrap();
    let of_f = &manifest["functions"][0];
    let own = of_f["packages"].as_array().unwrap().iter().find(|package| package["name"] == "own1").unwrap();
    assert_eq!(own["layer"], "code");
    assert_eq!(of_f["in_code"]["zip"], "f-code.zip");
    let zip = std::fs::File::open(world.path("project/dist/f-code.zip")).unwrap();
    let mut zip = zip::ZipArchive::new(zip).unwrap();
    for path in ["score.R", "R/library/own1/DESCRIPTION"] {
        assert!(zip.by_name(path).is_ok(), "{path} is not in it");
    }
    assert!(zip.by_name("R/library/shared1/DESCRIPTION").is_err());

    let again = world.build(&["--json", "--locked", "--offline"]).unwrap();
    assert_eq!(again.succeeded().json()["layers"], built["layers"]);
    let base = crate::world::base().unwrap();
    let args = ["plan", "--explain", "--base", base.to_str().unwrap(), "--engine", "bwrap"];
    let text = world.layr(&args).succeeded().stdout.clone();
    assert!(text.contains("what f alone needs, in the zip of its code"), "{text}");
    assert!(text.contains("the next publish moves nothing"), "{text}");
}
