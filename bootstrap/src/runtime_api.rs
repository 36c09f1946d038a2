//! Lambda's Runtime API, version 2018-06-01, and the one call of the Extensions API that
//! makes Lambda announce its end.

use std::fmt;
use std::io;
use std::net::{SocketAddr, TcpStream};

use base64::Engine as _;

use crate::failure::Failure;
use crate::http::{self, Request, Response, Upload};

const RUNTIME: &str = "/2018-06-01/runtime";
const EXTENSION: &str = "/2020-01-01/extension";

const JSON: &str = "application/json";

/// How the API names the kind of a failure, in headers and trailers.
const ERROR_TYPE: &str = "Lambda-Runtime-Function-Error-Type";
const ERROR_BODY: &str = "Lambda-Runtime-Function-Error-Body";

/// What the Runtime API takes as a whole response: 6 MiB and 100 bytes.
pub const MAX_RESPONSE_BYTES: usize = (6 << 20) + 100;

#[derive(Debug, Clone, Copy)]
pub struct RuntimeApi {
    address: SocketAddr,
}

/// One event, and what Lambda says about it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Invocation {
    pub request_id: String,
    /// Milliseconds since 1970.
    pub deadline_ms: u64,
    pub function_arn: Option<String>,
    pub trace_id: Option<String>,
    /// JSON, as are the next.
    pub client_context: Option<String>,
    pub identity: Option<String>,
    pub tenant_id: Option<String>,
    pub event: Vec<u8>,
}

#[derive(Debug)]
pub enum ApiError {
    Exchange { call: &'static str, source: io::Error },
    Refused { call: &'static str, status: u16, answer: String },
    NoRequestId,
}

impl fmt::Display for ApiError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Exchange { call, source } => {
                write!(formatter, "the Runtime API does not answer `{call}`: {source}")
            }
            Self::Refused { call, status, answer } => {
                write!(formatter, "the Runtime API refuses `{call}` with status {status}: {answer}")
            }
            Self::NoRequestId => formatter.write_str("the Runtime API gave an invocation without request id"),
        }
    }
}

impl RuntimeApi {
    pub fn at(address: SocketAddr) -> Self {
        Self { address }
    }

    /// Asks for the next invocation. The answer can be days away.
    pub fn ask_next(&self) -> Result<TcpStream, ApiError> {
        self.get("next", &format!("{RUNTIME}/invocation/next"))
    }

    /// Waits for it.
    pub fn receive_next(answer: TcpStream) -> Result<Invocation, ApiError> {
        let answer = answered("next", http::receive(answer))?;
        let header = |name: &str| answer.header(&format!("Lambda-Runtime-{name}")).map(str::to_owned);
        Ok(Invocation {
            request_id: header("Aws-Request-Id").ok_or(ApiError::NoRequestId)?,
            // Without one, as good as none.
            deadline_ms: header("Deadline-Ms").and_then(|ms| ms.parse().ok()).unwrap_or(u64::MAX),
            function_arn: header("Invoked-Function-Arn"),
            trace_id: header("Trace-Id"),
            client_context: header("Client-Context"),
            identity: header("Cognito-Identity"),
            tenant_id: header("Aws-Tenant-Id"),
            event: answer.body,
        })
    }

    pub fn respond(&self, request_id: &str, body: &str) -> Result<(), ApiError> {
        let path = format!("{RUNTIME}/invocation/{request_id}/response");
        let headers = vec![("Content-Type", JSON.to_owned())];
        self.post("response", &Request { method: "POST", path: &path, headers }, body).map(drop)
    }

    /// Begins a response that is sent in pieces.
    pub fn stream(&self, request_id: &str, content_type: &str) -> Result<Upload, ApiError> {
        let path = format!("{RUNTIME}/invocation/{request_id}/response");
        let headers = vec![
            ("Content-Type", content_type.to_owned()),
            ("Lambda-Runtime-Function-Response-Mode", "streaming".to_owned()),
        ];
        let request = Request { method: "POST", path: &path, headers };
        Upload::begin(self.address, &request, &format!("{ERROR_TYPE}, {ERROR_BODY}"))
            .map_err(|source| ApiError::Exchange { call: "response", source })
    }

