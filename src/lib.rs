//! From an R lockfile to AWS Lambda layers, reproducibly.
//!
//! The pipeline, in order; ARCHITECTURE.md says who may use whom.

// 4: source tarballs to installed trees.
pub mod build;
// 3: places to source tarballs, verified, in the store.
pub mod fetch;
// 1: text to a lockfile.
pub mod lockfile;
// 6: trees to layers.
pub mod pack;
// 2: a lockfile and indexes to the places of exact versions; DESCRIPTIONs to a graph.
pub mod resolve;
// 5: trees and tarballs by content.
pub mod store;

// What packages are built in.
pub mod base;
// What runs a build.
pub mod engine;

pub mod cli;
pub mod config;
pub mod error;
pub mod layr_lock;
pub mod model;
// The order of the stages.
pub mod pipeline;
pub mod report;
pub mod sys;
