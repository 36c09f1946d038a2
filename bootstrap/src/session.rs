//! A handler that R has loaded: requests to R and its replies, as values.
//!
//! | request | replies |
//! |---|---|
//! | `load`, file, function, package | a value: formals, and whether there are `.Last`, `.before_snapshot`, `.after_restore` |
//! | `call`, arguments, context | `log`s, a `stream` and its `chunk`s; then a value |
//! | `before_snapshot`; `after_restore`, seed | `log`s; then a value |
//! | `quit` | none |
//!
//! In a value's place there can be a `failure`: classes, message, stack.

use std::io;
use std::os::fd::BorrowedFd;
use std::time::{Duration, Instant};

use crate::ending;
use crate::failure::Failure;
use crate::handler::Handler;
use crate::log::Log;
use crate::process::{Heard, Process, is_past};
use crate::r::{self, Data, Object};
use crate::reply::{Reply, StreamHead};
use crate::settings::Settings;

/// An R that has loaded the handler.
pub struct Session {
    process: Process,
    pub signature: Signature,
    pub hooks: Hooks,
}

/// What the handler takes.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Signature {
    pub formals: Vec<String>,
}

/// Functions that the handler's file defines for the ends of a sandbox's life.
#[derive(Debug, Clone, Copy, Default)]
pub struct Hooks {
    pub last: bool,
    pub before_snapshot: bool,
    pub after_restore: bool,
}

/// One invocation, as R needs it.
#[derive(Debug)]
pub struct Call {
    pub arguments: Vec<(String, Object)>,
    pub context: Object,
    pub deadline: Option<Deadline>,
}

/// How a request ended.
#[derive(Debug)]
pub enum Outcome {
    Value(Object),
    Failed(Failure),
    /// R is gone.
    Ended(Failure),
}

/// When to do something about a call that does not end.
#[derive(Debug, Clone, Copy)]
pub struct Deadline {
    pub interrupt: Instant,
    pub kill: Instant,
    /// What the handler had, for the message.
    pub allowed: Duration,
}

/// Where a streamed response goes.
pub trait Stream {
    fn begin(&mut self, head: &StreamHead);
    fn chunk(&mut self, bytes: &[u8]);
}

/// Where to what a request brings before it ends.
pub struct Outlets<'a> {
    pub stream: &'a mut dyn Stream,
    pub log: &'a mut Log,
}

/// For requests in which nothing is streamed.
struct NoStream;

impl Stream for NoStream {
    fn begin(&mut self, _: &StreamHead) {}
    fn chunk(&mut self, _: &[u8]) {}
}

impl Session {
    /// Starts R and has it load the handler.
    pub fn start(settings: &Settings, log: &mut Log) -> Result<Self, Failure> {
        let handler = Handler::find(&settings.handler, |path| settings.task_root.join(path).is_file())?;
        let process = Process::start(&settings.r_home, &settings.task_root, settings.log_format)
            .map_err(|error| ending::not_started(&settings.r_home, &error))?;
        let mut session = Self { process, signature: Signature::default(), hooks: Hooks::default() };
        let loaded = match session.ask_aside(load_request(&handler), log) {
            Outcome::Value(loaded) => loaded,
            Outcome::Failed(failure) | Outcome::Ended(failure) => return Err(failure),
        };
        if let [formals, last, before_snapshot, after_restore] = loaded.elements() {
            session.signature.formals = formals.as_strs().into_iter().map(str::to_owned).collect();
            session.hooks = Hooks {
                last: last.is_true(),
                before_snapshot: before_snapshot.is_true(),
                after_restore: after_restore.is_true(),
            };
        }
        Ok(session)
    }

    /// Calls the handler.
    pub fn call(&mut self, call: Call, outlets: &mut Outlets<'_>) -> Outcome {
        let request = vec![Object::text("call"), Object::named(call.arguments), call.context];
        self.ask(request, call.deadline, outlets)
    }

    pub fn before_snapshot(&mut self, log: &mut Log) -> Outcome {
        self.ask_aside(vec![Object::text("before_snapshot")], log)
    }

    /// All copies of a snapshot have the same random numbers ahead, unless seeded anew.
    pub fn after_restore(&mut self, seed: i32, log: &mut Log) -> Outcome {
        self.ask_aside(vec![Object::text("after_restore"), Data::Integer(vec![Some(seed)]).into()], log)
    }

    /// Has R run `.Last()` and end, if it does so in time.
    pub fn quit(mut self, until: Instant, log: &mut Log) {
        let request = r::write(&Object::list(vec![Object::text("quit")]));
        if self.process.send(&request).is_ok() {
            while !is_past(until)
                && let Ok(Heard::Reply(reply)) = self.process.hear(Some(until), &[], log)
            {
                take(&reply, &mut Outlets { stream: &mut NoStream, log });
            }
        }
    }

