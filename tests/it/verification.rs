//! `layr verify`: the same bytes a second time, or which file differs and why.

use crate::world::{SourcePackage, World, base};

fn verify(world: &World, args: &[&str]) -> crate::world::Ran {
    let base = base().unwrap();
    let mut all = vec!["verify", "--base", base.to_str().unwrap(), "--engine", "bwrap"];
    all.extend(args);
    world.layr(&all)
}

#[test]
fn packages_that_build_to_the_same_bytes_are_told_from_one_that_keeps_the_time() {
    let world = World::new();
    let code = "made <- Sys.time()\nkept <- 42\nf_timed1 <- function() made\n";
    world.publish(&SourcePackage::new("timed1", &["same1"]).file("R/code.R", code));
    world.publish(&SourcePackage::new("same1", &[]));
    world.lock(&["same1", "timed1"]);
    let Some(built) = world.build(&[]) else { return };
    built.succeeded();
    let found = verify(&world, &["--json"]);
    assert_eq!(found.code, 23, "{found:#?}");
    let report = found.json();
    assert_eq!(report["same"], serde_json::json!(["same1 1.0"]));
    let differing = &report["differing"][0];
    assert_eq!(differing["package"], "timed1 1.0");
    let files = differing["files"].as_array().unwrap();
    let why = |path: &str| {
        let file = files.iter().find(|file| file["path"] == path);
        file.map(|file| file["why"].as_str().unwrap().to_owned()).unwrap_or_default()
    };
    let text = why("R/timed1.rdb");
    assert!(text.starts_with("objects `made`; probably a time: "), "{text} of {files:?}");

    let alone = verify(&world, &["--package", "same1"]);
    assert_eq!(alone.succeeded().stdout, "1 of 1 packages are the same in every byte\n");
    verify(&world, &["--package", "other1"]).failed(2, &["`other1` is not among"]);
}

#[test]
fn a_package_that_is_not_locked_is_not_verified() {
    let world = World::new();
    world.publish(&SourcePackage::new("same1", &[]));
    world.lock(&["same1"]);
    if base().is_some() {
        verify(&world, &[]).failed(19, &["there is no layr.lock"]);
    }
}
