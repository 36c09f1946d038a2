//! The development tasks of `cargo xtask`, as a library: layr's integration tests use
//! its server, and the tasks share its testbed.

#![expect(
    clippy::print_stderr,
    clippy::disallowed_methods,
    reason = "a task for developers: it runs commands, writes files and reads the environment itself"
)]

mod acceptor;
pub mod base;
pub mod bench;
pub mod caches;
pub mod cloud;
pub mod dcf;
pub mod demo;
pub mod docker;
pub mod dockerfiles;
pub mod examples;
pub mod interrupt;
pub mod job_image;
pub mod kubernetes;
pub mod layr;
pub mod library;
pub mod load;
pub mod paths;
pub mod pypi;
pub mod registry;
pub mod rie;
pub mod root;
pub mod peers;
pub mod run;
pub mod sandbox;
pub mod serve;
pub mod slurm;
pub mod steps;
pub mod suite;
pub mod testbed;
pub mod tools;
