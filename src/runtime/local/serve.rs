//! HTTP requests to invocations: Lambda's Invoke API, and a Function URL at all other paths.
//!
//! There is one environment, so requests wait for one another.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender, SyncSender, TrySendError, channel, sync_channel};
use std::thread;
use std::time::{Duration, SystemTime};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::json;

use super::api::json_response;
use super::http::{Body, Exchange, Handler, Head, Headers, Response, Server};
use super::url::{Begun, StreamedHead};
use super::{Event, Fault, Invocation, Lambda, LocalError, MAX_PAYLOAD_BYTES, Receive, VERSION, arn, url};

const INVOKE: &str = "/2015-03-31/functions/";
const STREAMED_HTTP: &str = "application/vnd.awslambda.http-integration-response";

/// Requests that wait for the one environment, those of type `Event` among them. Lambda's
/// own queue is longer, and throttles too.
const MAX_WAITING: usize = 1000;

/// A request for the one who invokes.
enum Job {
    Invoke { event: Event, parts: Sender<Part> },
    Stop,
}

/// An answer on its way back.
enum Part {
    Begin {
        content_type: String,
        is_streaming: bool,
    },
    Piece(Vec<u8>),
    End {
        invocation: Invocation,
        log_tail: Vec<u8>,
    },
    /// The event is one that Lambda refuses.
    Refused(LocalError),
}

/// Serves until interrupted. `announce` is told the address, and `has_changed` asked before
/// each invocation whether the environment is to be started anew.
pub fn serve(
    lambda: &mut Lambda<'_>,
    port: u16,
    announce: impl FnOnce(SocketAddr),
    mut has_changed: impl FnMut() -> bool,
) -> Result<(), LocalError> {
    let (jobs, waiting) = sync_channel(MAX_WAITING);
    let front = Front {
        jobs: jobs.clone(),
        name: lambda.function.name.clone(),
        arn: arn(&lambda.function),
        clock: lambda.host.clock,
    };
    let server = Server::start(port, Arc::new(front)).map_err(LocalError::Serve)?;
    let interrupt = lambda.host.interrupt.clone();
    thread::spawn(move || {
        if interrupt.is_set_within(Duration::MAX) {
            _ = jobs.send(Job::Stop);
        }
    });
    announce(server.address());
    while let Ok(Job::Invoke { event, parts }) = waiting.recv() {
        if has_changed() {
            lambda.reset();
        }
        let last = match lambda.invoke(event, &mut Sent(&parts)) {
            Ok(invocation) => Part::End { invocation, log_tail: lambda.log_tail() },
            Err(error @ (LocalError::EventNotJson(_) | LocalError::EventTooLarge { .. })) => {
                Part::Refused(error)
            }
            Err(LocalError::Interrupted) => break,
            Err(error) => return Err(error),
        };
        _ = parts.send(last);
    }
    Ok(())
}

/// Sends an answer back; whoever asked may be gone.
struct Sent<'a>(&'a Sender<Part>);

impl Receive for Sent<'_> {
    fn begin(&mut self, content_type: &str, is_streaming: bool) {
        _ = self.0.send(Part::Begin { content_type: content_type.to_owned(), is_streaming });
    }

    fn piece(&mut self, bytes: &[u8]) {
        _ = self.0.send(Part::Piece(bytes.to_vec()));
    }
}

struct Front {
    jobs: SyncSender<Job>,
    name: String,
    arn: String,
    clock: fn() -> SystemTime,
}

impl Handler for Front {
    fn begin(&self, head: Head) -> Box<dyn Exchange> {
        let function = head.path.strip_prefix(INVOKE).and_then(|rest| rest.strip_suffix("/invocations"));
        let function = function.map(|text| text.replace("%3A", ":").replace("%24", "$"));
        let target = match function {
            None => Target::Url { now: (self.clock)() },
            Some(name) => {
                let name = name.strip_suffix(&format!(":{VERSION}")).unwrap_or(&name);
                if name == self.name || name == self.arn { Target::Invoke } else { Target::NotFound }
            }
        };
        Box::new(Request { jobs: self.jobs.clone(), target, head, body: Vec::new() })
    }
}

