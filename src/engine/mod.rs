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
use crate::sys::process::{self, Program, Running};

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
    /// A farm for builds. For all that it does not do, the first that answers.
    Farm,
    /// The same with jobs of a scheduler.
    Scheduler,
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
    pub network: Network,
    pub first: First,
}

/// The first process of a sandbox, with whose end all others end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum First {
    /// The command itself, so that it counts processes alike under every engine. Should we
    /// be killed, it has to see by the end of its standard input that we are gone.
    Command,
    /// One of the engine's, which ends with us, whatever the command does.
    Engine,
}

/// Whom a sandbox may speak to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Network {
    /// Nobody.
    None,
    /// Everybody this machine may speak to, its own loopback included.
    Host,
}

/// What one sandbox may use up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Of memory in use where a container program runs it; of address space, for each
    /// process, under bwrap.
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
            Choice::Auto | Choice::Farm | Choice::Scheduler => {
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
        self.start(sandbox, log)?.wait(sandbox.limits.time, interrupt)
    }

    /// Starts the sandbox's program; what it says goes to `log`.
    pub fn start(&self, sandbox: &Sandbox, log: &File) -> Result<Started, EngineError> {
        match self {
            Self::Container(container) => container.start(sandbox, log),
            Self::Bwrap { program } => {
                let args = bwrap::arguments(sandbox, process::is_root())?;
                let run = Program { clear_env: true, ..Program::new(program).args(args) };
                Ok(Started { running: run.start_logged(log)?, container: None })
            }
        }
    }

    /// The user that files bound writable must belong to.
    pub fn build_user(&self) -> Option<u32> {
        process::is_root().then_some(NOBODY)
    }
}

/// The first process of a sandbox, as this machine knows it.
pub enum Ancestor {
    Process(u32),
    Container(Container, String),
}

impl Ancestor {
    /// `None` where it is not there yet, or not of this machine.
    pub fn pid(&self) -> Option<u32> {
        match self {
            Self::Process(pid) => Some(*pid),
            Self::Container(container, name) => container.pid(name),
        }
    }
}

/// A sandbox that was started. Nothing of it is left when it was waited for.
pub struct Started {
    running: Running,
    /// The container that the program speaks for, by its name.
    container: Option<(Container, String)>,
}

impl Started {
    /// The process that all of the sandbox descends from.
    pub fn ancestor(&self) -> Ancestor {
        match self.container.clone() {
            Some((container, name)) => Ancestor::Container(container, name),
            None => Ancestor::Process(self.running.pid()),
        }
    }

    /// Waits for its end, or ends it when `limit` has passed or the user interrupts.
    pub fn wait(self, limit: Duration, interrupt: &Interrupt) -> Result<ExitStatus, EngineError> {
        let result = self.running.wait(limit, interrupt);
        if let (Err(_), Some((container, name))) = (&result, &self.container) {
            // The client was killed; the container it speaks for goes too.
            container.remove(name);
        }
        Ok(result?)
    }
}
