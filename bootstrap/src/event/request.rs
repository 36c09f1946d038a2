//! An HTTP request in any of its wrappings to one form.

use std::collections::{BTreeMap, BTreeSet};

use base64::Engine as _;
use percent_encoding::percent_decode_str;

use super::{Front, structured};
use crate::json::{Arrays, Json, ToRError, to_r};
use crate::r::{Data, Object};

/// What the handler's argument `request` is: a list of `method`, `path`, `query`,
/// `headers`, `cookies`, `parameters`, `source_ip` and `body`.
pub fn request(event: &Json, front: Front, arrays: Arrays) -> Result<Object, ToRError> {
    let context = |path: &[&str]| event.get("requestContext").and_then(|context| context.at(path)).cloned();
    let (method, path, source_ip) = match front {
        Front::Payload2 => {
            (context(&["http", "method"]), event.get("rawPath").cloned(), context(&["http", "sourceIp"]))
        }
        Front::Payload1 | Front::LoadBalancer { .. } => (
            event.get("httpMethod").cloned(),
            event.get("path").cloned(),
            context(&["identity", "sourceIp"]).or_else(|| header(event, "x-forwarded-for").map(Json::text)),
        ),
    };
    let parts = [
        ("method", method.unwrap_or(Json::Null)),
        ("path", path.unwrap_or(Json::Null)),
        ("query", Json::Object(query(event, front))),
        ("headers", Json::Object(headers(event))),
        ("cookies", Json::Object(cookies(event))),
        (
            "parameters",
            event
                .get("pathParameters")
                .filter(|p| **p != Json::Null)
                .cloned()
                .unwrap_or(Json::Object(vec![])),
        ),
        ("source_ip", source_ip.unwrap_or(Json::Null)),
    ];
    let mut list = Vec::new();
    for (name, json) in parts {
        list.push((name.to_owned(), to_r(&json, arrays)?));
    }
    let body = match body(event) {
        Body::None => Object::null(),
        Body::Json(json) => to_r(&json, arrays)?,
        Body::Bytes(bytes) => Data::Raw(bytes).into(),
    };
    list.push(("body".to_owned(), body));
    Ok(Object::named(list))
}

/// What a request has a name for, for arguments of that name: parameters of the path
/// first, then keys of the body, then those of the query.
pub fn named_values(event: &Json, front: Front) -> Vec<(String, Json)> {
    let mut values = event.get("pathParameters").map(Json::entries).unwrap_or_default().to_vec();
    if let Body::Json(Json::Object(entries)) = body(event) {
        values.extend(entries);
    }
    values.extend(query(event, front));
    let mut seen = BTreeSet::new();
    values.retain(|(name, _)| seen.insert(name.clone()));
    values
}

enum Body {
    None,
    Json(Json),
    Bytes(Vec<u8>),
}

/// The body by its content type: JSON and forms as what they hold, text as text, all
/// else as bytes.
fn body(event: &Json) -> Body {
    let Some(text) = event.get("body").and_then(Json::as_str) else { return Body::None };
    let bytes = match event.get("isBase64Encoded") {
        Some(Json::Bool(true)) => match base64::engine::general_purpose::STANDARD.decode(text) {
            Ok(bytes) => bytes,
            Err(_) => text.as_bytes().to_vec(),
        },
        _ => text.as_bytes().to_vec(),
    };
    let content_type = header(event, "content-type").unwrap_or_default().to_ascii_lowercase();
    let media_type = content_type.split(';').next().unwrap_or_default().trim();
    let text = match String::from_utf8(bytes) {
        Ok(text) => text,
        Err(error) => return Body::Bytes(error.into_bytes()),
    };
    match media_type {
        "application/x-www-form-urlencoded" => Body::Json(Json::Object(grouped(form(&text)))),
        // Without a type, what looks like JSON is; clients forget it often.
        "" | "application/json" => Body::Json(structured(&text)),
        other if other.ends_with("+json") => Body::Json(structured(&text)),
        other if is_text(other) => Body::Json(Json::Text(text)),
        _ => Body::Bytes(text.into_bytes()),
    }
}

fn is_text(media_type: &str) -> bool {
    media_type.starts_with("text/")
        || ["xml", "yaml", "javascript"].iter().any(|kind| media_type.ends_with(kind))
}

