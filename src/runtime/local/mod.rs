//! The local Lambda: a function and events to answers, without AWS.
//!
//! Layers lie at `/opt` and code at `/var/task`, both read-only; memory and time are bounded,
//! and the runtime asks for events over the Runtime API as it does on Lambda.

mod api;
mod environment;
mod error;
mod failure;
mod http;
mod log;
mod report;
mod sandbox;
mod serve;
mod url;
mod watch;

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::process::ExitStatus;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

pub use error::LocalError;
pub use failure::Fault;
pub use log::{Log, Write};
pub use report::Measured;
pub use serve::serve;
pub use watch::Watch;

use api::Offer;
use failure::Collapse;
use report::Status;
use sandbox::{Environment, News};

use crate::engine::{Engine, EngineError, Root};
use crate::store::Store;
use crate::sys::fs;
use crate::sys::interrupt::Interrupt;
use crate::sys::process::{self, ProcessError};

/// Of an event, and of an answer that is not streamed: 6 MiB and what goes with them, as
/// Lambda's own error text has it.
pub const MAX_PAYLOAD_BYTES: usize = 6_291_556;
/// The longest streamed answer, 200 MB ("Response streaming for Lambda functions").
const MAX_STREAM_BYTES: usize = 200 << 20;
/// What a start may take before it is begun anew as part of the invocation: "Lambda
/// execution environment", init phase.
const INIT_LIMIT: Duration = Duration::from_secs(10);
/// The only version there is here.
const VERSION: &str = "$LATEST";
/// The account of examples in AWS's documentation.
const ACCOUNT: &str = "123456789012";

/// A function as it is to run.
#[derive(Debug, Clone)]
pub struct Function {
    pub name: String,
    pub handler: String,
    /// The folder that is `/var/task`.
    pub code: PathBuf,
    /// The layers, merged: the folder that is `/opt`.
    pub opt: Option<PathBuf>,
    /// What stands in for Lambda's image.
    pub root: Root,
    pub timeout: Duration,
    pub memory_mb: u32,
    pub variables: BTreeMap<String, String>,
    pub region: String,
}

/// What a function runs on.
pub struct Host<'a> {
    pub engine: &'a Engine,
    pub store: &'a Store,
    pub interrupt: &'a Interrupt,
    pub clock: fn() -> SystemTime,
    pub log: Arc<Log>,
}

/// What a function is called with.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Event {
    /// JSON.
    pub payload: Vec<u8>,
    /// JSON.
    pub client_context: Option<String>,
    /// JSON.
    pub cognito_identity: Option<String>,
    pub trace_id: Option<String>,
    pub tenant_id: Option<String>,
}

/// Takes an answer as it comes.
pub trait Receive {
    fn begin(&mut self, content_type: &str, is_streaming: bool);
    fn piece(&mut self, bytes: &[u8]);
}

/// An invocation that is over.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Invocation {
    pub measured: Measured,
    /// Where the function did not answer, or broke off.
    pub fault: Option<Fault>,
}

/// A function with its environment, which is started when there is something to do.
pub struct Lambda<'a> {
    function: Function,
    host: Host<'a>,
    tmp: tempfile::TempDir,
    environment: Option<Environment>,
}

/// Why a function did not answer.
enum Failure {
    Posted(Fault),
    Collapsed(Collapse),
}

impl From<Collapse> for Failure {
    fn from(collapse: Collapse) -> Self {
        Self::Collapsed(collapse)
    }
}

impl<'a> Lambda<'a> {
    pub fn new(function: Function, host: Host<'a>) -> Result<Self, LocalError> {
        let tmp = host.store.temp_dir("function-")?;
        fs::set_mode(tmp.path(), 0o1777)?;
        Ok(Self { function, host, tmp, environment: None })
    }

