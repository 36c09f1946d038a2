//! What AWS refuses and moto lets pass: a request to a refusal, or to nothing.
//!
//! Sources: the AWS Lambda API Reference, "Lambda quotas" in the Developer Guide, and error
//! texts as users have quoted them.

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use serde_json::Value;

use super::message::Message;

const MAX_REQUEST_BYTES: usize = 69_905_067;
const MAX_ZIP_BYTES: usize = 50 << 20;
const MAX_UNZIPPED_BYTES: u64 = 250 << 20;
const MAX_LAYERS: usize = 5;
const MAX_PAGE: usize = 50;

/// A request to Lambda's API by its path's parts, after the API's date.
pub(super) fn parts(request: &Message) -> Vec<&str> {
    let parts: Vec<&str> = request.path().split('/').filter(|part| !part.is_empty()).collect();
    match parts.split_first() {
        Some((date, rest)) if date.starts_with("2015-") || date.starts_with("2018-") => rest.to_vec(),
        _ => Vec::new(),
    }
}

/// Whether it counts towards the 15 requests a second.
pub(super) fn is_counted(request: &Message) -> bool {
    match parts(request)[..] {
        ["functions", _, "invocations"] | [] => false,
        ["functions", _] => request.method() != "GET",
        _ => true,
    }
}

/// The first rule that the request breaks, as far as the request alone tells.
pub(super) fn refusal(request: &Message) -> Option<Message> {
    let json: Value = serde_json::from_slice(&request.body).unwrap_or_default();
    match (request.method(), &parts(request)[..]) {
        ("POST", ["layers", name, "versions"]) => publish(request, name, &json),
        ("POST", ["layers", _, "versions", _, "policy"]) => permission(&json),
        ("POST", ["functions"]) | ("PUT", ["functions", _, "configuration"]) => function(&json),
        ("GET", ["layers"] | ["layers", _, "versions"]) => page(request),
        _ => None,
    }
}

fn publish(request: &Message, name: &str, json: &Value) -> Option<Message> {
    if request.body.len() > MAX_REQUEST_BYTES {
        return Some(Message::refusal(
            413,
            "RequestEntityTooLargeException",
            "Request must be smaller than 69905067 bytes for the PublishLayerVersion operation",
        ));
    }
    if !is_word(name) || name.len() > 140 {
        return Some(invalid("layerName", "must satisfy regular expression pattern: [a-zA-Z0-9-_]+"));
    }
    for (field, limit) in [("Description", 256), ("LicenseInfo", 512)] {
        if json[field].as_str().unwrap_or_default().chars().count() > limit {
            return Some(invalid(field, &format!("must have length less than or equal to {limit}")));
        }
    }
    for (field, limit) in [("CompatibleRuntimes", 15), ("CompatibleArchitectures", 2)] {
        if json[field].as_array().is_some_and(|values| values.len() > limit) {
            return Some(invalid(field, &format!("must have length less than or equal to {limit}")));
        }
    }
    let zip = BASE64_STANDARD.decode(json["Content"]["ZipFile"].as_str()?).unwrap_or_default();
    archive(&zip)
}

/// An archive that came with the request or from S3.
pub(super) fn archive(zip: &[u8]) -> Option<Message> {
    let refuse = |text: &str| Some(Message::refusal(400, "InvalidParameterValueException", text));
    match unzipped_bytes(zip) {
        _ if zip.len() > MAX_ZIP_BYTES => None, // by S3 it may be larger
        None => refuse("Could not unzip uploaded file. Please check your file, then try to upload again."),
        Some(n_bytes) if n_bytes >= MAX_UNZIPPED_BYTES => {
            refuse("Unzipped size must be smaller than 262144000 bytes")
        }
        Some(_) => None,
    }
}