/// Headers by their names in lower case; values of one name joined, as HTTP allows.
fn headers(event: &Json) -> Vec<(String, Json)> {
    let lower = |name: &String| name.to_ascii_lowercase();
    if let Some(Json::Object(entries)) = event.get("multiValueHeaders") {
        let joined = |values: &Json| {
            let values: Vec<&str> = values.items().iter().filter_map(Json::as_str).collect();
            Json::text(values.join(", "))
        };
        return entries.iter().map(|(name, values)| (lower(name), joined(values))).collect();
    }
    let entries = event.get("headers").map(Json::entries).unwrap_or_default();
    entries.iter().map(|(name, value)| (lower(name), value.clone())).collect()
}

fn header(event: &Json, name: &str) -> Option<String> {
    let headers = headers(event);
    let (_, value) = headers.into_iter().find(|(other, _)| other == name)?;
    value.as_str().map(str::to_owned)
}

fn cookies(event: &Json) -> Vec<(String, Json)> {
    let listed = event.get("cookies").map(Json::items).unwrap_or_default();
    let mut texts: Vec<String> = listed.iter().filter_map(Json::as_str).map(str::to_owned).collect();
    texts.extend(header(event, "cookie"));
    let pairs = texts.iter().flat_map(|text| text.split(';'));
    let pairs = pairs.filter_map(|pair| pair.trim().split_once('='));
    pairs.map(|(name, value)| (name.to_owned(), Json::text(value))).collect()
}

/// The query; a name that occurs more than once has an array. API Gateway has decoded it
/// in format 1.0; a load balancer leaves it as it came; format 2.0 joins values by commas,
/// so there the raw text is read.
fn query(event: &Json, front: Front) -> Vec<(String, Json)> {
    if front == Front::Payload2 {
        let raw = event.get("rawQueryString").and_then(Json::as_str).unwrap_or_default();
        return grouped(form(raw));
    }
    let decode = |text: &str| match front {
        Front::LoadBalancer { .. } => decoded(text),
        Front::Payload1 | Front::Payload2 => text.to_owned(),
    };
    let mut pairs = Vec::new();
    if let Some(Json::Object(entries)) = event.get("multiValueQueryStringParameters") {
        for (name, values) in entries {
            pairs.extend(
                values.items().iter().filter_map(Json::as_str).map(|value| (decode(name), decode(value))),
            );
        }
    } else {
        for (name, value) in event.get("queryStringParameters").map(Json::entries).unwrap_or_default() {
            pairs.push((decode(name), decode(value.as_str().unwrap_or_default())));
        }
    }
    grouped(pairs)
}

fn form(text: &str) -> Vec<(String, String)> {
    let pairs = text.split('&').filter(|pair| !pair.is_empty());
    let split = |pair: &str| {
        let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
        (decoded(name), decoded(value))
    };
    pairs.map(split).collect()
}

/// Percent-encoded text, in which `+` is a space.
pub(super) fn decoded(text: &str) -> String {
    percent_decode_str(&text.replace('+', " ")).decode_utf8_lossy().into_owned()
}

