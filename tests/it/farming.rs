//! Builds on workers of a farm, buildbox's, on loopback.

use std::path::Path;

use xtask::caches::Cache;

use crate::sharing::{Place, buildbox, counts, layr, machine};
use crate::world::{SourcePackage, World, base, ran, zips};

fn farm() -> Option<(Cache, Place)> {
    let (programs, base) = (buildbox()?, base()?);
    let rootfs = Some(base.join("rootfs")).filter(|folder| folder.is_dir()).unwrap_or(base);
    let cache = Cache::farm(&programs, &rootfs).unwrap();
    let place = Place::at("none".to_owned()).with("LAYR_FARM", format!("grpc://{}", cache.address));
    Some((cache, place))
}

/// `layr build` by the farm, whose workers have the base.
fn build(world: &World, place: &Place) -> crate::world::Ran {
    world.write("project/layr.toml", "[farm]\nbase = \"worker\"\n");
    let base = base().unwrap();
    let words = ["build", "--json", "--engine", "reapi", "--base", base.to_str().unwrap(), "renv.lock"];
    ran(world.command(&words).envs(place.environment.clone()))
}

#[test]
fn a_farm_gives_the_bytes_that_this_machine_gives() {
    let Some((_farm, place)) = farm() else { return };
    let compiled = SourcePackage::new("compiled1", &["two2"])
        .file("NAMESPACE", "useDynLib(compiled1)\nimport(two2)\n")
        .file("src/code.c", "int value(void) { return __LINE__ + sizeof(__FILE__); }\n")
        .file("src/more.cpp", "#include <string>\nstd::string text() { return \"text\"; }\n")
        .file("configure", "#!/bin/sh\necho configured > inst/configured\n")
        .file("inst/note", "note\n");
    let (here, there) = (machine(), machine());
    for world in [&here, &there] {
        world.publish(&compiled);
        world.lock(&["one1", "two2", "large1", "compiled1"]);
    }
    assert_eq!(counts(&here.build(&["--json"]).unwrap()), [4, 0, 0]);
    assert_eq!(counts(&build(&there, &place)), [4, 0, 0]);
    assert_eq!(zips(&here.path("project/dist")), zips(&there.path("project/dist")));
}

#[test]
fn a_package_that_fails_on_a_farm_fails_with_its_log() {
    let Some((_farm, place)) = farm() else { return };
    let world = World::new();
    world.publish(&SourcePackage::new("broken1", &[]).file("R/code.R", "f <- function( {\n"));
    world.lock(&["broken1"]);
    build(&world, &place).failed(13, &["`broken1 1.0`: the installer ended with code 1", "unexpected"]);
}

#[test]
fn a_farm_that_is_not_there_is_an_error_and_needs_an_address() {
    let Some(_) = base() else { return };
    let world = machine();
    let nobody = Place::at("none".to_owned()).with("LAYR_FARM", "grpc://127.0.0.1:1");
    build(&world, &nobody).ended(25, "failed to use grpc://127.0.0.1:1");
    let none = Place::at("none".to_owned());
    build(&world, &none).failed(2, &["engine reapi needs --farm"]);
    assert!(!Path::new(&world.path("project/dist")).exists());
    let here = layr(&world, &["build", "--json", "renv.lock"], &none).unwrap();
    assert_eq!(counts(&here), [3, 0, 0]);
}
