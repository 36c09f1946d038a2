//! From an R lockfile to AWS Lambda layers, reproducibly.
pub mod model;
pub mod report;
pub mod store;
pub mod sys;
