//! Stories: the program as people run it, against a repository on loopback and a real base.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::disallowed_methods,
    reason = "a test may panic, and may touch the disk"
)]

mod bad_inputs;
mod bad_tarballs;
mod bases;
mod builds;
mod interruptions;
mod real_packages;
mod tidy;
mod world;
mod zips;
