//! Machines that need the same packages of one cache at the same time: each is built by one
//! of them, or two at most, and nobody waits for somebody who is gone.

use std::collections::{BTreeMap, BTreeSet};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};
use xtask::caches::Cache;

use crate::interruptions::{N_CHAINED, chained, needs_of};
use crate::sharing::{Place, WRITE, command, counts, http, layr, reapi, s3};
use crate::world::{Ran, SourcePackage, World, base, ran};

/// Machines of the crowd; `CROWD` may say another number.
const N_MACHINES: u64 = 24;

/// One of a crowd, with a store and a project of its own and the crowd's repository.
fn member(world: &World, n: u64, place: &Place) -> Option<Command> {
    let wanted = half(n);
    let names: Vec<String> = wanted.iter().map(|n| format!("pkg{n}")).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    world.write(&format!("machine{n}/renv.lock"), crate::world::renv_lock("4.5.0", &names));
    let mut command = command(world, &["build", "--json", WRITE], place)?;
    command.current_dir(world.path(&format!("machine{n}")));
    command.env("LAYR_CACHE_DIR", world.path(&format!("machine{n}/store")));
    // Two cores have much to do: that an answer takes long is no sign of a fault.
    command.env("LAYR_HTTP_TIMEOUT", "60");
    Some(command)
}

/// Half of the packages, by chance but the same in every run, and what they need.
fn half(n: u64) -> BTreeSet<usize> {
    let mut state = n.wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ 0x5bf0_3635;
    let mut wanted: BTreeSet<usize> = BTreeSet::new();
    for package in 0..N_CHAINED {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        if state >> 63 == 1 {
            wanted.insert(package);
        }
    }
    wanted.insert(N_CHAINED - 1);
    let mut all = wanted.clone();
    while let Some(package) = wanted.pop_first() {
        let needs = needs_of(package);
        all.extend(&needs);
        wanted.extend(needs);
    }
    all
}

/// By name, the tree of each package that a build ended with.
fn trees(ran: &Ran) -> BTreeMap<String, String> {
    let answer = ran.succeeded().json();
    let packages =
        answer["functions"].as_array().unwrap().iter().flat_map(|f| f["packages"].as_array().unwrap());
    let text = |value: &serde_json::Value| value.as_str().unwrap().to_owned();
    packages.map(|package| (text(&package["name"]), text(&package["tree"]))).collect()
}

#[test]
fn a_crowd_builds_each_package_twice_at_most_and_no_wrong_byte() {
    let Some((_cache, place)) = reapi() else { return };
    let world = chained();
    let Some(alone) = world.build(&["--json"]) else { return };
    let right = trees(&alone);
    let n_machines: u64 = std::env::var("CROWD").map_or(N_MACHINES, |text| text.parse().unwrap());
    let started = Instant::now();
    let ended: Vec<Ran> = std::thread::scope(|scope| {
        let builds: Vec<_> = (0..n_machines)
            .filter_map(|n| member(&world, n, &place))
            .map(|mut command| scope.spawn(move || ran(&mut command)))
            .collect();
        builds.into_iter().map(|build| build.join().unwrap()).collect()
    });
    let mut n_built: BTreeMap<String, usize> = BTreeMap::new();
    for (n, ended) in ended.iter().enumerate() {
        assert!(!ended.stderr.contains("warning"), "{}", ended.stderr);
        let got = trees(ended);
        assert_eq!(got.len(), half(n as u64).len());
        assert!(got.iter().all(|(name, tree)| right[name] == *tree), "{got:?}");
        for line in ended.stderr.lines().filter_map(|line| line.strip_prefix("built ")) {
            *n_built.entry(line.split(' ').next().unwrap().to_owned()).or_default() += 1;
        }
        let store = world.path(&format!("machine{n}/store"));
        ran(world.command(&["cache", "verify"]).env("LAYR_CACHE_DIR", store)).succeeded();
    }
    eprintln!("{n_machines} machines in {:?} built {n_built:?}", started.elapsed());
    assert_eq!(n_built.len(), N_CHAINED, "{n_built:?}");
    assert!(n_built.values().all(|n| *n <= 2), "{n_built:?}");
}

/// A machine that is told to build a package which takes a while, and others.
fn slow_machine(others: &[&str]) -> World {
    let world = World::new();
    let waits = "#!/bin/sh\nsleep 4\n";
    world.publish(&SourcePackage::new("slow1", &[]).file("configure", waits));
    for name in others {
        world.publish(&SourcePackage::new(name, &[]));
    }
    world.lock(&[&["slow1"], others].concat());
    world
}