    /// Calls the function once, and waits until it is ready for more or gone.
    ///
    /// # Errors
    ///
    /// Where the function cannot be run at all. What it does wrong is part of the result.
    pub fn invoke(&mut self, event: Event, out: &mut dyn Receive) -> Result<Invocation, LocalError> {
        check(&event)?;
        let trace_id = event.trace_id.clone().or_else(|| Some(self.trace_id()));
        let event = Event { trace_id, ..event };
        self.host.log.begin();
        let request_id = uuid::Uuid::new_v4().to_string();
        let (started, began) = (self.start()?, Instant::now());
        self.host.log.platform(&format!("START RequestId: {request_id} Version: {VERSION}"));
        let (init, result) = match started {
            Ok(init) => (init, self.run(event, &request_id, out)?),
            Err(failure) => (None, Err(failure)),
        };
        let measured = Measured {
            duration: began.elapsed(),
            init,
            memory_mb: self.function.memory_mb,
            peak_bytes: self.environment.as_ref().and_then(Environment::peak_bytes),
            request_id,
        };
        Ok(self.close(measured, result))
    }

    /// As Lambda gives every invocation one, traced or not.
    fn trace_id(&self) -> String {
        let since_1970 = (self.host.clock)().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        let random = uuid::Uuid::new_v4().simple().to_string();
        let other = uuid::Uuid::new_v4().simple().to_string();
        format!("Root=1-{:08x}-{};Parent={};Sampled=0", since_1970.as_secs(), &random[8..], &other[16..])
    }

    /// Ends the function's environment; the next invocation starts another.
    pub fn reset(&mut self) {
        if let Some(environment) = self.environment.take() {
            environment.shut_down();
        }
    }

    /// The end of the last invocation's log.
    pub fn log_tail(&self) -> Vec<u8> {
        self.host.log.tail()
    }

    /// Sees to it that the runtime waits for an event; how long its start took, where it
    /// had to be started.
    fn start(&mut self) -> Result<Result<Option<Duration>, Failure>, LocalError> {
        if self.environment.as_ref().is_some_and(Environment::is_alive) {
            return Ok(Ok(None));
        }
        self.environment = None;
        let first = self.start_within(INIT_LIMIT)?;
        if !matches!(first, Err(Failure::Collapsed(Collapse::TimedOut { .. }))) {
            return Ok(first.map(Some));
        }
        let line = format!(
            "INIT_REPORT Init Duration: {}.00 ms\tPhase: init\tStatus: timeout",
            INIT_LIMIT.as_millis()
        );
        self.host.log.platform(&line);
        // As Lambda does: once more, in the invocation's time.
        Ok(self.start_within(self.function.timeout)?.map(Some))
    }

    fn start_within(&mut self, limit: Duration) -> Result<Result<Duration, Failure>, LocalError> {
        let began = Instant::now();
        let environment = match Environment::start(&self.function, &self.host, self.tmp.path()) {
            Err(LocalError::NoBootstrap) => return Ok(Err(Collapse::NoBootstrap.into())),
            result => self.environment.insert(result?),
        };
        loop {
            match environment.news(began + limit) {
                Some(News::Ready) => return Ok(Ok(began.elapsed())),
                Some(News::InitFailed(fault)) => {
                    environment.give_up();
                    return Ok(Err(Failure::Posted(fault)));
                }
                Some(News::Exited(result)) => return Ok(Err(self.exited(result)?.into())),
                None => {
                    environment.give_up();
                    return Ok(Err(Collapse::TimedOut { limit }.into()));
                }
                Some(
                    News::Answer { .. }
                    | News::Piece(_)
                    | News::Answered
                    | News::Failed(_)
                    | News::TooLarge
                    | News::Truncated,
                ) => {}
            }
        }
    }

    /// Hands the event over and waits for the answer, then for the runtime to be ready.
    fn run(
        &mut self,
        event: Event,
        request_id: &str,
        out: &mut dyn Receive,
    ) -> Result<Result<(), Failure>, LocalError> {
        let limit = self.function.timeout;
        let deadline = Instant::now() + limit;
        let Some(environment) = &mut self.environment else { return Ok(Err(Collapse::NoBootstrap.into())) };
        environment.offer(Offer {
            request_id: request_id.to_owned(),
            deadline: (self.host.clock)() + limit,
            function_arn: arn(&self.function),
            event,
        });
        let mut answer = Answer::new(out);
        let mut result = None;
        loop {
            match environment.news(deadline) {
                Some(News::Answer { is_streaming, content_type }) => answer.begin(is_streaming, content_type),
                Some(News::Piece(bytes)) => answer.piece(&bytes),
                Some(News::Answered) => {
                    answer.complete();
                    result = Some(Ok(()));
                }
                Some(News::Failed(fault) | News::InitFailed(fault)) => {
                    result = Some(Err(Failure::Posted(fault)));
                }
                Some(News::TooLarge) => result = Some(Err(Collapse::TooLarge.into())),
                Some(News::Truncated) => result = Some(Err(Collapse::Truncated.into())),
                // Done with the event, whatever came of it.
                Some(News::Ready) => return Ok(result.unwrap_or_else(|| Err(Collapse::Truncated.into()))),
                Some(News::Exited(ended)) => {
                    let collapse = self.exited(ended)?;
                    return Ok(result.unwrap_or_else(|| Err(collapse.into())));
                }
                None => {
                    environment.give_up();
                    return Ok(result.unwrap_or_else(|| Err(Collapse::TimedOut { limit }.into())));
                }
            }
        }
    }