/// What a request is for.
enum Target {
    Invoke,
    Url { now: SystemTime },
    NotFound,
}

struct Request {
    jobs: SyncSender<Job>,
    target: Target,
    head: Head,
    body: Vec<u8>,
}

impl Exchange for Request {
    fn piece(&mut self, bytes: &[u8]) -> Result<(), Response> {
        self.body.extend(bytes);
        if self.body.len() > MAX_PAYLOAD_BYTES {
            let n_bytes = self.body.len();
            return Err(refused(&LocalError::EventTooLarge { n_bytes }));
        }
        Ok(())
    }

    fn end(self: Box<Self>, _trailers: &Headers) -> Response {
        match self.target {
            Target::Invoke => self.invoke(),
            Target::Url { now } => self.url(now),
            Target::NotFound => {
                let message = format!("Function not found: {}", self.head.path);
                user_error(404, "ResourceNotFoundException", &message)
            }
        }
    }
}

impl Request {
    /// The event's answer in parts, as they come; or that too many wait already.
    fn send(&self, event: Event) -> Result<Receiver<Part>, Response> {
        let (parts, answer) = channel();
        match self.jobs.try_send(Job::Invoke { event, parts }) {
            Ok(()) => Ok(answer),
            Err(TrySendError::Full(_)) => Err(throttled()),
            Err(TrySendError::Disconnected(_)) => Err(unavailable()),
        }
    }

    /// "Invoke" of Lambda's API.
    fn invoke(self) -> Response {
        let context = self.head.header("x-amz-client-context");
        let context = context.and_then(|text| String::from_utf8(STANDARD.decode(text).ok()?).ok());
        let payload = if self.body.is_empty() { b"{}".to_vec() } else { self.body.clone() };
        let event = Event {
            payload,
            client_context: context,
            trace_id: self.head.header("x-amzn-trace-id").map(str::to_owned),
            tenant_id: self.head.header("x-amz-tenant-id").map(str::to_owned),
            ..Event::default()
        };
        match self.head.header("x-amz-invocation-type") {
            None | Some("RequestResponse") => {}
            Some("Event") => {
                let accepted = Response { status: 202, headers: Vec::new(), body: Body::whole("") };
                return self.send(event).map_or_else(|refused| refused, |_| accepted);
            }
            Some("DryRun") => return Response { status: 204, headers: Vec::new(), body: Body::whole("") },
            Some(other) => {
                let message = format!("`{other}` is no invocation type");
                return user_error(400, "InvalidParameterValueException", &message);
            }
        }
        let wants_log = self.head.header("x-amz-log-type") == Some("Tail");
        let answer = match self.send(event) {
            Ok(answer) => answer,
            Err(refused) => return refused,
        };
        match whole(&answer) {
            Whole::Answered { body, invocation, log_tail } => {
                invoked(body, invocation, wants_log.then_some(log_tail))
            }
            Whole::Refused(error) => refused(&error),
            Whole::Gone => unavailable(),
        }
    }

    fn url(self, now: SystemTime) -> Response {
        let now = jiff::Timestamp::try_from(now).unwrap_or_default();
        let request_id = uuid::Uuid::new_v4().to_string();
        let payload = url::event(&self.head, &self.body, (&request_id, now)).to_string().into_bytes();
        let trace_id = self.head.header("x-amzn-trace-id").map(str::to_owned);
        let answer = match self.send(Event { payload, trace_id, ..Event::default() }) {
            Ok(answer) => answer,
            Err(refused) => return refused,
        };
        match answer.recv() {
            Ok(Part::Begin { is_streaming: true, content_type }) => streamed(answer, &content_type),
            Ok(Part::Begin { is_streaming: false, .. }) => match whole(&answer) {
                Whole::Answered { body, invocation: Invocation { fault: None, .. }, .. } => {
                    url::response(&body)
                }
                Whole::Answered { .. } => bad_gateway(),
                Whole::Refused(error) => refused(&error),
                Whole::Gone => unavailable(),
            },
            Ok(Part::Refused(error)) => refused(&error),
            Ok(Part::Piece(_) | Part::End { .. }) => bad_gateway(),
            Err(_) => unavailable(),
        }
    }
}

