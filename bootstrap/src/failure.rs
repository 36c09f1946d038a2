//! Why an init or an invocation failed, in Lambda's words.

use serde_json::json;

/// What is posted to the Runtime API, and shown to whoever called the function.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failure {
    pub cause: Cause,
    /// `errorType`: the first class of R's condition, or the name of [`Cause`].
    pub class: String,
    pub message: String,
    /// Calls, the outermost first.
    pub stack: Vec<String>,
}

/// Lambda's metrics and its own messages know failures by these words.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cause {
    /// The handler, or code of its file, signalled an error.
    HandlerError,
    /// The handler's name leads to no function.
    NoSuchHandler,
    /// The event cannot be passed to the handler.
    InvalidEvent,
    /// The result cannot be written as JSON.
    InvalidResult,
    ResponseSizeTooLarge,
    /// The handler was interrupted shortly before the deadline.
    Timeout,
    /// R ended: `quit()`, a crash, too little memory.
    ExitError,
    /// R cannot be started.
    InvalidRuntime,
}

impl Cause {
    /// `Category.Reason`, as the Runtime API wants it.
    pub fn name(self) -> &'static str {
        match self {
            Self::HandlerError => "Function.HandlerError",
            Self::NoSuchHandler => "Function.NoSuchHandler",
            Self::InvalidEvent => "Function.InvalidEvent",
            Self::InvalidResult => "Function.InvalidResult",
            Self::ResponseSizeTooLarge => "Function.ResponseSizeTooLarge",
            Self::Timeout => "Function.Timeout",
            Self::ExitError => "Runtime.ExitError",
            Self::InvalidRuntime => "Runtime.InvalidRuntime",
        }
    }
}

impl Failure {
    /// One that R did not signal.
    pub fn new(cause: Cause, message: impl Into<String>) -> Self {
        Self { cause, class: cause.name().to_owned(), message: message.into(), stack: Vec::new() }
    }

    /// For the log: the message, and a line for each call.
    pub fn shown(&self) -> String {
        let lines = std::iter::once(format!("{}: {}", self.class, self.message));
        lines.chain(self.stack.iter().map(|call| format!("  {call}"))).collect::<Vec<_>>().join("\n")
    }

    /// The body of the posts to `…/error`.
    pub fn to_json(&self) -> String {
        json!({ "errorMessage": self.message, "errorType": self.class, "stackTrace": self.stack }).to_string()
    }
}
