//! What layers run on: which libraries the target has, which of those that a tree needs
//! must come along, and a tree whose libraries find them there.
//!
//! ```text
//! R/library/
//!   curl/libs/curl.so                  needs libcurl-0123456789ab.so.4,
//!                                      run path $ORIGIN/../../.libs/libcurl-0123456789ab
//!   .libs/
//!     libcurl-0123456789ab/            a tree of its own, shared by all that need it
//!       libcurl-0123456789ab.so.4
//! ```
//!
//! A library that comes along is named by its content and by that of all it brings, so two
//! versions of one never meet, and the same one is there once.

mod choice;
mod closure;
mod error;
mod owner;
mod policy;
mod repair;
mod rootfs;
mod rpm;

pub use choice::{BASE, Choice};
pub use closure::{Closure, Library, Member, System, closure};
pub use error::{Problem, ProblemKind, TargetError};
pub use owner::{copyright, owners};
pub use policy::{Policy, PolicyError, is_glibc};
pub use repair::{LIBRARIES, Repaired, Vendored, members, repair};
pub use rootfs::{RootFs, SystemLibrary};
pub use rpm::{RPM_LIST, RPM_QUERY, RPM_RECORD_FILES, RPM_RECORDS};

#[cfg(test)]
mod tests;
