//! Bases, engines and stores that are not there, not right, full or closed.

use std::process::Command;

use crate::world::{Ran, SourcePackage, World, base, noise, ran};

fn world() -> World {
    let world = World::new();
    world.publish(&SourcePackage::new("one1", &[]));
    world.lock(&["one1"]);
    world
}

#[test]
fn no_engine_at_all_says_which_were_looked_for() {
    let world = world();
    let Some(base) = base() else { return };
    let mut command = world.command(&["build", "--base", base.to_str().unwrap()]);
    command.env("PATH", world.path("empty")).env_remove("DOCKER_HOST");
    let ran = ran(&mut command);
    ran.failed(
        17,
        &["`docker` is not on the search path", "`podman` is not", "`bwrap` is not", "bubblewrap"],
    );
}

#[test]
fn a_base_without_r_is_refused() {
    let world = world();
    world.write("empty/usr/bin/sh", "");
    let folder = world.path("empty");
    world.layr(&["build", "--base", folder.to_str().unwrap()]).failed(16, &["has no R"]);
}

#[test]
fn a_recipe_that_is_none_is_a_usage_error() {
    world().layr(&["build", "--base", "ubuntu"]).failed(2, &["`ubuntu` is no recipe"]);
}

#[test]
fn a_lockfile_for_another_r_is_refused_unless_that_is_asked_for() {
    let world = world();
    world.write("project/renv.lock", crate::world::renv_lock("4.1.2", &["one1"]));
    let Some(refused) = world.build(&[]) else { return };
    refused.failed(16, &["the base has R 4.5.0, but the lockfile is for R 4.1.2", "--allow-r-mismatch"]);
    let allowed = world.build(&["--allow-r-mismatch"]).unwrap();
    assert!(allowed.succeeded().stderr.contains("warning:"));
}

#[test]
fn the_bases_of_a_store_are_listed() {
    let world = world();
    let Some(base) = base() else { return };
    assert_eq!(world.layr(&["base", "list", "--json"]).json(), serde_json::json!([]));
    let text = base.to_str().unwrap();
    let built = world.layr(&["base", "build", text, "--engine", "bwrap", "--json"]);
    assert_eq!(built.succeeded().json()["r"], "4.5.0");
}

/// Runs the program where the store is a file system of its own. Only root may make one.
fn with_store_on(world: &World, mount: &str, args: &[&str]) -> Option<Ran> {
    let may_mount =
        Command::new("unshare").args(["--mount", "true"]).status().is_ok_and(|status| status.success());
    if !may_mount {
        eprintln!("SKIPPED: only root may mount file systems");
        return None;
    }
    let store = world.path("store");
    std::fs::create_dir_all(&store).unwrap();
    let inner = world.command(args);
    let script = format!("{} && exec \"$@\"", mount.replace("STORE", store.to_str().unwrap()));
    let mut command = Command::new("unshare");
    command.args(["--mount", "sh", "-c", &script, "sh"]).arg(inner.get_program()).args(inner.get_args());
    command.current_dir(world.path("project")).env_clear();
    command.envs(inner.get_envs().filter_map(|(name, value)| Some((name, value?))));
    Some(ran(&mut command))
}

#[test]
fn a_full_disk_is_said_and_loses_nothing() {
    let world = world();
    world.publish(&SourcePackage::new("large1", &[]).file("inst/noise", noise(8_000_000)));
    world.lock(&["large1"]);
    let plan = ["plan", "--base", "debian:trixie"];
    let full = with_store_on(&world, "mount -t tmpfs -o size=2m tmpfs STORE", &plan);
    let Some(full) = full else { return };
    full.failed(12, &["No space left on device", "make room"]);
    world.layr(&plan).succeeded();
}

#[test]
fn a_store_that_cannot_be_written_is_named() {
    let world = world();
    let plan = ["plan", "--base", "debian:trixie"];
    let closed = with_store_on(&world, "mount --bind STORE STORE && mount -o remount,bind,ro STORE", &plan);
    let Some(closed) = closed else { return };
    closed.failed(18, &["store", "Read-only file system", "LAYR_CACHE_DIR"]);
}
