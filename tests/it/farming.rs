//! Builds on workers of a farm, buildbox's, on loopback.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::Command;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};
use xtask::caches::{Cache, Faulty};
use xtask::interrupt;

use crate::processes::{is_sleeping, processes, sleeping, wait_until};
use crate::sharing::{Place, buildbox, counts, layr, machine};
use crate::world::{Ran, SourcePackage, World, base, ran, repository, zips};

pub(crate) fn farm() -> Option<(Cache, Place)> {
    let (programs, base) = (buildbox()?, base()?);
    let rootfs = Some(base.join("rootfs")).filter(|folder| folder.is_dir()).unwrap_or(base);
    let cache = Cache::farm(&programs, Some(&rootfs), 2).unwrap();
    let place = Place::at("none".to_owned()).with("LAYR_FARM", format!("grpc://{}", cache.address));
    Some((cache, place))
}

/// `layr build` by the farm, whose workers have the base.
pub(crate) fn build(world: &World, place: &Place) -> Ran {
    ran(&mut command(world, place, ""))
}

/// Bounded, so that a farm that hangs is an error. `settings` are further ones of `[farm]`.
pub(crate) fn command(world: &World, place: &Place, settings: &str) -> Command {
    let config = "[build]\nseconds = 200\n[farm]\nbase = \"worker\"\nseconds = 250\n";
    world.write("project/layr.toml", format!("{config}{settings}"));
    let base = base().unwrap();
    let words = ["build", "--json", "--engine", "reapi", "--base", base.to_str().unwrap(), "renv.lock"];
    let mut command = world.command(&words);
    command.envs(place.environment.clone());
    command
}

