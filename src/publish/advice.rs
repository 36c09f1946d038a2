//! AWS's error texts to what is behind them and what to do. Pure.

/// Words of AWS's message (or its error code) that tell the case, and the answer.
const KNOWN: &[(&str, &str)] = &[
    (
        "Request must be smaller than",
        "the zip is too large to be sent directly: set publish.bucket in layr.toml, so that it goes through S3",
    ),
    (
        "Function code combined with layers exceeds",
        "code and layers together have more than 262144000 bytes unzipped: `layr plan --explain` tells what is heavy; slim it, or make an image with `layr image`",
    ),
    (
        "Some directories do not have execute permissions",
        "the zip holds folders that the function's user may not enter: it was not made by layr, or changed since; run `layr build` again",
    ),
    (
        "CodeStorageExceededException",
        "the region's storage for code and layers is full: remove what nothing refers to with `layr gc --yes`, or ask AWS for a higher quota",
    ),
    (
        "PolicyLengthExceededException",
        "the layer version is shared with too many: share it with the organisation instead (--organization)",
    ),
    (
        "S3 Error Code: PermanentRedirect",
        "the bucket is in another region: Lambda reads from a bucket of its own region; `{region}` in publish.bucket stands for the region",
    ),
    (
        "S3 Error Code: NoSuchKey",
        "the archive went from the bucket before Lambda read it: look for a lifecycle rule, and run it again",
    ),
    (
        "S3 Error Code: AccessDenied",
        "Lambda may not read the bucket: `layr policy publish` prints what it takes",
    ),
    (
        "Could not unzip uploaded file",
        "the zip was damaged on its way or on disk: run `layr build` again, then publish",
    ),
    (
        "cannot be assumed by Lambda",
        "the role's trust policy has to allow lambda.amazonaws.com to assume it; a new role takes some seconds",
    ),
    (
        "does not exist for the layer",
        "the version was deleted since: run `layr publish` again, which finds or makes one",
    ),
    (
        "Layer version arn:",
        "the version was deleted since, or is not shared with this account: run `layr publish` again",
    ),
    ("than 5 layers", "a function can have 5 layers, the runtime's included: build with fewer"),
    (
        "The operation cannot be performed at this time",
        "the function is still being changed by somebody else: run it again in a minute",
    ),
    (
        "Two different versions of the same layer",
        "the function already has another version of that layer: `layr deploy` sets all layers at once",
    ),
    ("EC2 Lambda", "wait some minutes: the function's network is still being made"),
    ("ExpiredToken", "the credentials are too old: get new ones (`aws sso login`, or your usual way)"),
    ("TooManyRequestsException", "others use the account's 15 requests a second too: run it again later"),
    ("BucketAlreadyExists", "somebody else has a bucket of that name: choose another one"),
    ("NoSuchBucket", "make the bucket with --create-bucket, or name another one"),
];

/// What to do about a refusal, where its words are known.
pub(super) fn for_refusal(code: &str, message: &str, operation: &str) -> Option<String> {
    const DENIED: [&str; 3] = ["AccessDeniedException", "AccessDenied", "UnauthorizedOperation"];
    const UNKNOWN: [&str; 4] = [
        "UnrecognizedClientException",
        "InvalidClientTokenId",
        "SignatureDoesNotMatch",
        "InvalidSignatureException",
    ];
    if message.contains("Unzipped size must be smaller than") {
        return Some(for_unzipped_size(message));
    }
    if let Some((_, answer)) =
        KNOWN.iter().find(|(words, _)| message.contains(words) || code.starts_with(words))
    {
        return Some((*answer).to_owned());
    }
    if DENIED.contains(&code) {
        return Some(format!(
            "these credentials may not {operation}: `layr policy` prints the least policy for each command"
        ));
    }
    UNKNOWN.contains(&code).then(|| for_credentials(code))
}

/// When a layer is attached, AWS names what is left of the limit, not the limit.
fn for_unzipped_size(message: &str) -> String {
    const LIMIT: u64 = crate::model::LAMBDA.unzipped_bytes;
    let digits: String = message
        .split("smaller than ")
        .nth(1)
        .unwrap_or_default()
        .chars()
        .take_while(char::is_ascii_digit)
        .collect();
    match digits.parse::<u64>() {
        Ok(left) if left < LIMIT => format!(
            "the other layers leave {left} of {LIMIT} bytes to this one: `layr plan --explain` tells what is heavy"
        ),
        _ => format!(
            "a function's code and layers may have {LIMIT} bytes unzipped: `layr plan --explain` tells what is heavy; or make an image with `layr image`"
        ),
    }
}

/// What to do where AWS does not know who asks.
pub(super) fn for_credentials(detail: &str) -> String {
    let is_found = !detail.contains("no credentials found");
    if is_found && (detail.contains("SSO") || detail.to_lowercase().contains("sso session")) {
        return "log in again: `aws sso login`, with --profile where you use one".to_owned();
    }
    "give credentials as for the AWS CLI: AWS_PROFILE, `aws configure`, `aws sso login`, or the AWS_… variables"
        .to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// AWS's own words, as users have quoted them in public reports.
    #[test]
    fn each_text_that_users_meet_has_its_answer() {
        let cases = [
            (
                "InvalidParameterValueException",
                "Unzipped size must be smaller than 262144000 bytes",
                "layr image",
            ),
            (
                "InvalidParameterValueException",
                "Unzipped size must be smaller than 85207199 bytes",
                "leave 85207199 of 262144000",
            ),
            (
                "RequestEntityTooLargeException",
                "Request must be smaller than 69905067 bytes for the PublishLayerVersion operation",
                "publish.bucket",
            ),
            (
                "InvalidParameterValueException",
                "Function code combined with layers exceeds the maximum allowed size of 262144000 bytes. The actual size is 300000000 bytes.",
                "--explain",
            ),
            (
                "InvalidParameterValueException",
                "Layer conversion failed: Some directories do not have execute permissions",
                "may not enter",
            ),
            ("CodeStorageExceededException", "Code storage limit exceeded.", "layr gc"),
            (
                "PolicyLengthExceededException",
                "The final policy size is bigger than the limit",
                "--organization",
            ),
            ("TooManyRequestsException", "Rate exceeded", "15 requests"),
            ("AccessDeniedException", "User: arn:aws:iam::1:user/x is not authorized", "layr policy"),
            (
                "InvalidParameterValueException",
                "Error occurred while GetObject. S3 Error Code: PermanentRedirect. S3 Error Message: The bucket is in this region: eu-west-1",
                "another region",
            ),
            (
                "UnrecognizedClientException",
                "The security token included in the request is invalid.",
                "aws configure",
            ),
            (
                "ExpiredTokenException",
                "The security token included in the request is expired",
                "aws configure",
            ),
        ];
        for (code, message, part) in cases {
            let answer = for_refusal(code, message, "PublishLayerVersion").unwrap_or_default();
            let part = if code == "ExpiredTokenException" { "new ones" } else { part };
            assert!(answer.contains(part), "{message:?} gave {answer:?}");
        }
        assert_eq!(for_refusal("Strange", "never heard of", "GetLayerVersion"), None);
    }
}
