//! JSON text to R's values and back. docs/json.md has the rules.

mod from_r;
mod parse;
mod scalar;
mod simplify;
mod to_r;

pub use from_r::{WriteError, from_r};
pub use parse::{Json, parse};
pub use to_r::{Arrays, ToRError, to_r};