/// A build of a package that takes so many seconds, up to where a worker is at it.
pub(crate) fn begun(world: &World, place: &Place, settings: &str, seconds: &str) -> JoinHandle<Ran> {
    let configure = format!("#!/bin/sh\nexec sleep {seconds}\n");
    world.publish(&SourcePackage::new("slow1", &[]).file("configure", configure));
    world.lock(&["slow1"]);
    let mut command = command(world, place, settings);
    let run = std::thread::spawn(move || ran(&mut command));
    wait_until("the job runs", || is_sleeping(seconds));
    run
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

/// The worker has nothing of its own: R and compilers come along.
#[test]
fn a_farm_to_which_the_base_is_sent_gives_the_same_bytes() {
    let (Some(programs), Some(base)) = (buildbox(), base()) else { return };
    let farm = Cache::farm(&programs, None, 1).unwrap();
    let (here, there) = (World::new(), World::new());
    for world in [&here, &there] {
        let compiled = SourcePackage::new("compiled1", &[]).file("NAMESPACE", "useDynLib(compiled1)\n");
        world.publish(&compiled.file("src/code.c", "int value(void) { return __LINE__; }\n"));
        world.lock(&["compiled1"]);
    }
    assert_eq!(counts(&here.build(&["--json"]).unwrap()), [1, 0, 0]);
    let words = ["build", "--json", "--engine", "reapi", "--base", base.to_str().unwrap(), "renv.lock"];
    let mut command = there.command(&words);
    // A worker that keeps a whole base in order has no time for words.
    command.env("LAYR_HTTP_TIMEOUT", "60").env("LAYR_FARM", format!("grpc://{}", farm.address));
    assert_eq!(counts(&ran(&mut command)), [1, 0, 0]);
    assert_eq!(zips(&here.path("project/dist")), zips(&there.path("project/dist")));
}

/// The farm remembers what came of the first job.
#[test]
fn what_is_verified_on_a_farm_is_built_anew() {
    let Some((_farm, place)) = farm() else { return };
    let world = World::new();
    let configure = "#!/bin/sh\nmkdir inst\ncp /proc/sys/kernel/random/uuid inst/\n";
    world.publish(&SourcePackage::new("random1", &["same1"]).file("configure", configure));
    world.publish(&SourcePackage::new("same1", &[]));
    world.lock(&["random1", "same1"]);
    assert_eq!(counts(&build(&world, &place)), [2, 0, 0]);
    let base = base().unwrap();
    let words = ["verify", "--json", "--engine", "reapi", "--base", base.to_str().unwrap()];
    let found = ran(world.command(&words).envs(place.environment.clone()));
    assert_eq!(found.code, 23, "{found:#?}");
    assert_eq!(found.json()["same"], serde_json::json!(["same1 1.0"]));
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
fn a_connection_that_breaks_is_listened_to_again() {
    let Some((farm, _)) = farm() else { return };
    let proxy = Faulty::start(farm.address).unwrap();
    let place = Place::at("none".to_owned()).with("LAYR_FARM", format!("grpc://{}", proxy.address));
    let world = World::new();
    let run = begun(&world, &place, "", "6.1");
    proxy.cut();
    let built = run.join().unwrap();
    assert_eq!(counts(&built), [1, 0, 0]);
}

/// It has forgotten the job that it was at, and all that it was sent.
#[test]
fn a_farm_that_is_started_anew_is_given_its_job_and_all_inputs_again() {
    let (Some((first, _)), Some((second, _))) = (farm(), farm()) else { return };
    let proxy = Faulty::start(first.address).unwrap();
    let place = Place::at("none".to_owned()).with("LAYR_FARM", format!("grpc://{}", proxy.address));
    let slow = SourcePackage::new("slow1", &["two2"]).file("configure", "#!/bin/sh\nexec sleep 5.3\n");
    let (here, there) = (machine(), machine());
    for world in [&here, &there] {
        world.publish(&slow);
        world.lock(&["two2", "slow1"]);
    }
    assert_eq!(counts(&here.build(&["--json"]).unwrap()), [2, 0, 0]);
    let mut command = command(&there, &place, "");
    let run = std::thread::spawn(move || ran(&mut command));
    wait_until("the job runs", || is_sleeping("5.3"));
    proxy.lead_to(second.address);
    drop(first);
    let built = run.join().unwrap();
    assert_eq!(counts(&built), [2, 0, 0], "{}", built.stderr);
    assert_eq!(zips(&here.path("project/dist")), zips(&there.path("project/dist")));
}

#[test]
fn a_job_that_takes_too_long_fails_and_says_so() {
    let Some((_farm, place)) = farm() else { return };
    let world = World::new();
    world.publish(&SourcePackage::new("slow1", &[]).file("configure", "#!/bin/sh\nexec sleep 7795\n"));
    world.lock(&["slow1"]);
    let mut command = command(&world, &place, "");
    world.write("project/layr.toml", "[build]\nseconds = 3\n[farm]\nbase = \"worker\"\nseconds = 60\n");
    ran(&mut command).failed(13, &["`slow1 1.0`: it took longer than 3.0 s"]);
    wait_until("the job is gone", || !is_sleeping("7795"));
}

#[test]
fn a_farm_that_dies_ends_in_an_error_or_in_builds_here() {
    let Some((farm, place)) = farm() else { return };
    let world = World::new();
    let run = begun(&world, &place, "", "7796");
    drop(farm);
    let failed = run.join().unwrap();
    assert_eq!(failed.code, 25, "{failed:#?}");
    assert!(failed.stderr.contains("the farm does not build"), "{}", failed.stderr);

    let (farm, place) = self::farm().unwrap();
    let world = World::new();
    let run = begun(&world, &place, "fallback = true\n", "6.2");
    drop(farm);
    let built = run.join().unwrap();
    assert_eq!(counts(&built), [1, 0, 0]);
    assert!(built.stderr.contains("slow1 1.0 is built on this machine: the farm"), "{}", built.stderr);
}

/// What is killed may be the program that runs the job, or any of the job itself: the job is
/// begun anew, or the error says what became of it.
#[test]
fn a_worker_that_is_killed_leaves_the_right_bytes_or_an_error() {
    let Some((farm, place)) = farm() else { return };
    killed_in_rounds(&place, 4, |chance| kill_of_worker(&farm, chance));
}

/// Builds during each of which `kill` ends something that is at one of its jobs, at a chance
/// moment or as soon as there is something: `WORKER_ROUNDS` says how many there are, or
/// `n_rounds`. The store is right in any case, and the next build ends well.
pub(crate) fn killed_in_rounds(place: &Place, n_rounds: u64, mut kill: impl FnMut(usize) -> bool) {
    let Some(repository) = repository() else { return };
    let n_rounds: u64 = std::env::var("WORKER_ROUNDS").map_or(n_rounds, |text| text.parse().unwrap());
    let world = || {
        let world = World::with_repository(&repository);
        world.lock(&["sys 3.4.3", "askpass 1.2.1", "pkgconfig 2.0.3"]);
        world
    };
    let undisturbed = world();
    assert_eq!(counts(&undisturbed.build(&["--json"]).unwrap()), [3, 0, 0]);
    let right = zips(&undisturbed.path("project/dist"));
    let mut ended_with: BTreeMap<(&str, i32), u64> = BTreeMap::new();
    let mut time = Duration::from_secs(5);
    let mut state = 4321_u32;
    for round in 0..n_rounds {
        let world = world();
        // A limit of its own makes it another action, which no earlier round has done.
        let limit = 200 + round;
        let config = format!("[build]\nseconds = {limit}\n[farm]\nbase = \"worker\"\nseconds = 1250\n");
        let build = || {
            let command = command(&world, place, "");
            world.write("project/layr.toml", &config);
            command
        };
        let (started, mut command) = (Instant::now(), build());
        let run = std::thread::spawn(move || ran(&mut command));
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        let chance = state >> 16;
        std::thread::sleep(time * chance / (1 << 16));
        let mut is_killed = false;
        while !is_killed && !run.is_finished() {
            is_killed = kill(chance as usize);
            std::thread::sleep(Duration::from_millis(20));
        }
        let ended = run.join().unwrap();
        let what = if is_killed { "killed" } else { "nothing to kill" };
        *ended_with.entry((what, ended.code)).or_default() += 1;
        match ended.code {
            0 => {
                time = started.elapsed().min(time * 2);
                assert_eq!(zips(&world.path("project/dist")), right, "round {round}");
            }
            13 | 25 => assert!(!world.path("project/dist").exists(), "round {round}"),
            _ => panic!("round {round}: {ended:#?}"),
        }
        assert!(is_killed || ended.code == 0, "round {round}: {ended:#?}");
        assert!(!ended.stderr.contains("panicked"), "round {round}: {ended:#?}");
        world.layr(&["cache", "verify"]).succeeded();
        ran(&mut build()).succeeded();
        assert_eq!(zips(&world.path("project/dist")), right, "round {round}");
    }
    eprintln!("after {n_rounds} rounds, how many ended with which code: {ended_with:?}");
    assert!(ended_with.keys().any(|(what, _)| *what == "killed"), "{ended_with:?}");
}

/// Servers keep failures, too, and a failure may have been of its moment.
#[test]
fn a_failure_that_a_farm_remembers_is_tried_again() {
    let Some((_farm, place)) = farm() else { return };
    let world = World::new();
    let run = begun(&world, &place, "", "3.3");
    for pid in sleeping("3.3") {
        kill(pid);
    }
    run.join().unwrap().failed(13, &["`slow1 1.0`: the installer ended with code 1"]);
    assert_eq!(counts(&build(&world, &place)), [1, 0, 0]);
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

/// The program of one that is at a job, or, every other time, any that it has started; whether
/// there was one.
fn kill_of_worker(farm: &Cache, chance: usize) -> bool {
    let programs = programs_of_workers(farm.pid());
    let started: Vec<u32> = programs.iter().flat_map(|pid| interrupt::below(*pid)).collect();
    let all = if chance.is_multiple_of(2) { programs } else { started };
    all.get(chance / 2 % all.len().max(1)).is_some_and(|pid| kill(*pid))
}

/// The programs below a process that are at a job, one for each.
pub(crate) fn programs_of_workers(root: u32) -> Vec<u32> {
    let below = interrupt::below(root);
    let is_program = |line: &[u8]| {
        let line = String::from_utf8_lossy(line);
        line.contains("/buildbox-run\0") && !line.contains("buildbox-casd") && !line.contains("worker.py")
    };
    let processes = processes().into_iter().filter(|(pid, line)| below.contains(pid) && is_program(line));
    processes.map(|(pid, _)| pid).collect()
}

pub(crate) fn kill(pid: u32) -> bool {
    let pid = Pid::from_raw(pid.try_into().unwrap()).unwrap();
    kill_process(pid, Signal::KILL).is_ok() // it may have ended by itself
}
