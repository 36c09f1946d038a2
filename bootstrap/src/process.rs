//! R as a child process: pipes for requests and replies, its output forwarded to the log.
//!
//! Everything happens on one thread, which waits for whatever comes first. The pipes are
//! passed on as descriptors beyond the standard three, so that those belong to the handler.

use std::io::{self, PipeReader, PipeWriter, Read, Write};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::{FdFlags, fcntl_setfd};
use rustix::process::{Pid, PidfdFlags, Signal, kill_process_group, pidfd_open};

use crate::log::{Log, Output};
use crate::settings::LogFormat;

/// What R runs first; it never returns.
const SCRIPT: &str = include_str!("runtime.R");

/// How much of R's output is forwarded at once.
const BUFFER_BYTES: usize = 64 << 10;

/// What a pipe holds at most, unless a privileged process made it larger
/// (`/proc/sys/fs/pipe-max-size`).
const PIPE_BYTES: usize = 1 << 20;

/// A running R.
pub struct Process {
    child: Child,
    /// Readable once the child has ended, whoever still holds its pipes. Where there is
    /// none (Linux before 5.3), the end of its replies has to do.
    ended: Option<OwnedFd>,
    requests: PipeWriter,
    replies: PipeReader,
    /// Bytes of replies that are not complete.
    unread: Vec<u8>,
    /// `None` once closed.
    outputs: [Option<(Output, Box<dyn Pipe>)>; 2],
}

/// An end of a pipe that can be read and waited for.
trait Pipe: Read + AsFd {}
impl<T: Read + AsFd> Pipe for T {}

/// What came first.
#[derive(Debug, PartialEq, Eq)]
pub enum Heard {
    Reply(Vec<u8>),
    /// One of the descriptors that the caller brought has something to read.
    Other(usize),
    TimedOut,
    Ended(ExitStatus),
}

impl Process {
    /// Starts the R whose home is `r_home`, in `folder`.
    #[expect(clippy::disallowed_methods, reason = "the one process that bootstrap starts")]
    pub fn start(r_home: &Path, folder: &Path, format: LogFormat) -> io::Result<Self> {
        // It fits into the pipe, so nobody has to read yet.
        let (script, mut script_writer) = io::pipe()?;
        script_writer.write_all(SCRIPT.as_bytes())?;
        drop(script_writer);
        let (requests_reader, requests) = io::pipe()?;
        let (replies, replies_writer) = io::pipe()?;
        let inherited = [script.as_fd(), requests_reader.as_fd(), replies_writer.as_fd()];
        for descriptor in inherited {
            fcntl_setfd(descriptor, FdFlags::empty())?;
        }
        let [script_fd, requests_fd, replies_fd] = inherited.map(|fd| std::os::fd::AsRawFd::as_raw_fd(&fd));
        let mut command = Command::new(r_home.join("bin/exec/R"));
        command
            .args(["--no-echo", "--no-restore", "--no-save", "--no-init-file"])
            .arg(format!("--file=/proc/self/fd/{script_fd}"))
            .args(["--args", &requests_fd.to_string(), &replies_fd.to_string()])
            .current_dir(folder)
            .env("R_HOME", r_home)
            .env("LD_LIBRARY_PATH", library_path(r_home))
            .stdin(Stdio::null())
            .stderr(Stdio::piped())
            // A group of its own, so that what it starts ends with it.
            .process_group(0);
        if let Some(libraries) = libraries(folder, std::env::var("R_LIBS").ok()) {
            command.env("R_LIBS", libraries);
        }
        if std::env::var_os("LC_ALL").is_none() {
            command.env("LC_ALL", "C.UTF-8");
        }
        if format == LogFormat::Json {
            command.stdout(Stdio::piped());
        }
        let mut child = command.spawn()?;
        let pid = Pid::from_child(&child);
        let ended = pidfd_open(pid, PidfdFlags::empty()).ok();
        let outputs = [
            child.stderr.take().map(|pipe| (Output::Stderr, Box::new(pipe) as Box<dyn Pipe>)),
            child.stdout.take().map(|pipe| (Output::Stdout, Box::new(pipe) as Box<dyn Pipe>)),
        ];
        Ok(Self { child, ended, requests, replies, unread: Vec::new(), outputs })
    }

    pub fn send(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.requests.write_all(bytes)
    }

