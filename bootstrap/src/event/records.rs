//! Batches of records to lists in which everything is decoded.

use base64::Engine as _;

use super::request::decoded;
use super::{Queue, structured};
use crate::json::{Arrays, Json, ToRError, to_r};
use crate::r::{Data, Object};

/// What the handler's argument `records` is: a list with one list for each record, never
/// a data frame. `id` is what `batchItemFailures` knows a record by.
pub fn records(event: &Json, queue: Queue, arrays: Arrays) -> Result<Object, ToRError> {
    let records = event.get("Records").map(Json::items).unwrap_or_default();
    let lists = records.iter().map(|record| match queue {
        Queue::Sqs => sqs(record, arrays),
        Queue::Sns => sns(record, arrays),
        Queue::Kinesis => kinesis(record, arrays),
        Queue::DynamoDb => dynamodb(record, arrays),
        Queue::S3 => s3(record, arrays),
    });
    Ok(Object::list(lists.collect::<Result<_, _>>()?))
}

fn sqs(record: &Json, arrays: Arrays) -> Result<Object, ToRError> {
    list(
        arrays,
        [
            ("id", field(record, &["messageId"])),
            ("body", text(record, &["body"]).map(structured)),
            ("attributes", field(record, &["attributes"])),
            ("message_attributes", field(record, &["messageAttributes"])),
            ("queue", field(record, &["eventSourceARN"])),
        ],
    )
}

fn sns(record: &Json, arrays: Arrays) -> Result<Object, ToRError> {
    list(
        arrays,
        [
            ("id", field(record, &["Sns", "MessageId"])),
            ("body", text(record, &["Sns", "Message"]).map(structured)),
            ("subject", field(record, &["Sns", "Subject"])),
            ("message_attributes", field(record, &["Sns", "MessageAttributes"])),
            ("topic", field(record, &["Sns", "TopicArn"])),
        ],
    )
}

/// The data, base64 on the way, is JSON or text where it is UTF-8, and bytes otherwise.
fn kinesis(record: &Json, arrays: Arrays) -> Result<Object, ToRError> {
    let data = text(record, &["kinesis", "data"]).unwrap_or_default();
    let body = match base64::engine::general_purpose::STANDARD.decode(data).map(String::from_utf8) {
        Ok(Ok(text)) => to_r(&structured(&text), arrays)?,
        Ok(Err(error)) => Data::Raw(error.into_bytes()).into(),
        Err(_) => Object::text(data),
    };
    let record = list(
        arrays,
        [
            ("id", field(record, &["kinesis", "sequenceNumber"])),
            ("key", field(record, &["kinesis", "partitionKey"])),
            ("stream", field(record, &["eventSourceARN"])),
        ],
    )?;
    let names = record.names().unwrap_or_default().into_iter().map(str::to_owned);
    let parts = names.zip(record.elements().iter().cloned());
    Ok(Object::named(parts.chain([("body".to_owned(), body)]).collect()))
}

fn dynamodb(record: &Json, arrays: Arrays) -> Result<Object, ToRError> {
    let item = |name: &str| record.at(&["dynamodb", name]).map(|item| attributes(item.entries()));
    list(
        arrays,
        [
            ("id", field(record, &["dynamodb", "SequenceNumber"])),
            ("event", field(record, &["eventName"])),
            ("keys", item("Keys")),
            ("new", item("NewImage")),
            ("old", item("OldImage")),
            ("table", field(record, &["eventSourceARN"])),
        ],
    )
}

fn s3(record: &Json, arrays: Arrays) -> Result<Object, ToRError> {
    list(
        arrays,
        [
            ("event", field(record, &["eventName"])),
            ("bucket", field(record, &["s3", "bucket", "name"])),
            // As S3 writes it, a key would not be found.
            ("key", text(record, &["s3", "object", "key"]).map(|key| Json::Text(decoded(key)))),
            ("size", field(record, &["s3", "object", "size"])),
            ("etag", field(record, &["s3", "object", "eTag"])),
            ("version", field(record, &["s3", "object", "versionId"])),
        ],
    )
}

