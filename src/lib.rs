//! From an R lockfile to AWS Lambda layers, reproducibly.
pub mod base;
pub mod engine;
pub mod lockfile;
pub mod model;
pub mod pack;
pub mod report;
pub mod resolve;
pub mod store;
pub mod sys;
