//! `layr invoke --serve`: the Invoke API and a Function URL, asked by plain HTTP.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::process::{Child, ChildStderr, Command, Stdio};

use crate::world::{World, base, from_environment, ran};

const LOOP: &str = r#"#!/bin/bash
api="http://$AWS_LAMBDA_RUNTIME_API/2018-06-01/runtime"
while curl -sSf -D /tmp/headers -o /tmp/event "$api/invocation/next"; do
  id=$(grep -i ^lambda-runtime-aws-request-id: /tmp/headers | tr -d '[:space:]' | cut -d: -f2)
  if grep -q crash /tmp/event; then exit 7; fi
  if grep -q wait /tmp/event; then sleep 4; fi
  if grep -q stream /tmp/event; then
    { printf '{"statusCode":201,"headers":{"x-a":"1"}}\0\0\0\0\0\0\0\0one'; sleep 0.3; printf two; } |
      curl -sS -X POST -H 'Lambda-Runtime-Function-Response-Mode: streaming' -T - \
        -H 'Content-Type: application/vnd.awslambda.http-integration-response' "$api/invocation/$id/response"
  else
    echo "log of $id"
    cat /var/task/answer | curl -sS -X POST --data-binary @- "$api/invocation/$id/response" > /tmp/accepted
  fi
done
"#;

/// A function that is being served; ended when dropped.
struct Served {
    child: Child,
    address: String,
    _log: BufReader<ChildStderr>,
}

impl Served {
    fn start(world: &World) -> Option<Self> {
        let (base, root) = (base()?, from_environment("LAYR_TEST_ROOT")?);
        let mut command =
            world.command(&["invoke", "--no-runtime", "--serve", "--watch", "--engine", "bwrap"]);
        command.arg("--base").arg(base).arg("--root").arg(root).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap();
        let mut log = BufReader::new(child.stderr.take().unwrap());
        let mut said = String::new();
        while !said.contains("function f is at http://") && log.read_line(&mut said).unwrap() > 0 {}
        let served = said.split_once("function f is at http://").and_then(|(_, rest)| rest.split_once('/'));
        let address = served.map(|(address, _)| address.to_owned()).unwrap_or_default();
        let served = Self { child, address, _log: log };
        assert!(!served.address.is_empty(), "it serves nothing: {said}");
        Some(served)
    }

    /// Status, headers and body of the answer.
    fn ask(&self, request: &str, headers: &str, body: &str) -> (u16, String, String) {
        let mut client = TcpStream::connect(&self.address).unwrap();
        let n_bytes = body.len();
        write!(client, "{request} HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: {n_bytes}\r\n{headers}\r\n{body}").unwrap();
        let mut answer = String::new();
        client.read_to_string(&mut answer).unwrap();
        let (head, body) = answer.split_once("\r\n\r\n").unwrap();
        (head[9..12].parse().unwrap(), head.to_owned(), body.to_owned())
    }

    fn invoke(&self, name: &str, headers: &str, body: &str) -> (u16, String, String) {
        self.ask(&format!("POST /2015-03-31/functions/{name}/invocations"), headers, body)
    }
}

impl Drop for Served {
    fn drop(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }
}

