//! Builds as jobs of schedulers that run containers, by the scripts of examples/schedulers:
//! of AWS Batch, as moto has it. `kubernetes` does the same with Jobs of Kubernetes.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use serde_json::{Value, json};
use xtask::cloud::Weather;
use xtask::job_image::JobImage;
use xtask::tools;

use crate::cloud::Cloud;
use crate::processes::{is_sleeping, wait_until};
use crate::sharing::counts;
use crate::world::{Ran, SourcePackage, World, base, ran, repository, zips};

pub(crate) fn examples() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/schedulers")
}

pub(crate) fn example(name: &str) -> Value {
    serde_json::from_str(&std::fs::read_to_string(examples().join(name)).unwrap()).unwrap()
}

#[test]
fn the_linter_has_nothing_to_say_about_the_scripts() {
    let scripts = ["batch.sh", "kube.sh"].map(|script| examples().join(script));
    let Ok(output) = Command::new("shellcheck").args(scripts).output() else {
        return eprintln!("SKIPPED: there is no shellcheck");
    };
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stdout));
}

/// A folder of this machine that jobs have at the same path.
pub(crate) struct Shared {
    pub(crate) path: PathBuf,
    pub(crate) is_written: bool,
}

/// What a job needs of this machine: the store, the base, and layr.
pub(crate) fn shared(world: &World, base: &Path) -> Vec<Shared> {
    std::fs::create_dir_all(world.path("store")).unwrap();
    let layr = Path::new(env!("CARGO_BIN_EXE_layr")).parent().unwrap();
    let read = |path: &Path| Shared { path: path.to_owned(), is_written: false };
    vec![read(base), read(layr), Shared { path: world.path("store"), is_written: true }]
}

/// AWS with a queue and a job definition, and a project whose packages are jobs there.
struct Batch {
    cloud: Cloud,
    base: PathBuf,
    /// Ends with its containers before the cloud does.
    image: JobImage,
}

const REGION: &str = "us-east-1";

impl Batch {
    /// `name` is that of the queue and of the job definition.
    fn new(name: &str, world: World) -> Option<Self> {
        let base = base()?;
        if tools::find(tools::JQ.program).is_none() {
            eprintln!("SKIPPED: there is no jq");
            return None;
        }
        let mut cloud = Cloud::new()?;
        cloud.world = world;
        let image =
            JobImage::make(Path::new(env!("CARGO_BIN_EXE_layr"))).unwrap().filter(JobImage::has_network)?;
        let batch = Self { cloud, base, image };
        batch.cloud.world.write("project/definition.json", batch.definition(name).to_string());
        let trust = r#"{"Version":"2012-10-17","Statement":[]}"#;
        let setup = format!(
            "set -e; export AWS_DEFAULT_REGION={REGION}
            role=$(aws iam create-role --role-name {name} --assume-role-policy-document '{trust}' \
                --query Role.Arn --output text)
            aws batch create-compute-environment --compute-environment-name {name} --type UNMANAGED \
                --service-role \"$role\"
            aws batch create-job-queue --job-queue-name {name} --state ENABLED --priority 1 \
                --compute-environment-order order=1,computeEnvironment={name}
            aws batch register-job-definition --cli-input-json file://definition.json"
        );
        batch.cloud.aws_script(&setup).succeeded();
        let script = examples().join("batch.sh");
        let submit = format!("{} {{package}} {{command}}", script.display());
        batch.cloud.world.write("project/layr.toml", format!("[farm]\nsubmit = \"{submit}\"\n"));
        Some(batch)
    }

    /// The one that is shipped, with folders of this machine in place of EFS.
    fn definition(&self, name: &str) -> Value {
        let mut definition = example("batch-job.json");
        definition["jobDefinitionName"] = name.into();
        let container = &mut definition["containerProperties"];
        container["image"] = self.image.tag.as_str().into();
        container["privileged"] = false.into();
        let host = std::env::var("DOCKER_HOST").unwrap_or_default();
        for (name, value) in [("DOCKER_HOST", host.as_str()), ("HOME", "/tmp")] {
            let variable = json!({ "name": name, "value": value });
            container["environment"].as_array_mut().unwrap().push(variable);
        }
        let mut folders = shared(&self.cloud.world, &self.base);
        // What makes sandboxes: the Docker daemon of the job's machine.
        let socket = PathBuf::from(host.strip_prefix("unix://").unwrap_or("/var/run/docker.sock"));
        folders.push(Shared { path: socket, is_written: true });
        let volumes = folders.iter().enumerate();
        container["volumes"] = volumes
            .map(|(at, folder)| json!({ "name": format!("v{at}"), "host": { "sourcePath": folder.path } }))
            .collect();
        let mounts = folders.iter().enumerate().map(|(at, folder)| {
            let Shared { path, is_written } = folder;
            json!({ "sourceVolume": format!("v{at}"), "containerPath": path, "readOnly": !is_written })
        });
        container["mountPoints"] = mounts.collect();
        definition
    }

