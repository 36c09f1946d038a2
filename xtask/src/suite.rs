//! Everything that must hold before a change goes in, on a machine that has nothing but
//! Rust and a network.

use std::process::Command;
use std::time::Instant;

use anyhow::Result;

use crate::layr::{Layr, Profile, cargo};
use crate::steps::{shown, step};
use crate::{base, docker, paths, run, testbed, tools};

/// Runs it all; the first failure ends it.
pub fn test() -> Result<()> {
    let start = Instant::now();
    let cache = paths::cache()?;
    step("tools", || tools::provide(tools::FOR_BUILDS))?;
    let testbed = step("testbed", || testbed::make(&paths::workspace().join("lockfiles"), &cache))?;
    let daemon = step("docker", || Ok(docker::provide(&cache)))?;
    let base = step("base", || base::build(&Layr::build(Profile::Debug, daemon.as_ref())?))?;
    cargo_step("fmt --all --check", |_| {})?;
    cargo_step("clippy --workspace --all-targets -- -D warnings", |_| {})?;
    cargo_step("test --workspace", |command| {
        command.env("LAYR_TEST_REPOSITORY", testbed.repository());
        command.env("LAYR_TEST_BASE", &base.path);
        if let Some(daemon) = &daemon {
            command.env("DOCKER_HOST", daemon.host());
        }
    })?;
    cargo_step("doc --workspace --no-deps", |command| {
        command.env("RUSTDOCFLAGS", "-D warnings");
    })?;
    eprintln!("\ntest: all is well after {}", shown(start.elapsed()));
    Ok(())
}

/// One call of cargo, which writes to the terminal itself.
fn cargo_step(words: &str, prepare: impl FnOnce(&mut Command)) -> Result<()> {
    step(&format!("cargo {words}"), || {
        let mut command = cargo();
        command.args(words.split(' '));
        prepare(&mut command);
        run::check(&mut command)
    })
}