    /// Waits between requests for one of `others`, and gives its number, or for R's end.
    pub fn idle(&mut self, others: &[BorrowedFd<'_>], log: &mut Log) -> io::Result<Option<usize>> {
        loop {
            match self.process.hear(None, others, log)? {
                Heard::Other(at) => return Ok(Some(at)),
                Heard::Ended(_) => return Ok(None),
                Heard::Reply(reply) => drop(take(&reply, &mut Outlets { stream: &mut NoStream, log })),
                Heard::TimedOut => {}
            }
        }
    }

    /// A request that takes the time it takes.
    fn ask_aside(&mut self, request: Vec<Object>, log: &mut Log) -> Outcome {
        self.ask(request, None, &mut Outlets { stream: &mut NoStream, log })
    }

    fn ask(
        &mut self,
        request: Vec<Object>,
        deadline: Option<Deadline>,
        outlets: &mut Outlets<'_>,
    ) -> Outcome {
        let sent = self.process.send(&r::write(&Object::list(request)));
        let heard = match sent {
            // R is gone; hearing says how.
            Err(error) if error.kind() != io::ErrorKind::BrokenPipe => Err(error),
            _ => self.hear_out(deadline, outlets),
        };
        heard.unwrap_or_else(|error| Outcome::Ended(ending::lost(&error)))
    }

    /// Hears R until the request has ended, and ends it if need be.
    fn hear_out(&mut self, deadline: Option<Deadline>, outlets: &mut Outlets<'_>) -> io::Result<Outcome> {
        let mut interrupted = None;
        loop {
            let until = match (interrupted, deadline) {
                (Some(Deadline { kill, .. }), _) => Some(kill),
                (None, deadline) => deadline.map(|deadline| deadline.interrupt),
            };
            let is_late = match self.process.hear(until, &[], outlets.log)? {
                Heard::Reply(reply) => match (take(&reply, outlets), interrupted) {
                    (Some(Outcome::Failed(failure)), Some(Deadline { allowed, .. })) => {
                        return Ok(Outcome::Failed(ending::interrupted(failure, allowed)));
                    }
                    (Some(outcome), _) => return Ok(outcome),
                    // There may be another at once, and so on for ever.
                    (None, _) => until.is_some_and(is_past),
                },
                Heard::Ended(status) => {
                    return Ok(Outcome::Ended(ending::ended(status, &outlets.log.last_lines())));
                }
                Heard::TimedOut => true,
                Heard::Other(_) => false,
            };
            match (is_late, interrupted) {
                (false, _) => {}
                (true, None) => {
                    self.process.interrupt();
                    interrupted = deadline;
                }
                (true, Some(Deadline { allowed, .. })) => {
                    self.process.kill()?;
                    return Ok(Outcome::Ended(ending::killed(allowed)));
                }
            }
        }
    }
}

/// Passes a reply on, and gives the outcome if it was the last one.
fn take(reply: &[u8], outlets: &mut Outlets<'_>) -> Option<Outcome> {
    match Reply::read(reply) {
        Reply::Value(value) => return Some(Outcome::Value(value)),
        Reply::Failure(failure) => return Some(Outcome::Failed(failure)),
        Reply::Log { level, message } => outlets.log.record(level, &message),
        Reply::Stream(head) => outlets.stream.begin(&head),
        Reply::Chunk(bytes) => outlets.stream.chunk(&bytes),
    }
    None
}

fn load_request(handler: &Handler) -> Vec<Object> {
    let (file, function, package) = match handler {
        Handler::InFile { file, function } => (file.as_str(), function, ""),
        Handler::InPackage { package, function } => ("", function, package.as_str()),
    };
    ["load", file, function, package].into_iter().map(Object::text).collect()
}

#[cfg(test)]
mod tests {
    use std::io::{Seek, Write};

    use super::*;
    use crate::process::tests::with_replies;
    use crate::settings::{Level, LogFormat};

    /// Each reply is whole, and the next is there already: nothing has to be waited for.
    #[test]
    fn replies_without_a_gap_keep_no_deadline_from_being_noticed() {
        let reply = r::write(&Object::list(["log", "DEBUG", "x"].into_iter().map(Object::text).collect()));
        let length = u32::try_from(reply.len()).unwrap().to_le_bytes();
        let mut replies = tempfile::tempfile().unwrap();
        replies.write_all(&[&length[..], &reply].concat().repeat(100_000)).unwrap();
        replies.rewind().unwrap();
        let process = with_replies(replies, None);
        let mut session = Session { process, signature: Signature::default(), hooks: Hooks::default() };
        let mut log = Log::new(LogFormat::Json, Level::Error);
        let outlets = &mut Outlets { stream: &mut NoStream, log: &mut log };
        let now = Instant::now();
        let deadline = Deadline { interrupt: now, kill: now, allowed: Duration::from_secs(1) };
        let outcome = session.hear_out(Some(deadline), outlets).unwrap();
        let Outcome::Ended(failure) = outcome else { panic!("{outcome:?}") };
        assert!(failure.message.contains("could not be interrupted"), "{failure:?}");
    }
}
