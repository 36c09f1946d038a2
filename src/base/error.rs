//! Why a base cannot be had.

use std::io;

use crate::engine::EngineError;
use crate::model::{Architecture, PackageId, RVersion, Sha256Digest};
use crate::store::StoreError;
use crate::sys::fs::PathError;
use crate::sys::process::ProcessError;

#[derive(Debug, thiserror::Error)]
pub enum BaseError {
    #[error("`mmdebstrap`, which makes Debian bases, is not on the search path")]
    NoMmdebstrap,
    #[error("failed to make a base of Debian {suite}; the log is {log}\n  {}", .last_lines.join("\n  "))]
    Mmdebstrap { suite: String, log: String, last_lines: Vec<String> },
    #[error("failed to build the image of base `{recipe}`")]
    BuildImage {
        recipe: String,
        #[source]
        source: ProcessError,
    },
    #[error("failed to pull image `{reference}`")]
    Pull {
        reference: String,
        #[source]
        source: ProcessError,
    },
    #[error("failed to copy the libraries out of base `{recipe}`")]
    Export {
        recipe: String,
        #[source]
        source: ProcessError,
    },
    #[error("failed to import the base as an image")]
    Import {
        #[source]
        source: ProcessError,
    },
    #[error("base `{recipe}` is an image, which engine `{engine}` cannot use")]
    NeedsContainer { recipe: String, engine: &'static str },
    #[error("base `{base}` has no R")]
    NoR { base: String },
    #[error("base `{base}` has its R at {r_home}, where layers put packages")]
    RInTheWay { base: String, r_home: String },
    #[error("the base has R {base}, but the lockfile is for R {lockfile}")]
    RMismatch { base: RVersion, lockfile: RVersion },
    #[error("binary package `{package}` is built for {built}, but the base has R {r} on {arch}")]
    OtherBinary { package: PackageId, built: String, r: RVersion, arch: Architecture },
    #[error("base `{base}` is for {arch}, whose programs this machine, {host}, has no emulator for")]
    NoEmulator { base: String, arch: Architecture, host: Architecture },
    #[error("recipe al2023 must know which R to install")]
    RNotNamed,
    #[error("layr.lock was made with base {locked}, but base `{recipe}` has digest {found}")]
    NotLocked { recipe: String, locked: Sha256Digest, found: Sha256Digest },
    #[error("base `{recipe}` is not in the store, and the network may not be used")]
    Offline { recipe: String },
    #[error("the record of the base in {folder} cannot be read")]
    BrokenRecord { folder: String },
    #[error("failed to write the base")]
    Write(#[source] io::Error),
    #[error(transparent)]
    Engine(#[from] EngineError),
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error(transparent)]
    Path(#[from] PathError),
    #[error("interrupted")]
    Interrupted,
}

impl BaseError {
    /// What the user can do next.
    pub fn hint(&self) -> Option<String> {
        let hint = match self {
            Self::NoMmdebstrap => "install it (package `mmdebstrap`), or use --base al2023 with docker",
            Self::Mmdebstrap { .. } => "check the suite's name and the mirror (--mirror)",
            Self::BuildImage { .. } | Self::Pull { .. } => {
                "check that the registry can be reached, or use --base debian:trixie, which needs none"
            }
            Self::NeedsContainer { .. } => "use --engine docker or podman, or --base debian:trixie",
            Self::NoR { .. } => "install R in it, or choose another with --base",
            Self::RInTheWay { .. } => "install R elsewhere, say at /opt/R/4.5.0",
            Self::RMismatch { lockfile, .. } => {
                return Some(format!(
                    "choose a base with R {}, lock again with the base's R, or pass --allow-r-mismatch",
                    lockfile.minor_series()
                ));
            }
            Self::OtherBinary { .. } => {
                "take its source: --binary never, or `binary = \"never\"` under [build] in layr.toml"
            }
            Self::NoEmulator { .. } => {
                "install one that the kernel knows (packages `qemu-user-static` and `binfmt-support`), \
                 or build on a machine of that kind"
            }
            Self::RNotNamed => "set `r` in the [base] section of layr.toml, e.g. r = \"4.5.0\"",
            Self::NotLocked { .. } => {
                "copy the base of that digest into the store, or run without --locked to lock this one"
            }
            Self::Offline { .. } => "run `layr base build` once with the network",
            Self::BrokenRecord { .. } => "remove that folder; the base is then made anew",
            Self::Engine(error) => return error.hint(),
            Self::Store(error) => return error.hint(),
            Self::Path(error) => return error.hint(),
            Self::Import { .. } | Self::Export { .. } | Self::Write(_) | Self::Interrupted => return None,
        };
        Some(hint.to_owned())
    }
}