    /// What a runtime's end says of it.
    fn exited(&self, result: Result<ExitStatus, EngineError>) -> Result<Collapse, LocalError> {
        if self.host.interrupt.is_set() {
            return Err(LocalError::Interrupted);
        }
        if self.environment.as_ref().is_some_and(Environment::is_out_of_memory) {
            return Ok(Collapse::OutOfMemory { limit_mb: self.function.memory_mb });
        }
        match result {
            Ok(status) => Ok(Collapse::of_exit_code(process::exit_code(status))),
            Err(EngineError::Process(ProcessError::Interrupted)) => Err(LocalError::Interrupted),
            Err(error) => Err(error.into()),
        }
    }

    /// Writes the last lines of the log, and gives up an environment that is of no more use.
    fn close(&mut self, measured: Measured, result: Result<(), Failure>) -> Invocation {
        if let Some(environment) = &self.environment {
            environment.drain();
        }
        let request_id = &measured.request_id;
        let collapse = match &result {
            Err(Failure::Collapsed(collapse)) => Some(collapse.clone()),
            Ok(()) | Err(Failure::Posted(_)) => None,
        };
        let fault = result.err().map(|failure| match failure {
            Failure::Posted(fault) => fault,
            Failure::Collapsed(collapse) => Fault::of(&collapse, request_id),
        });
        let log = &self.host.log;
        if let Some(text) = collapse.as_ref().and_then(Collapse::remark) {
            log.platform(&format!("{request_id} {text}"));
        }
        log.platform(&format!("END RequestId: {request_id}"));
        let status = match (&collapse, &fault) {
            (_, None) => Status::Success,
            (Some(Collapse::TimedOut { .. }), _) => Status::Timeout,
            (_, Some(fault)) => Status::Error(&fault.error_type),
        };
        log.platform(&measured.line(status));
        self.environment = self.environment.take().filter(Environment::is_alive);
        Invocation { measured, fault }
    }
}

impl Drop for Lambda<'_> {
    fn drop(&mut self) {
        self.reset();
    }
}

/// An answer on its way: streamed ones are handed on at once, others when they are complete,
/// so that nobody reads half of one.
struct Answer<'a> {
    out: &'a mut dyn Receive,
    begun: Option<(bool, String)>,
    body: Vec<u8>,
}

impl<'a> Answer<'a> {
    fn new(out: &'a mut dyn Receive) -> Self {
        Self { out, begun: None, body: Vec::new() }
    }

    fn begin(&mut self, is_streaming: bool, content_type: String) {
        if is_streaming {
            self.out.begin(&content_type, true);
        }
        self.begun = Some((is_streaming, content_type));
    }

    fn piece(&mut self, bytes: &[u8]) {
        if matches!(self.begun, Some((true, _))) {
            self.out.piece(bytes);
        } else {
            self.body.extend(bytes);
        }
    }

    fn complete(&mut self) {
        if let Some((false, content_type)) = &self.begun {
            self.out.begin(content_type, false);
            self.out.piece(&self.body);
        }
    }
}

fn check(event: &Event) -> Result<(), LocalError> {
    if event.payload.len() > MAX_PAYLOAD_BYTES {
        return Err(LocalError::EventTooLarge { n_bytes: event.payload.len() });
    }
    serde_json::from_slice::<serde::de::IgnoredAny>(&event.payload).map_err(LocalError::EventNotJson)?;
    Ok(())
}

fn arn(function: &Function) -> String {
    format!("arn:aws:lambda:{}:{ACCOUNT}:function:{}", function.region, function.name)
}
