//! Builds as jobs of a scheduler: of a shell, which runs them at once, and of Slurm.

use xtask::slurm::Slurm;

use crate::processes::{is_sleeping, wait_until};
use crate::sharing::{counts, machine};
use crate::world::{Ran, SourcePackage, World, base, ran, zips};

/// `layr … --engine command` with this `[farm]`; `None`, said aloud, where there is no base.
fn layr(world: &World, command: &str, farm: &str, slurm: Option<&Slurm>) -> Option<Ran> {
    let base = base()?;
    world.write("project/layr.toml", format!("[farm]\n{farm}\n"));
    let words = [command, "--json", "--engine", "command", "--base", base.to_str().unwrap(), "renv.lock"];
    let mut command = world.command(&words);
    command.envs(slurm.map(|slurm| ("SLURM_CONF", slurm.configuration())));
    Some(ran(&mut command))
}

const SHELL: &str = "submit = \"sh -c {command}\"";
const SBATCH: &str =
    "submit = \"sbatch --wait --quiet --job-name={package} --output=/dev/null --wrap {command}\"";
const SRUN: &str = "submit = \"srun --quiet --ntasks=1 --job-name={package} sh -c {command}\"";

/// A project with compiled code as well.
fn project() -> World {
    let world = machine();
    let compiled = SourcePackage::new("compiled1", &["two2"])
        .file("NAMESPACE", "useDynLib(compiled1)\nimport(two2)\n")
        .file("src/code.c", "int value(void) { return __LINE__ + sizeof(__FILE__); }\n");
    world.publish(&compiled);
    world.lock(&["one1", "two2", "large1", "compiled1"]);
    world
}

#[track_caller]
fn gives_the_bytes_of_this_machine(farm: &str, slurm: Option<&Slurm>) {
    let (here, there) = (project(), project());
    let Some(built) = here.build(&["--json"]) else { return };
    assert_eq!(counts(&built), [4, 0, 0]);
    assert_eq!(counts(&layr(&there, "build", farm, slurm).unwrap()), [4, 0, 0]);
    assert_eq!(zips(&here.path("project/dist")), zips(&there.path("project/dist")));
    assert_eq!(counts(&layr(&there, "build", farm, slurm).unwrap()), [0, 4, 0]);
    let verified = layr(&there, "verify", farm, slurm).unwrap();
    assert_eq!(verified.succeeded().json()["same"].as_array().unwrap().len(), 4, "{verified:#?}");
}

#[track_caller]
fn tells_of_a_package_that_fails(farm: &str, slurm: Option<&Slurm>) {
    let world = World::new();
    world.publish(&SourcePackage::new("broken1", &[]).file("R/code.R", "f <- function( {\n"));
    world.lock(&["broken1"]);
    let Some(failed) = layr(&world, "build", farm, slurm) else { return };
    failed.failed(13, &["`broken1 1.0`: the installer ended with code 1", "unexpected"]);
}

/// A project whose one package takes a minute longer than anybody waits.
fn slow(seconds: &str) -> World {
    let world = World::new();
    let configure = format!("#!/bin/sh\nexec sleep {seconds}\n");
    world.publish(&SourcePackage::new("slow1", &[]).file("configure", configure));
    world.lock(&["slow1"]);
    world
}

#[test]
fn jobs_of_a_shell_give_the_bytes_of_this_machine() {
    gives_the_bytes_of_this_machine(SHELL, None);
}

#[test]
fn a_package_that_fails_in_a_job_fails_with_its_log() {
    tells_of_a_package_that_fails(SHELL, None);
}

#[test]
fn a_job_that_is_lost_ends_in_an_error_that_says_so() {
    let world = machine();
    let lost = "submit = \"echo node7 is down; exit 3; {command}\"";
    let Some(failed) = layr(&world, "build", lost, None) else { return };
    failed.failed(25, &["left no result", "exit status: 3", "| node7 is down"]);
    let other_program = "submit = \"layr-of-old build-one {key}\"";
    layr(&world, "build", other_program, None).unwrap().failed(25, &["left no result", "not found"]);
    let late = "submit = \"sleep 7; {command}\"\nseconds = 1";
    layr(&world, "build", late, None).unwrap().failed(25, &["has not ended within 1.0 s", "farm.seconds"]);
    assert!(!world.path("project/dist").exists());
    world.layr(&["cache", "verify"]).succeeded();
}

