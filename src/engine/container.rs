//! docker and podman, which take the same command line.

use std::ffi::OsString;
use std::fs::File;
use std::hash::{BuildHasher, RandomState};
use std::io;
use std::path::PathBuf;

use super::{EngineError, First, Network, Root, Sandbox, Started};
use crate::sys::interrupt::Interrupt;
use crate::sys::process::{self, ProcessError, Program};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ContainerProgram {
    Docker,
    Podman,
}

/// A container goes on when we are killed: its daemon knows nothing of us. So a shell beside
/// the command waits for the end of standard input, which we hold, and then ends them all. By
/// itself: where layers are tried there is a shell, and little else.
const LEASH: &str =
    "exec 3<&0 </dev/null; { while read -r _ <&3; do :; done; kill -KILL -1; } & exec 3<&-; exec \"$@\"";

/// A container program that answers.
#[derive(Debug, Clone)]
pub struct Container {
    kind: ContainerProgram,
    program: PathBuf,
}

impl ContainerProgram {
    fn name(self) -> &'static str {
        match self {
            Self::Docker => "docker",
            Self::Podman => "podman",
        }
    }
}

fn platform(name: Option<&str>) -> Option<String> {
    name.map(|name| format!("--platform={name}"))
}

impl Container {
    /// # Errors
    ///
    /// Where the program is not there, or its daemon does not answer.
    pub fn find(kind: ContainerProgram, search_path: &OsString) -> Result<Self, EngineError> {
        let name = kind.name();
        let program = process::find_program(name, search_path).ok_or(EngineError::NotFound { name })?;
        let container = Self { kind, program };
        match container.command().args(["version", "--format", "{{.Server.Version}}"]).capture() {
            Ok(_) => Ok(container),
            Err(source) => Err(EngineError::NoAnswer { name, source }),
        }
    }

    pub(super) fn name(&self) -> &'static str {
        self.kind.name()
    }

    fn command(&self) -> Program {
        Program::new(&self.program)
    }

    /// The image's id, or `None` where the program has no such image.
    pub fn image_id(&self, reference: &str) -> Option<String> {
        let inspect = self.command().args(["image", "inspect", "--format", "{{.Id}}", reference]);
        Some(inspect.capture().ok()?.trim().to_owned())
    }

    /// For the machine's own processor, if no platform such as `linux/arm64` is named.
    pub fn pull(&self, reference: &str, on: Option<&str>) -> Result<(), ProcessError> {
        let pull = self.command().args(["pull", "--quiet"]).args(platform(on));
        pull.arg(reference).capture().map(drop)
    }

    /// Gives the files of an image as a tar stream.
    pub fn export<T: Send>(
        &self,
        image: &str,
        (log, interrupt): (&File, &Interrupt),
        read: impl FnOnce(&mut dyn io::Read) -> io::Result<T> + Send,
    ) -> Result<T, ProcessError> {
        let id = self.command().args(["create", image, "/bin/true"]).capture()?;
        let id = id.trim();
        let result = self.command().args(["export", id]).stream(log, interrupt, read);
        _ = self.command().args(["rm", "--force", id]).capture();
        result
    }

    /// Makes an image of a tar stream and gives its id.
    pub fn import(
        &self,
        tag: &str,
        write: impl FnOnce(&mut dyn io::Write) -> io::Result<()> + Send,
    ) -> Result<String, ProcessError> {
        let id = self.command().args(["import", "-", tag]).capture_fed(write)?;
        Ok(id.trim().to_owned())
    }

    /// Writes an image to a file, as a tar of config and layers.
    pub fn save(&self, reference: &str, to: &std::path::Path) -> Result<(), ProcessError> {
        self.command().args(["save", "--output"]).arg(to).arg(reference).capture().map(drop)
    }

    /// Takes an image as a tar stream.
    pub fn load(
        &self,
        write: impl FnOnce(&mut dyn io::Write) -> io::Result<()> + Send,
    ) -> Result<(), ProcessError> {
        self.command().arg("load").capture_fed(write).map(drop)
    }

    pub fn push(&self, tag: &str) -> Result<(), ProcessError> {
        self.command().args(["push", tag]).capture().map(drop)
    }

    /// Builds a Dockerfile that needs no other files and gives the image's id.
    pub fn build(
        &self,
        dockerfile: &str,
        (tag, on): (&str, Option<&str>),
        build_args: &[(String, String)],
    ) -> Result<String, ProcessError> {
        let pairs =
            build_args.iter().flat_map(|(name, value)| ["--build-arg".to_owned(), format!("{name}={value}")]);
        let build = self.command().args(["build", "--quiet", "--tag", tag]).args(platform(on));
        let build = build.args(pairs).arg("-");
        let text = dockerfile.to_owned();
        let id = build.capture_fed(move |stdin| stdin.write_all(text.as_bytes()))?;
        Ok(id.trim().to_owned())
    }

    /// What a command prints in the image, without network.
    pub fn output(&self, image: &str, command: &[&str]) -> Result<String, ProcessError> {
        let (first, rest) = command.split_first().unwrap_or((&"true", &[]));
        self.command()
            .args(["run", "--rm", "--network", "none", "--entrypoint", first, image])
            .args(rest)
            .capture()
    }

    pub(super) fn start(&self, sandbox: &Sandbox, log: &File) -> Result<Started, EngineError> {
        // By chance: layr may itself run in containers of one daemon, with the same process ids.
        let name = format!("layr-{:016x}", RandomState::new().hash_one(std::process::id()));
        let running = self.command().args(self.arguments(sandbox, &name)).start_logged(log)?;
        Ok(Started { running, container: Some((self.clone(), name)) })
    }

    /// The container's first process, where its daemon is of this machine.
    pub(super) fn pid(&self, name: &str) -> Option<u32> {
        let inspect = self.command().args(["inspect", "--format", "{{.State.Pid}}", name]);
        inspect.capture().ok()?.trim().parse().ok().filter(|pid| *pid != 0)
    }

    pub(super) fn remove(&self, name: &str) {
        _ = self.command().args(["rm", "--force", name]).capture();
    }

    fn arguments(&self, sandbox: &Sandbox, name: &str) -> Vec<String> {
        let mut args: Vec<String> = Vec::new();
        let mut add = |words: &[&str]| args.extend(words.iter().map(|word| (*word).to_owned()));
        let limits = &sandbox.limits;
        let memory = limits.memory_bytes.to_string();
        add(&["run", "--rm", "--interactive", "--name", name, "--hostname", "layr"]);
        if sandbox.first == First::Engine {
            add(&["--init"]);
        }
        add(&["--network", if sandbox.network == Network::Host { "host" } else { "none" }]);
        add(&["--read-only", "--cap-drop", "ALL", "--security-opt", "no-new-privileges"]);
        add(&[
            "--memory",
            &memory,
            "--memory-swap",
            &memory,
            "--pids-limit",
            &limits.n_processes.to_string(),
        ]);
        if !sandbox.binds.iter().any(|bind| bind.to == "/tmp") {
            add(&["--tmpfs", "/tmp:rw,exec,nosuid,nodev,mode=1777"]);
        }
        add(&["--workdir", &sandbox.working_dir]);
        add(&["--user", &build_user(), "--entrypoint", "", "--pull", "never"]);
        if self.kind == ContainerProgram::Podman && !process::is_root() {
            add(&["--userns", "keep-id"]);
        }
        for (name, value) in &sandbox.env {
            add(&["--env", &format!("{name}={value}")]);
        }
        for bind in &sandbox.binds {
            let mode = if bind.writable { "rw" } else { "ro" };
            add(&["--volume", &format!("{}:{}:{mode}", bind.from.display(), bind.to)]);
        }
        match &sandbox.root {
            Root::Image(image) => add(&[image]),
            Root::Folder(folder) => add(&["--rootfs", &folder.to_string_lossy()]),
        }
        if sandbox.first == First::Engine {
            args.extend(["/bin/sh", "-c", LEASH, "sh"].map(str::to_owned));
        }
        args.extend(sandbox.command.iter().cloned());
        args
    }
}

