//! Where builds run: a base's root, read-only, with a few folders bound into it, without
//! network, credentials or more than its share of the machine.

mod bwrap;
mod container;
mod error;

use std::ffi::OsString;
use std::fs::File;
use std::path::PathBuf;
use std::process::ExitStatus;
use std::time::Duration;

pub use container::{Container, ContainerProgram};
pub use error::EngineError;

use crate::sys::interrupt::Interrupt;
use crate::sys::process::{self, Program};

/// What runs a sandbox.
#[derive(Debug, Clone)]
pub enum Engine {
    /// docker or podman, by their command.
    Container(Container),
    /// bubblewrap: no daemon, no root.
    Bwrap { program: PathBuf },
}

/// What the user asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Choice {
    /// The first that answers: docker, podman, bwrap.
    Auto,
    Docker,
    Podman,
    Bwrap,
}

/// The file system a sandbox starts from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Root {
    /// A folder with `usr`, `etc` and so on.
    Folder(PathBuf),
    /// An image that the container program has, by its id.
    Image(String),
}

/// A folder or file of this machine, seen inside.
#[derive(Debug, Clone)]
pub struct Bind {
    pub from: PathBuf,
    /// An absolute path.
    pub to: String,
    pub writable: bool,
}

/// A run of one program.
#[derive(Debug, Clone)]
pub struct Sandbox {
    pub root: Root,
    pub binds: Vec<Bind>,
    /// All of the environment: nothing of the caller's gets in.
    pub env: Vec<(String, String)>,
    /// An absolute path inside that is bound.
    pub working_dir: String,
    pub command: Vec<String>,
    pub limits: Limits,
}

/// What one sandbox may use up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    pub memory_bytes: u64,
    pub n_processes: u32,
    pub time: Duration,
}

/// The user that builds run as where we are root: `nobody`, who owns nothing.
pub const NOBODY: u32 = 65534;

impl Engine {
    /// Finds the engine that was asked for, or the first that answers.
    ///
    /// # Errors
    ///
    /// Where none is there, with what was tried.
    pub fn find(choice: Choice, search_path: &OsString) -> Result<Self, EngineError> {
        let container = |program| Container::find(program, search_path).map(Self::Container);
        let bwrap = || {
            let program =
                process::find_program("bwrap", search_path).ok_or(EngineError::NotFound { name: "bwrap" })?;
            Ok(Self::Bwrap { program })
        };
        match choice {
            Choice::Docker => container(ContainerProgram::Docker),
            Choice::Podman => container(ContainerProgram::Podman),
            Choice::Bwrap => bwrap(),
            Choice::Auto => {
                let mut tried = Vec::new();
                for choice in [Choice::Docker, Choice::Podman, Choice::Bwrap] {
                    match Self::find(choice, search_path) {
                        Ok(engine) => return Ok(engine),
                        Err(error) => tried.push(error),
                    }
                }
                Err(EngineError::None { tried })
            }
        }
    }

    pub fn name(&self) -> &'static str {
        match self {
            Self::Container(container) => container.name(),
            Self::Bwrap { .. } => "bwrap",
        }
    }

    /// Runs the sandbox's program to its end; what it says goes to `log`. However this
    /// ends, nothing of the sandbox is left.
    pub fn run(
        &self,
        sandbox: &Sandbox,
        log: &File,
        interrupt: &Interrupt,
    ) -> Result<ExitStatus, EngineError> {
        match self {
            Self::Container(container) => container.run(sandbox, log, interrupt),
            Self::Bwrap { program } => {
                let args = bwrap::arguments(sandbox, process::is_root())?;
                let run = Program { clear_env: true, ..Program::new(program).args(args) };
                Ok(run.run_logged(log, sandbox.limits.time, interrupt)?)
            }
        }
    }

    /// The user that files bound writable must belong to.
    pub fn build_user(&self) -> Option<u32> {
        process::is_root().then_some(NOBODY)
    }
}