/// The sum of the sizes in a zip's central directory.
fn unzipped_bytes(zip: &[u8]) -> Option<u64> {
    let number = |at: usize, n: usize| -> Option<usize> {
        let bytes = zip.get(at..at + n)?;
        Some(bytes.iter().rev().fold(0, |sum, byte| sum << 8 | usize::from(*byte)))
    };
    let end = zip.windows(4).rposition(|bytes| bytes == b"PK\x05\x06")?;
    let (n_entries, mut at) = (number(end + 10, 2)?, number(end + 16, 4)?);
    let mut total = 0;
    for _ in 0..n_entries {
        (zip.get(at..at + 4)? == b"PK\x01\x02").then_some(())?;
        total += number(at + 24, 4)? as u64;
        at += 46 + number(at + 28, 2)? + number(at + 30, 2)? + number(at + 32, 2)?;
    }
    Some(total)
}

fn permission(json: &Value) -> Option<Message> {
    let statement = json["StatementId"].as_str().unwrap_or_default();
    if !is_word(statement) || statement.len() > 100 {
        return Some(invalid("statementId", "must satisfy regular expression pattern: ([a-zA-Z0-9-_]+)"));
    }
    (json["Action"] != "lambda:GetLayerVersion").then(|| invalid("action", "must be lambda:GetLayerVersion"))
}

fn function(json: &Value) -> Option<Message> {
    let layers = json["Layers"].as_array()?;
    if layers.len() > MAX_LAYERS {
        return Some(Message::refusal(
            400,
            "InvalidParameterValueException",
            "Layers list cannot contain more than 5 layers.",
        ));
    }
    let name =
        |arn: &Value| arn.as_str().and_then(|arn| arn.rsplit_once(':')).map(|(layer, _)| layer.to_owned());
    let mut names: Vec<_> = layers.iter().map(name).collect();
    names.sort();
    names.dedup();
    (names.len() < layers.len()).then(|| {
        let text =
            "Two different versions of the same layer are not allowed to be referenced in the same function.";
        Message::refusal(400, "InvalidParameterValueException", text)
    })
}

fn page(request: &Message) -> Option<Message> {
    let asked = request.query("MaxItems")?.parse().unwrap_or(0);
    (!(1..=MAX_PAGE).contains(&asked)).then(|| invalid("maxItems", "must be between 1 and 50"))
}

/// The request as moto has to be told it, so that the policy reads as AWS's does.
pub(super) fn translated(request: &Message) -> Message {
    let mut request = request.clone();
    if !matches!((request.method(), &parts(&request)[..]), ("POST", ["layers", _, "versions", _, "policy"])) {
        return request;
    }
    let mut json: Value = serde_json::from_slice(&request.body).unwrap_or_default();
    let organization = json["OrganizationId"].take();
    if organization.is_string() {
        json["PrincipalOrgID"] = organization;
    }
    if let Some(account) = json["Principal"].as_str().filter(|who| who.len() == 12).map(str::to_owned) {
        json["Principal"] = format!("arn:aws:iam::{account}:root").into();
    }
    if let Some(fields) = json.as_object_mut() {
        fields.retain(|_, value| !value.is_null());
    }
    request.body = json.to_string().into_bytes();
    request
}

/// Lambda's pages: moto answers with everything.
pub(super) fn paginated(request: &Message, mut answer: Message) -> Message {
    let key = match (request.method(), &parts(request)[..]) {
        ("GET", ["layers"]) => "Layers",
        ("GET", ["layers", _, "versions"]) => "LayerVersions",
        ("GET", ["functions"]) => "Functions",
        _ => return answer,
    };
    let Ok(mut json) = serde_json::from_slice::<Value>(&answer.body) else { return answer };
    let Some(all) = json[key].as_array().cloned() else { return answer };
    let size = request.query("MaxItems").and_then(|text| text.parse().ok()).unwrap_or(MAX_PAGE);
    let from = request.query("Marker").and_then(|text| text.parse().ok()).unwrap_or(0_usize);
    json[key] = all.iter().skip(from).take(size).cloned().collect();
    if from + size < all.len() {
        json["NextMarker"] = (from + size).to_string().into();
    }
    answer.body = json.to_string().into_bytes();
    answer
}

fn invalid(field: &str, rule: &str) -> Message {
    let text = format!(
        "1 validation error detected: Value at '{field}' failed to satisfy constraint: Member {rule}"
    );
    Message::refusal(400, "ValidationException", &text)
}

fn is_word(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_'))
}