fn world() -> World {
    let world = World::new();
    world.lock(&[]);
    world.write(
        "project/layr.toml",
        "[functions.f]\nlockfile = \"renv.lock\"\ncode = \"code\"\nhandler = \"a.b\"\ntimeout = 5\n",
    );
    world.write("project/code/bootstrap", LOOP);
    world.write("project/code/answer", r#"{"statusCode":203,"body":"hi"}"#);
    let mode = std::os::unix::fs::PermissionsExt::from_mode(0o755);
    std::fs::set_permissions(world.path("project/code/bootstrap"), mode).unwrap();
    world
}

#[test]
fn the_invoke_api_answers_as_lambda_does() {
    let world = world();
    let Some(served) = Served::start(&world) else { return };
    let (status, head, body) = served.invoke("f", "X-Amz-Log-Type: Tail\r\n", "{}");
    assert_eq!((status, body.as_str()), (200, r#"{"statusCode":203,"body":"hi"}"#), "{head}");
    assert!(
        head.contains("x-amz-executed-version: $LATEST") && head.contains("x-amz-log-result: "),
        "{head}"
    );
    assert!(!head.contains("x-amz-function-error"), "{head}");

    let (status, head, body) = served.invoke("f", "", r#""crash""#);
    assert_eq!(status, 200);
    assert!(head.contains("x-amz-function-error: Unhandled"), "{head}");
    assert!(body.contains("Runtime exited with error: exit status 7"), "{body}");

    let (status, head, _) = served.invoke("g", "", "{}");
    assert!(status == 404 && head.contains("x-amzn-errortype: ResourceNotFoundException"), "{head}");
    let (status, head, _) = served.invoke("f", "", "{no");
    assert!(status == 400 && head.contains("x-amzn-errortype: InvalidRequestContentException"), "{head}");
    assert_eq!(served.invoke("f", "X-Amz-Invocation-Type: Event\r\n", "{}").0, 202);
    assert_eq!(served.invoke("f", "X-Amz-Invocation-Type: DryRun\r\n", "{}").0, 204);
}

#[test]
fn the_aws_cli_invokes_it_as_it_does_on_aws() {
    let Some(python) = crate::cloud::python() else { return };
    let world = world();
    let Some(served) = Served::start(&world) else { return };
    let mut command = Command::new(python.join("aws"));
    command.args(["lambda", "invoke", "--no-sign-request", "--region", "us-east-1", "--function-name", "f"]);
    command.args(["--endpoint-url", &format!("http://{}", served.address), "--log-type", "Tail"]);
    command.args(["--payload", r#"{"x": 1}"#, "out.json"]);
    command.current_dir(world.path("project")).env("HOME", world.path(""));
    let told = ran(&mut command);
    let answer = told.succeeded().json();
    assert_eq!((&answer["StatusCode"], &answer["ExecutedVersion"]), (&200.into(), &"$LATEST".into()));
    let log =
        base64::Engine::decode(&base64::prelude::BASE64_STANDARD, answer["LogResult"].as_str().unwrap());
    assert!(String::from_utf8(log.unwrap()).unwrap().contains("REPORT RequestId: "), "{told:?}");
    assert_eq!(world.read("project/out.json"), r#"{"statusCode":203,"body":"hi"}"#);
}

#[test]
fn events_that_nobody_waits_for_are_refused_where_too_many_wait() {
    let world = world();
    let Some(served) = Served::start(&world) else { return };
    let send = || served.invoke("f", "X-Amz-Invocation-Type: Event\r\n", r#""wait""#);
    let statuses: Vec<u16> = (0..1000).map(|_| send().0).collect();
    assert!(statuses.iter().all(|status| *status == 202), "{statuses:?}");
    let refused = (0..100).map(|_| send()).find(|(status, ..)| *status != 202);
    let (status, head, _) = refused.expect("all are taken");
    assert!(status == 429 && head.contains("x-amzn-errortype: TooManyRequestsException"), "{head}");
}

#[test]
fn other_paths_are_the_function_url_and_changed_code_is_used_at_once() {
    let world = world();
    let Some(served) = Served::start(&world) else { return };
    let (status, _, body) = served.ask("GET /some/path?x=1", "", "");
    assert_eq!((status, body.as_str()), (203, "hi"));
    let (status, head, body) = served.ask("GET /stream", "", "");
    assert!(status == 201 && head.contains("x-a: 1"), "{head}");
    assert!(body.contains("one") && body.contains("two"), "{body}");
    assert_eq!(served.ask("GET /crash", "", "").0, 502);
    world.write("project/code/answer", r#"{"statusCode":204}"#);
    assert_eq!(served.ask("GET /", "", "").0, 204);
}
