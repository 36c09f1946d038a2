//! A Docker daemon for the length of a task, where none answers and root may start one.

use std::env;
use std::fs::{self, File, TryLockError};
use std::path::{Path, PathBuf};
use std::process::{Child, Command};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempDir;

use crate::{interrupt, run, tools};

/// How long a daemon may take to answer.
const START_TIMEOUT: Duration = Duration::from_mins(1);
/// How long it may take to end its containers and itself.
const STOP_TIMEOUT: Duration = Duration::from_secs(20);
const POLL: Duration = Duration::from_millis(200);
/// The daemon's log, in its folder.
const LOG: &str = "log";

/// A daemon that answers: the machine's, or one of this task's own.
#[derive(Debug)]
pub struct Docker {
    host: String,
    /// It ends when this is dropped.
    _own: Option<Daemon>,
}

impl Docker {
    /// What `DOCKER_HOST` must be.
    pub fn host(&self) -> &str {
        &self.host
    }
}

#[derive(Debug)]
struct Daemon {
    child: Child,
    host: String,
    /// Socket, process id, log and what the daemon keeps while it runs.
    dir: TempDir,
    _images: Images,
}

/// Where the images are.
#[derive(Debug)]
enum Images {
    /// Kept for the next run; locked, since two daemons cannot share them.
    Kept { path: PathBuf, _lock: File },
    /// For this run alone, beside another one.
    Own(TempDir),
}

impl Images {
    fn find(cache: &Path) -> Result<Self> {
        let path = cache.join("docker");
        fs::create_dir_all(&path)?;
        let lock = File::create(cache.join("docker.lock"))?;
        match lock.try_lock() {
            Ok(()) => Ok(Self::Kept { path, _lock: lock }),
            Err(TryLockError::WouldBlock) => {
                Ok(Self::Own(tempfile::Builder::new().prefix("docker-").tempdir_in(cache)?))
            }
            Err(TryLockError::Error(error)) => Err(error.into()),
        }
    }

    fn path(&self) -> &Path {
        match self {
            Self::Kept { path, .. } => path,
            Self::Own(dir) => dir.path(),
        }
    }
}

impl Daemon {
    /// The end of its log.
    fn last_words(&self) -> String {
        let text = fs::read_to_string(self.dir.path().join(LOG)).unwrap_or_default();
        let lines: Vec<&str> = text.lines().rev().take(5).collect();
        lines.into_iter().rev().collect::<Vec<_>>().join("\n")
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        if let Ok(Some(status)) = self.child.try_wait() {
            if interrupt::check().is_ok() {
                eprintln!("docker: the daemon ended before its time, with {status}: {}", self.last_words());
            }
            return;
        }
        // Asked to, it also ends its `containerd`; killed, it leaves that behind.
        if let Some(pid) = i32::try_from(self.child.id()).ok().and_then(Pid::from_raw) {
            kill_process(pid, Signal::TERM).ok();
        }
        let start = Instant::now();
        while start.elapsed() < STOP_TIMEOUT {
            if !matches!(self.child.try_wait(), Ok(None)) {
                return;
            }
            thread::sleep(POLL);
        }
        self.child.kill().ok();
        self.child.wait().ok();
    }
}

/// A daemon, started where none answers. Its images are kept below `cache`.
///
/// Without one, layr builds with bubblewrap, so this is never an error.
pub fn provide(cache: &Path) -> Option<Docker> {
    let has_client = tools::find("docker").is_some();
    if has_client && answers(None) {
        return Some(Docker { host: current_host()?, _own: None });
    }
    if !has_client || !tools::is_root() || tools::find("dockerd").is_none() {
        eprintln!("docker: no daemon answers and none can be started; going on without");
        return None;
    }
    // A machine that may not set up the bridge can still run containers without network.
    for options in [&[][..], &["--iptables=false", "--ip6tables=false", "--bridge=none"]] {
        match start(cache, options) {
            Ok(daemon) => {
                eprintln!("docker: started a daemon for this run");
                return Some(Docker { host: daemon.host.clone(), _own: Some(daemon) });
            }
            Err(error) => eprintln!("docker: {error:#}"),
        }
    }
    eprintln!("docker: going on without");
    None
}

/// Where the client finds the daemon that answers.
fn current_host() -> Option<String> {
    if let Ok(host) = env::var("DOCKER_HOST") {
        return Some(host);
    }
    let mut inspect = Command::new("docker");
    inspect.args(["context", "inspect", "--format", "{{.Endpoints.docker.Host}}"]);
    run::stdout(&mut inspect).ok().map(|host| host.trim().to_owned())
}

fn start(cache: &Path, options: &[&str]) -> Result<Daemon> {
    let dir = tempfile::Builder::new().prefix("layr-docker-").tempdir()?;
    let images = Images::find(cache)?;
    let host = format!("unix://{}", dir.path().join("docker.sock").display());
    let log = dir.path().join(LOG);
    // Were the task killed, the kernel would end the daemon.
    let child = Command::new("setpriv")
        .args(["--pdeathsig", "TERM"])
        .arg(tools::find("dockerd").context("found no `dockerd`")?)
        .args(["--host", &host])
        .arg("--data-root")
        .arg(images.path())
        .arg("--exec-root")
        .arg(dir.path().join("exec"))
        .arg("--pidfile")
        .arg(dir.path().join("pid"))
        .args(options)
        .stdout(File::create(&log)?)
        .stderr(File::options().append(true).open(&log)?)
        .spawn()
        .context("failed to start `dockerd`")?;
    let mut daemon = Daemon { child, host, dir, _images: images };
    let start = Instant::now();
    while start.elapsed() < START_TIMEOUT {
        if answers(Some(&daemon.host)) {
            return Ok(daemon);
        }
        if daemon.child.try_wait()?.is_some() {
            break;
        }
        thread::sleep(POLL);
    }
    bail!("the daemon does not answer: {}", daemon.last_words())
}

fn answers(host: Option<&str>) -> bool {
    let mut command = Command::new("docker");
    command.args(["version", "--format", "{{.Server.Version}}"]);
    if let Some(host) = host.map(str::to_owned).or_else(|| env::var("DOCKER_HOST").ok()) {
        command.env("DOCKER_HOST", host);
    }
    run::succeeds(&mut command)
}