/// `DynamoDB`'s typed values, e.g. `{"N": "1.5"}`, to plain ones.
fn attribute(typed: &Json) -> Json {
    let Some((kind, value)) = typed.entries().first() else { return Json::Null };
    let number = |value: &Json| {
        let text = value.as_str().unwrap_or_default();
        crate::json::parse(text.as_bytes()).unwrap_or_else(|_| Json::text(text))
    };
    match kind.as_str() {
        "N" => number(value),
        "NS" => Json::Array(value.items().iter().map(number).collect()),
        "NULL" => Json::Null,
        "L" => Json::Array(value.items().iter().map(attribute).collect()),
        "M" => attributes(value.entries()),
        // Text, booleans, sets of text, and bytes in base64.
        _ => value.clone(),
    }
}

fn attributes(entries: &[(String, Json)]) -> Json {
    Json::Object(entries.iter().map(|(name, typed)| (name.clone(), attribute(typed))).collect())
}

fn field(record: &Json, path: &[&str]) -> Option<Json> {
    record.at(path).cloned()
}

fn text<'a>(record: &'a Json, path: &[&str]) -> Option<&'a str> {
    record.at(path).and_then(Json::as_str)
}

/// A list of what is there.
fn list<const N: usize>(arrays: Arrays, parts: [(&str, Option<Json>); N]) -> Result<Object, ToRError> {
    let mut list = Vec::with_capacity(N);
    for (name, json) in parts {
        if let Some(json) = json {
            list.push((name.to_owned(), to_r(&json, arrays)?));
        }
    }
    Ok(Object::named(list))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::json::{from_r, parse};

    #[test]
    fn records_are_decoded() {
        let cases = [
            (
                Queue::Sqs,
                r#"{"messageId": "m1", "body": "{\"x\": [1, 2]}", "eventSourceARN": "q"}"#,
                r#"{"id":"m1","body":{"x":[1,2]},"queue":"q"}"#,
            ),
            (Queue::Sqs, r#"{"messageId": "m1", "body": "42"}"#, r#"{"id":"m1","body":"42"}"#),
            (
                Queue::Sns,
                r#"{"Sns": {"MessageId": "m1", "Message": "hello", "Subject": "s"}}"#,
                r#"{"id":"m1","body":"hello","subject":"s"}"#,
            ),
            (
                Queue::Kinesis,
                r#"{"kinesis": {"sequenceNumber": "49", "partitionKey": "k", "data": "eyJ4IjoxfQ=="}}"#,
                r#"{"id":"49","key":"k","body":{"x":1}}"#,
            ),
            (Queue::Kinesis, r#"{"kinesis": {"data": "/wA="}}"#, r#"{"body":"/wA="}"#),
            (
                Queue::DynamoDb,
                r#"{"eventName": "INSERT", "dynamodb": {"SequenceNumber": "1", "Keys": {"id": {"N": "7"}},
                    "NewImage": {"x": {"L": [{"N": "1.5"}, {"NULL": true}]}, "m": {"M": {"s": {"S": "t"}}}, "b": {"BOOL": false}}}}"#,
                r#"{"id":"1","event":"INSERT","keys":{"id":7},"new":{"x":[1.5,null],"m":{"s":"t"},"b":false}}"#,
            ),
            (
                Queue::S3,
                r#"{"eventName": "ObjectCreated:Put", "s3": {"bucket": {"name": "b"}, "object": {"key": "a+b%C3%BC.csv", "size": 3}}}"#,
                r#"{"event":"ObjectCreated:Put","bucket":"b","key":"a bü.csv","size":3}"#,
            ),
        ];
        for (queue, record, expected) in cases {
            let event = parse(format!(r#"{{"Records": [{record}]}}"#).as_bytes()).unwrap();
            let records = records(&event, queue, Arrays::Simplified).unwrap();
            assert_eq!(from_r(&records).unwrap(), format!("[{expected}]"));
        }
    }
}
