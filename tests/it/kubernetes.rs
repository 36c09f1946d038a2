//! Builds as Jobs of Kubernetes, by the script of examples/schedulers and the real kubectl. The
//! server is a small one of our own; bubblewrap makes the sandboxes in the pods.

use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use serde_json::{Value, json};
use xtask::job_image::JobImage;
use xtask::kubernetes::Kubernetes;
use xtask::tools;

use crate::processes::{is_sleeping, wait_until};
use crate::schedulers::{Shared, example, examples, shared, slow, tiny};
use crate::sharing::counts;
use crate::world::{SourcePackage, World, base, from_environment, ran, zips};

/// A cluster, and a project whose packages are Jobs there.
struct Cluster {
    world: World,
    base: PathBuf,
    image: JobImage,
    /// Ends with its pods before the image does.
    server: Option<Kubernetes>,
}

impl Cluster {
    fn new(world: World) -> Option<Self> {
        let (base, python) = (base()?, from_environment("LAYR_TEST_KUBERNETES")?);
        if [tools::KUBECTL, tools::JQ].iter().any(|tool| tools::find(tool.program).is_none()) {
            eprintln!("SKIPPED: there is no kubectl, or no jq");
            return None;
        }
        let image = JobImage::make(Path::new(env!("CARGO_BIN_EXE_layr"))).unwrap()?;
        let server = Some(Kubernetes::start(&python).unwrap());
        let cluster = Self { world, base, image, server };
        cluster.world.write("project/job.json", cluster.job().to_string());
        let script = examples().join("kube.sh");
        let submit = format!("{} {{package}} {{command}}", script.display());
        cluster.world.write("project/layr.toml", format!("[farm]\nsubmit = \"{submit}\"\n"));
        Some(cluster)
    }

    /// The one that is shipped, with folders of this machine in place of a claim.
    fn job(&self) -> Value {
        let mut job = example("kube-job.json");
        let pod = &mut job["spec"]["template"]["spec"];
        let folders = shared(&self.world, &self.base);
        let volumes = folders.iter().enumerate();
        pod["volumes"] = volumes
            .map(|(at, folder)| json!({ "name": format!("v{at}"), "hostPath": { "path": folder.path } }))
            .collect();
        let container = &mut pod["containers"][0];
        container["image"] = self.image.tag.as_str().into();
        let mounts = folders.iter().enumerate().map(|(at, folder)| {
            let Shared { path, is_written } = folder;
            json!({ "name": format!("v{at}"), "mountPath": path, "readOnly": !is_written })
        });
        container["volumeMounts"] = mounts.collect();
        job
    }

    fn with_cluster(&self, mut command: Command) -> Command {
        let configuration = self.server.as_ref().unwrap().configuration();
        command.env("KUBECONFIG", configuration).env("LAYR_KUBE_SECONDS", "1");
        command.env("LAYR_KUBE_JOB", self.world.path("project/job.json"));
        command
    }

    fn command(&self) -> Command {
        let base = self.base.to_str().unwrap();
        let words = ["build", "--json", "--engine", "command", "--base", base, "renv.lock"];
        self.with_cluster(self.world.command(&words))
    }

    /// `kubectl …`, at a home of its own.
    #[track_caller]
    fn kubectl(&self, words: &str) -> String {
        let mut command = self.with_cluster(Command::new("kubectl"));
        let said = ran(command.args(words.split(' ')).env("HOME", self.world.path("")));
        said.succeeded().stdout.clone()
    }

    /// The names of all Jobs.
    fn jobs(&self) -> String {
        self.kubectl("get jobs --output jsonpath={.items[*].metadata.name}")
    }

    fn leaves_no_pod(&self) {
        wait_until("no pod is left", || self.image.containers().unwrap().is_empty());
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        drop(self.server.take());
    }
}

#[test]
fn jobs_of_kubernetes_give_the_bytes_of_this_machine() {
    let (Some(here), Some(there)) = (tiny(), tiny()) else { return };
    let Some(cluster) = Cluster::new(there) else { return };
    let built = here.build(&["--json"]).unwrap();
    assert_eq!(counts(&ran(&mut cluster.command())), counts(&built));
    assert_eq!(zips(&here.path("project/dist")), zips(&cluster.world.path("project/dist")));
    assert_eq!(cluster.jobs(), "", "those that ended well are taken away");
    cluster.leaves_no_pod();
}

#[test]
fn a_package_that_fails_in_a_job_of_kubernetes_fails_with_its_log_and_the_job_stays() {
    let world = World::new();
    world.publish(&SourcePackage::new("Broken.1", &[]).file("R/code.R", "f <- function( {\n"));
    world.lock(&["Broken.1"]);
    let Some(cluster) = Cluster::new(world) else { return };
    let failed = ran(&mut cluster.command());
    failed.failed(13, &["`Broken.1 1.0`: the installer ended with code 1", "unexpected"]);
    assert!(cluster.jobs().starts_with("layr-broken-1-"), "{}", cluster.jobs());
    cluster.leaves_no_pod();
}

#[test]
fn a_job_of_kubernetes_is_deleted_when_nobody_waits_any_more() {
    let Some(cluster) = Cluster::new(slow("7821")) else { return };
    // As a terminal does on Ctrl-C: all that layr has started hears of it, too.
    let mut child = cluster.command().process_group(0).spawn().unwrap();
    wait_until("the job runs", || is_sleeping("7821"));
    ran(Command::new("kill").args(["-INT", "--", &format!("-{}", child.id())])).succeeded();
    assert_eq!(child.wait().unwrap().code(), Some(130));
    wait_until("the job is gone", || !is_sleeping("7821"));
    wait_until("Kubernetes has no job", || cluster.jobs().is_empty());
    cluster.leaves_no_pod();
}

#[test]
fn a_job_that_somebody_deletes_and_one_that_kubernetes_refuses_end_in_errors() {
    let Some(cluster) = Cluster::new(slow("7822")) else { return };
    let mut command = cluster.command();
    command.env("LAYR_KUBE_SECONDS", "0").stdout(Stdio::piped()).stderr(Stdio::piped());
    let child = command.spawn().unwrap();
    wait_until("the job runs", || is_sleeping("7822"));
    cluster.kubectl("delete jobs --all --wait=false");
    let output = child.wait_with_output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(25), "{said}");
    assert!(said.contains("Kubernetes does not tell of job layr-slow-one-"), "{said}");

    let mut job = cluster.job();
    job["spec"]["privleged"] = true.into();
    cluster.world.write("project/job.json", job.to_string());
    ran(&mut cluster.command()).failed(25, &["left no result", "'privleged' was unexpected"]);
    cluster.leaves_no_pod();
}
