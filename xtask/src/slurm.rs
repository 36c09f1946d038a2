//! A scheduler of jobs, on loopback, for tests: Slurm's own daemons, on one node.

use std::fs;
use std::net::{Ipv4Addr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use tempfile::TempDir;

use crate::{run, tools};

/// The running daemons and their folder; both end with the value, or with this process.
#[derive(Debug)]
pub struct Slurm {
    /// A shell that waits for the end of its input, which we hold.
    child: Child,
    folder: TempDir,
}

const START_TIMEOUT: Duration = Duration::from_secs(30);

/// Starts what speaks for all of them, and ends it when the input does: jobs first.
const SCRIPT: &str = r#"
cd "$0" || exit 1
timeout -k 5 3600 munged --foreground --force --key-file="$0/key" --socket="$0/munge.socket" \
    --pid-file="$0/munge.pid" --log-file="$0/munge.log" --seed-file="$0/seed" >munge.out 2>&1 </dev/null &
munge=$!
timeout -k 5 3600 slurmctld -D -f "$0/slurm.conf" >ctld.out 2>&1 </dev/null &
ctld=$!
timeout -k 5 3600 slurmd -D -f "$0/slurm.conf" >slurmd.out 2>&1 </dev/null &
slurmd=$!
read -r _
timeout 10 scancel --full --user=root >scancel.out 2>&1
n=0
while [ "$n" -lt 50 ] && [ -n "$(timeout 5 squeue --noheader 2>/dev/null)" ]; do sleep 0.1; n=$((n + 1)); done
kill "$slurmd" "$ctld" "$munge"
wait
"#;

impl Slurm {
    /// `None`, said aloud, where it is not installed, or may not be run.
    ///
    /// # Errors
    ///
    /// Where it does not start.
    pub fn start() -> Result<Option<Self>> {
        if !tools::is_root() || tools::FOR_JOBS.iter().any(|tool| tools::find(tool.program).is_none()) {
            eprintln!("SKIPPED: there is no Slurm, or nobody who may start it");
            return Ok(None);
        }
        let folder = tempfile::tempdir()?;
        run::check(Command::new("chmod").arg("755").arg(folder.path()))?; // or munge takes it ill
        for name in ["state", "spool"] {
            fs::create_dir(folder.path().join(name))?;
        }
        let key = folder.path().join("key");
        fs::write(&key, [7; 1024])?;
        run::check(Command::new("chmod").arg("400").arg(&key))?;
        fs::write(folder.path().join("slurm.conf"), configuration(folder.path())?)?;
        let mut shell = Command::new("sh");
        shell.args(["-c", SCRIPT]).arg(folder.path()).stdin(Stdio::piped());
        shell.env("SLURM_CONF", folder.path().join("slurm.conf"));
        let path = std::env::var("PATH").unwrap_or_default();
        shell.env("PATH", format!("{path}:/usr/sbin:/sbin"));
        let slurm = Self { child: shell.spawn()?, folder };
        let start = Instant::now();
        while !slurm.command("sinfo --noheader --format=%t").is_ok_and(|text| text.trim() == "idle") {
            if start.elapsed() > START_TIMEOUT {
                let read =
                    |name: &str| fs::read_to_string(slurm.folder.path().join(name)).unwrap_or_default();
                bail!("Slurm does not start:\n{}\n{}", read("ctld.out"), read("slurmd.out"));
            }
            thread::sleep(Duration::from_millis(100));
        }
        Ok(Some(slurm))
    }

    /// What clients are to find in `SLURM_CONF`.
    pub fn configuration(&self) -> PathBuf {
        self.folder.path().join("slurm.conf")
    }

    /// What a command of Slurm's prints.
    ///
    /// # Errors
    ///
    /// Where it fails.
    pub fn command(&self, words: &str) -> Result<String> {
        let mut words = words.split(' ');
        let program = words.next().context("no command")?;
        let mut command = Command::new(program);
        command.args(words).env("SLURM_CONF", self.configuration()).stderr(Stdio::null());
        let output = command.output()?;
        if !output.status.success() {
            bail!("{program} ended with {}", output.status);
        }
        Ok(String::from_utf8(output.stdout)?)
    }
}

/// One node with more processors than this machine has. It needs no cgroups, which not every
/// kernel offers.
fn configuration(folder: &Path) -> Result<String> {
    let host = fs::read_to_string("/proc/sys/kernel/hostname")?;
    let host = host.trim().split('.').next().unwrap_or_default();
    let port = || Ok::<_, anyhow::Error>(TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()?.port());
    let (controller, node) = (port()?, port()?);
    let folder = folder.display();
    Ok(format!(
        "ClusterName=layr\nSlurmctldHost={host}(127.0.0.1)\nSlurmUser=root\nSlurmdUser=root\n\
         AuthType=auth/munge\nAuthInfo=socket={folder}/munge.socket\nCredType=cred/munge\nMpiDefault=none\n\
         ProctrackType=proctrack/pgid\nTaskPlugin=task/none\n\
         StateSaveLocation={folder}/state\nSlurmdSpoolDir={folder}/spool\n\
         SlurmctldPidFile={folder}/ctld.pid\nSlurmdPidFile={folder}/slurmd.pid\n\
         SlurmctldPort={controller}\nSlurmdPort={node}\n\
         SchedulerType=sched/builtin\nSelectType=select/cons_tres\nSelectTypeParameters=CR_CPU\n\
         SchedulerParameters=batch_sched_delay=0,sched_interval=1,sched_min_interval=0\n\
         SlurmdParameters=config_overrides\nReturnToService=2\nKillWait=2\n\
         NodeName=node1 NodeHostname={host} NodeAddr=127.0.0.1 CPUs=8 State=UNKNOWN\n\
         PartitionName=main Nodes=ALL Default=YES State=UP\n"
    ))
}

impl Drop for Slurm {
    fn drop(&mut self) {
        drop(self.child.stdin.take());
        self.child.wait().ok();
    }
}
