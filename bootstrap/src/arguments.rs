//! An event to the handler's arguments, by the names of its formals.

use crate::failure::{Cause, Failure};
use crate::json::{Arrays, Json, to_r};
use crate::r::Object;
use crate::session::Signature;

/// The formal that takes the whole event.
const EVENT: &str = "event";
/// The formal that takes the context; R adds it.
const CONTEXT: &str = "context";
const DOTS: &str = "...";

/// The arguments to call the handler with, but for its context.
pub fn arguments(
    event: &Json,
    signature: &Signature,
    arrays: Arrays,
) -> Result<Vec<(String, Object)>, Failure> {
    let formals = &signature.formals;
    let has = |name: &str| formals.iter().any(|formal| formal == name);
    let convert = |json: &Json| to_r(json, arrays).map_err(|error| invalid(error.to_string()));
    if has(EVENT) {
        return Ok(vec![(EVENT.to_owned(), convert(event)?)]);
    }
    if formals.iter().all(|formal| formal == CONTEXT) {
        return Ok(Vec::new());
    }
    let Json::Object(entries) = event else {
        return Err(invalid(format!(
            "the event is {}, whose parts have no names to match {}; an argument `event` would take it whole",
            event.kind(),
            signature.shown()
        )));
    };
    let mut arguments: Vec<(String, Object)> = Vec::with_capacity(entries.len());
    for (key, value) in entries {
        if arguments.iter().any(|(other, _)| other == key) {
            return Err(invalid(format!("the event has the key `{key}` twice")));
        }
        if key == CONTEXT || !(has(key) || has(DOTS)) {
            let takes = signature.shown();
            return Err(invalid(format!("the event has a key `{key}`, and {takes} has no such argument")));
        }
        arguments.push((key.clone(), convert(value)?));
    }
    Ok(arguments)
}

impl Signature {
    fn shown(&self) -> String {
        format!("the handler function({})", self.formals.join(", "))
    }
}

fn invalid(message: String) -> Failure {
    Failure::new(Cause::InvalidEvent, message)
}
