//! One suite of cases, under the tests' own Runtime API and under AWS's Runtime Interface
//! Emulator.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::path::Path;

use crate::cases::{CASES, Case, Expected, code};
use crate::desk::Desk;
use crate::sandbox::{Function, Running, free_port, from_environment, within};

/// Something that passes an event to a function and gives back what came of it: its
/// result, or a JSON object with `errorType`, `errorMessage` and `stackTrace`.
trait Lambda {
    fn invoke(&self, event: &str) -> String;
}

impl Lambda for Desk {
    fn invoke(&self, event: &str) -> String {
        self.invoke(event).text()
    }
}

/// AWS's emulator. It starts the function with the first event.
struct Emulator {
    port: u16,
    _running: Running,
}

impl Emulator {
    fn start(rie: &Path, function: Function) -> Self {
        let (port, api_port) = (free_port(), free_port());
        let listen = format!("127.0.0.1:{port}");
        let api = format!("127.0.0.1:{api_port}");
        let words = [
            "/rie",
            "--runtime-interface-emulator-address",
            &listen,
            "--runtime-api-address",
            &api,
            "/opt/bootstrap",
            "suite.run",
        ];
        let running = function.run(&[(rie, "/rie")], &words);
        within(crate::sandbox::PATIENCE, || TcpStream::connect(("127.0.0.1", port)).is_ok());
        Self { port, _running: running }
    }
}

impl Lambda for Emulator {
    fn invoke(&self, event: &str) -> String {
        let mut stream = TcpStream::connect(("127.0.0.1", self.port)).unwrap();
        let path = "/2015-03-31/functions/function/invocations";
        let head =
            format!("POST {path} HTTP/1.0\r\nHost: localhost\r\nContent-Length: {}\r\n\r\n", event.len());
        stream.write_all(head.as_bytes()).unwrap();
        stream.write_all(event.as_bytes()).unwrap();
        let mut reader = BufReader::new(stream);
        let mut line = String::new();
        while line != "\r\n" {
            line.clear();
            reader.read_line(&mut line).unwrap();
        }
        let mut body = String::new();
        reader.read_to_string(&mut body).unwrap();
        body
    }
}

/// Holds every case, and tells all that do not hold at once.
#[track_caller]
fn hold(lambda: &dyn Lambda) {
    let failed: Vec<String> = CASES.iter().filter_map(|case| check(case, lambda).err()).collect();
    assert!(failed.is_empty(), "{} of {} cases\n{}", failed.len(), CASES.len(), failed.join("\n"));
}

fn check(case: &Case, lambda: &dyn Lambda) -> Result<(), String> {
    let answer = lambda.invoke(&format!(r#"{{"case": "{}", "x": {}}}"#, case.name, case.x));
    let holds = match case.expected {
        Expected::Gives(json) => answer == json,
        Expected::Fails(class, message) => {
            let error: serde_json::Value = serde_json::from_str(&answer).unwrap_or_default();
            let text = error["errorMessage"].as_str().unwrap_or_default();
            error["errorType"] == class && text.contains(message)
        }
    };
    let shown: String = answer.chars().take(500).collect();
    if holds { Ok(()) } else { Err(format!("{}: {:?}, not {shown}", case.name, case.expected)) }
}

#[test]
fn the_suite_holds_under_a_runtime_api_of_our_own() {
    let Some(function) = Function::new("suite.R", &code(), "suite.run") else { return };
    let desk = Desk::open();
    let running = desk.start(function);
    hold(&desk);
    let log = running.log();
    for printed in ["printed by the handler", "INFO RequestId: request-1 said by the handler", "Warning in"] {
        assert!(log.contains(printed), "{printed}: {log}");
    }
}

#[test]
fn the_suite_holds_under_aws_s_emulator() {
    let Some(rie) = from_environment("LAYR_TEST_RIE") else { return };
    let Some(function) = Function::new("suite.R", &code(), "suite.run") else { return };
    let emulator = Emulator::start(&rie, function.set("AWS_LAMBDA_FUNCTION_TIMEOUT", "60"));
    hold(&emulator);
}
