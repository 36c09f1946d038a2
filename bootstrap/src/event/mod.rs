//! Events to what they mean to a handler. Sources are told apart by the structure of
//! their events, which AWS documents, and never by a text that an event may hold
//! anywhere.

mod records;
mod request;
mod response;

pub use records::records;
pub use request::{named_values, request};
pub use response::response;

use crate::json::Json;

/// What sent an event.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Source {
    /// Who calls the function itself; or a service whose event goes to the handler as it
    /// is.
    Direct,
    /// An event of Amazon's event bus (`EventBridge`), with its payload in `detail`.
    Bus,
    Http(Front),
    Records(Queue),
}

/// What stands between an HTTP client and the function.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Front {
    /// API Gateway's payload format 1.0: REST APIs.
    Payload1,
    /// API Gateway's payload format 2.0: HTTP APIs, and function URLs.
    Payload2,
    /// A load balancer, with multi-value headers or without.
    LoadBalancer { multi_value: bool },
}

/// Where records come from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Queue {
    Sqs,
    Sns,
    Kinesis,
    DynamoDb,
    S3,
}

pub fn source(event: &Json) -> Source {
    front(event)
        .map(Source::Http)
        .or_else(|| queue(event).map(Source::Records))
        .or_else(|| is_bus(event).then_some(Source::Bus))
        .unwrap_or(Source::Direct)
}

fn front(event: &Json) -> Option<Front> {
    let context = event.get("requestContext")?;
    if context.at(&["elb", "targetGroupArn"]).is_some() {
        return Some(Front::LoadBalancer { multi_value: event.get("multiValueHeaders").is_some() });
    }
    if event.get("version").and_then(Json::as_str) == Some("2.0") && context.at(&["http", "method"]).is_some()
    {
        return Some(Front::Payload2);
    }
    (event.get("httpMethod").is_some() && event.get("resource").is_some()).then_some(Front::Payload1)
}

fn queue(event: &Json) -> Option<Queue> {
    let first = event.get("Records")?.items().first()?;
    // SNS alone writes it with a capital letter.
    let source = first.get("eventSource").or_else(|| first.get("EventSource"))?.as_str()?;
    match source {
        "aws:sqs" => Some(Queue::Sqs),
        "aws:sns" => Some(Queue::Sns),
        "aws:kinesis" => Some(Queue::Kinesis),
        "aws:dynamodb" => Some(Queue::DynamoDb),
        "aws:s3" => Some(Queue::S3),
        _ => None,
    }
}

fn is_bus(event: &Json) -> bool {
    let text = |key| event.get(key).and_then(Json::as_str).is_some();
    text("detail-type") && text("source") && text("account") && event.get("detail").is_some()
}

/// Text that is a JSON object or array, as that; any other text as text.
fn structured(text: &str) -> Json {
    match crate::json::parse(text.as_bytes()) {
        Ok(json @ (Json::Object(_) | Json::Array(_))) => json,
        _ => Json::text(text),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sources_are_told_apart_by_structure() {
        let cases = [
            (r#"{"x": 1}"#, Source::Direct),
            // Words of other sources in places that are not theirs.
            (r#"{"source": "x", "httpMethod": "GET", "Records": [{"eventSource": 1}]}"#, Source::Direct),
            (
                r#"{"version": "2.0", "requestContext": {"http": {"method": "GET"}}}"#,
                Source::Http(Front::Payload2),
            ),
            (
                r#"{"httpMethod": "GET", "resource": "/", "requestContext": {}}"#,
                Source::Http(Front::Payload1),
            ),
            (
                r#"{"httpMethod": "GET", "requestContext": {"elb": {"targetGroupArn": "arn"}}}"#,
                Source::Http(Front::LoadBalancer { multi_value: false }),
            ),
            (
                r#"{"multiValueHeaders": {}, "requestContext": {"elb": {"targetGroupArn": "arn"}}}"#,
                Source::Http(Front::LoadBalancer { multi_value: true }),
            ),
            (r#"{"Records": [{"eventSource": "aws:sqs"}]}"#, Source::Records(Queue::Sqs)),
            (r#"{"Records": [{"EventSource": "aws:sns"}]}"#, Source::Records(Queue::Sns)),
            (r#"{"Records": [{"eventSource": "aws:other"}]}"#, Source::Direct),
            (
                r#"{"detail-type": "Scheduled Event", "source": "aws.events", "account": "1", "detail": {}}"#,
                Source::Bus,
            ),
        ];
        for (event, expected) in cases {
            assert_eq!(source(&crate::json::parse(event.as_bytes()).unwrap()), expected, "{event}");
        }
    }
}
