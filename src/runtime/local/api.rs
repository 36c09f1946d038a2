//! The Runtime API, version 2018-06-01, as a function's runtime sees it, to news for
//! whoever invokes: "AWS Lambda Developer Guide", chapter "Using the Lambda runtime API".
//!
//! One of these serves one sandbox, from its start to its end.

use std::sync::mpsc::Sender;
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::time::{Duration, SystemTime};

use serde_json::json;

use super::failure::Fault;
use super::http::{Body, Exchange, Handler, Head, Headers, Response, value};
use super::sandbox::News;
use super::{Event, MAX_PAYLOAD_BYTES, MAX_STREAM_BYTES};

const RUNTIME: &str = "/2018-06-01/runtime/";
const EXTENSION: &str = "/2020-01-01/extension/";

/// An event on its way to the runtime.
#[derive(Debug)]
pub(super) struct Offer {
    pub(super) request_id: String,
    pub(super) deadline: SystemTime,
    pub(super) function_arn: String,
    pub(super) event: Event,
}

/// Answers the runtime in one sandbox. Clones are of the same one.
#[derive(Clone)]
pub(super) struct Api(Arc<Shared>);

struct Shared {
    state: Mutex<State>,
    changed: Condvar,
    news: Mutex<Sender<News>>,
}

#[derive(Default)]
struct State {
    /// Whether the runtime has asked for an event, which ends its start.
    has_started: bool,
    offer: Option<Offer>,
    /// The invocation that the runtime has not answered yet.
    unanswered: Option<String>,
    has_extension: bool,
    is_closed: bool,
}

impl Api {
    pub(super) fn new(news: Sender<News>) -> Self {
        let shared = Shared { state: Mutex::default(), changed: Condvar::new(), news: Mutex::new(news) };
        Self(Arc::new(shared))
    }

    /// Gives the runtime its next event.
    pub(super) fn offer(&self, offer: Offer) {
        self.change(|state| state.offer = Some(offer));
    }

    /// Whether something inside asked to be told of the end, rather than just be ended.
    pub(super) fn has_extension(&self) -> bool {
        self.change(|state| state.has_extension)
    }

    /// Lets go of all that wait for an event.
    pub(super) fn close(&self) {
        self.change(|state| state.is_closed = true);
    }

    fn change<T>(&self, change: impl FnOnce(&mut State) -> T) -> T {
        let changed = change(&mut self.0.state.lock().unwrap_or_else(PoisonError::into_inner));
        self.0.changed.notify_all();
        changed
    }

    /// Nobody listens any more once the sandbox was given up; then it matters no more.
    fn tell(&self, news: News) {
        _ = self.0.news.lock().unwrap_or_else(PoisonError::into_inner).send(news);
    }

    /// Waits for an event, for as long as it takes.
    fn next(&self) -> Response {
        let state = self.0.state.lock().unwrap_or_else(PoisonError::into_inner);
        if state.unanswered.is_some() {
            return refusal(403, "InvalidStateTransition", "the last invocation was not answered");
        }
        drop(state);
        self.change(|state| state.has_started = true);
        self.tell(News::Ready);
        let state = self.0.state.lock().unwrap_or_else(PoisonError::into_inner);
        let waits = |state: &mut State| state.offer.is_none() && !state.is_closed;
        let mut state = self.0.changed.wait_while(state, waits).unwrap_or_else(PoisonError::into_inner);
        match state.offer.take() {
            Some(offer) => {
                state.unanswered = Some(offer.request_id.clone());
                Response {
                    status: 200,
                    headers: event_headers(&offer),
                    body: Body::whole(offer.event.payload),
                }
            }
            None => refusal(500, "ServiceException", "the sandbox is going away"),
        }
    }

    fn register(&self) -> Response {
        self.change(|state| state.has_extension = true);
        let id = uuid::Uuid::new_v4().to_string();
        let headers = vec![("lambda-extension-identifier".to_owned(), id)];
        Response { headers, ..json_response(200, &json!({ "functionVersion": "$LATEST" })) }
    }

