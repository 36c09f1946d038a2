//! One event to one response.

use std::time::{Duration, Instant, SystemTime};

use crate::arguments::{arguments, front};
use crate::event::{self, Front};
use crate::failure::{Cause, Failure};
use crate::http::Upload;
use crate::json::{self, Json, from_r, to_r};
use crate::log::Log;
use crate::r::{Data, Object};
use crate::reply::StreamHead;
use crate::runtime_api::{ApiError, Invocation, MAX_RESPONSE_BYTES, RuntimeApi};
use crate::session::{Call, Deadline, Outcome, Outlets, Session, Stream};
use crate::settings::{FunctionSettings, Level, Settings};

/// A handler is interrupted this long before the deadline, or a tenth of its time if that
/// is less, so that its error still gets out. If it does not heed the interrupt, it is
/// killed after half of that.
const INTERRUPT_BEFORE: Duration = Duration::from_millis(250);

/// What a streamed response for an HTTP front end begins with is JSON, then this.
const PRELUDE_END: [u8; 8] = [0; 8];
const PRELUDE_TYPE: &str = "application/vnd.awslambda.http-integration-response";

/// What has to happen before the next event.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum After {
    Nothing,
    /// R is gone.
    StartAgain,
}

/// Calls the handler and posts what comes of it.
///
/// # Errors
///
/// Where the Runtime API is out of order, in Lambda's words a status of 500. Of what it
/// refuses in good order, or of a reader that is gone, the caller hears from Lambda, and
/// the sandbox is as good as before.
pub fn serve(
    invocation: &Invocation,
    session: &mut Session,
    settings: &Settings,
    log: &mut Log,
) -> Result<After, ApiError> {
    log.begin(&invocation.request_id);
    let mut response = Response {
        api: RuntimeApi::at(settings.runtime_api),
        request_id: &invocation.request_id,
        front: None,
        upload: None,
        error: None,
    };
    let called = json::parse(&invocation.event)
        .map_err(|error| Failure::new(Cause::InvalidEvent, format!("the event cannot be read: {error}")))
        .and_then(|event| {
            response.front = front(&event);
            let arguments = arguments(&event, &session.signature, settings.arrays)?;
            let context = context(invocation, &settings.function);
            Ok(Call { arguments, context, deadline: deadline(invocation.deadline_ms) })
        });
    let outcome = match called {
        Ok(call) => session.call(call, &mut Outlets { stream: &mut response, log }),
        Err(failure) => Outcome::Failed(failure),
    };
    let (result, after) = match outcome {
        Outcome::Value(value) => (Ok(value), After::Nothing),
        Outcome::Failed(failure) => (Err(failure), After::Nothing),
        Outcome::Ended(failure) => (Err(failure), After::StartAgain),
    };
    match response.end(result, log) {
        Err(error @ ApiError::Refused { status: 500.., .. }) => return Err(error),
        Err(error) => log.record(Level::Error, &error.to_string()),
        Ok(()) => {}
    }
    Ok(after)
}

/// What `context` holds, but for its functions.
fn context(invocation: &Invocation, function: &FunctionSettings) -> Object {
    let text = |text: &str| Object::text(text);
    let optional = |value: Option<&str>| value.map_or_else(Object::null, Object::text);
    let json = |value: Option<&str>| {
        let value = value.and_then(|text| json::parse(text.as_bytes()).ok()).unwrap_or(Json::Null);
        to_r(&value, json::Arrays::Simplified).unwrap_or_else(|_| Object::null())
    };
    #[expect(clippy::cast_precision_loss, reason = "milliseconds since 1970 are far below 2^53")]
    let deadline = Object::double(invocation.deadline_ms as f64 / 1000.0);
    let memory = function.memory_mb.parse().map_or_else(|_| Object::null(), Object::double);
    let fields = [
        ("request_id", text(&invocation.request_id)),
        ("function_arn", optional(invocation.function_arn.as_deref())),
        ("function_name", text(&function.name)),
        ("function_version", text(&function.version)),
        ("memory_mb", memory),
        ("log_group", text(&function.log_group)),
        ("log_stream", text(&function.log_stream)),
        ("deadline", deadline.with("class", crate::r::texts(["POSIXct", "POSIXt"]))),
        ("trace_id", optional(invocation.trace_id.as_deref())),
        ("client_context", json(invocation.client_context.as_deref())),
        ("identity", json(invocation.identity.as_deref())),
        ("tenant_id", optional(invocation.tenant_id.as_deref())),
    ];
    Object::named(fields.into_iter().map(|(name, value)| (name.to_owned(), value)).collect())
}

