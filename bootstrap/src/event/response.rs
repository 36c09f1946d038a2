//! A handler's result to what an HTTP front end takes.
//!
//! A list with `statusCode` is a response, as AWS's documentation has it: with `headers`,
//! `cookies` and `body`. Any other result is the body of one, as JSON.

use base64::Engine as _;

use super::Front;
use crate::json::{WriteError, from_r};
use crate::r::{Data, Object, number_as_text};
use serde_json::{Map, Value, json};

const CONTENT_TYPE: &str = "content-type";

/// The JSON that `front` understands.
pub fn response(result: &Object, front: Front) -> Result<String, WriteError> {
    let part = |name: &str| part(result, name);
    let status = part("statusCode").and_then(number);
    let (body, is_base64, content_type) = match status {
        Some(_) => body(part("body").unwrap_or(&Object::null()))?,
        None => whole(result)?,
    };
    let mut headers =
        if status.is_some() { part("headers").map(headers).unwrap_or_default() } else { Vec::new() };
    if let Some(content_type) = content_type
        && !headers.iter().any(|(name, _)| name.eq_ignore_ascii_case(CONTENT_TYPE))
    {
        headers.push((CONTENT_TYPE.to_owned(), vec![content_type.to_owned()]));
    }
    let cookies = status.and_then(|_| part("cookies")).map(texts).unwrap_or_default();
    let mut response = json!({
        "statusCode": status.unwrap_or(200),
        "body": body,
        "isBase64Encoded": is_base64,
    });
    match front {
        Front::Payload2 => {
            response["headers"] = joined(&headers);
            response["cookies"] = json!(cookies);
        }
        Front::Payload1 | Front::LoadBalancer { multi_value: true } => {
            if !cookies.is_empty() {
                headers.push(("set-cookie".to_owned(), cookies));
            }
            response["multiValueHeaders"] =
                Value::Object(headers.into_iter().map(|(name, values)| (name, json!(values))).collect());
        }
        Front::LoadBalancer { multi_value: false } => {
            if let [cookie] = cookies.as_slice() {
                headers.push(("set-cookie".to_owned(), vec![cookie.clone()]));
            } else if !cookies.is_empty() {
                return Err(WriteError {
                    path: "$cookies".to_owned(),
                    what: format!(
                        "{} cookies for a load balancer without multi-value headers",
                        cookies.len()
                    ),
                });
            }
            response["headers"] = joined(&headers);
        }
    }
    Ok(response.to_string())
}

/// A body as written, whether it is base64, and the content type that it speaks for.
type Body = (String, bool, Option<&'static str>);

fn body(body: &Object) -> Result<Body, WriteError> {
    if body.data == Data::Null {
        return Ok((String::new(), false, None));
    }
    if let Data::Raw(bytes) = &body.data {
        return Ok((base64::engine::general_purpose::STANDARD.encode(bytes), true, None));
    }
    if let Some(text) = body.as_str()
        && body.len() == 1
        && !body.inherits("AsIs")
        && !body.inherits("json")
    {
        return Ok((text.to_owned(), false, None));
    }
    Ok((from_r(body)?, false, Some("application/json")))
}

fn whole(result: &Object) -> Result<Body, WriteError> {
    if let Data::Raw(bytes) = &result.data {
        let body = base64::engine::general_purpose::STANDARD.encode(bytes);
        return Ok((body, true, Some("application/octet-stream")));
    }
    Ok((from_r(result)?, false, Some("application/json")))
}

fn part<'a>(list: &'a Object, name: &str) -> Option<&'a Object> {
    let at = list.names()?.iter().position(|other| *other == name)?;
    list.elements().get(at)
}

fn number(object: &Object) -> Option<i32> {
    texts(object).first()?.parse().ok()
}

/// Names and their values, from a list or a vector with names.
fn headers(headers: &Object) -> Vec<(String, Vec<String>)> {
    let names = headers.names().unwrap_or_default().into_iter().map(str::to_owned);
    if let Data::List(values) = &headers.data {
        return names.zip(values.iter().map(texts)).collect();
    }
    names.zip(texts(headers).into_iter().map(|value| vec![value])).collect()
}

fn texts(object: &Object) -> Vec<String> {
    match &object.data {
        Data::Text(_) => object.as_strs().into_iter().map(str::to_owned).collect(),
        Data::Integer(values) => values.iter().flatten().map(i32::to_string).collect(),
        Data::Double(values) => values.iter().map(|value| number_as_text(*value)).collect(),
        Data::Logical(values) => values.iter().flatten().map(bool::to_string).collect(),
        Data::Null | Data::Complex(_) | Data::Raw(_) | Data::List(_) | Data::Other(_) => Vec::new(),
    }
}

fn joined(headers: &[(String, Vec<String>)]) -> Value {
    Value::Object(
        headers.iter().map(|(name, values)| (name.clone(), json!(values.join(", ")))).collect::<Map<_, _>>(),
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::r::texts;

    fn shown(result: &Object, front: Front) -> Value {
        serde_json::from_str(&response(result, front).unwrap()).unwrap()
    }

    fn list(parts: Vec<(&str, Object)>) -> Object {
        Object::named(parts.into_iter().map(|(name, value)| (name.to_owned(), value)).collect())
    }

    #[test]
    fn a_plain_result_is_a_json_body() {
        let result = list(vec![("risk", Object::double(0.25))]);
        assert_eq!(
            shown(&result, Front::Payload2),
            json!({"statusCode": 200, "body": "{\"risk\":0.25}", "isBase64Encoded": false,
                   "headers": {"content-type": "application/json"}, "cookies": []})
        );
        let bytes = Data::Raw(vec![0, 255]).into();
        let response = shown(&bytes, Front::Payload1);
        assert_eq!(response["body"], "AP8=");
        assert_eq!(response["isBase64Encoded"], true);
        assert_eq!(response["multiValueHeaders"]["content-type"], json!(["application/octet-stream"]));
    }

    #[test]
    fn a_list_with_a_status_is_a_response() {
        let result = list(vec![
            ("statusCode", Object::double(404.0)),
            ("headers", list(vec![("Content-Type", Object::text("text/html")), ("x-n", texts(["1", "2"]))])),
            ("cookies", texts(["a=1", "b=2"])),
            ("body", Object::text("<p>no</p>")),
        ]);
        assert_eq!(
            shown(&result, Front::Payload2),
            json!({"statusCode": 404, "body": "<p>no</p>", "isBase64Encoded": false,
                   "headers": {"Content-Type": "text/html", "x-n": "1, 2"}, "cookies": ["a=1", "b=2"]})
        );
        assert_eq!(
            shown(&result, Front::LoadBalancer { multi_value: true })["multiValueHeaders"],
            json!({"Content-Type": ["text/html"], "x-n": ["1", "2"], "set-cookie": ["a=1", "b=2"]})
        );
        let error = response(&result, Front::LoadBalancer { multi_value: false }).unwrap_err();
        assert!(error.to_string().contains("2 cookies"), "{error}");
    }

    #[test]
    fn a_body_that_is_no_text_is_json() {
        let result = list(vec![
            ("statusCode", Object::double(200.0)),
            ("body", list(vec![("a", Object::logical(true))])),
        ]);
        let response = shown(&result, Front::Payload2);
        assert_eq!(response["body"], "{\"a\":true}");
        assert_eq!(response["headers"]["content-type"], "application/json");
    }
}
