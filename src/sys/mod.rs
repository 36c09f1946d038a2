//! The operating system: the only users of `std::fs` and `std::process`.

#![expect(clippy::disallowed_methods, reason = "the place that the bans point to")]

pub mod fs;
pub mod hash;
pub mod interrupt;
pub mod pipe;
pub mod process;
pub mod threads;
