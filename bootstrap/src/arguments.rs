//! An event to the handler's arguments, by the names of its formals. docs/runtime.md has
//! the rules.

use crate::event::{self, Front, Source};
use crate::failure::{Cause, Failure};
use crate::json::{Arrays, Json, ToRError, to_r};
use crate::r::Object;
use crate::session::Signature;

/// Formals that take what no key of an event has the name of.
const EVENT: &str = "event";
const REQUEST: &str = "request";
const RECORDS: &str = "records";
/// R adds it.
const CONTEXT: &str = "context";
const DOTS: &str = "...";

type Arguments = Vec<(String, Object)>;

/// The arguments to call the handler with, but for its context.
pub fn arguments(event: &Json, signature: &Signature, arrays: Arrays) -> Result<Arguments, Failure> {
    let formals = &signature.formals;
    if formals.iter().all(|formal| formal == CONTEXT) {
        return Ok(Vec::new());
    }
    let takes_event = signature.has(EVENT);
    let special = special(event, signature, arrays).map_err(|error| invalid(error.to_string()))?;
    if takes_event || !special.is_empty() {
        return Ok(special);
    }
    let values = match event::source(event) {
        Source::Direct => return direct(event, signature, arrays),
        Source::Http(front) => event::named_values(event, front),
        Source::Bus | Source::Records(_) => event.entries().to_vec(),
    };
    // Such events have many keys that no handler asks for.
    let asked = values.iter().filter(|(name, _)| name != CONTEXT && signature.takes(name));
    convert(asked, arrays)
}

/// What the event gives to formals of special names.
fn special(event: &Json, signature: &Signature, arrays: Arrays) -> Result<Arguments, ToRError> {
    let mut arguments = Vec::new();
    if signature.has(EVENT) {
        arguments.push((EVENT.to_owned(), to_r(event, arrays)?));
    }
    match event::source(event) {
        Source::Http(front) if signature.has(REQUEST) => {
            arguments.push((REQUEST.to_owned(), event::request(event, front, arrays)?));
        }
        Source::Records(queue) if signature.has(RECORDS) => {
            arguments.push((RECORDS.to_owned(), event::records(event, queue, arrays)?));
        }
        Source::Direct | Source::Bus | Source::Http(_) | Source::Records(_) => {}
    }
    Ok(arguments)
}

/// Every key is an argument, as `do.call()` has it; a key too many is somebody's mistake.
fn direct(event: &Json, signature: &Signature, arrays: Arrays) -> Result<Arguments, Failure> {
    let Json::Object(entries) = event else {
        return Err(invalid(format!(
            "the event is {}, whose parts have no names to match {}; an argument `event` would take it whole",
            event.kind(),
            signature.shown()
        )));
    };
    for (at, (key, _)) in entries.iter().enumerate() {
        if entries[..at].iter().any(|(other, _)| other == key) {
            return Err(invalid(format!("the event has the key `{key}` twice")));
        }
        if key == CONTEXT || !signature.takes(key) {
            let takes = signature.shown();
            return Err(invalid(format!("the event has a key `{key}`, and {takes} has no such argument")));
        }
    }
    convert(entries.iter(), arrays)
}

fn convert<'a>(
    values: impl Iterator<Item = &'a (String, Json)>,
    arrays: Arrays,
) -> Result<Arguments, Failure> {
    let converted = values.map(|(name, value)| {
        let value = to_r(value, arrays).map_err(|error| error.below(&format!("${name}")))?;
        Ok((name.clone(), value))
    });
    converted.collect::<Result<_, ToRError>>().map_err(|error| invalid(error.to_string()))
}

/// The front end that waits for a response to this event, if one does.
pub fn front(event: &Json) -> Option<Front> {
    if let Source::Http(front) = event::source(event) { Some(front) } else { None }
}

impl Signature {
    fn has(&self, name: &str) -> bool {
        self.formals.iter().any(|formal| formal == name)
    }

    fn takes(&self, name: &str) -> bool {
        self.has(name) || self.has(DOTS)
    }

    fn shown(&self) -> String {
        format!("the handler function({})", self.formals.join(", "))
    }
}

fn invalid(message: String) -> Failure {
    Failure::new(Cause::InvalidEvent, message)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::json::{from_r, parse};

    /// The arguments as JSON, or the message.
    fn matched(formals: &[&str], event: &str) -> Result<String, String> {
        let signature = Signature { formals: formals.iter().map(|formal| (*formal).to_owned()).collect() };
        let arguments = arguments(&parse(event.as_bytes()).unwrap(), &signature, Arrays::Simplified);
        arguments
            .map(|arguments| from_r(&Object::named(arguments)).unwrap())
            .map_err(|failure| failure.message)
    }

    #[test]
    fn arguments_are_matched_to_the_handler_s_formals() {
        let url = r#"{"version": "2.0", "requestContext": {"http": {"method": "GET"}}, "rawQueryString": "x=1&z=2"}"#;
        let bus = r#"{"detail-type": "t", "source": "s", "account": "1", "detail": {"x": 1}}"#;
        let cases: [(&[&str], &str, &str); 9] = [
            (&["x", "y"], r#"{"y": 2, "x": [1, 2]}"#, r#"{"y":2,"x":[1,2]}"#),
            // What is not given is R's business: it may have a default.
            (&["x", "y"], r#"{"x": 1}"#, r#"{"x":1}"#),
            (&["x", "..."], r#"{"x": 1, "z": 3}"#, r#"{"x":1,"z":3}"#),
            (&["event"], r#"{"x": 1}"#, r#"{"event":{"x":1}}"#),
            (&["event", "context"], "[1]", r#"{"event":1}"#),
            (&["context"], r#"{"x": 1}"#, "{}"),
            (&[], "17", "{}"),
            (&["x", "y"], url, r#"{"x":"1"}"#),
            (&["detail"], bus, r#"{"detail":{"x":1}}"#),
        ];
        for (formals, event, expected) in cases {
            assert_eq!(matched(formals, event).as_deref(), Ok(expected), "{formals:?} {event}");
        }
        let request = matched(&["request"], url).unwrap();
        assert!(request.contains(r#""query":{"x":"1","z":"2"}"#), "{request}");
        let records = matched(&["records"], r#"{"Records": [{"eventSource": "aws:sqs", "messageId": "m"}]}"#);
        assert_eq!(records.as_deref(), Ok(r#"{"records":[{"id":"m"}]}"#));
    }

    #[test]
    fn what_does_not_match_is_named() {
        let cases: [(&[&str], &str, &str); 4] = [
            (&["x"], r#"{"x": 1, "z": 3}"#, "a key `z`, and the handler function(x) has no such argument"),
            (&["x"], "[1]", "the event is an array"),
            (&["x"], r#"{"x": 1, "x": 2}"#, "the key `x` twice"),
            (&["x"], r#"{"x": ["a", "b\u0000"]}"#, "the event$x[2] has the character U+0000"),
        ];
        for (formals, event, part) in cases {
            let message = matched(formals, event).unwrap_err();
            assert!(message.contains(part), "{message}");
        }
    }
}
