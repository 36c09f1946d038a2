//! From an R lockfile to AWS Lambda layers, reproducibly.
//!
//! The pipeline, in order; ARCHITECTURE.md says who may use whom.

// 1: text to a lockfile.
pub mod lockfile;
// 2: a lockfile and indexes to the places of exact versions; DESCRIPTIONs to a graph.
pub mod resolve;
// 3: places to source tarballs, verified, in the store.
pub mod fetch;
// 4: source tarballs to installed trees.
pub mod build;
// 5: what is built to what is shipped: slim, with the libraries that the target lacks.
pub mod finish;
// 6: trees and tarballs by content.
pub mod store;
// The same, shared with other machines.
pub mod remote;
// 6: the trees of all functions to a plan of layers; planned layers to zips.
pub mod plan;
pub mod pack;
// 7: layer zips to layer versions, shared.
pub mod publish;
// 8: layer versions to text for other tools.
pub mod emit;

// The same layers as a container image.
pub mod image;

// What lockfiles say of DESCRIPTIONs.
pub mod hashes;

// 8: the packages of layers, loaded where they will be.
pub mod loading;

// What layers run on, and what shared libraries ask of it.
pub mod elf;
pub mod target;

// What packages are built in, what they ask of it, and what runs a build.
pub mod base;
pub mod engine;
pub mod rdata;
pub mod requirements;

// R as a layer, and a Lambda on this machine.
pub mod runtime;

// What is in layers, held against advisories, licences and a policy.
pub mod audit;

// What functions cost.
pub mod cost;

// What packages are in a thing, whichever file it is, and what can be said of that.
pub mod inventory;
pub mod diff;
pub mod sbom;
pub mod page;

// The order of the stages, and what they all share.
pub mod cli;
pub mod compare;
pub mod config;
pub mod error;
pub mod layr_lock;
pub mod manifest;
pub mod model;
pub mod pipeline;
pub mod provenance;
pub mod report;
pub mod sys;