/// `None` where there is no deadline worth the name.
#[expect(clippy::disallowed_methods, reason = "Lambda gives the deadline as a time of day")]
fn deadline(deadline_ms: u64) -> Option<Deadline> {
    let now_ms = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).ok()?.as_millis();
    let allowed = Duration::from_millis(u64::try_from(u128::from(deadline_ms).saturating_sub(now_ms)).ok()?);
    let before = INTERRUPT_BEFORE.min(allowed / 10);
    let end = Instant::now().checked_add(allowed)?;
    let (interrupt, kill) = (end.checked_sub(before)?, end.checked_sub(before / 2)?);
    Some(Deadline { interrupt, kill, allowed })
}

/// The response to one invocation, whole or in pieces.
struct Response<'a> {
    api: RuntimeApi,
    request_id: &'a str,
    /// Who reads it, if not who called the function.
    front: Option<Front>,
    upload: Option<Upload>,
    /// What went wrong with sending pieces.
    error: Option<ApiError>,
}

impl Stream for Response<'_> {
    fn begin(&mut self, head: &StreamHead) {
        if self.upload.is_some() {
            return;
        }
        let prelude = head.status.map(|status| prelude(status, head));
        let content_type = if prelude.is_some() { PRELUDE_TYPE } else { &head.content_type };
        match self.api.stream(self.request_id, content_type) {
            Ok(upload) => self.upload = Some(upload),
            Err(error) => self.error = Some(error),
        }
        if let Some(prelude) = prelude {
            self.chunk(&[prelude.as_bytes(), &PRELUDE_END].concat());
        }
    }

    fn chunk(&mut self, bytes: &[u8]) {
        if self.error.is_none()
            && let Some(upload) = &mut self.upload
            && let Err(source) = upload.chunk(bytes)
        {
            self.error = Some(ApiError::Exchange { call: "response", source });
        }
    }
}

impl Response<'_> {
    fn end(self, result: Result<Object, Failure>, log: &mut Log) -> Result<(), ApiError> {
        let is_streamed = self.upload.is_some();
        let result =
            result.and_then(|value| if is_streamed { Ok(String::new()) } else { body(&value, self.front) });
        if let Err(failure) = &result {
            log.record(Level::Error, &failure.shown());
        }
        match (self.error, self.upload, result) {
            (Some(error), ..) => Err(error),
            (None, Some(upload), result) => RuntimeApi::end_stream(upload, result.err().as_ref()),
            (None, None, Ok(body)) => self.api.respond(self.request_id, &body),
            (None, None, Err(failure)) => self.api.fail(self.request_id, &failure),
        }
    }
}

fn body(value: &Object, front: Option<Front>) -> Result<String, Failure> {
    let body = front.map_or_else(|| from_r(value), |front| event::response(value, front));
    let body = body.map_err(|error| Failure::new(Cause::InvalidResult, error.to_string()))?;
    if body.len() > MAX_RESPONSE_BYTES {
        let message = format!(
            "the response has {} bytes, and Lambda takes {MAX_RESPONSE_BYTES}; put it into S3, or stream it with context$stream()",
            body.len()
        );
        return Err(Failure::new(Cause::ResponseSizeTooLarge, message));
    }
    Ok(body)
}

fn prelude(status: i32, head: &StreamHead) -> String {
    let mut headers = head.headers.clone();
    if let (Data::List(values), Some(names)) = (&mut headers.data, head.headers.names()) {
        let has_type = names.iter().any(|name| name.eq_ignore_ascii_case("content-type"));
        let mut names: Vec<String> = names.into_iter().map(str::to_owned).collect();
        if !has_type {
            names.push("content-type".to_owned());
            values.push(Object::text(head.content_type.clone()));
        }
        let values = std::mem::take(values);
        headers = Object::named(names.into_iter().zip(values).collect());
    } else {
        headers = Object::named(vec![("content-type".to_owned(), Object::text(head.content_type.clone()))]);
    }
    let headers = from_r(&headers).unwrap_or_else(|_| "{}".to_owned());
    let cookies = serde_json::json!(head.cookies);
    format!("{{\"statusCode\":{status},\"headers\":{headers},\"cookies\":{cookies}}}")
}
