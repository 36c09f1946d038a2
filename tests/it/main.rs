//! Stories: the program as people run it, against a repository on loopback and a real base.

#![expect(
    clippy::unwrap_used,
    clippy::disallowed_methods,
    clippy::print_stderr,
    reason = "a test may panic, touch the disk, and say what it skips"
)]

mod accounts;
mod advisories;
mod against_r;
mod against_renv;
mod at_hand;
mod auditing;
mod bad_inputs;
mod bad_tarballs;
mod bases;
mod binaries;
mod boasting;
mod boms;
mod browser;
mod buildgrid;
mod builds;
mod by_keyboard;
#[path = "../../bootstrap/tests/it/cases.rs"]
mod cases;
mod checks;
mod ci;
mod cloud;
mod compressed;
mod compressing;
mod conformance;
mod credentials;
mod crowds;
mod databases;
mod deploying;
mod emitting;
mod farming;
mod fronts;
mod faults;
mod gates;
mod git_sources;
mod host;
mod imaging;
mod imports;
mod interruptions;
mod joint_plans;
mod invoke;
mod kubernetes;
mod listening;
mod lockfiles;
mod mixing;
mod places;
mod processes;
mod properties;
mod publishing;
mod loading;
mod poisoning;
mod queueing;
mod real_packages;
mod reports;
mod requirements;
mod risks;
mod rpm_bases;
mod runtime;
mod sandboxes;
mod schedulers;
mod serving;
mod sharing;
mod sources;
mod submitting;
mod targets;
mod tidy;
mod verification;
mod world;
mod zips;
