//! How R did not start, or ended, to a failure that says so and what to do.

use std::io;
use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::process::ExitStatus;
use std::time::Duration;

use crate::failure::{Cause, Failure};
use crate::r::ReadError;

/// The architecture that this program was built for, in Lambda's spelling.
const ARCHITECTURE: &str = if cfg!(target_arch = "aarch64") { "arm64" } else { "x86_64" };

/// What starting a program of another architecture fails with.
const ENOEXEC: i32 = 8;

const SIGKILL: i32 = 9;
const SIGNALS: [(i32, &str); 7] = [
    (4, "SIGILL"),
    (6, "SIGABRT"),
    (7, "SIGBUS"),
    (8, "SIGFPE"),
    (SIGKILL, "SIGKILL"),
    (11, "SIGSEGV"),
    (15, "SIGTERM"),
];

pub fn not_started(r_home: &Path, error: &io::Error) -> Failure {
    let program = r_home.join("bin/exec/R");
    let program = program.display();
    let message = if error.kind() == io::ErrorKind::NotFound {
        format!("there is no R: {program} is missing; attach the layer that `layr runtime build` makes")
    } else if error.raw_os_error() == Some(ENOEXEC) {
        format!("{program} is not for {ARCHITECTURE}; make the runtime layer for the function's architecture")
    } else {
        format!("failed to start {program}: {error}")
    };
    Failure::new(Cause::InvalidRuntime, message)
}

/// R ended by itself, or was killed by others.
pub fn ended(status: ExitStatus, last_lines: &str) -> Failure {
    let mut message = match (status.code(), status.signal()) {
        (Some(0), _) => "R ended during the request: the handler, or its file, called quit()".to_owned(),
        (Some(code), _) => format!("R ended with status {code}"),
        (None, Some(SIGKILL)) => {
            "R was killed by SIGKILL: mostly because the function's memory was used up".to_owned()
        }
        (None, signal) => {
            let signal = signal.unwrap_or_default();
            let name = SIGNALS.iter().find(|(number, _)| *number == signal).map(|(_, name)| *name);
            format!("R was ended by {}", name.map_or_else(|| format!("signal {signal}"), str::to_owned))
        }
    };
    if !last_lines.is_empty() {
        message.push_str("; its last lines:\n");
        message.push_str(last_lines);
    }
    Failure::new(Cause::ExitError, message)
}

pub fn lost(error: &io::Error) -> Failure {
    Failure::new(Cause::ExitError, format!("lost the connection to R: {error}"))
}

/// R was interrupted, and says where.
pub fn interrupted(failure: Failure, allowed: Duration) -> Failure {
    let message = format!("the handler did not end within {} s and was interrupted", seconds(allowed));
    Failure { stack: failure.stack, ..Failure::new(Cause::Timeout, message) }
}

/// R did not heed the interrupt.
pub fn killed(allowed: Duration) -> Failure {
    let message = format!(
        "the handler did not end within {} s and could not be interrupted, as compiled code often cannot; R was killed",
        seconds(allowed)
    );
    Failure::new(Cause::Timeout, message)
}

pub fn unreadable(error: &ReadError) -> Failure {
    let message = match error {
        ReadError::Opaque { what, path } => {
            // The first step is the reply itself.
            let path = path.strip_prefix("[[2]]").unwrap_or(path);
            format!(
                "the result{path} is or holds a {what}, which JSON cannot express; return lists and vectors"
            )
        }
        ReadError::TooDeep => "the result is nested too deeply".to_owned(),
        ReadError::Malformed(what) => format!("R's reply cannot be read: {what}"),
    };
    Failure::new(Cause::InvalidResult, message)
}

fn seconds(time: Duration) -> String {
    format!("{:.2}", time.as_secs_f64())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_end_is_told_with_its_signal_and_r_s_last_lines() {
        let message = |raw: i32, lines: &str| ended(ExitStatus::from_raw(raw), lines).message;
        assert_eq!(message(3 << 8, ""), "R ended with status 3");
        assert_eq!(
            message(11, " *** caught segfault ***"),
            "R was ended by SIGSEGV; its last lines:\n *** caught segfault ***"
        );
        assert!(message(9, "").contains("memory"));
        assert!(message(0, "").contains("quit()"));
        assert_eq!(message(33, ""), "R was ended by signal 33");
    }

    #[test]
    fn an_r_that_does_not_start_is_told_with_what_to_do() {
        let message =
            |code: i32| not_started(Path::new("/opt/R"), &io::Error::from_raw_os_error(code)).message;
        assert!(message(2).contains("/opt/R/bin/exec/R is missing; attach the layer"));
        assert!(message(8).contains("is not for"));
        assert!(message(13).contains("Permission denied"));
    }
}