fn grouped(pairs: Vec<(String, String)>) -> Vec<(String, Json)> {
    let mut groups: Vec<(String, Json)> = Vec::new();
    let mut places = BTreeMap::new();
    for (name, value) in pairs {
        let value = Json::Text(value);
        match places.get(&name).map(|at: &usize| &mut groups[*at].1) {
            None => {
                places.insert(name.clone(), groups.len());
                groups.push((name, value));
            }
            Some(Json::Array(values)) => values.push(value),
            Some(first) => *first = Json::Array(vec![std::mem::replace(first, Json::Null), value]),
        }
    }
    groups
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::json::parse;

    fn values(event: &str, front: Front) -> Vec<(String, Json)> {
        named_values(&parse(event.as_bytes()).unwrap(), front)
    }

    fn pairs(pairs: &[(&str, Json)]) -> Vec<(String, Json)> {
        pairs.iter().map(|(name, value)| ((*name).to_owned(), value.clone())).collect()
    }

    #[test]
    fn arguments_come_from_path_body_and_query_in_this_order() {
        let event = r#"{
            "rawQueryString": "id=query&n=1&n=2&word=a%20b+c", "pathParameters": {"id": "path"},
            "headers": {"Content-Type": "application/json; charset=utf-8"}, "body": "{\"n\": 3, \"id\": \"body\"}"
        }"#;
        let expected =
            pairs(&[("id", Json::text("path")), ("n", Json::Integer(3)), ("word", Json::text("a b c"))]);
        assert_eq!(values(event, Front::Payload2), expected);
    }

    /// Six megabytes of names, which is what a request can bring, in a moment.
    #[test]
    fn as_many_names_as_a_request_can_hold_are_no_more_work_each() {
        let query: Vec<String> = (0..500_000).map(|at| format!("{at}=&{}=", at % 7)).collect();
        let event = format!(r#"{{"rawQueryString": "{}"}}"#, query.join("&"));
        let values = values(&event, Front::Payload2);
        assert_eq!(values.len(), 500_000);
        assert_eq!(values[7], ("7".to_owned(), Json::text("")));
    }

    #[test]
    fn a_query_is_decoded_once_whoever_sent_it() {
        let two = Json::Array(vec![Json::text("1"), Json::text("2")]);
        let cases = [
            (Front::Payload2, r#"{"rawQueryString": "a=%2525&n=1&n=2"}"#, "%25"),
            (
                Front::Payload1,
                r#"{"multiValueQueryStringParameters": {"a": ["%25"], "n": ["1", "2"]}}"#,
                "%25",
            ),
            (
                Front::LoadBalancer { multi_value: true },
                r#"{"multiValueQueryStringParameters": {"a": ["%2525"], "n": ["1", "2"]}}"#,
                "%25",
            ),
        ];
        for (front, event, a) in cases {
            assert_eq!(values(event, front), pairs(&[("a", Json::text(a)), ("n", two.clone())]), "{front:?}");
        }
        let single = r#"{"queryStringParameters": {"a": "x%20y"}}"#;
        let front = Front::LoadBalancer { multi_value: false };
        assert_eq!(values(single, front), pairs(&[("a", Json::text("x y"))]));
    }

    #[test]
    fn a_body_is_read_by_its_content_type() {
        let body = |content_type: &str, body: &str, base64: bool| {
            let event = format!(
                r#"{{"headers": {{"content-type": "{content_type}"}}, "body": {body:?}, "isBase64Encoded": {base64}}}"#
            );
            match super::body(&parse(event.as_bytes()).unwrap()) {
                Body::None => "none".to_owned(),
                Body::Json(json) => format!("{json:?}"),
                Body::Bytes(bytes) => format!("{bytes:?}"),
            }
        };
        assert_eq!(body("application/json", "[1]", false), "Array([Integer(1)])");
        assert_eq!(body("application/problem+json", "WzFd", true), "Array([Integer(1)])");
        assert_eq!(body("application/json", "no JSON", false), "Text(\"no JSON\")");
        assert_eq!(body("text/plain", "[1]", false), "Text(\"[1]\")");
        assert_eq!(
            body("application/x-www-form-urlencoded", "a=1&b=", false),
            r#"Object([("a", Text("1")), ("b", Text(""))])"#
        );
        assert_eq!(body("image/png", "AAH/", true), "[0, 1, 255]");
        assert_eq!(body("text/plain", "AAH/", true), "[0, 1, 255]");
    }

    #[test]
    fn a_request_is_the_same_whatever_it_came_through() {
        let through_url = r#"{
            "version": "2.0", "rawPath": "/score", "rawQueryString": "n=1", "cookies": ["a=1", "b=2"],
            "headers": {"X-Token": "t"}, "requestContext": {"http": {"method": "GET", "sourceIp": "192.0.2.1"}}
        }"#;
        let through_balancer = r#"{
            "httpMethod": "GET", "path": "/score", "multiValueQueryStringParameters": {"n": ["1"]},
            "multiValueHeaders": {"x-token": ["t"], "cookie": ["a=1; b=2"], "x-forwarded-for": ["192.0.2.1"]},
            "requestContext": {"elb": {"targetGroupArn": "arn"}}
        }"#;
        let through = |event: &str, front: Front| {
            let request = request(&parse(event.as_bytes()).unwrap(), front, Arrays::Simplified).unwrap();
            let names = request.names().unwrap().into_iter().map(str::to_owned);
            let parts: Vec<(String, Object)> = names.zip(request.elements().iter().cloned()).collect();
            // What a request brings along in headers differs.
            parts.into_iter().filter(|(name, _)| name != "headers").collect::<Vec<_>>()
        };
        let balancer = Front::LoadBalancer { multi_value: true };
        assert_eq!(through(through_url, Front::Payload2), through(through_balancer, balancer));
    }
}
