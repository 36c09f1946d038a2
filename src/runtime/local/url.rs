//! Requests to a Function URL, to events and back: "Invoking Lambda function URLs", payload
//! format 2.0. Pure.

use std::collections::BTreeMap;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use jiff::Timestamp;
use serde::Deserialize;
use serde_json::{Value, json};

use super::http::{Body, Head, Headers, Response};

/// What parts a streamed answer's head from its body.
const NULS: [u8; 8] = [0; 8];
/// Of a head: servers and browsers take 8 to 64 KiB of headers.
const MOST_HEAD_BYTES: usize = 1 << 20;

/// The event that a request is.
pub(super) fn event(head: &Head, body: &[u8], (request_id, now): (&str, Timestamp)) -> Value {
    let mut headers: BTreeMap<&str, String> = BTreeMap::new();
    let mut cookies = Vec::new();
    for (name, value) in &head.headers {
        if name == "cookie" {
            cookies.extend(value.split("; ").map(str::to_owned));
        } else {
            join(&mut headers, name, value);
        }
    }
    let mut parameters: BTreeMap<String, String> = BTreeMap::new();
    for (name, value) in form_urlencoded::parse(head.query.as_bytes()) {
        parameters
            .entry(name.into_owned())
            .and_modify(|all| all.extend([",", &value]))
            .or_insert(value.into());
    }
    let host = head.header("host").unwrap_or("localhost");
    let text = std::str::from_utf8(body).ok().filter(|_| is_text(head.header("content-type")));
    let mut event = json!({
        "version": "2.0",
        "routeKey": "$default",
        "rawPath": head.path,
        "rawQueryString": head.query,
        "headers": headers,
        "requestContext": {
            "accountId": "anonymous",
            "apiId": "local",
            "domainName": host,
            "domainPrefix": "local",
            "http": {
                "method": head.method,
                "path": head.path,
                "protocol": "HTTP/1.1",
                "sourceIp": "127.0.0.1",
                "userAgent": head.header("user-agent").unwrap_or_default(),
            },
            "requestId": request_id,
            "routeKey": "$default",
            "stage": "$default",
            "time": now.strftime("%d/%b/%Y:%H:%M:%S +0000").to_string(),
            "timeEpoch": now.as_millisecond(),
        },
        "isBase64Encoded": text.is_none() && !body.is_empty(),
    });
    if !cookies.is_empty() {
        event["cookies"] = cookies.into();
    }
    if !parameters.is_empty() {
        event["queryStringParameters"] = json!(parameters);
    }
    if !body.is_empty() {
        event["body"] = text.map_or_else(|| STANDARD.encode(body), str::to_owned).into();
    }
    event
}

fn join<'a>(all: &mut BTreeMap<&'a str, String>, name: &'a str, value: &str) {
    all.entry(name).and_modify(|all| all.extend([",", value])).or_insert_with(|| value.to_owned());
}

fn is_text(content_type: Option<&str>) -> bool {
    let kind = content_type.unwrap_or("text/plain").split(';').next().unwrap_or_default().trim();
    let ends = ["json", "xml", "yaml", "javascript", "x-www-form-urlencoded"];
    kind.starts_with("text/")
        || kind.starts_with("application/") && ends.iter().any(|end| kind.ends_with(end))
}

/// The fields that a function may answer with.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Fields {
    status_code: Option<u16>,
    headers: BTreeMap<String, Value>,
    cookies: Vec<String>,
    body: Option<Value>,
    is_base64_encoded: bool,
}

/// The response that an answer is: as its fields say, or, where it has no `statusCode`, the
/// answer itself.
pub(super) fn response(payload: &[u8]) -> Response {
    // An array of the right length would do for the fields, too.
    let is_object = payload.trim_ascii_start().first() == Some(&b'{');
    let fields: Option<Fields> = serde_json::from_slice(payload).ok().filter(|_| is_object);
    let fields = fields.unwrap_or_default();
    let Some(status) = fields.status_code else {
        return Response {
            status: 200,
            headers: vec![("content-type".to_owned(), "application/json".to_owned())],
            body: Body::whole(payload),
        };
    };
    let body = match &fields.body {
        None | Some(Value::Null) => Vec::new(),
        Some(Value::String(text)) if fields.is_base64_encoded => {
            STANDARD.decode(text).unwrap_or_else(|_| text.clone().into_bytes())
        }
        Some(Value::String(text)) => text.clone().into_bytes(),
        Some(other) => other.to_string().into_bytes(),
    };
    Response { status, headers: headers(fields), body: Body::whole(body) }
}

fn headers(fields: Fields) -> Headers {
    let text = |value: Value| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
    let mut headers: Headers =
        fields.headers.into_iter().map(|(name, value)| (name.to_ascii_lowercase(), text(value))).collect();
    if !headers.iter().any(|(name, _)| name == "content-type") {
        headers.push(("content-type".to_owned(), "application/json".to_owned()));
    }
    headers.extend(fields.cookies.into_iter().map(|cookie| ("set-cookie".to_owned(), cookie)));
    headers
}

