//! One suite of cases, under the tests' own Runtime API and under AWS's Runtime Interface
//! Emulator.

use std::path::Path;

use xtask::rie::Emulator;

use crate::cases::{CASES, code, event, fault};
use crate::desk::Desk;
use crate::sandbox::{Function, from_environment};

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

impl Lambda for Emulator {
    fn invoke(&self, event: &str) -> String {
        self.invoke(event).unwrap()
    }
}

/// Holds every case, and tells all that do not hold at once.
#[track_caller]
fn hold(lambda: &dyn Lambda) {
    let failed: Vec<String> =
        CASES.iter().filter_map(|case| fault(case, &lambda.invoke(&event(case)))).collect();
    assert!(failed.is_empty(), "{} of {} cases\n{}", failed.len(), CASES.len(), failed.join("\n"));
}

/// The most that Lambda passes on, both ways.
#[track_caller]
fn hold_six_megabytes(lambda: &dyn Lambda) {
    let text = "x".repeat((6 << 20) - 100);
    let answer = lambda.invoke(&format!(r#"{{"case": "echo", "x": "{text}"}}"#));
    assert_eq!(answer.len(), text.len() + 2);
    assert!(answer.trim_matches('"') == text);
}

#[test]
fn the_suite_holds_under_a_runtime_api_of_our_own() {
    let Some(function) = Function::new("suite.R", &code(), "suite.run") else { return };
    let desk = Desk::open();
    let running = desk.start(function);
    hold(&desk);
    hold_six_megabytes(&desk);
    let log = running.log();
    for printed in ["printed by the handler", "INFO RequestId: request-1 said by the handler", "Warning in"] {
        assert!(log.contains(printed), "{printed}: {log}");
    }
}

#[test]
fn the_suite_holds_under_aws_s_emulator() {
    let Some(rie) = from_environment("LAYR_TEST_RIE") else { return };
    let Some(function) = Function::new("suite.R", &code(), "suite.run") else { return };
    let function = function.set("AWS_LAMBDA_FUNCTION_TIMEOUT", "60");
    let emulator = under_emulator(&rie, &function);
    hold(&emulator);
    hold_six_megabytes(&emulator);
}

#[test]
fn aws_s_emulator_takes_a_function_with_last_for_an_extension() {
    let Some(rie) = from_environment("LAYR_TEST_RIE") else { return };
    let code = ".Last <- function() NULL\nrun <- function(x) x\n";
    let Some(function) = Function::new("suite.R", code, "suite.run") else { return };
    let emulator = under_emulator(&rie, &function);
    for event in [r#"{"x": 1}"#, r#"{"x": 2}"#] {
        assert_eq!(format!(r#"{{"x": {}}}"#, emulator.invoke(event).unwrap()), event);
    }
}

fn under_emulator(rie: &Path, function: &Function) -> Emulator {
    let mut sandbox = function.command();
    sandbox.arg("--ro-bind").arg(rie).arg("/rie");
    Emulator::start(sandbox, "/rie", "suite.run").unwrap()
}
