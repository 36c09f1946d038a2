//! The program under test, built and called with the settings of a task.

use std::env;
use std::ffi::OsString;
use std::path::PathBuf;
use std::process::Command;

use anyhow::Result;

use crate::docker::Docker;
use crate::{paths, run};

/// How the program is compiled.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Profile {
    Debug,
    Release,
}

/// A compiled `layr`, and the environment to call it in.
#[derive(Debug, Clone)]
pub struct Layr {
    program: PathBuf,
    environment: Vec<(&'static str, OsString)>,
}

impl Layr {
    /// Compiles it.
    pub fn build(profile: Profile, docker: Option<&Docker>) -> Result<Self> {
        let mut command = cargo();
        command.args(["build", "--package", "layr", "--bin", "layr"]);
        if profile == Profile::Release {
            command.arg("--release");
        }
        run::check(&mut command)?;
        let folder = match profile {
            Profile::Debug => "debug",
            Profile::Release => "release",
        };
        let environment = docker.map(|docker| ("DOCKER_HOST", OsString::from(docker.host())));
        Ok(Self {
            program: target().join(folder).join("layr"),
            environment: environment.into_iter().collect(),
        })
    }

    /// The same program with one more variable.
    #[must_use]
    pub fn with(&self, name: &'static str, value: impl Into<OsString>) -> Self {
        let mut with = self.clone();
        with.environment.push((name, value.into()));
        with
    }

    /// A call, to be completed with arguments.
    pub fn command(&self) -> Command {
        let mut command = Command::new(&self.program);
        command.envs(self.environment.iter().map(|(name, value)| (*name, value.as_os_str())));
        command
    }
}

/// The cargo that runs this task, in the checkout.
pub fn cargo() -> Command {
    let mut command = Command::new(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    command.current_dir(paths::workspace());
    command
}

/// Where cargo puts what it builds.
pub fn target() -> PathBuf {
    match env::var_os("CARGO_TARGET_DIR") {
        Some(dir) => paths::workspace().join(dir),
        None => paths::workspace().join("target"),
    }
}
