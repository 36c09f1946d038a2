//! Runs that are killed, interrupted, or not alone.

use std::collections::BTreeMap;
use std::process::Child;
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};

use crate::processes::{is_sleeping, wait_until};
use crate::world::{SourcePackage, World, base, zips};

pub(crate) const N_CHAINED: usize = 12;

/// Packages in chains, some with C code, so that a kill can meet any stage.
pub(crate) fn chained() -> World {
    let world = World::new();
    let names: Vec<String> = (0..N_CHAINED).map(|n| format!("pkg{n}")).collect();
    for (n, name) in names.iter().enumerate() {
        let imports: Vec<&str> = needs_of(n).into_iter().map(|n| names[n].as_str()).collect();
        let mut package = SourcePackage::new(name, &imports);
        if n % 3 == 0 {
            let imports: String = imports.iter().map(|import| format!("import({import})\n")).collect();
            package = package
                .file("NAMESPACE", format!("{imports}useDynLib({name})\nexport(f_{name})\n"))
                .file("src/code.c", format!("int value{n}(void) {{ return {n}; }}\n"));
        }
        world.publish(&package);
    }
    world.lock(&names.iter().map(String::as_str).collect::<Vec<_>>());
    world
}

/// What one of them imports, by number.
pub(crate) fn needs_of(n: usize) -> Vec<usize> {
    if n >= 4 { vec![n - 4, n - 3] } else { Vec::new() }
}

fn args(base: &str) -> [&str; 5] {
    ["build", "--base", base, "--engine", "bwrap"]
}

fn stderr_of(child: Child) -> (Option<i32>, String) {
    let output = child.wait_with_output().unwrap();
    (output.status.code(), String::from_utf8_lossy(&output.stderr).into_owned())
}

fn left_in_tmp(world: &World) -> Vec<String> {
    let entries = std::fs::read_dir(world.path("store/tmp")).unwrap();
    entries
        .map(|entry| entry.unwrap().file_name().to_string_lossy().into_owned())
        .filter(|name| name.starts_with("run-"))
        .collect()
}

#[test]
fn killed_at_twenty_moments_it_ends_with_the_same_bytes_and_does_nothing_twice() {
    let Some(base) = base() else { return };
    let base = base.to_str().unwrap();
    let undisturbed = chained();
    undisturbed.layr(&args(base)).succeeded();
    let expected = zips(&undisturbed.path("project/dist"));

    let world = chained();
    let mut n_built: BTreeMap<String, usize> = BTreeMap::new();
    let mut count = |stderr: &str| {
        for package in stderr.lines().filter_map(|line| line.strip_prefix("built ")) {
            *n_built.entry(package.split(" (").next().unwrap().to_owned()).or_default() += 1;
        }
    };
    // Moments by a fixed sequence: spread over the run, and the same in every test run.
    let mut state = 12345_u32;
    for _ in 0..20 {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        let mut child = world.spawn(&args(base));
        std::thread::sleep(Duration::from_millis(u64::from(state >> 16) % 1500));
        child.kill().unwrap();
        count(&stderr_of(child).1);
    }
    let last = world.layr(&args(base));
    count(&last.succeeded().stderr);
    assert_eq!(zips(&world.path("project/dist")), expected);
    assert_eq!(n_built.values().max(), Some(&1), "{n_built:?}");
    assert!(left_in_tmp(&world).is_empty(), "{:?}", left_in_tmp(&world));
    world.layr(&["cache", "verify"]).succeeded();
}

#[test]
fn ctrl_c_ends_at_once_with_its_own_code_and_leaves_nothing() {
    let Some(base) = base() else { return };
    let world = World::new();
    world.publish(&SourcePackage::new("slow1", &[]).file("configure", "#!/bin/sh\nexec sleep 7771\n"));
    world.lock(&["slow1"]);
    let child = world.spawn(&args(base.to_str().unwrap()));
    wait_until("the build runs", || is_sleeping("7771"));
    let pid = Pid::from_child(&child);
    kill_process(pid, Signal::INT).unwrap();
    let (code, stderr) = stderr_of(child);
    assert_eq!(code, Some(130), "{stderr}");
    wait_until("the build is gone", || !is_sleeping("7771"));
    assert!(left_in_tmp(&world).is_empty());
}

#[test]
fn a_container_does_not_outlive_a_killed_run() {
    let Some(base) = base() else { return };
    if std::env::var_os("DOCKER_HOST").is_none() {
        eprintln!("SKIPPED: DOCKER_HOST is not set; `cargo xtask test` sets it");
        return;
    }
    let world = World::new();
    world.publish(&SourcePackage::new("slow2", &[]).file("configure", "#!/bin/sh\nexec sleep 7772\n"));
    world.lock(&["slow2"]);
    let mut child = world.spawn(&["build", "--base", base.to_str().unwrap(), "--engine", "docker"]);
    wait_until("the build runs", || is_sleeping("7772"));
    child.kill().unwrap();
    child.wait().unwrap();
    wait_until("the build is gone", || !is_sleeping("7772"));
}

#[test]
fn two_runs_at_once_share_the_work() {
    let Some(base) = base() else { return };
    let world = chained();
    let args = args(base.to_str().unwrap());
    let mut other = args.to_vec();
    other.extend(["--out", "other", "--layr-lock", "other.lock"]);
    let (one, two) = (world.spawn(&args), world.spawn(&other));
    let ((one_code, one_stderr), (two_code, two_stderr)) = (stderr_of(one), stderr_of(two));
    assert_eq!((one_code, two_code), (Some(0), Some(0)), "{one_stderr}\n{two_stderr}");
    let n_built = (one_stderr + &two_stderr).lines().filter(|line| line.starts_with("built ")).count();
    assert_eq!(n_built, 12);
    assert_eq!(zips(&world.path("project/dist")), zips(&world.path("project/other")));
}
