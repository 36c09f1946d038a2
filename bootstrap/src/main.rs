//! What Lambda starts: the environment to settings, and then the life of a sandbox.

#![expect(clippy::print_stderr, clippy::disallowed_methods, reason = "the environment is read here alone")]

use std::process::ExitCode;

use bootstrap::lifecycle;
use bootstrap::settings::settings;

fn main() -> ExitCode {
    match settings(|name| std::env::var(name).ok()).and_then(|settings| lifecycle::run(&settings)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(message) => {
            eprintln!("bootstrap: {message}");
            ExitCode::FAILURE
        }
    }
}
