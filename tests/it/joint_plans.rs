//! Several functions: what they share is stored once, and what one changes leaves the others
//! where they were.

use std::collections::BTreeSet;

use serde_json::Value;

use crate::world::{SourcePackage, World, renv_lock};

/// Random numbers do not compress, and four megabytes are worth a layer of their own.
fn large(name: &str) -> SourcePackage {
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
