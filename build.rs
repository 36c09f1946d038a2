//! Compiles `bootstrap`, the program that layr puts into runtime layers, so that an
//! installed layr carries it and installing layr takes Rust alone.
//!
//! A call of cargo within cargo, since a dependency on another package's binary is not
//! stable yet (RFC 3028). It has a target folder of its own, as the outer call holds the
//! lock of the usual one.

#![expect(
    clippy::disallowed_methods,
    clippy::unwrap_used,
    reason = "a build script: it asks cargo, and may fail aloud"
)]

use std::env;
use std::path::PathBuf;
use std::process::Command;

fn main() {
    for path in ["build.rs", "bootstrap/Cargo.toml", "bootstrap/src", "Cargo.lock"] {
        println!("cargo::rerun-if-changed={path}");
    }
    let target = env::var("TARGET").unwrap();
    let folder = PathBuf::from(env::var_os("OUT_DIR").unwrap()).join("bootstrap");
    let status = Command::new(env::var_os("CARGO").unwrap())
        .args(["build", "--quiet", "--locked", "--package", "bootstrap", "--bin", "bootstrap"])
        // Named, so that the flags below are not for build scripts as well.
        .args(["--profile", "bootstrap", "--target", &target])
        .arg("--target-dir")
        .arg(&folder)
        // It starts before any library of the layer can be found, and on any glibc.
        .env("CARGO_ENCODED_RUSTFLAGS", "-Ctarget-feature=+crt-static")
        .env_remove("CARGO_TARGET_DIR")
        // Set by `cargo clippy`, which is not for this.
        .env_remove("RUSTC_WORKSPACE_WRAPPER")
        .status()
        .unwrap();
    assert!(status.success(), "bootstrap does not compile for {target}: {status}");
    let program = folder.join(target).join("bootstrap/bootstrap");
    println!("cargo::rustc-env=LAYR_BOOTSTRAP={}", program.display());
}
