//! REAPI's Execution: an action that some worker of the server runs.

use std::fs::File;
use std::time::{Duration, Instant};

use bazel_remote_apis::build::bazel::remote::execution::v2 as reapi;
use bazel_remote_apis::google::longrunning::operations_client::OperationsClient;
use bazel_remote_apis::google::longrunning::{CancelOperationRequest, Operation, operation};
use prost::Message;
use reapi::execution_client::ExecutionClient;
use tonic::codec::Streaming;
use tonic::{Code, Status};

use super::along::Along;
use super::{Connection, Grpc, Service, digest, refused};
use crate::remote::RemoteError;
use crate::store::Blob;

/// Between a connection that ended and the next.
const BEFORE_LISTENING_AGAIN: Duration = Duration::from_secs(1);

/// How often it is listened again, one time after the other, without hearing a word.
const MOST_IN_VAIN: u32 = 30;

/// How often an action is begun that the server has forgotten, at most.
const MOST_BEGINNINGS: u32 = 5;

/// What a worker may need beyond the action's own limit, to fetch inputs and to send what
/// came of them.
const AROUND_A_JOB: Duration = Duration::from_mins(5);

/// How long an action may take.
#[derive(Debug, Clone, Copy)]
pub(in crate::remote) struct Patience {
    /// On a worker, which holds it to that; one that does not is given up a little later.
    pub(in crate::remote) running: Duration,
    /// In the queue and on workers together.
    pub(in crate::remote) altogether: Duration,
}

/// What a server is asked for.
#[derive(Debug, Clone, Copy)]
pub(in crate::remote) struct Order<'a> {
    /// The server has its messages and its inputs.
    pub(in crate::remote) action: Blob,
    /// Run it, whatever is remembered of it.
    pub(in crate::remote) anew: bool,
    pub(in crate::remote) patience: Patience,
    /// Takes what it says meanwhile, as far as the server lets it be heard.
    pub(in crate::remote) log: &'a File,
}

/// Has an action run, and waits for its end. A failure that the server only remembers may
/// have been of its moment: the action is run again.
pub(in crate::remote) fn execute(grpc: &Grpc, order: Order<'_>) -> Result<reapi::ActionResult, RemoteError> {
    let (result, is_remembered) = executed(grpc, order)?;
    if is_remembered && result.exit_code != 0 {
        return executed(grpc, Order { anew: true, ..order }).map(|(result, _)| result);
    }
    Ok(result)
}

/// The result, and whether it is one that the server had before.
fn executed(grpc: &Grpc, order: Order<'_>) -> Result<(reapi::ActionResult, bool), RemoteError> {
    let connection = grpc.connection()?;
    let line = grpc.lines.take(&grpc.endpoint, &grpc.network)?;
    let mut execution = Execution {
        grpc,
        client: ExecutionClient::new(grpc.service(&line)),
        order,
        clock: Clock::new(order.patience),
        along: Along::new(grpc, &line, order.log),
        name: String::new(),
        stream: None,
        n_begun: 0,
        n_in_vain: 0,
    };
    let ended = execution.operation();
    if ended.is_err() {
        cancel(grpc, &connection, execution.name);
    }
    finished(ended?)
}

/// An action under way.
struct Execution<'a> {
    grpc: &'a Grpc,
    client: ExecutionClient<Service>,
    order: Order<'a>,
    clock: Clock,
    along: Along<'a>,
    /// What the server calls it; empty until it has said so.
    name: String,
    stream: Option<Streaming<Operation>>,
    n_begun: u32,
    n_in_vain: u32,
}

impl Execution<'_> {
    /// The operation once it is done.
    fn operation(&mut self) -> Result<Operation, RemoteError> {
        loop {
            let is_known = !self.name.is_empty();
            match self.next() {
                Ok(operation) if operation.done => return Ok(operation),
                Ok(operation) => {
                    if let Some(metadata) = metadata(&operation) {
                        self.clock.hear(&metadata);
                        self.along.hear(&metadata);
                    }
                    self.name = operation.name;
                    self.n_in_vain = 0;
                }
                // A connection that ends is not the action's end: it can be listened to again.
                Err(RemoteError::Broken { .. }) if is_known && self.n_in_vain < MOST_IN_VAIN => {
                    self.stream = None;
                    self.n_in_vain += 1;
                    if self.grpc.network.interrupt().is_set_within(BEFORE_LISTENING_AGAIN) {
                        return Err(RemoteError::Interrupted);
                    }
                }
                // It was started anew.
                Err(error) if error.is_of_unknown() && is_known && self.n_begun < MOST_BEGINNINGS => {
                    self.stream = None;
                    self.name.clear();
                }
                Err(error) => return Err(error),
            }
        }
    }

    /// Its next word, which may take as long as it needs, and so may the head of the answer.
    fn next(&mut self) -> Result<Operation, RemoteError> {
        let Self { grpc, client, clock, stream, .. } = self;
        let stream = match stream {
            Some(stream) => stream,
            None if self.name.is_empty() => {
                self.n_begun += 1;
                let request = reapi::ExecuteRequest {
                    instance_name: grpc.instance.clone(),
                    action_digest: Some(digest(&self.order.action)),
                    skip_cache_lookup: self.order.anew,
                    inline_stdout: true,
                    inline_stderr: true,
                    ..Default::default()
                };
                stream.insert(grpc.within(clock, client.execute(request))?.into_inner())
            }
            None => {
                let request = reapi::WaitExecutionRequest { name: self.name.clone() };
                stream.insert(grpc.within(clock, client.wait_execution(request))?.into_inner())
            }
        };
        let ended = || RemoteError::Broken { detail: "it ended without a result".to_owned() };
        grpc.within(clock, stream.message())?.ok_or_else(ended)
    }
}

