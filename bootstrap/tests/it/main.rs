//! bootstrap and a real R: under a Runtime API that the tests answer, under AWS's own
//! emulator, and beside jsonlite.

#![expect(
    clippy::unwrap_used,
    clippy::disallowed_methods,
    clippy::print_stderr,
    reason = "a test may panic, touch the disk, and say what it skips"
)]

mod cases;
mod chance;
mod conformance;
mod desk;
mod differential;
mod invocations;
mod json_text;
mod life;
mod sandbox;