/// The beginning of a streamed answer, as far as it has come.
#[derive(Default)]
pub(super) struct StreamedHead(Vec<u8>);

/// What a streamed answer begins with.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Begun {
    pub(super) status: u16,
    pub(super) headers: Headers,
    /// What came with the head.
    pub(super) body: Vec<u8>,
}

/// A beginning that is too long for a head.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct NoHead;

impl StreamedHead {
    /// Takes the next piece; `None` as long as the head is not complete.
    pub(super) fn add(&mut self, piece: &[u8]) -> Result<Option<Begun>, NoHead> {
        let searched = self.0.len().saturating_sub(NULS.len() - 1);
        self.0.extend(piece);
        let Some(at) = self.0[searched..].windows(NULS.len()).position(|window| window == NULS) else {
            return if self.0.len() > MOST_HEAD_BYTES { Err(NoHead) } else { Ok(None) };
        };
        let end = searched + at;
        let fields: Fields = serde_json::from_slice(&self.0[..end]).unwrap_or_default();
        let body = self.0.split_off(end + NULS.len());
        Ok(Some(Begun { status: fields.status_code.unwrap_or(200), headers: headers(fields), body }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn head(headers: &[(&str, &str)]) -> Head {
        Head {
            method: "POST".to_owned(),
            path: "/a%20b".to_owned(),
            query: "x=1&y=a%26b&x=2".to_owned(),
            headers: headers.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect(),
        }
    }

    #[test]
    fn a_request_becomes_an_event_of_format_2() {
        let headers =
            [("cookie", "a=1; b=2"), ("accept", "x"), ("accept", "y"), ("content-type", "application/json")];
        let now = Timestamp::from_second(1_700_000_000).unwrap();
        let event = event(&head(&headers), b"{}", ("1", now));
        assert_eq!(event["rawPath"], "/a%20b");
        assert_eq!(event["queryStringParameters"], json!({"x": "1,2", "y": "a&b"}));
        assert_eq!(event["cookies"], json!(["a=1", "b=2"]));
        assert_eq!(event["headers"], json!({"accept": "x,y", "content-type": "application/json"}));
        assert_eq!((&event["body"], &event["isBase64Encoded"]), (&json!("{}"), &json!(false)));
        assert_eq!(event["requestContext"]["time"], "14/Nov/2023:22:13:20 +0000");
    }

    #[test]
    fn a_body_that_is_no_text_is_base64() {
        for (content_type, body) in [("image/png", "AAE="), ("text/plain", "gIE=")] {
            let bytes: &[u8] = if body == "AAE=" { &[0, 1] } else { &[0x80, 0x81] };
            let event = event(&head(&[("content-type", content_type)]), bytes, ("1", Timestamp::UNIX_EPOCH));
            assert_eq!((&event["body"], &event["isBase64Encoded"]), (&json!(body), &json!(true)));
        }
    }

    #[test]
    fn an_answer_is_what_its_fields_say_or_itself() {
        let cases = [
            (r#"{"a":1}"#, 200, r#"{"a":1}"#, 1),
            ("[1]", 200, "[1]", 1),
            (r#"{"statusCode":404,"body":"no"}"#, 404, "no", 1),
            (r#"{"statusCode":200,"body":"aGk=","isBase64Encoded":true}"#, 200, "hi", 1),
            (r#"{"statusCode":302,"headers":{"Location":"/x"},"cookies":["a=1","b=2"]}"#, 302, "", 4),
        ];
        for (payload, status, body, n_headers) in cases {
            let response = response(payload.as_bytes());
            let Body::Whole(Some(bytes)) = response.body else { panic!("{payload}") };
            assert_eq!(
                (response.status, &*bytes, response.headers.len()),
                (status, body.as_bytes(), n_headers),
                "{payload}"
            );
        }
    }

    #[test]
    fn a_streamed_head_is_read_once_it_is_complete() {
        let all = b"{\"statusCode\":201}\0\0\0\0\0\0\0\0body";
        for n in 1..all.len() {
            let mut head = StreamedHead::default();
            let mut pieces = all.chunks(n);
            let begun = pieces.find_map(|piece| head.add(piece).unwrap()).unwrap();
            assert_eq!(begun.status, 201, "in pieces of {n}");
            let rest: Vec<u8> = pieces.flatten().copied().collect();
            assert_eq!([begun.body, rest].concat(), b"body");
        }
    }

    #[test]
    fn what_never_ends_is_no_head() {
        let mut head = StreamedHead::default();
        let n_taken = (0..2 << 20).take_while(|_| head.add(b"x").is_ok()).count();
        assert_eq!(n_taken, MOST_HEAD_BYTES);
    }
}