    /// An extension that waits for events is let go at the end.
    fn extension_next(&self) -> Response {
        let state = self.0.state.lock().unwrap_or_else(PoisonError::into_inner);
        let closed = self.0.changed.wait_while(state, |state| !state.is_closed);
        drop(closed);
        json_response(200, &json!({ "eventType": "SHUTDOWN", "shutdownReason": "spindown" }))
    }

    /// Whether `request_id` is the invocation to be answered, which it then is.
    fn answered(&self, request_id: &str) -> Result<(), Response> {
        let is_current =
            |state: &mut State| state.unanswered.take_if(|current| current == request_id).is_some();
        if self.change(is_current) {
            Ok(())
        } else {
            Err(refusal(400, "InvalidRequestID", "that invocation is not there to be answered"))
        }
    }
}

impl Handler for Api {
    fn begin(&self, head: Head) -> Box<dyn Exchange> {
        let post = Post { api: self.clone(), body: Vec::new(), headers: head.headers.clone() };
        let path = head.path.strip_prefix(RUNTIME).unwrap_or(&head.path);
        let parts: Vec<&str> = path.split('/').collect();
        match (head.method.as_str(), parts.as_slice()) {
            ("GET", ["invocation", "next"]) => Box::new(Get(self.clone(), Api::next)),
            ("POST", ["init", "error"]) => Box::new(InitError(post)),
            ("POST", ["invocation", id, "error"]) => {
                Box::new(InvocationError { post, request_id: (*id).to_owned() })
            }
            ("POST", ["invocation", id, "response"]) => {
                let is_streaming = match head.header("lambda-runtime-function-response-mode") {
                    None | Some("") => Some(false),
                    Some(mode) => mode.eq_ignore_ascii_case("streaming").then_some(true),
                };
                Box::new(Answer {
                    post,
                    request_id: (*id).to_owned(),
                    is_streaming,
                    n_bytes: 0,
                    begun: false,
                })
            }
            ("POST", _) if head.path == format!("{EXTENSION}register") => {
                Box::new(Get(self.clone(), Api::register))
            }
            ("GET", _) if head.path == format!("{EXTENSION}event/next") => {
                Box::new(Get(self.clone(), Api::extension_next))
            }
            _ => Box::new(Get(self.clone(), |_| refusal(404, "NotFound", "there is no such call"))),
        }
    }
}

/// A call whose body, if any, is of no account.
struct Get(Api, fn(&Api) -> Response);

impl Exchange for Get {
    fn piece(&mut self, _bytes: &[u8]) -> Result<(), Response> {
        Ok(())
    }

    fn end(self: Box<Self>, _trailers: &Headers) -> Response {
        (self.1)(&self.0)
    }
}

/// A call whose body is read whole.
struct Post {
    api: Api,
    body: Vec<u8>,
    headers: Headers,
}

impl Post {
    fn piece(&mut self, bytes: &[u8]) -> Result<(), Response> {
        self.body.extend(bytes);
        if self.body.len() > MAX_PAYLOAD_BYTES { Err(too_large(MAX_PAYLOAD_BYTES)) } else { Ok(()) }
    }

    fn fault(&self) -> Fault {
        Fault::posted(value(&self.headers, "lambda-runtime-function-error-type"), &self.body)
    }
}

struct InitError(Post);

impl Exchange for InitError {
    fn piece(&mut self, bytes: &[u8]) -> Result<(), Response> {
        self.0.piece(bytes)
    }

    fn end(self: Box<Self>, _trailers: &Headers) -> Response {
        if self.0.api.change(|state| state.has_started) {
            return refusal(403, "InvalidStateTransition", "the runtime has started already");
        }
        self.0.api.tell(News::InitFailed(self.0.fault()));
        accepted()
    }
}

struct InvocationError {
    post: Post,
    request_id: String,
}

impl Exchange for InvocationError {
    fn piece(&mut self, bytes: &[u8]) -> Result<(), Response> {
        self.post.piece(bytes)
    }

