//! How an invocation failed, to what Lambda tells the caller. Pure.

use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use super::MAX_PAYLOAD_BYTES;

/// An error as the caller sees it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault {
    /// `Category.Reason`, for the REPORT line.
    pub error_type: String,
    /// What the caller gets: JSON with `errorType` and `errorMessage`.
    pub payload: Vec<u8>,
}

/// What became of a sandbox that did not answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Collapse {
    /// The runtime ended with an exit code.
    Exited(i32),
    /// The runtime was ended by a signal.
    Signalled(&'static str),
    /// It used more memory than it may, and was killed.
    OutOfMemory {
        limit_mb: u32,
    },
    TimedOut {
        limit: Duration,
    },
    TooLarge,
    Truncated,
    NoBootstrap,
}

impl Collapse {
    /// What an exit code says; engines report a signal as 128 and its number.
    pub(super) fn of_exit_code(code: i32) -> Self {
        match signal_name(code - 128) {
            Some(name) => Self::Signalled(name),
            None => Self::Exited(code),
        }
    }

    /// What the log has to say about it beside the REPORT line.
    pub(super) fn remark(&self) -> Option<String> {
        match self {
            Self::TimedOut { limit } => Some(timed_out(*limit)),
            Self::OutOfMemory { limit_mb } => {
                Some(format!("Error: the memory of {limit_mb} MB was exceeded, and the runtime killed"))
            }
            Self::Exited(_) | Self::Signalled(_) | Self::TooLarge | Self::Truncated | Self::NoBootstrap => {
                None
            }
        }
    }
}

/// Signals as Lambda, which is written in Go, calls them.
fn signal_name(number: i32) -> Option<&'static str> {
    Some(match number {
        1 => "hangup",
        2 => "interrupt",
        3 => "quit",
        4 => "illegal instruction",
        5 => "trace/breakpoint trap",
        6 => "aborted",
        7 => "bus error",
        8 => "floating point exception",
        9 => "killed",
        11 => "segmentation fault",
        13 => "broken pipe",
        15 => "terminated",
        _ => return None,
    })
}

fn timed_out(limit: Duration) -> String {
    format!("Task timed out after {:.2} seconds", limit.as_secs_f64())
}

impl Fault {
    /// What a runtime posted. A type that is not of Lambda's form is reported as unknown.
    pub(super) fn posted(error_type: Option<&str>, body: &[u8]) -> Self {
        let error_type = error_type.map_or_else(|| "Runtime.Unknown".to_owned(), normal_type);
        Self { error_type, payload: body.to_vec() }
    }

    /// What a runtime sent behind an answer that it had begun to stream.
    pub(super) fn trailing(error_type: &str, body: &str) -> Self {
        let decoded = STANDARD.decode(body).unwrap_or_else(|_| body.as_bytes().to_vec());
        Self::posted(Some(error_type), &decoded)
    }

    pub(super) fn of(collapse: &Collapse, request_id: &str) -> Self {
        let (error_type, message) = match collapse {
            Collapse::Exited(0) => {
                ("Runtime.ExitError", "Runtime exited without providing a reason".to_owned())
            }
            Collapse::Exited(code) => {
                ("Runtime.ExitError", format!("Runtime exited with error: exit status {code}"))
            }
            Collapse::Signalled(name) => {
                ("Runtime.ExitError", format!("Runtime exited with error: signal: {name}"))
            }
            Collapse::OutOfMemory { .. } => {
                ("Runtime.OutOfMemory", "Runtime exited with error: signal: killed".to_owned())
            }
            Collapse::TimedOut { limit } => ("Sandbox.Timedout", timed_out(*limit)),
            Collapse::TooLarge => (
                "Function.ResponseSizeTooLarge",
                format!(
                    "Response payload size exceeded maximum allowed payload size ({MAX_PAYLOAD_BYTES} bytes)."
                ),
            ),
            Collapse::Truncated => ("Runtime.TruncatedResponse", "Response payload is incomplete".to_owned()),
            Collapse::NoBootstrap => (
                "Runtime.InvalidEntrypoint",
                "Couldn't find valid bootstrap(s): [/var/task/bootstrap /opt/bootstrap]".to_owned(),
            ),
        };
        let message = format!("RequestId: {request_id} Error: {message}");
        let payload = json!({ "errorType": error_type, "errorMessage": message }).to_string();
        Self { error_type: error_type.to_owned(), payload: payload.into_bytes() }
    }

    /// One line for people: the type and message, where the payload has them.
    pub fn summary(&self) -> String {
        let value: Value = serde_json::from_slice(&self.payload).unwrap_or_default();
        let text = |name: &str| value[name].as_str().map(str::to_owned);
        match (text("errorType"), text("errorMessage")) {
            (Some(error_type), Some(message)) => format!("{error_type}: {message}"),
            (None, Some(text)) | (Some(text), None) => text,
            (None, None) => self.error_type.clone(),
        }
    }
}

/// Lambda knows types of the form `Runtime.Name` and `Function.Name` and no others.
fn normal_type(text: &str) -> String {
    let is_name = |name: &str| {
        name.starts_with(|c: char| c.is_ascii_uppercase()) && name.chars().all(|c| c.is_ascii_alphabetic())
    };
    match text.split_once('.') {
        Some(("Runtime" | "Function", name)) if is_name(name) => text.to_owned(),
        Some(("Function", _)) => "Function.Unknown".to_owned(),
        _ => "Runtime.Unknown".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// As the Runtime Interface Emulator words and sorts them.
    #[test]
    fn error_types_are_lambda_s_or_unknown() {
        let cases = [
            ("Runtime.HandlerNotFound", "Runtime.HandlerNotFound"),
            ("Function.NoSuch", "Function.NoSuch"),
            ("Function.simpleError", "Function.Unknown"),
            ("simpleError", "Runtime.Unknown"),
            ("Runtime.", "Runtime.Unknown"),
            ("Unhandled", "Runtime.Unknown"),
        ];
        for (text, expected) in cases {
            assert_eq!(normal_type(text), expected, "{text}");
        }
    }

    #[test]
    fn the_caller_reads_what_lambda_would_say() {
        let cases = [
            (
                Collapse::Exited(1),
                "Runtime.ExitError: RequestId: 7 Error: Runtime exited with error: exit status 1",
            ),
            (
                Collapse::Exited(0),
                "Runtime.ExitError: RequestId: 7 Error: Runtime exited without providing a reason",
            ),
            (
                Collapse::of_exit_code(139),
                "Runtime.ExitError: RequestId: 7 Error: Runtime exited with error: signal: segmentation fault",
            ),
            (
                Collapse::TimedOut { limit: Duration::from_millis(1500) },
                "Sandbox.Timedout: RequestId: 7 Error: Task timed out after 1.50 seconds",
            ),
        ];
        for (collapse, expected) in cases {
            assert_eq!(Fault::of(&collapse, "7").summary(), expected);
        }
        assert_eq!(Fault::posted(None, b"no JSON").summary(), "Runtime.Unknown");
    }
}
