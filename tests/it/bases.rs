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

/// Whether this machine runs programs of arm64.
fn runs_arm64() -> bool {
    let handlers = std::fs::read_dir("/proc/sys/fs/binfmt_misc").into_iter().flatten().flatten();
    let has_one =
        handlers.into_iter().any(|handler| handler.file_name().to_string_lossy().contains("aarch64"));
    cfg!(target_arch = "aarch64") || has_one
}

#[test]
fn a_base_for_a_processor_that_nobody_runs_here_is_refused() {
    const LOADER: &str = "/usr/aarch64-linux-gnu/lib/ld-linux-aarch64.so.1";
    let Ok(loader) = std::fs::read(LOADER) else {
        eprintln!("SKIPPED: {LOADER} is not here; `cargo xtask test` installs it");
        return;
    };
    if runs_arm64() {
        eprintln!("SKIPPED: this machine runs programs of arm64");
        return;
    }
    let world = world();
    world.write("arm64/lib/ld-linux-aarch64.so.1", loader);
    world.write("arm64/usr/lib/R/library/base/DESCRIPTION", "Package: base\nVersion: 4.5.0\n");
    let folder = world.path("arm64");
    let parts = ["for arm64, whose programs this machine, x86_64, has no emulator for", "`qemu-user-static`"];
    world.layr(&["build", "--engine", "bwrap", "--base", folder.to_str().unwrap()]).failed(16, &parts);
    world
        .layr(&["base", "build", "debian:trixie", "--engine", "bwrap", "--arch", "arm64"])
        .failed(16, &parts);
    world
        .layr(&["base", "build", "debian:trixie", "--arch", "riscv"])
        .ended(2, "`riscv` is not an architecture");
}

/// An emulator takes minutes where the processor takes seconds: only where `ARM64_BASE` names
/// a base of `layr base build debian:trixie --arch arm64`.
#[test]
fn layers_for_arm64_are_built_and_loaded() {
    let Some(base) = crate::world::from_environment("ARM64_BASE") else { return };
    let world = World::new();
    let code = "#include <stdlib.h>\nint value(void) { return atoi(\"7\"); }\n";
    let package = SourcePackage::new("compiled1", &[]).file("NAMESPACE", "useDynLib(compiled1)\n");
    world.publish(&package.file("src/code.c", code));
    world.lock(&["compiled1"]);
    let base = base.to_str().unwrap();
    let words = ["build", "--json", "--engine", "bwrap", "--target", "base", "--base", base];
    let built = ran(world.command(&words).env_remove("LAYR_NO_LOAD_TEST"));
    assert_eq!(built.succeeded().json()["built"], 1);
    assert!(built.stderr.contains("loading 1 package"), "{}", built.stderr);
    let zip = crate::world::zips(&world.path("project/dist")).remove(0).1;
    let mut zip = zip::ZipArchive::new(std::io::Cursor::new(zip)).unwrap();
    let mut library = Vec::new();
    let mut entry = zip.by_name("R/library/compiled1/libs/compiled1.so").unwrap();
    std::io::Read::read_to_end(&mut entry, &mut library).unwrap();
    assert_eq!(library[18..20], [0xb7, 0], "its processor is not arm64");
    let runtime = ["runtime", "build", "--engine", "bwrap", "--base", base];
    world.layr(&runtime).failed(21, &["carries a bootstrap for x86_64", "on a machine of arm64"]);
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
