//! The program that Lambda starts in a function that runs R, as a library: its parts, in
//! the order in which an event meets them.

pub mod settings;
pub mod lifecycle;
pub mod invocation;
pub mod runtime_api;
pub mod http;
pub mod handler;
pub mod arguments;
pub mod event;
pub mod json;
pub mod session;
pub mod process;
pub mod reply;
pub mod r;
pub mod failure;
pub mod ending;
pub mod log;
pub mod time;
