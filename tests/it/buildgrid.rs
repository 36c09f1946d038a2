//! Builds by BuildGrid, a farm that has a scheduler: jobs that wait, are cancelled, and lose
//! the machine that they ran on.

use std::process::Stdio;

use rustix::process::{Pid, Signal, kill_process};
use xtask::caches::{BuildGrid, INSTANCE, Place as Parts};
use xtask::interrupt;

use crate::farming::{begun, build, command, killed_in_rounds, programs_of_workers};
use crate::processes::{is_sleeping, sleeping, wait_until};
use crate::sharing::{Place, WRITE, buildbox, counts, layr, machine};
use crate::world::{SourcePackage, World, base, from_environment, zips};

fn farm(n_workers: usize) -> Option<(BuildGrid, Place)> {
    let (buildbox, base, environment) = (buildbox()?, base()?, from_environment("LAYR_TEST_BUILDGRID")?);
    let rootfs = Some(base.join("rootfs")).filter(|folder| folder.is_dir()).unwrap_or(base);
    let farm = BuildGrid::start(Parts { environment, buildbox, rootfs }, n_workers).unwrap();
    let place = Place::at("none".to_owned()).with("LAYR_FARM", url(&farm));
    Some((farm, place))
}

fn url(farm: &BuildGrid) -> String {
    format!("grpc://{}/{INSTANCE}", farm.address)
}

/// And the same server is a cache as good as any.
#[test]
fn buildgrid_gives_the_bytes_that_this_machine_gives() {
    let Some((farm, place)) = farm(2) else { return };
    let compiled = SourcePackage::new("compiled1", &["two2"])
        .file("NAMESPACE", "useDynLib(compiled1)\nimport(two2)\n")
        .file("src/code.c", "int value(void) { return __LINE__ + sizeof(__FILE__); }\n");
    let (here, there, third) = (machine(), machine(), machine());
    for world in [&here, &there, &third] {
        world.publish(&compiled);
        world.lock(&["one1", "two2", "large1", "compiled1"]);
    }
    assert_eq!(counts(&here.build(&["--json"]).unwrap()), [4, 0, 0]);
    assert_eq!(counts(&build(&there, &place)), [4, 0, 0]);
    assert_eq!(zips(&here.path("project/dist")), zips(&there.path("project/dist")));

    let cache = Place::at(url(&farm));
    layr(&here, &["cache", "push", WRITE], &cache).unwrap().succeeded();
    let shared = layr(&third, &["build", "--json"], &cache).unwrap();
    assert_eq!((counts(&shared), shared.stderr.contains("warning")), ([0, 0, 4], false), "{}", shared.stderr);
    assert_eq!(zips(&here.path("project/dist")), zips(&third.path("project/dist")));
}

/// One package on the only worker, and one in the queue.
#[test]
fn ctrl_c_cancels_what_buildgrid_has_in_hand() {
    let Some((farm, place)) = farm(1) else { return };
    let world = World::new();
    for name in ["slow1", "slow2"] {
        let configure = "#!/bin/sh\nexec sleep 7781\n";
        world.publish(&SourcePackage::new(name, &[]).file("configure", configure));
    }
    world.lock(&["slow1", "slow2"]);
    let mut command = command(&world, &place, "");
    let child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let said = || farm.operations("").unwrap().join("\n");
    wait_until("the job runs", || is_sleeping("7781"));
    wait_until("the other waits", || said().contains("Queued: ") && said().contains("Executing: "));
    kill_process(Pid::from_child(&child), Signal::INT).unwrap();
    let ended = child.wait_with_output().unwrap();
    assert_eq!(ended.status.code(), Some(130), "{}", String::from_utf8_lossy(&ended.stderr));
    assert_eq!(farm.operations("").unwrap(), Vec::<String>::new());
    let completed = farm.operations("stage=completed").unwrap();
    assert_eq!(completed.len(), 2, "{completed:?}");
    assert!(completed.iter().all(|line| line.contains("cancelled")), "{completed:?}");
    wait_until("the job is gone", || !is_sleeping("7781"));
}

#[test]
fn what_a_lost_machine_was_at_buildgrid_gives_to_another() {
    let Some((mut farm, place)) = farm(2) else { return };
    let (world, undisturbed) = (World::new(), World::new());
    let run = begun(&world, &place, "", "4.1");
    let runs_it = |n: &usize| {
        let below = interrupt::below(farm.worker_pid(*n));
        sleeping("4.1").iter().any(|pid| below.contains(pid))
    };
    let n = [0, 1].into_iter().find(runs_it).unwrap();
    farm.lose_worker(n);
    wait_until("it is gone", || !is_sleeping("4.1"));
    assert_eq!(counts(&run.join().unwrap()), [1, 0, 0]);
    undisturbed.publish(&SourcePackage::new("slow1", &[]).file("configure", "#!/bin/sh\nexec sleep 4.1\n"));
    undisturbed.lock(&["slow1"]);
    undisturbed.build(&[]).unwrap().succeeded();
    assert_eq!(zips(&world.path("project/dist")), zips(&undisturbed.path("project/dist")));
}

#[test]
fn machines_that_are_lost_at_chance_moments_leave_the_right_bytes_or_an_error() {
    let Some((mut farm, place)) = farm(2) else { return };
    killed_in_rounds(&place, 2, |chance| {
        let is_at_work = |n: &usize| !programs_of_workers(farm.worker_pid(*n)).is_empty();
        let Some(n) = [chance % 2, 1 - chance % 2].into_iter().find(is_at_work) else { return false };
        farm.lose_worker(n);
        farm.replace_worker(n).unwrap();
        true
    });
}
