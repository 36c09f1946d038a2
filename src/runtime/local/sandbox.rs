//! A function to an execution environment: a sandbox with its runtime, a Runtime API of its
//! own, and what watches over both.

use std::path::Path;
use std::process::ExitStatus;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, channel};
use std::sync::{Arc, OnceLock};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use super::api::{Api, Offer};
use super::failure::Fault;
use super::http::Server;
use super::{Function, Host, LocalError, environment};
use crate::engine::{Ancestor, EngineError};
use crate::sys::interrupt::Interrupt;
use crate::sys::{pipe, process};

/// How often the memory is looked at. What is taken and given back in between is not seen.
const MEMORY_INTERVAL: Duration = Duration::from_millis(10);
/// What Lambda gives a runtime between the request to end and the end.
const GRACE: Duration = Duration::from_millis(500);

/// All that can be heard from a sandbox.
#[derive(Debug)]
pub(super) enum News {
    /// The runtime asks for an event: it has started, or is done with the last one.
    Ready,
    InitFailed(Fault),
    /// An answer begins.
    Answer {
        is_streaming: bool,
        content_type: String,
    },
    Piece(Vec<u8>),
    /// The answer is complete.
    Answered,
    Failed(Fault),
    TooLarge,
    /// The answer broke off.
    Truncated,
    /// The runtime is gone, and all it started.
    Exited(Result<ExitStatus, EngineError>),
}

/// Where a function runs, between its start and its end. Ended when dropped.
pub(super) struct Environment {
    api: Api,
    _server: Server,
    news: Receiver<News>,
    stop: Interrupt,
    memory: Arc<Memory>,
    outlet: Arc<pipe::Outlet>,
    is_given_up: bool,
    threads: Vec<JoinHandle<()>>,
}

/// The memory of all processes of a sandbox.
struct Memory {
    /// The process that all descend from, as soon as it is known.
    pid: OnceLock<u32>,
    peak_bytes: AtomicU64,
    is_exceeded: AtomicBool,
    has_ended: AtomicBool,
}

impl Environment {
    /// Starts the runtime. `tmp` is the function's `/tmp`, which outlives its sandboxes.
    pub(super) fn start(function: &Function, host: &Host<'_>, tmp: &Path) -> Result<Self, LocalError> {
        let (sender, news) = channel();
        let api = Api::new(sender.clone());
        let server = Server::start(0, Arc::new(api.clone())).map_err(LocalError::Serve)?;
        let (writer, outlet) = pipe::pipe().map_err(LocalError::Serve)?;
        let sandbox = environment::sandbox(function, host, tmp, server.address())?;
        let started = host.engine.start(&sandbox, &writer)?;
        drop(writer); // so that the log ends with the last process that writes to it
        let stop = host.interrupt.part().map_err(LocalError::Serve)?;
        let (outlet, ancestor) = (Arc::new(outlet), started.ancestor());
        let memory = Arc::new(Memory {
            pid: OnceLock::new(),
            peak_bytes: AtomicU64::new(0),
            is_exceeded: AtomicBool::new(false),
            has_ended: AtomicBool::new(false),
        });
        let mut threads = Vec::new();
        let (log, reader) = (host.log.clone(), outlet.clone());
        threads.push(thread::spawn(move || _ = reader.each(|bytes| log.function(bytes))));
        let (watched, watching) = (memory.clone(), stop.clone());
        let limit = u64::from(function.memory_mb) << 20;
        threads.push(thread::spawn(move || watched.watch(&ancestor, limit, &watching)));
        let (ended, stopped) = (memory.clone(), stop.clone());
        threads.push(thread::spawn(move || {
            let result = started.wait(Duration::MAX, &stopped);
            ended.has_ended.store(true, Ordering::Relaxed);
            _ = sender.send(News::Exited(result));
        }));
        Ok(Self { api, _server: server, news, stop, memory, outlet, is_given_up: false, threads })
    }

    pub(super) fn offer(&self, offer: Offer) {
        self.api.offer(offer);
    }

    /// What is heard next, or `None` where nothing is until the deadline.
    pub(super) fn news(&self, deadline: Instant) -> Option<News> {
        self.news.recv_timeout(deadline.saturating_duration_since(Instant::now())).ok()
    }

    /// Whether the runtime is still there and can be asked for more.
    pub(super) fn is_alive(&self) -> bool {
        !self.is_given_up && !self.memory.has_ended.load(Ordering::Relaxed)
    }

    /// Nothing more will be asked of it: it took too long, or could not start.
    pub(super) fn give_up(&mut self) {
        self.is_given_up = true;
    }

    /// Waits until all that the function has printed so far is in the log.
    pub(super) fn drain(&self) {
        /// A function that never stops printing is not waited for.
        const PATIENCE: Duration = Duration::from_millis(200);
        let until = Instant::now() + PATIENCE;
        while !self.outlet.is_drained() && Instant::now() < until {
            thread::yield_now();
        }
    }

    /// The most memory that was seen in use so far; `None` where it cannot be seen from here.
    pub(super) fn peak_bytes(&self) -> Option<u64> {
        let peak = self.memory.peak_bytes.load(Ordering::Relaxed);
        self.memory.pid.get().map(|pid| peak.max(process::resident_bytes(*pid)))
    }

    pub(super) fn is_out_of_memory(&self) -> bool {
        self.memory.is_exceeded.load(Ordering::Relaxed)
    }

    /// Ends the runtime as Lambda does at the end of an environment's life: politely where
    /// an extension was registered, which is how a runtime asks for that.
    pub(super) fn shut_down(self) {
        if let (true, Some(pid)) = (self.api.has_extension() && self.is_alive(), self.memory.pid.get()) {
            process::terminate_named("bootstrap", *pid);
            let until = Instant::now() + GRACE;
            while self.news(until).is_some_and(|news| !matches!(news, News::Exited(_))) {}
        }
    }
}

impl Drop for Environment {
    fn drop(&mut self) {
        self.stop.trigger();
        self.api.close();
        for thread in self.threads.drain(..) {
            _ = thread.join();
        }
    }
}

impl Memory {
    fn watch(&self, ancestor: &Ancestor, limit_bytes: u64, stop: &Interrupt) {
        while !stop.is_set_within(MEMORY_INTERVAL) && !self.has_ended.load(Ordering::Relaxed) {
            let Some(pid) = self.pid.get().copied().or_else(|| ancestor.pid()) else { continue };
            let bytes = process::resident_bytes(*self.pid.get_or_init(|| pid));
            self.peak_bytes.fetch_max(bytes, Ordering::Relaxed);
            if bytes > limit_bytes {
                self.is_exceeded.store(true, Ordering::Relaxed);
                stop.trigger();
            }
        }
    }
}