#[test]
fn what_jobs_do_not_build_is_built_here_if_that_is_asked_for() {
    let world = machine();
    let lost = "submit = \"exit 3; {command}\"\nfallback = true";
    let Some(built) = layr(&world, "build", lost, None) else { return };
    assert_eq!(counts(&built), [3, 0, 0]);
    assert!(built.stderr.contains("one1 1.0 is built on this machine: the job that"), "{}", built.stderr);
    tells_of_a_package_that_fails(&format!("{SHELL}\nfallback = true"), None);
}

#[test]
fn a_job_builds_what_somebody_waits_for_and_nothing_else() {
    let world = machine();
    let Some(built) = layr(&world, "build", SHELL, None) else { return };
    built.succeeded();
    let jobs = std::fs::read_dir(world.path("store/records/job")).unwrap();
    let key = jobs.map(|entry| entry.unwrap().path()).next().unwrap();
    let key = key.file_stem().unwrap().to_str().unwrap();
    world.layr(&["build-one", key]).failed(13, &["nobody", key]);
    world.layr(&["build-one", "abc"]).failed(2, &["no build key"]);
    layr(&world, "build", "submit = \"sbatch --wait\"", None).unwrap().failed(2, &["{command}", "{key}"]);
    layr(&world, "build", "", None).unwrap().failed(2, &["`submit` in [farm]"]);
}

/// What a job is to do is read from the store, which others may write: a key of something
/// else is not taken for this one.
#[test]
fn a_job_refuses_what_is_not_what_its_key_says() {
    let world = machine();
    let script = "sed -i s/\\\"two2\\\"/\\\"two3\\\"/ ../store/records/job/$2.json; exec sh -c \"$1\"";
    world.write("project/swap.sh", script);
    let swapped = "submit = \"sh swap.sh {command} {key}\"";
    let Some(failed) = layr(&world, "build", swapped, None) else { return };
    failed.failed(25, &["could not be run", "on this machine"]);
}

#[test]
fn a_job_ends_when_nobody_waits_any_more() {
    let Some(base) = base() else { return };
    let world = slow("7791");
    world.write("project/layr.toml", format!("[farm]\n{SHELL}\n"));
    let words = ["build", "--engine", "command", "--base", base.to_str().unwrap(), "renv.lock"];
    let mut child = world.spawn(&words);
    wait_until("the job runs", || is_sleeping("7791"));
    child.kill().unwrap();
    child.wait().unwrap();
    wait_until("the job is gone", || !is_sleeping("7791"));
    world.layr(&["cache", "verify"]).succeeded();
}

#[test]
fn jobs_of_slurm_give_the_bytes_of_this_machine() {
    let Some(slurm) = base().and_then(|_| Slurm::start().unwrap()) else { return };
    gives_the_bytes_of_this_machine(SRUN, Some(&slurm));
    gives_the_bytes_of_this_machine(SBATCH, Some(&slurm));
    tells_of_a_package_that_fails(SBATCH, Some(&slurm));
}

#[test]
fn a_job_that_slurm_cancels_ends_in_an_error_and_one_without_layr_ends() {
    let Some(base) = base() else { return };
    let Some(slurm) = Slurm::start().unwrap() else { return };
    let start = |world: &World| {
        world.write("project/layr.toml", format!("[farm]\n{SBATCH}\n"));
        let words = ["build", "--engine", "command", "--base", base.to_str().unwrap(), "renv.lock"];
        let mut command = world.command(&words);
        command.env("SLURM_CONF", slurm.configuration());
        command.stdout(std::process::Stdio::piped()).stderr(std::process::Stdio::piped()).spawn().unwrap()
    };
    let world = slow("7792");
    let child = start(&world);
    wait_until("the job runs", || is_sleeping("7792"));
    slurm.command("scancel --name=slow1").unwrap();
    let output = child.wait_with_output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(25), "{said}");
    assert!(said.contains("the job that builds `slow1 1.0`"), "{said}");
    wait_until("the job is gone", || !is_sleeping("7792"));

    let world = slow("7793");
    let mut child = start(&world);
    wait_until("the job runs", || is_sleeping("7793"));
    child.kill().unwrap();
    child.wait().unwrap();
    wait_until("the job is gone", || {
        !is_sleeping("7793") && slurm.command("squeue --noheader").unwrap().is_empty()
    });
}