fn metadata(operation: &Operation) -> Option<reapi::ExecuteOperationMetadata> {
    reapi::ExecuteOperationMetadata::decode(&*operation.metadata.as_ref()?.value).ok()
}

/// When an action is given up.
#[derive(Debug)]
struct Clock {
    patience: Patience,
    end: Instant,
    /// Since when a worker has it, as far as the server says.
    running_since: Option<Instant>,
}

impl Clock {
    fn new(patience: Patience) -> Self {
        Self { patience, end: Instant::now() + patience.altogether, running_since: None }
    }

    /// A job that lost its worker is in the queue again.
    fn hear(&mut self, metadata: &reapi::ExecuteOperationMetadata) {
        self.running_since = match metadata.stage() {
            reapi::execution_stage::Value::Executing => self.running_since.or_else(|| Some(Instant::now())),
            reapi::execution_stage::Value::Unknown
            | reapi::execution_stage::Value::CacheCheck
            | reapi::execution_stage::Value::Queued
            | reapi::execution_stage::Value::Completed => None,
        };
    }

    fn until(&self) -> Instant {
        let of_worker = self.running_since.map(|since| since + self.patience.running + AROUND_A_JOB);
        of_worker.map_or(self.end, |end| end.min(self.end))
    }

    /// What is to be said when it has run out.
    fn error(&self) -> RemoteError {
        let Patience { running, altogether } = self.patience;
        match self.running_since {
            Some(since) if since + running + AROUND_A_JOB < self.end => {
                RemoteError::Overdue { place: "a worker", limit: running + AROUND_A_JOB }
            }
            Some(_) | None => RemoteError::Overdue { place: "the farm", limit: altogether },
        }
    }
}

/// Nobody waits for it any more. A server that does not take it finishes for nobody.
fn cancel(grpc: &Grpc, connection: &Connection, name: String) {
    if name.is_empty() {
        return;
    }
    let mut client = OperationsClient::new(grpc.service(&connection.channel));
    if let Ok(call) =
        grpc.network.spawn(async move { client.cancel_operation(CancelOperationRequest { name }).await })
    {
        grpc.network.give_a_moment(call);
    }
}

fn finished(operation: Operation) -> Result<(reapi::ActionResult, bool), RemoteError> {
    let answer = match operation.result {
        Some(operation::Result::Response(any)) => any,
        Some(operation::Result::Error(status)) => {
            return Err(refused(&Status::new(Code::from_i32(status.code), status.message)));
        }
        None => return Err(RemoteError::Broken { detail: "it ended without a result".to_owned() }),
    };
    let unfit = RemoteError::Unfit { what: "REAPI's Execution" };
    let answer = reapi::ExecuteResponse::decode(&*answer.value).ok().ok_or(unfit)?;
    let status = answer.status.unwrap_or_default();
    let code = Code::from_i32(status.code);
    if code == Code::DeadlineExceeded {
        return Err(RemoteError::TimedOut);
    }
    if code != Code::Ok {
        return Err(refused(&Status::new(code, status.message)));
    }
    let is_remembered = answer.cached_result;
    let result = answer.result.ok_or(RemoteError::Unfit { what: "REAPI's Execution" })?;
    Ok((result, is_remembered))
}

impl Grpc {
    fn within<T>(
        &self,
        clock: &Clock,
        call: impl Future<Output = Result<T, Status>>,
    ) -> Result<T, RemoteError> {
        let limit = clock.until().saturating_duration_since(Instant::now());
        match self.network.wait_for(limit, call) {
            Ok(answer) => answer.map_err(|status| refused(&status)),
            Err(RemoteError::Silent { .. }) => Err(clock.error()),
            Err(error) => Err(error),
        }
    }
}