/// Whoever owns the folders that are bound writable.
fn build_user() -> String {
    let (uid, gid) =
        if process::is_root() { (super::NOBODY, super::NOBODY) } else { process::user_and_group() };
    format!("{uid}:{gid}")
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::engine::{Bind, Limits};

    fn arguments(kind: ContainerProgram, network: Network) -> Vec<String> {
        let bind = |to: &str, writable| Bind { from: "/host".into(), to: to.to_owned(), writable };
        let sandbox = Sandbox {
            root: Root::Image("sha256:ab".to_owned()),
            binds: vec![bind("/build/src", true), bind("/build/recipe", false)],
            env: vec![("TZ".to_owned(), "UTC".to_owned())],
            working_dir: "/build/src".to_owned(),
            command: vec!["R".to_owned(), "--version".to_owned()],
            limits: Limits { memory_bytes: 1 << 30, n_processes: 100, time: Duration::from_secs(1) },
            network,
            first: First::Command,
        };
        Container { kind, program: PathBuf::from("program") }.arguments(&sandbox, "layr-1-0")
    }

    #[test]
    fn a_container_has_bounds_no_network_no_rights_and_writes_only_where_it_is_told() {
        let args = arguments(ContainerProgram::Docker, Network::None).join(" ");
        for part in [
            "--network none --read-only --cap-drop ALL --security-opt no-new-privileges",
            "--memory 1073741824 --memory-swap 1073741824 --pids-limit 100",
            "--volume /host:/build/src:rw --volume /host:/build/recipe:ro",
            "--entrypoint  --pull never",
        ] {
            assert!(args.contains(part), "{part} in {args}");
        }
        assert!(args.ends_with(" sha256:ab R --version"), "{args}");
        assert!(!args.contains("--user 0"), "{args}");
    }

    /// Rootless podman has other users inside than outside, unless it is told.
    #[test]
    fn podman_is_called_like_docker_but_for_whose_files_are_whose() {
        for network in [Network::None, Network::Host] {
            let mut by_podman = arguments(ContainerProgram::Podman, network);
            if let Some(at) = by_podman.iter().position(|arg| arg == "--userns") {
                assert!(!process::is_root());
                assert_eq!(by_podman.drain(at..at + 2).next_back().as_deref(), Some("keep-id"));
            }
            assert_eq!(by_podman, arguments(ContainerProgram::Docker, network));
        }
    }
}