/// An answer that has come to its end.
enum Whole {
    Answered {
        body: Vec<u8>,
        invocation: Invocation,
        log_tail: Vec<u8>,
    },
    Refused(LocalError),
    /// We are being stopped.
    Gone,
}

fn whole(answer: &Receiver<Part>) -> Whole {
    let mut body = Vec::new();
    for part in answer {
        match part {
            Part::Begin { .. } => {}
            Part::Piece(bytes) => body.extend(bytes),
            Part::End { invocation, log_tail } => return Whole::Answered { body, invocation, log_tail },
            Part::Refused(error) => return Whole::Refused(error),
        }
    }
    Whole::Gone
}

fn invoked(body: Vec<u8>, invocation: Invocation, log_tail: Option<Vec<u8>>) -> Response {
    let mut headers = vec![
        ("content-type".to_owned(), "application/json".to_owned()),
        ("x-amzn-requestid".to_owned(), invocation.measured.request_id),
        ("x-amz-executed-version".to_owned(), VERSION.to_owned()),
    ];
    headers.extend(log_tail.map(|tail| ("x-amz-log-result".to_owned(), STANDARD.encode(tail))));
    let body = match invocation.fault {
        Some(Fault { payload, .. }) => {
            headers.push(("x-amz-function-error".to_owned(), "Unhandled".to_owned()));
            payload
        }
        None => body,
    };
    Response { status: 200, headers, body: Body::whole(body) }
}

/// A response whose body is sent as the function streams it.
fn streamed(answer: Receiver<Part>, content_type: &str) -> Response {
    let begun = if content_type == STREAMED_HTTP {
        match streamed_head(&answer) {
            Some(begun) => begun,
            None => return bad_gateway(),
        }
    } else {
        let headers = vec![("content-type".to_owned(), content_type.to_owned())];
        Begun { status: 200, headers, body: Vec::new() }
    };
    let Begun { status, headers, body: begun } = begun;
    let (pieces, body) = Body::pieces();
    thread::spawn(move || {
        let mut is_read = begun.is_empty() || pieces.send(&begun);
        while let (true, Ok(Part::Piece(bytes))) = (is_read, answer.recv()) {
            is_read = pieces.send(&bytes);
        }
    });
    Response { status, headers, body }
}

/// `None` where the answer ends before its head does, or has none.
fn streamed_head(answer: &Receiver<Part>) -> Option<Begun> {
    let mut head = StreamedHead::default();
    for part in answer {
        match part {
            Part::Piece(bytes) => {
                if let Some(begun) = head.add(&bytes).ok()? {
                    return Some(begun);
                }
            }
            Part::Begin { .. } => {}
            Part::End { .. } | Part::Refused(_) => return None,
        }
    }
    None
}

/// What Lambda's API says of a request that is wrong.
fn user_error(status: u16, error_type: &str, message: &str) -> Response {
    let mut response =
        json_response(status, &json!({ "Type": "User", "Message": message, "message": message }));
    response.headers.push(("x-amzn-errortype".to_owned(), error_type.to_owned()));
    response
}

fn refused(error: &LocalError) -> Response {
    let (status, error_type) = match error {
        LocalError::EventTooLarge { .. } => (413, "RequestTooLargeException"),
        LocalError::EventNotJson(_) => (400, "InvalidRequestContentException"),
        LocalError::NoBootstrap
        | LocalError::Serve(_)
        | LocalError::Interrupted
        | LocalError::Engine(_)
        | LocalError::Store(_)
        | LocalError::Path(_) => (500, "ServiceException"),
    };
    user_error(status, error_type, &error.to_string())
}

fn throttled() -> Response {
    user_error(429, "TooManyRequestsException", "Rate Exceeded.")
}

fn bad_gateway() -> Response {
    Response { status: 502, headers: Vec::new(), body: Body::whole("Internal Server Error") }
}

fn unavailable() -> Response {
    Response { status: 503, headers: Vec::new(), body: Body::whole("Service Unavailable") }
}