    fn end(self: Box<Self>, _trailers: &Headers) -> Response {
        if let Err(response) = self.post.api.answered(&self.request_id) {
            return response;
        }
        self.post.api.tell(News::Failed(self.post.fault()));
        accepted()
    }
}

/// An answer: handed on as it comes where it is streamed, else when it is whole.
struct Answer {
    post: Post,
    request_id: String,
    /// `None` where the runtime asks for a mode that there is not.
    is_streaming: Option<bool>,
    n_bytes: usize,
    begun: bool,
}

impl Answer {
    fn begin(&mut self) -> Result<(), Response> {
        if self.begun {
            return Ok(());
        }
        let Some(is_streaming) = self.is_streaming else {
            return Err(refusal(400, "InvalidResponseModeHeader", "the response mode can be `streaming`"));
        };
        self.post.api.answered(&self.request_id)?;
        self.begun = true;
        let content_type = value(&self.post.headers, "content-type").unwrap_or("application/json");
        self.post.api.tell(News::Answer { is_streaming, content_type: content_type.to_owned() });
        Ok(())
    }
}

impl Exchange for Answer {
    fn piece(&mut self, bytes: &[u8]) -> Result<(), Response> {
        self.begin()?;
        self.n_bytes += bytes.len();
        let (limit, news) = match self.is_streaming {
            Some(true) => (MAX_STREAM_BYTES, News::Truncated),
            Some(false) | None => (MAX_PAYLOAD_BYTES, News::TooLarge),
        };
        if self.n_bytes > limit {
            self.post.api.tell(news);
            return Err(too_large(limit));
        }
        self.post.api.tell(News::Piece(bytes.to_vec()));
        Ok(())
    }

    fn end(mut self: Box<Self>, trailers: &Headers) -> Response {
        if let Err(response) = self.begin() {
            return response;
        }
        let news = match value(trailers, "lambda-runtime-function-error-type") {
            Some(error_type) => {
                let body = value(trailers, "lambda-runtime-function-error-body").unwrap_or_default();
                News::Failed(Fault::trailing(error_type, body))
            }
            None => News::Answered,
        };
        self.post.api.tell(news);
        accepted()
    }

    fn broken(self: Box<Self>) {
        if self.begun {
            self.post.api.tell(News::Truncated);
        }
    }
}

fn event_headers(offer: &Offer) -> Headers {
    let since_1970 = offer.deadline.duration_since(SystemTime::UNIX_EPOCH).unwrap_or(Duration::ZERO);
    let Event { payload: _, client_context, cognito_identity, trace_id, tenant_id } = &offer.event;
    let optional = [
        ("lambda-runtime-trace-id", trace_id),
        ("lambda-runtime-client-context", client_context),
        ("lambda-runtime-cognito-identity", cognito_identity),
        ("lambda-runtime-aws-tenant-id", tenant_id),
    ];
    let mut headers = vec![
        ("content-type", "application/json".to_owned()),
        ("lambda-runtime-aws-request-id", offer.request_id.clone()),
        ("lambda-runtime-deadline-ms", since_1970.as_millis().to_string()),
        ("lambda-runtime-invoked-function-arn", offer.function_arn.clone()),
    ];
    headers.extend(optional.into_iter().filter_map(|(name, value)| Some((name, value.clone()?))));
    headers.into_iter().map(|(name, value)| (name.to_owned(), value)).collect()
}

pub(super) fn json_response(status: u16, body: &serde_json::Value) -> Response {
    let headers = vec![("content-type".to_owned(), "application/json".to_owned())];
    Response { status, headers, body: Body::whole(body.to_string()) }
}

fn accepted() -> Response {
    json_response(202, &json!({ "status": "OK" }))
}

fn refusal(status: u16, error_type: &str, message: &str) -> Response {
    json_response(status, &json!({ "errorType": error_type, "errorMessage": message }))
}

fn too_large(limit: usize) -> Response {
    let message = format!("Exceeded maximum allowed payload size ({limit} bytes).");
    refusal(413, "RequestEntityTooLarge", &message)
}
