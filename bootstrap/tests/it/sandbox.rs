//! A place to start bootstrap in: a base's R at `/opt/R`, a function's code at
//! `/var/task`, and nothing else but the network on loopback.

use std::fs::{self, File};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use tempfile::TempDir;
use xtask::sandbox::{self, Network};

/// How long a test waits for what must come, on a machine that has much else to do.
pub(crate) const PATIENCE: Duration = Duration::from_mins(1);

/// A function's code and configuration.
pub(crate) struct Function {
    home: TempDir,
    rootfs: PathBuf,
    variables: Vec<(String, String)>,
}

/// A sandbox that runs; it ends with the value.
pub(crate) struct Running {
    pub(crate) child: Child,
    log: PathBuf,
    _function: Function,
}

impl Function {
    /// A function of one file; `None`, said aloud, where there is no base.
    pub(crate) fn new(file: &str, code: &str, handler: &str) -> Option<Self> {
        let base = from_environment("LAYR_TEST_BASE")?;
        let home = tempfile::tempdir().unwrap();
        let function = Self { home, rootfs: base.join("rootfs"), variables: Vec::new() };
        function.write(file, code);
        let function = function.set("_HANDLER", handler).set("LAMBDA_TASK_ROOT", "/var/task");
        Some(function.set("AWS_LAMBDA_FUNCTION_NAME", "score").set("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", "512"))
    }

    pub(crate) fn write(&self, file: &str, code: &str) {
        let path = self.path(file);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, code).unwrap();
    }

    /// Where a file of the code lies outside.
    pub(crate) fn path(&self, file: &str) -> PathBuf {
        self.home.path().join("task").join(file)
    }

    /// With one more variable of the function's configuration.
    pub(crate) fn set(mut self, name: &str, value: &str) -> Self {
        self.variables.push((name.to_owned(), value.to_owned()));
        self
    }

    /// A command in the sandbox, to be completed with the program.
    pub(crate) fn command(&self) -> Command {
        let mut command = sandbox::command(&self.rootfs, Network::Host).unwrap();
        command.args(["--ro-bind", env!("CARGO_BIN_EXE_bootstrap"), "/opt/bootstrap"]);
        command.args(["--symlink", "/usr/lib/R", "/opt/R"]);
        command.args(["--tmpfs", "/var", "--ro-bind"]).arg(self.home.path().join("task")).arg("/var/task");
        command.args(["--chdir", "/var/task", "--unsetenv", "LC_ALL"]);
        for (name, value) in &self.variables {
            sandbox::set(&mut command, name, value);
        }
        command
    }

    /// Starts its bootstrap.
    pub(crate) fn run(self) -> Running {
        let log = self.home.path().join("log");
        let file = File::create(&log).unwrap();
        let mut command = self.command();
        command.arg("/opt/bootstrap").stdin(Stdio::null()).stdout(file.try_clone().unwrap()).stderr(file);
        Running { child: command.spawn().unwrap(), log, _function: self }
    }
}

impl Running {
    /// All that was written to stdout and stderr.
    pub(crate) fn log(&self) -> String {
        String::from_utf8_lossy(&fs::read(&self.log).unwrap()).into_owned()
    }

    /// Sends SIGTERM to bootstrap, which is in a process namespace of its own.
    pub(crate) fn terminate(&self) {
        let bootstrap = self.processes().into_iter().find(|(name, _, _)| name == "bootstrap");
        let status = Command::new("kill").arg(bootstrap.unwrap().1).status().unwrap();
        assert!(status.success());
    }

    /// Memory of bootstrap and R together.
    pub(crate) fn resident_kib(&self) -> u64 {
        let ours = self.processes().into_iter().filter(|(name, _, _)| name == "bootstrap" || name == "R");
        ours.map(|(_, _, kib)| kib).sum()
    }

    /// Names, ids and resident memory of the sandbox's processes.
    fn processes(&self) -> Vec<(String, String, u64)> {
        let mut ids = vec![self.child.id().to_string()];
        let mut found = Vec::new();
        while let Some(id) = ids.pop() {
            let status = fs::read_to_string(format!("/proc/{id}/status")).unwrap_or_default();
            let field = |name: &str| {
                let value = status.lines().find_map(|line| line.strip_prefix(name));
                value.unwrap_or_default().trim().trim_end_matches(" kB").to_owned()
            };
            let children = fs::read_to_string(format!("/proc/{id}/task/{id}/children")).unwrap_or_default();
            ids.extend(children.split_whitespace().map(str::to_owned));
            found.push((field("Name:"), id, field("VmRSS:").parse().unwrap_or_default()));
        }
        found
    }

    /// Waits for the end, and gives its status.
    #[track_caller]
    pub(crate) fn ended(&mut self) -> i32 {
        let mut status = None;
        within(PATIENCE, || {
            status = self.child.try_wait().unwrap();
            status.is_some()
        });
        status.unwrap().code().unwrap_or(-1)
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("--- the function's log\n{}", self.log());
        }
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Waits for something to become true.
#[track_caller]
pub(crate) fn within(time: Duration, mut is_true: impl FnMut() -> bool) {
    let start = Instant::now();
    while !is_true() {
        assert!(start.elapsed() < time, "not within {time:?}");
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// A path that `cargo xtask test` sets; `None`, said aloud, where it does not.
pub(crate) fn from_environment(name: &str) -> Option<PathBuf> {
    let path = std::env::var_os(name).map(PathBuf::from);
    if path.is_none() {
        eprintln!("SKIPPED: {name} is not set; `cargo xtask test` sets it");
    }
    path
}
