//! What R says, as values.

use crate::ending;
use crate::failure::{Cause, Failure};
use crate::r::{self, Data, Object};
use crate::settings::Level;

#[derive(Debug, Clone, PartialEq)]
pub enum Reply {
    /// The end of a request, well.
    Value(Object),
    /// The end of a request, badly.
    Failure(Failure),
    Log {
        level: Level,
        message: String,
    },
    Stream(StreamHead),
    Chunk(Vec<u8>),
}

/// How a streamed response begins.
#[derive(Debug, Clone, PartialEq)]
pub struct StreamHead {
    pub content_type: String,
    /// Set for HTTP front ends, and then there are headers and cookies.
    pub status: Option<i32>,
    pub headers: Object,
    pub cookies: Vec<String>,
}

impl Reply {
    /// What cannot be read is the handler's failure, as its result is what can be so.
    pub fn read(bytes: &[u8]) -> Self {
        match r::read(bytes) {
            Ok(reply) => Self::from(reply),
            Err(error) => Self::Failure(ending::unreadable(&error)),
        }
    }

    fn from(reply: Object) -> Self {
        let Data::List(parts) = reply.data else { return Self::unknown("no list") };
        let owned = |text: &str| text.to_owned();
        let mut parts = parts.into_iter();
        let kind = parts.next().unwrap_or_else(Object::null);
        let mut part = || parts.next().unwrap_or_else(Object::null);
        match kind.as_str() {
            Some("value") => Self::Value(part()),
            Some("failure") => {
                let (classes, message, stack) = (part(), part(), part());
                let not_found = classes.as_strs().contains(&"handler_not_found");
                Self::Failure(Failure {
                    cause: if not_found { Cause::NoSuchHandler } else { Cause::HandlerError },
                    class: classes.as_str().unwrap_or("error").to_owned(),
                    message: message.as_str().unwrap_or_default().to_owned(),
                    stack: stack.as_strs().into_iter().map(owned).collect(),
                })
            }
            Some("log") => Self::Log {
                level: part().as_str().and_then(Level::named).unwrap_or(Level::Info),
                message: part().as_str().unwrap_or_default().to_owned(),
            },
            Some("stream") => Self::Stream(StreamHead {
                content_type: part().as_str().unwrap_or("application/octet-stream").to_owned(),
                status: part().as_integer(),
                headers: part(),
                cookies: part().as_strs().into_iter().map(owned).collect(),
            }),
            Some("chunk") => {
                let Data::Raw(bytes) = part().data else { return Self::unknown("a chunk without bytes") };
                Self::Chunk(bytes)
            }
            _ => Self::unknown("a word that bootstrap does not know"),
        }
    }

    fn unknown(what: &'static str) -> Self {
        Self::Failure(ending::unreadable(&r::ReadError::Malformed(what)))
    }
}
