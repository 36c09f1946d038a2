//! Programs: run, waited for, killed.

use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::io::{self, Write};
use std::path::Path;
use std::process::{Child, ChildStdin, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::process::{Pid, PidfdFlags, Signal, pidfd_open};

use super::interrupt::Interrupt;

/// A program and its arguments. The environment is the caller's unless `clear_env`.
#[derive(Debug, Clone)]
pub struct Program {
    pub name: OsString,
    pub args: Vec<OsString>,
    pub env: Vec<(String, String)>,
    pub clear_env: bool,
}

#[derive(Debug, thiserror::Error)]
pub enum ProcessError {
    #[error("failed to start `{program}`")]
    Start { program: String, source: io::Error },
    #[error("failed to wait for `{program}`")]
    Wait { program: String, source: io::Error },
    #[error("`{program}` ended with {status}{}", tail(.stderr))]
    Failed { program: String, status: ExitStatus, stderr: String },
    #[error("`{program}` ran longer than {} s and was stopped", .limit.as_secs())]
    TimedOut { program: String, limit: Duration },
    #[error("interrupted")]
    Interrupted,
}

/// What a program said before it failed, if anything.
fn tail(stderr: &str) -> String {
    let lines: Vec<_> = stderr.trim().lines().collect();
    let last = lines[lines.len().saturating_sub(8)..].join("\n  ");
    if last.is_empty() { String::new() } else { format!(":\n  {last}") }
}

impl Program {
    pub fn new(name: impl AsRef<OsStr>) -> Self {
        Self { name: name.as_ref().to_owned(), args: Vec::new(), env: Vec::new(), clear_env: false }
    }

    #[must_use]
    pub fn arg(mut self, arg: impl AsRef<OsStr>) -> Self {
        self.args.push(arg.as_ref().to_owned());
        self
    }

    #[must_use]
    pub fn args<A: AsRef<OsStr>>(mut self, args: impl IntoIterator<Item = A>) -> Self {
        self.args.extend(args.into_iter().map(|arg| arg.as_ref().to_owned()));
        self
    }

    fn command(&self) -> Command {
        let mut command = Command::new(&self.name);
        command.args(&self.args);
        if self.clear_env {
            command.env_clear();
        }
        command.envs(self.env.iter().map(|(name, value)| (name, value)));
        command
    }

    fn shown(&self) -> String {
        self.name.to_string_lossy().into_owned()
    }

    fn start(&self, command: &mut Command) -> Result<Child, ProcessError> {
        command.spawn().map_err(|source| ProcessError::Start { program: self.shown(), source })
    }

    /// Runs it to its end and gives what it printed; for short programs.
    pub fn capture(&self) -> Result<String, ProcessError> {
        let start = |source| ProcessError::Start { program: self.shown(), source };
        let output = self.command().stdin(Stdio::null()).output().map_err(start)?;
        if output.status.success() {
            Ok(String::from_utf8_lossy(&output.stdout).into_owned())
        } else {
            let stderr = String::from_utf8_lossy(&output.stderr).into_owned();
            Err(ProcessError::Failed { program: self.shown(), status: output.status, stderr })
        }
    }

    /// Runs it with `write` feeding its standard input, and gives what it printed.
    pub fn capture_fed(
        &self,
        write: impl FnOnce(&mut dyn Write) -> io::Result<()> + Send,
    ) -> Result<String, ProcessError> {
        let mut command = self.command();
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = self.start(&mut command)?;
        let stdin = child.stdin.take();
        let (fed, output) = std::thread::scope(|scope| {
            let feeder = scope.spawn(move || stdin.map_or(Ok(()), |mut stdin| write(&mut stdin)));
            let output = child.wait_with_output();
            (feeder.join(), output)
        });
        let wait = |source| ProcessError::Wait { program: self.shown(), source };
        let output = output.map_err(wait)?;
        if !output.status.success() {
            let stderr = String::from_utf8_lossy(&output.stderr).into_owned();
            return Err(ProcessError::Failed { program: self.shown(), status: output.status, stderr });
        }
        fed.unwrap_or_else(|_| Err(io::Error::other("the writer panicked"))).map_err(wait)?;
        Ok(String::from_utf8_lossy(&output.stdout).into_owned())
    }

    /// Runs it with its standard output read by `read`, the other going to `log`. An
    /// interrupt kills it, which ends the stream.
    pub fn stream<T: Send>(
        &self,
        log: &File,
        interrupt: &Interrupt,
        read: impl FnOnce(&mut dyn io::Read) -> io::Result<T> + Send,
    ) -> Result<T, ProcessError> {
        let wait = |source| ProcessError::Wait { program: self.shown(), source };
        let mut command = self.command();
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(log.try_clone().map_err(wait)?);
        let mut child = self.start(&mut command)?;
        let mut stdout = child.stdout.take();
        std::thread::scope(|scope| {
            let reader = scope.spawn(move || match &mut stdout {
                Some(stdout) => read(stdout),
                None => Err(io::ErrorKind::BrokenPipe.into()),
            });
            let ended = wait_for(&child, Duration::MAX, interrupt).map_err(wait);
            if !matches!(ended, Ok(Ended::ByItself)) {
                _ = child.kill();
            }
            let status = child.wait().map_err(wait)?;
            let result = reader.join().unwrap_or_else(|_| Err(io::Error::other("the reader panicked")));
            match ended? {
                Ended::Interrupted | Ended::TooLate => Err(ProcessError::Interrupted),
                Ended::ByItself if status.success() => result.map_err(wait),
                Ended::ByItself => {
                    Err(ProcessError::Failed { program: self.shown(), status, stderr: String::new() })
                }
            }
        })
    }

    /// Runs it with both of its streams going to `log`, until it ends, `limit` has passed
    /// or the user interrupts; then it is killed.
    pub fn run_logged(
        &self,
        log: &File,
        limit: Duration,
        interrupt: &Interrupt,
    ) -> Result<ExitStatus, ProcessError> {
        self.start_logged(log)?.wait(limit, interrupt)
    }

    /// Starts it with both of its streams going to `log`. `stdin` stays open meanwhile, so
    /// that the program can tell by its end that we are gone.
    pub fn start_logged(&self, log: &File) -> Result<Running, ProcessError> {
        let wait = |source| ProcessError::Wait { program: self.shown(), source };
        let mut command = self.command();
        command.stdin(Stdio::piped());
        command.stdout(log.try_clone().map_err(wait)?).stderr(log.try_clone().map_err(wait)?);
        let mut child = self.start(&mut command)?;
        let leash = child.stdin.take();
        Ok(Running { program: self.shown(), child, _leash: leash })
    }
}

/// A program that was started; killed when the value is dropped.
#[derive(Debug)]
pub struct Running {
    program: String,
    child: Child,
    _leash: Option<ChildStdin>,
}

impl Running {
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Waits for its end, or kills it when `limit` has passed or the user interrupts.
    pub fn wait(mut self, limit: Duration, interrupt: &Interrupt) -> Result<ExitStatus, ProcessError> {
        let wait = |source| ProcessError::Wait { program: self.program.clone(), source };
        match wait_for(&self.child, limit, interrupt).map_err(wait)? {
            Ended::ByItself => self.child.wait().map_err(wait),
            Ended::TooLate => Err(ProcessError::TimedOut { program: self.program.clone(), limit }),
            Ended::Interrupted => Err(ProcessError::Interrupted),
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // Of no account where it has ended and been waited for.
        _ = self.child.kill();
        _ = self.child.wait();
    }
}

enum Ended {
    ByItself,
    TooLate,
    Interrupted,
}

/// Waits for the first of three things without ever asking twice: a child's process file
/// descriptor becomes readable when it ends.
fn wait_for(child: &Child, limit: Duration, interrupt: &Interrupt) -> io::Result<Ended> {
    let pid = Pid::from_child(child);
    let pidfd = pidfd_open(pid, PidfdFlags::empty())?;
    let deadline = Instant::now().checked_add(limit);
    loop {
        let left = deadline.map(|deadline| deadline.saturating_duration_since(Instant::now()));
        let timeout = left.map(Timespec::try_from).transpose().map_err(io::Error::other)?;
        let mut fds = [PollFd::new(&pidfd, PollFlags::IN), PollFd::new(interrupt, PollFlags::IN)];
        match poll(&mut fds, timeout.as_ref()) {
            Ok(0) => return Ok(Ended::TooLate),
            Ok(_) if fds[0].revents().contains(PollFlags::IN) => return Ok(Ended::ByItself),
            Ok(_) => return Ok(Ended::Interrupted),
            Err(rustix::io::Errno::INTR) => {}
            Err(error) => return Err(error.into()),
        }
    }
}

/// Whether a program of that name is on the search path, and where.
pub fn find_program(name: &str, search_path: &OsStr) -> Option<std::path::PathBuf> {
    use std::os::unix::fs::PermissionsExt;
    let is_program = |path: &Path| {
        path.metadata().is_ok_and(|metadata| metadata.is_file() && metadata.permissions().mode() & 0o111 != 0)
    };
    std::env::split_paths(search_path).map(|folder| folder.join(name)).find(|path| is_program(path))
}

/// Whether we are root, who may do what others need a user namespace for.
pub fn is_root() -> bool {
    rustix::process::geteuid().is_root()
}

/// Our user and group.
pub fn user_and_group() -> (u32, u32) {
    (rustix::process::geteuid().as_raw(), rustix::process::getegid().as_raw())
}

/// The exit code a shell would report: the program's own, or 128 and the signal.
pub fn exit_code(status: ExitStatus) -> i32 {
    use std::os::unix::process::ExitStatusExt;
    status.code().unwrap_or_else(|| 128 + status.signal().unwrap_or(0))
}

/// The name of the signal that ended it, if one did.
pub fn signal_name(status: ExitStatus) -> Option<String> {
    use std::os::unix::process::ExitStatusExt;
    let raw = status.signal()?;
    Signal::from_named_raw(raw).map(|signal| format!("{signal:?}")).or_else(|| Some(format!("signal {raw}")))
}

/// The memory that a process and all it started take up, in bytes: their resident sets.
/// What has ended meanwhile counts as nothing.
pub fn resident_bytes(pid: u32) -> u64 {
    let pages = |statm: String| statm.split(' ').nth(1)?.parse::<u64>().ok();
    let own = std::fs::read_to_string(format!("/proc/{pid}/statm")).ok().and_then(pages).unwrap_or(0);
    own * rustix::param::page_size() as u64 + children(pid).into_iter().map(resident_bytes).sum::<u64>()
}

/// The processes that the first thread of a process has started and not yet waited for.
fn children(pid: u32) -> Vec<u32> {
    let text = std::fs::read_to_string(format!("/proc/{pid}/task/{pid}/children")).unwrap_or_default();
    text.split_whitespace().filter_map(|pid| pid.parse().ok()).collect()
}

/// Asks the processes of that name to end, among those that descend from `pid`.
pub fn terminate_named(name: &str, pid: u32) {
    for child in children(pid) {
        let own = std::fs::read_to_string(format!("/proc/{child}/comm")).unwrap_or_default();
        if own.trim_end() != name {
            terminate_named(name, child);
        } else if let Some(child) = child.try_into().ok().and_then(Pid::from_raw) {
            _ = rustix::process::kill_process(child, Signal::TERM);
        }
    }
}

/// How much memory the machine has.
pub fn memory_bytes() -> Option<u64> {
    let text = std::fs::read_to_string("/proc/meminfo").ok()?;
    let kilobytes =
        text.lines().find_map(|line| line.strip_prefix("MemTotal:"))?.trim().strip_suffix(" kB")?;
    Some(kilobytes.parse::<u64>().ok()? * 1024)
}