    /// Ends it, well or not.
    pub fn end_stream(upload: Upload, failure: Option<&Failure>) -> Result<(), ApiError> {
        let trailers = failure.map(|failure| {
            let body = base64::engine::general_purpose::STANDARD.encode(failure.to_json());
            [(ERROR_TYPE, failure.cause.name().to_owned()), (ERROR_BODY, body)]
        });
        let answer = upload.end(trailers.as_ref().map_or(&[], |trailers| trailers.as_slice()));
        answered("response", answer).map(drop)
    }

    pub fn fail(&self, request_id: &str, failure: &Failure) -> Result<(), ApiError> {
        self.post_failure("error", &format!("{RUNTIME}/invocation/{request_id}/error"), failure)
    }

    pub fn fail_init(&self, failure: &Failure) -> Result<(), ApiError> {
        self.post_failure("init/error", &format!("{RUNTIME}/init/error"), failure)
    }

    /// Says that init is done and a snapshot may be taken; comes back in each copy that
    /// is made of it.
    pub fn await_restore(&self) -> Result<(), ApiError> {
        let answer = self.get("restore/next", &format!("{RUNTIME}/restore/next"))?;
        answered("restore/next", http::receive(answer)).map(drop)
    }

    pub fn fail_restore(&self, failure: &Failure) -> Result<(), ApiError> {
        self.post_failure("restore/error", &format!("{RUNTIME}/restore/error"), failure)
    }

    /// Registers as an extension that wants no events, since Lambda sends SIGTERM before
    /// SIGKILL only to sandboxes that have one. The stream has to stay open: the answer
    /// never comes.
    pub fn register_extension(&self) -> Result<TcpStream, ApiError> {
        let path = format!("{EXTENSION}/register");
        let headers = vec![("Lambda-Extension-Name", "layr".to_owned()), ("Content-Type", JSON.to_owned())];
        let request = Request { method: "POST", path: &path, headers };
        let answer = self.post("extension/register", &request, r#"{"events":[]}"#)?;
        let identifier = answer.header("Lambda-Extension-Identifier").unwrap_or_default().to_owned();
        let path = format!("{EXTENSION}/event/next");
        let request = Request {
            method: "GET",
            path: &path,
            headers: vec![("Lambda-Extension-Identifier", identifier)],
        };
        http::send(self.address, &request, b"")
            .map_err(|source| ApiError::Exchange { call: "extension/event/next", source })
    }

    fn get(&self, call: &'static str, path: &str) -> Result<TcpStream, ApiError> {
        let request = Request { method: "GET", path, headers: Vec::new() };
        http::send(self.address, &request, b"").map_err(|source| ApiError::Exchange { call, source })
    }

    fn post_failure(&self, call: &'static str, path: &str, failure: &Failure) -> Result<(), ApiError> {
        let headers = vec![("Content-Type", JSON.to_owned()), (ERROR_TYPE, failure.cause.name().to_owned())];
        let request = Request { method: "POST", path, headers };
        self.post(call, &request, &failure.to_json()).map(drop)
    }

    fn post(&self, call: &'static str, request: &Request<'_>, body: &str) -> Result<Response, ApiError> {
        let answer = http::send(self.address, request, body.as_bytes()).and_then(http::receive);
        answered(call, answer)
    }
}

fn answered(call: &'static str, answer: io::Result<Response>) -> Result<Response, ApiError> {
    let answer = answer.map_err(|source| ApiError::Exchange { call, source })?;
    if !(200..300).contains(&answer.status) {
        let text = String::from_utf8_lossy(&answer.body).into_owned();
        return Err(ApiError::Refused { call, status: answer.status, answer: text });
    }
    Ok(answer)
}
