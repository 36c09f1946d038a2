//! The program: parse, call, print, and the exit code.

use std::process::ExitCode;

fn main() -> ExitCode {
    ExitCode::from(layr::cli::main() as u8)
}