/// Starts a build, and waits until it is at it.
fn begin(world: &World, place: &Place) -> Option<Child> {
    let mut command = command(world, &["build", "--json", WRITE], place)?;
    let child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let begun = || {
        let mut runs = std::fs::read_dir(world.path("store/tmp")).into_iter().flatten().flatten();
        runs.any(|run| {
            let mut parts = std::fs::read_dir(run.path()).into_iter().flatten().flatten();
            parts.any(|part| part.file_name().to_string_lossy().starts_with("package-"))
        })
    };
    let started = Instant::now();
    while !begun() {
        assert!(started.elapsed() < Duration::from_mins(1), "it does not begin");
        std::thread::sleep(Duration::from_millis(20));
    }
    Some(child)
}

fn ended(child: Child) -> Ran {
    let output = child.wait_with_output().unwrap();
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    Ran { code: output.status.code().unwrap_or(-1), stdout: text(output.stdout), stderr: text(output.stderr) }
}

const WAITING: &str = "waiting for slow1 1.0, which another machine is building";

#[track_caller]
fn what_another_machine_is_at_comes_last(place: &Place) {
    let (first, second) = (slow_machine(&[]), slow_machine(&["two2", "three3"]));
    let Some(child) = begin(&first, place) else { return };
    let built = layr(&second, &["build", "--json", "--jobs", "1", WRITE], place).unwrap();
    assert_eq!(counts(&ended(child)), [1, 0, 0]);
    assert_eq!(counts(&built), [2, 0, 1], "{}", built.stderr);
    assert_eq!(built.stderr.matches(WAITING).count(), 1, "{}", built.stderr);
    assert!(!built.stderr.contains("warning"), "{}", built.stderr);
}

#[test]
fn what_another_machine_is_at_comes_last_and_is_not_built_by_reapi() {
    let Some((_cache, place)) = reapi() else { return };
    what_another_machine_is_at_comes_last(&place);
}

#[test]
fn what_another_machine_is_at_comes_last_and_is_not_built_by_http() {
    let Some((_cache, place)) = http() else { return };
    what_another_machine_is_at_comes_last(&place);
}

#[test]
fn what_another_machine_is_at_comes_last_and_is_not_built_by_s3() {
    let Some((_cloud, place)) = s3("at-once") else { return };
    what_another_machine_is_at_comes_last(&place);
}

/// Ends a build by a signal, and gives what another machine makes of it then.
fn after(signal: Signal) -> Option<(Cache, Ran)> {
    let (cache, place) = http()?;
    let (first, second) = (slow_machine(&[]), slow_machine(&[]));
    let mut child = begin(&first, &place)?;
    kill_process(Pid::from_child(&child), signal).unwrap();
    child.wait().unwrap();
    let built = layr(&second, &["build", "--json", WRITE], &place).unwrap();
    assert_eq!(counts(&built), [1, 0, 0], "{}", built.stderr);
    Some((cache, built))
}

#[test]
fn a_machine_that_dies_over_a_build_is_waited_for_only_until_that_shows() {
    let Some((_cache, built)) = after(Signal::KILL) else { return };
    assert!(built.stderr.contains(WAITING), "{}", built.stderr);
}

#[test]
fn a_machine_that_is_interrupted_says_that_it_builds_no_more() {
    let Some((_cache, built)) = after(Signal::TERM) else { return };
    assert!(!built.stderr.contains("waiting"), "{}", built.stderr);
}

/// Else a crowd would fail one after another.
#[test]
fn what_does_not_build_anywhere_is_not_waited_for() {
    let Some((_cache, place)) = http() else { return };
    let fails = || {
        let world = World::new();
        world.publish(&SourcePackage::new("one1", &[]).file("R/code.R", "stop(\"no\")\n"));
        world.lock(&["one1"]);
        world
    };
    let worlds = [fails(), fails(), fails()];
    if base().is_none() {
        return;
    }
    let build = |world| layr(world, &["build", WRITE], &place).unwrap();
    build(&worlds[0]).failed(13, &["one1"]);
    std::thread::scope(|scope| {
        for world in &worlds[1..] {
            scope.spawn(|| {
                let ran = build(world);
                ran.failed(13, &["one1"]);
                assert!(!ran.stderr.contains("waiting"), "{}", ran.stderr);
            });
        }
    });
}