    fn command(&self, name: &str) -> Command {
        let base = self.base.to_str().unwrap();
        let words = ["build", "--json", "--engine", "command", "--base", base, "renv.lock"];
        let mut command = self.cloud.command(&words);
        let path = std::env::var("PATH").unwrap_or_default();
        command.env("PATH", format!("{}:{path}", self.cloud.python.display())).env("AWS_REGION", REGION);
        command.envs([("LAYR_BATCH_QUEUE", name), ("LAYR_BATCH_DEFINITION", name)]);
        command.env("LAYR_BATCH_SECONDS", "1");
        command
    }

    fn build(&self, name: &str) -> Ran {
        ran(&mut self.command(name))
    }

    /// Name, state and its reason of each job that has ended badly, by the AWS CLI.
    fn failed(&self, name: &str) -> Vec<[String; 3]> {
        let list = ["batch", "list-jobs", "--job-status", "FAILED", "--job-queue", name];
        let listed = self.cloud.aws(REGION, &list);
        let jobs = listed["jobSummaryList"].as_array().unwrap().iter();
        let text = |job: &Value, field: &str| job[field].as_str().unwrap_or_default().to_owned();
        jobs.map(|job| ["jobName", "status", "statusReason"].map(|field| text(job, field))).collect()
    }

    /// moto takes a container away a moment after it has said how the job ended.
    #[track_caller]
    fn leaves_no_container(&self) {
        wait_until("no container is left", || self.image.containers().unwrap().is_empty());
    }
}

/// Real packages, one of which has a dot in its name, in the tests' order of needing one
/// another.
pub(crate) fn tiny() -> Option<World> {
    let world = World::with_repository(&repository()?);
    let lockfile = Path::new(env!("CARGO_MANIFEST_DIR")).join("lockfiles/tiny.lock");
    std::fs::copy(lockfile, world.path("project/renv.lock")).unwrap();
    Some(world)
}

#[test]
fn jobs_of_batch_give_the_bytes_of_this_machine() {
    let (Some(here), Some(there)) = (tiny(), tiny()) else { return };
    let Some(batch) = Batch::new("bytes", there) else { return };
    let built = here.build(&["--json"]).unwrap();
    // Of a hundred requests, some are throttled, and some are lost.
    batch.cloud.proxy.set_weather(Weather { percent: 15, seed: 3 });
    assert_eq!(counts(&batch.build("bytes")), counts(&built));
    assert_eq!(zips(&here.path("project/dist")), zips(&batch.cloud.world.path("project/dist")));
    batch.cloud.proxy.set_weather(Weather::FAIR);
    batch.leaves_no_container();
}

#[test]
fn a_package_that_fails_in_a_job_of_batch_fails_with_its_log() {
    let world = World::new();
    world.publish(&SourcePackage::new("broken1", &[]).file("R/code.R", "f <- function( {\n"));
    world.lock(&["broken1"]);
    let Some(batch) = Batch::new("broken", world) else { return };
    batch.build("broken").failed(13, &["`broken1 1.0`: the installer ended with code 1", "unexpected"]);
    batch.leaves_no_container();
    assert_eq!(batch.failed("broken"), [["layr-broken1", "FAILED", ""]]);
}

/// A project whose one package takes longer than anybody waits.
pub(crate) fn slow(seconds: &str) -> World {
    let world = World::new();
    let configure = format!("#!/bin/sh\nexec sleep {seconds}\n");
    world.publish(&SourcePackage::new("slow.one", &[]).file("configure", configure));
    world.lock(&["slow.one"]);
    world
}

#[test]
fn a_job_of_batch_is_cancelled_when_nobody_waits_any_more() {
    let Some(batch) = Batch::new("slow", slow("7811")) else { return };
    let mut child = batch.command("slow").spawn().unwrap();
    wait_until("the job runs", || is_sleeping("7811"));
    child.kill().unwrap();
    child.wait().unwrap();
    wait_until("the job is gone", || !is_sleeping("7811"));
    let cancelled = [["layr-slow-one", "FAILED", "layr does not wait any more"]];
    wait_until("Batch says so", || batch.failed("slow") == cancelled);
    batch.leaves_no_container();
}

/// Nothing can be cancelled then: the job ends by what it sees in the store.
#[test]
fn a_batch_that_does_not_answer_any_more_ends_in_an_error_and_its_job_ends() {
    let Some(batch) = Batch::new("silent", slow("7812")) else { return };
    let mut command = batch.command("silent");
    command.env("AWS_MAX_ATTEMPTS", "1").env("LAYR_BATCH_SECONDS", "0");
    command.stdout(Stdio::piped()).stderr(Stdio::piped());
    let child = command.spawn().unwrap();
    wait_until("the job runs", || is_sleeping("7812"));
    batch.cloud.proxy.set_weather(Weather { percent: 100, seed: 1 });
    let output = child.wait_with_output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(25), "{said}");
    assert!(said.contains("AWS Batch does not tell of job"), "{said}");
    wait_until("the job is gone", || !is_sleeping("7812"));
    batch.leaves_no_container();
}
