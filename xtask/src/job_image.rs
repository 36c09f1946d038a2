//! Programs of this machine to an image whose containers can run them, as jobs of a scheduler
//! do. It is small, and goes with the value, as do all containers of it.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};

use anyhow::{Context, Result};

use crate::{run, tools};

/// An image that the Docker daemon has for as long as this lives.
#[derive(Debug)]
pub struct JobImage {
    pub tag: String,
}

/// What a job's machine has besides layr itself.
const PROGRAMS: [&str; 5] = ["sh", "sleep", "bwrap", "docker", "env"];

impl JobImage {
    /// `None`, said aloud, where no Docker daemon answers.
    ///
    /// # Errors
    ///
    /// Where the image cannot be made.
    pub fn make(layr: &Path) -> Result<Option<Self>> {
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        if !run::succeeds(Command::new("docker").args(["version", "--format", "{{.Server.Version}}"])) {
            eprintln!("SKIPPED: no Docker daemon answers");
            return Ok(None);
        }
        let programs = PROGRAMS.iter().filter_map(|name| tools::find(name));
        let mut files: Vec<PathBuf> = programs.collect();
        for program in files.clone().iter().map(PathBuf::as_path).chain([layr]) {
            files.extend(libraries(program));
        }
        files.sort_unstable();
        files.dedup();
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let image = Self { tag: format!("layr-job:{}-{number}", std::process::id()) };
        let mut tar = Command::new("tar");
        tar.args(["--create", "--dereference", "--absolute-names", "--hard-dereference"]).args(&files);
        tar.args(["--no-recursion", "/tmp"]);
        let mut tar = tar.stdout(Stdio::piped()).spawn()?;
        let mut import = Command::new("docker");
        import.args(["import", "-", &image.tag]).stdout(Stdio::null());
        let made = run::check(import.stdin(tar.stdout.take().context("tar has no output")?));
        drop(import); // or tar waits for it to read on
        tar.wait()?;
        made?;
        Ok(Some(image))
    }

    /// Whether containers can have a network; said aloud where they cannot.
    pub fn has_network(&self) -> bool {
        let host = "--add-host=host.docker.internal:host-gateway";
        let has =
            run::succeeds(Command::new("docker").args(["run", "--rm", host, &self.tag, "sh", "-c", ":"]));
        if !has {
            eprintln!("SKIPPED: the Docker daemon runs no containers that have a network");
        }
        has
    }

    /// The containers of it that are there, running or not.
    ///
    /// # Errors
    ///
    /// Where the daemon does not say.
    pub fn containers(&self) -> Result<Vec<String>> {
        let mut list = Command::new("docker");
        list.args(["ps", "--all", "--quiet", "--filter", &format!("ancestor={}", self.tag)]);
        Ok(run::stdout(&mut list)?.split_whitespace().map(str::to_owned).collect())
    }
}

impl Drop for JobImage {
    fn drop(&mut self) {
        let containers = self.containers().unwrap_or_default();
        if !containers.is_empty() {
            run::succeeds(Command::new("docker").args(["rm", "--force"]).args(containers));
        }
        run::succeeds(Command::new("docker").args(["rmi", "--force", &self.tag]));
    }
}

/// The files that a program is loaded with; none where it is static.
fn libraries(program: &Path) -> Vec<PathBuf> {
    let output = Command::new("ldd").arg(program).output();
    let text = output.map(|output| String::from_utf8_lossy(&output.stdout).into_owned()).unwrap_or_default();
    let words = text.split_whitespace().filter(|word| word.starts_with('/') && !word.ends_with(':'));
    words.map(PathBuf::from).filter(|path| path.is_file()).collect()
}