    /// Waits for a reply, for something on `others`, for `until`, or for R's end; forwards
    /// R's output meanwhile.
    pub fn hear(
        &mut self,
        until: Option<Instant>,
        others: &[BorrowedFd<'_>],
        log: &mut Log,
    ) -> io::Result<Heard> {
        let mut has_waited = false;
        loop {
            if let Some(reply) = self.next_reply() {
                self.forward_rest(log)?;
                return Ok(Heard::Reply(reply));
            }
            // Also where there is always something to read, but never the end of a reply.
            if has_waited && until.is_some_and(is_past) {
                return Ok(Heard::TimedOut);
            }
            has_waited = true;
            let ready = self.wait(until, others)?;
            self.forward(&ready, log)?;
            if ready.replies {
                let mut buffer = vec![0; BUFFER_BYTES];
                let n = self.replies.read(&mut buffer)?;
                self.unread.extend(&buffer[..n]);
                if n > 0 {
                    continue;
                }
            }
            // Ended, or as good as: nobody is left to reply.
            if ready.ended || ready.replies {
                let status = self.kill()?;
                self.forward_rest(log)?;
                return Ok(Heard::Ended(status));
            }
            if let Some(at) = ready.other {
                return Ok(Heard::Other(at));
            }
        }
    }

    /// As Ctrl-C does at a terminal.
    pub fn interrupt(&self) {
        // It fails only where R has ended, which the next wait reports.
        let _ = kill_process_group(Pid::from_child(&self.child), Signal::INT);
    }

    /// Ends R and all that it started, and tells how R ended.
    pub fn kill(&mut self) -> io::Result<ExitStatus> {
        // A process that ended keeps its status, and its group may outlive it.
        let _ = kill_process_group(Pid::from_child(&self.child), Signal::KILL);
        self.child.wait()
    }

    fn next_reply(&mut self) -> Option<Vec<u8>> {
        let (length, rest) = self.unread.split_first_chunk::<4>()?;
        let length = usize::try_from(u32::from_le_bytes(*length)).ok()?;
        let reply = rest.get(..length)?.to_vec();
        self.unread.drain(..4 + length);
        Some(reply)
    }

    fn wait(&self, until: Option<Instant>, others: &[BorrowedFd<'_>]) -> io::Result<Ready> {
        let outputs = self.outputs.each_ref().map(|output| output.as_ref().map(|(_, pipe)| pipe.as_fd()));
        // In place of what is not there, another that is watched anyway.
        let replies = self.replies.as_fd();
        let ended = self.ended.as_ref().map_or(replies, AsFd::as_fd);
        let [stderr, stdout] = outputs.map(|output| output.unwrap_or(replies));
        let watched = [replies, ended, stderr, stdout].into_iter();
        let watched = watched.chain(others.iter().copied());
        let mut fds: Vec<PollFd<'_>> =
            watched.map(|fd| PollFd::from_borrowed_fd(fd, PollFlags::IN)).collect();
        let timeout = until.map(|until| timespec(until.saturating_duration_since(Instant::now())));
        match poll(&mut fds, timeout.as_ref()) {
            Ok(_) | Err(rustix::io::Errno::INTR) => {}
            Err(error) => return Err(error.into()),
        }
        let is_ready = |at: usize| !fds[at].revents().is_empty();
        Ok(Ready {
            replies: is_ready(0),
            ended: self.ended.is_some() && is_ready(1),
            outputs: [outputs[0].is_some() && is_ready(2), outputs[1].is_some() && is_ready(3)],
            other: (0..others.len()).find(|at| is_ready(4 + at)),
        })
    }

    fn forward(&mut self, ready: &Ready, log: &mut Log) -> io::Result<()> {
        for (at, output) in self.outputs.iter_mut().enumerate() {
            let Some((kind, pipe)) = output.as_mut().filter(|_| ready.outputs[at]) else { continue };
            let mut buffer = vec![0; BUFFER_BYTES];
            match pipe.read(&mut buffer)? {
                0 => *output = None,
                n => log.output(*kind, &buffer[..n]),
            }
        }
        Ok(())
    }

    /// Forwards what R wrote before it replied or ended, so that it is in the log before
    /// the invocation is over. That is no more than the pipes hold: what comes after may
    /// never end, where the handler has left a process behind.
    fn forward_rest(&mut self, log: &mut Log) -> io::Result<()> {
        for _ in 0..PIPE_BYTES / BUFFER_BYTES {
            let ready = self.wait(Some(Instant::now()), &[])?;
            if ready.outputs == [false; 2] {
                break;
            }
            self.forward(&ready, log)?;
        }
        Ok(())
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        drop(self.kill());
    }
}

struct Ready {
    replies: bool,
    ended: bool,
    outputs: [bool; 2],
    other: Option<usize>,
}

pub fn is_past(time: Instant) -> bool {
    Instant::now() >= time
}

fn timespec(time: Duration) -> Timespec {
    Timespec::try_from(time).unwrap_or(Timespec { tv_sec: i64::MAX, tv_nsec: 0 })
}

/// Where R looks for packages before its own library: those that lie in the function's code,
/// if there are any, and what the function says.
fn libraries(folder: &Path, others: Option<String>) -> Option<String> {
    let own = folder.join("R/library");
    let others =
        others.filter(|others| !others.is_empty()).map_or(String::new(), |others| format!(":{others}"));
    own.is_dir().then(|| format!("{}{others}", own.display()))
}

/// R's own libraries first, as R's start script has it.
fn library_path(r_home: &Path) -> std::ffi::OsString {
    let mut path = r_home.join("lib").into_os_string();
    if let Some(rest) = std::env::var_os("LD_LIBRARY_PATH") {
        path.push(":");
        path.push(rest);
    }
    path
}

#[cfg(test)]
#[expect(clippy::disallowed_methods, reason = "tests start programs")]
pub(crate) mod tests {
    use std::fs::File;

    use super::*;
    use crate::settings::Level;

    /// A process that has ended, in whose place these say something.
    pub(crate) fn with_replies(replies: File, output: Option<File>) -> Process {
        Process {
            child: Command::new("true").process_group(0).spawn().unwrap(),
            ended: None,
            requests: io::pipe().unwrap().1,
            replies: OwnedFd::from(replies).into(),
            unread: Vec::new(),
            outputs: [output.map(|file| (Output::Stderr, Box::new(file) as Box<dyn Pipe>)), None],
        }
    }

    fn left_behind() -> Process {
        let endless = || File::open("/dev/zero").unwrap();
        with_replies(endless(), Some(endless()))
    }

    #[test]
    fn output_that_never_ends_holds_no_reply_back() {
        let mut log = Log::new(LogFormat::Json, Level::Info);
        left_behind().forward_rest(&mut log).unwrap();
    }

    #[test]
    fn a_reply_that_never_ends_is_given_up_in_time() {
        let mut log = Log::new(LogFormat::Json, Level::Info);
        let mut process = left_behind();
        process.unread = i32::MAX.to_le_bytes().to_vec(); // two gigabytes, it says
        let until = Instant::now() + Duration::from_millis(20);
        assert_eq!(process.hear(Some(until), &[], &mut log).unwrap(), Heard::TimedOut);
    }
}
