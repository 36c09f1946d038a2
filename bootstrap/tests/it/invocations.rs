//! What comes of one event, besides a result.

use std::time::Duration;

use crate::desk::{Desk, Event, started};
use crate::sandbox::{Function, PATIENCE, within};

#[test]
fn an_error_has_class_stack_and_cause() {
    let code = "run <- function(x) check(x)\n\ncheck <- function(x) {\n  stop('no ', x)\n}\n";
    let Some((desk, running)) = started(code, "score.run") else { return };
    let post = desk.invoke(r#"{"x": 7}"#);
    assert_eq!(post.path, "runtime/invocation/request-1/error");
    assert_eq!(post.header("Lambda-Runtime-Function-Error-Type"), Some("Function.HandlerError"));
    assert_eq!(
        post.json(),
        serde_json::json!({
            "errorMessage": "no 7",
            "errorType": "simpleError",
            "stackTrace": ["run(x = x)", "check(x) at score.R:1", "stop(\"no \", x) at score.R:4"],
        })
    );
    within(PATIENCE, || running.log().contains("ERROR RequestId: request-1 simpleError: no 7"));
    let post = desk.invoke(r#"{"x": 7, "y": 8}"#);
    assert!(post.text().contains("a key `y`, and the handler function(x) has no such argument"), "{post:?}");
    let post = desk.invoke("{");
    assert!(post.text().contains("the event cannot be read: EOF"), "{post:?}");
    let post = desk.invoke("{}");
    assert!(post.text().contains("argument \\\"x\\\" is missing, with no default"), "{post:?}");
}

#[test]
fn the_context_has_what_lambda_says() {
    let code = r#"
        run <- function(event, context) {
            fields <- context[!vapply(context, is.function, NA)]
            fields$deadline <- inherits(fields$deadline, "POSIXct")
            c(fields, trace = Sys.getenv("_X_AMZN_TRACE_ID", NA))
        }
    "#;
    let Some((desk, _running)) = started(code, "score.run") else { return };
    let event = Event::new("{}")
        .with(
            "Lambda-Runtime-Invoked-Function-Arn",
            "arn:aws:lambda:eu-central-1:123456789012:function:score",
        )
        .with("Lambda-Runtime-Trace-Id", "Root=1-5bef4de7-ad49b0e87f6ef6c87fc2e700;Sampled=1")
        .with("Lambda-Runtime-Client-Context", r#"{"custom": {"n": [1, 2]}}"#)
        .with("Lambda-Runtime-Cognito-Identity", r#"{"identityId": "i"}"#)
        .with("Lambda-Runtime-Aws-Tenant-Id", "tenant");
    desk.send(event);
    assert_eq!(
        desk.post().json(),
        serde_json::json!({
            "request_id": "request-1",
            "function_arn": "arn:aws:lambda:eu-central-1:123456789012:function:score",
            "function_name": "score",
            "function_version": "",
            "memory_mb": 512,
            "log_group": "",
            "log_stream": "",
            "deadline": true,
            "trace_id": "Root=1-5bef4de7-ad49b0e87f6ef6c87fc2e700;Sampled=1",
            "client_context": {"custom": {"n": [1, 2]}},
            "identity": {"identityId": "i"},
            "tenant_id": "tenant",
            "trace": "Root=1-5bef4de7-ad49b0e87f6ef6c87fc2e700;Sampled=1",
        })
    );
    let next = desk.invoke("{}").json();
    assert_eq!(next["trace"], serde_json::Value::Null, "the last trace must not stay");
    assert_eq!(next["tenant_id"], serde_json::Value::Null);
}

#[test]
fn a_handler_is_interrupted_before_its_deadline_and_says_where_it_was() {
    let code = "wait <- function(x) Sys.sleep(x)\nrun <- function(x) wait(x)\n";
    let Some((desk, _running)) = started(code, "score.run") else { return };
    assert_eq!(desk.invoke(r#"{"x": 0}"#).text(), "null");
    desk.send(Event::with_timeout(r#"{"x": 60}"#, Duration::from_secs(2)));
    let post = desk.post();
    assert_eq!(post.header("Lambda-Runtime-Function-Error-Type"), Some("Function.Timeout"));
    let error = post.json();
    assert!(error["errorMessage"].as_str().unwrap().contains("did not end within"), "{error}");
    assert_eq!(error["stackTrace"][1], "wait(x) at score.R:2", "{error}");
    // R lives, and an interrupt that was not needed is forgotten.
    assert_eq!(desk.invoke(r#"{"x": 0}"#).text(), "null");
}

#[test]
fn a_handler_that_cannot_be_interrupted_is_ended() {
    let code = "run <- function(x) { if (x) suspendInterrupts(repeat NULL); Sys.getpid() }";
    let Some((desk, _running)) = started(code, "score.run") else { return };
    let first = desk.invoke(r#"{"x": false}"#).text();
    desk.send(Event::with_timeout(r#"{"x": true}"#, Duration::from_secs(2)));
    let message = desk.post().json()["errorMessage"].to_string();
    assert!(message.contains("could not be interrupted"), "{message}");
    assert_ne!(desk.invoke(r#"{"x": false}"#).text(), first, "another R has to answer");
}

#[test]
fn a_handler_that_never_stops_talking_has_a_deadline_all_the_same() {
    let code = r#"
        run <- function(by, context) {
            write <- if (by == "stream") context$stream()
            repeat switch(by, log = message("x"), stream = write("x"), stderr = cat("x\n", file = stderr()))
        }
        deaf <- function() suspendInterrupts(repeat message("x"))
    "#;
    let Some((desk, _running)) = started(code, "score.run") else { return };
    for by in ["log", "stream", "stderr"] {
        desk.send(Event::with_timeout(&format!(r#"{{"by": "{by}"}}"#), Duration::from_secs(1)));
        let post = desk.post();
        let name = "Lambda-Runtime-Function-Error-Type";
        assert_eq!(post.header(name).or(post.trailer(name)), Some("Function.Timeout"), "{by}");
    }
    let Some((desk, _running)) = started(code, "score.deaf") else { return };
    desk.send(Event::with_timeout("{}", Duration::from_secs(1)));
    let message = desk.post().json()["errorMessage"].to_string();
    assert!(message.contains("could not be interrupted"), "{message}");
}

#[test]
fn responses_are_streamed() {
    let code = r#"
        run <- function(fail = FALSE, http = FALSE, context) {
            write <- if (http) {
                context$stream("text/csv", status = 201L, headers = list("X-N" = 2), cookies = c("a=1", "b=2"))
            } else {
                context$stream("text/csv")
            }
            write("n,ü\n")
            write(as.raw(c(0, 255)))
            if (fail) stop("half way")
            "not sent"
        }
    "#;
    let Some((desk, _running)) = started(code, "score.run") else { return };
    let post = desk.invoke("{}");
    assert_eq!(post.path, "runtime/invocation/request-1/response");
    assert_eq!(post.header("Lambda-Runtime-Function-Response-Mode"), Some("streaming"));
    assert_eq!(post.header("Content-Type"), Some("text/csv"));
    assert_eq!(post.body, ["n,ü\n".as_bytes(), &[0, 255]].concat());
    assert_eq!(post.trailers, []);

    let post = desk.invoke(r#"{"http": true}"#);
    assert_eq!(post.header("Content-Type"), Some("application/vnd.awslambda.http-integration-response"));
    let prelude_end = post.body.windows(8).position(|bytes| bytes == [0; 8]).unwrap();
    let prelude: serde_json::Value = serde_json::from_slice(&post.body[..prelude_end]).unwrap();
    assert_eq!(
        prelude,
        serde_json::json!({
            "statusCode": 201,
            "headers": {"X-N": 2, "content-type": "text/csv"},
            "cookies": ["a=1", "b=2"],
        })
    );

    let post = desk.invoke(r#"{"fail": true}"#);
    assert_eq!(post.trailer("Lambda-Runtime-Function-Error-Type"), Some("Function.HandlerError"));
    // {"errorMessage":"half way", …
    assert!(
        post.trailer("Lambda-Runtime-Function-Error-Body")
            .unwrap()
            .starts_with("eyJlcnJvck1lc3NhZ2UiOiJoYWxmIHdheSIs")
    );
}

#[test]
fn http_requests_are_answered_with_http_responses() {
    let code = r#"
        run <- function(request) {
            list(statusCode = 201, headers = list("x-name" = request$body$name), body = charToRaw(request$query$q))
        }
    "#;
    let Some((desk, _running)) = started(code, "score.run") else { return };
    let post = desk.invoke(
        r#"{"version": "2.0", "rawPath": "/", "rawQueryString": "q=a%20b", "headers": {"content-type": "application/json"},
            "body": "{\"name\": \"n\"}", "requestContext": {"http": {"method": "POST"}}}"#,
    );
    assert_eq!(
        post.json(),
        serde_json::json!({
            "statusCode": 201, "headers": {"x-name": "n"}, "cookies": [], "body": "YSBi", "isBase64Encoded": true,
        })
    );
}

#[test]
fn arrays_stay_lists_where_a_function_wants_them_so() {
    let desk = Desk::open();
    let code = "run <- function(x) c(class(x), class(x[[1]]))";
    let Some(function) = Function::new("score.R", code, "score.run") else { return };
    let _running = desk.start(function.set("LAYR_SIMPLIFY", "false"));
    assert_eq!(desk.invoke(r#"{"x": [{"a": 1}]}"#).text(), r#"["list","list"]"#);
}

#[test]
fn a_response_that_lambda_refuses_is_logged_and_the_next_event_served() {
    let Some((desk, running)) = started("run <- function(x) x", "score.run") else { return };
    desk.refuse("/response", 413);
    desk.invoke(r#"{"x": 1}"#);
    assert_eq!(desk.invoke(r#"{"x": 2}"#).text(), "2");
    let log = running.log();
    assert!(
        log.contains("ERROR RequestId: request-1 the Runtime API refuses `response` with status 413"),
        "{log}"
    );
}

#[test]
fn logs_are_json_where_lambda_asks_for_it() {
    let desk = Desk::open();
    let code =
        "cat('at init\\n'); run <- function(x) { print(x); message('note'); warning('careful'); stop('no') }";
    let Some(function) = Function::new("score.R", code, "score.run") else { return };
    let running = desk.start(function.set("AWS_LAMBDA_LOG_FORMAT", "JSON"));
    desk.invoke(r#"{"x": "a"}"#);
    let log = running.log();
    let lines: Vec<serde_json::Value> = log
        .lines()
        .filter(|line| !line.starts_with("bwrap"))
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    let told: Vec<(&str, &str, &str)> = lines
        .iter()
        .map(|line| {
            assert!(line["timestamp"].as_str().unwrap().ends_with('Z'), "{line}");
            let text = |key: &str| line[key].as_str().unwrap_or_default();
            (text("level"), text("requestId"), text("message"))
        })
        .collect();
    let (info, warn, error, id) = ("INFO", "WARN", "ERROR", "request-1");
    let expected = [
        (info, "", "at init"),
        (info, id, "[1] \"a\""),
        (info, id, "note"),
        (warn, id, "Warning in run(x = x): careful"),
        (error, id, "simpleError: no\n  run(x = x)\n  stop(\"no\") at score.R:1"),
    ];
    for line in expected {
        assert!(told.contains(&line), "{line:?} is not in {told:#?}");
    }

    let desk = Desk::open();
    let Some(function) = Function::new("score.R", code, "score.run") else { return };
    let function = function.set("AWS_LAMBDA_LOG_FORMAT", "JSON").set("AWS_LAMBDA_LOG_LEVEL", "WARN");
    let running = desk.start(function);
    desk.invoke(r#"{"x": "a"}"#);
    let log = running.log();
    assert!(!log.contains("INFO") && log.contains("careful"), "{log}");
}
