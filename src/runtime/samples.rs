//! Names of AWS's services to events as they send them. Pure.

/// Sample events, by name; each has what the service documents, with values of examples.
pub const SAMPLES: [(&str, &str); 10] = [
    ("function-url", include_str!("samples/function-url.json")),
    ("http-api", include_str!("samples/http-api.json")),
    ("rest-api", include_str!("samples/rest-api.json")),
    ("alb", include_str!("samples/alb.json")),
    ("sqs", include_str!("samples/sqs.json")),
    ("sns", include_str!("samples/sns.json")),
    ("s3", include_str!("samples/s3.json")),
    ("eventbridge", include_str!("samples/eventbridge.json")),
    ("kinesis", include_str!("samples/kinesis.json")),
    ("dynamodb", include_str!("samples/dynamodb.json")),
];

/// The sample of that name.
pub fn sample(name: &str) -> Option<&'static str> {
    SAMPLES.iter().find(|(other, _)| *other == name).map(|(_, text)| *text)
}
