//! The main job, on real packages of CRAN.

use std::path::{Path, PathBuf};

use crate::world::{World, base, ran, repository, zips};

/// More than 25 packages with C, C++ and Fortran code.
fn demo_lock() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("lockfiles/demo.lock")
}

fn world() -> Option<World> {
    let world = World::with_repository(&repository()?);
    std::fs::copy(demo_lock(), world.path("project/renv.lock")).unwrap();
    Some(world)
}

#[test]
fn docker_and_bwrap_give_the_same_layers_byte_by_byte_and_a_warm_build_does_nothing() {
    let (Some(base), Some(by_bwrap), Some(by_docker)) = (base(), world(), world()) else { return };
    let base = base.to_str().unwrap();
    // With the load test: all of them load where there is neither R nor a compiler.
    let with = |world: &World, engine| {
        let mut command = world.command(&["build", "--base", base, "--engine", engine, "--json"]);
        let built = ran(command.env_remove("LAYR_NO_LOAD_TEST"));
        assert!(!built.stderr.contains("warning: the layers were not tried"), "{engine}: {}", built.stderr);
        built
    };
    let first = with(&by_bwrap, "bwrap");
    let n_packages = first.succeeded().json()["built"].as_u64().unwrap();
    assert!(n_packages >= 25, "{n_packages} packages");

    let again = with(&by_bwrap, "bwrap");
    assert_eq!((&again.succeeded().json()["built"], &again.json()["fetched"]), (&0.into(), &0.into()));

    if std::env::var_os("DOCKER_HOST").is_none() {
        eprintln!("SKIPPED: DOCKER_HOST is not set; `cargo xtask test` sets it");
        return;
    }
    let second = with(&by_docker, "docker");
    assert_eq!(second.succeeded().json()["layers"], first.json()["layers"]);
    assert_eq!(zips(&by_docker.path("project/dist")), zips(&by_bwrap.path("project/dist")));
    assert_eq!(by_docker.read("project/layr.lock"), by_bwrap.read("project/layr.lock"));
}

#[test]
fn a_packrat_lockfile_gives_layers_too() {
    let (Some(base), Some(repository)) = (base(), repository()) else { return };
    let world = World::with_repository(&repository);
    let lockfile = Path::new(env!("CARGO_MANIFEST_DIR")).join("lockfiles/packrat.lock");
    world.write("project/packrat/packrat.lock", std::fs::read(lockfile).unwrap());
    let built = world.layr(&["build", "--base", base.to_str().unwrap(), "--engine", "bwrap", "--json"]);
    assert_eq!(built.succeeded().json()["functions"][0]["name"], "packrat");
    assert!((1..=4).contains(&zips(&world.path("project/dist")).len()), "one of five is the runtime's");
}
