//! `layr target inspect` and `layr target show`

use std::io::Write;
use std::path::PathBuf;

use crate::error::Error;
use crate::model::Architecture;
use crate::target::{Policy, RootFs, TargetError};

#[derive(Debug, clap::Subcommand)]
pub(super) enum Command {
    /// Describe what a root file system offers to shared libraries, as a target
    Inspect(InspectArgs),
    /// Print what layr knows of Lambda's own target
    Show(ShowArgs),
}

#[derive(Debug, clap::Args)]
pub(super) struct InspectArgs {
    /// The folder that holds `usr`, `etc` and so on
    rootfs: PathBuf,
    /// What the target is to be called
    #[arg(long, default_value = "inspected")]
    name: String,
    /// Only the C library: layers for this target bring all others with them
    #[arg(long)]
    glibc_only: bool,
}

#[derive(Debug, clap::Args)]
pub(super) struct ShowArgs {
    /// `x86_64` or `arm64`
    #[arg(default_value = "x86_64", value_parser = str::parse::<Architecture>)]
    arch: Architecture,
}

pub(super) fn run(command: &Command, stdout: &mut dyn Write) -> Result<(), Error> {
    let policy = match command {
        Command::Inspect(args) => {
            let arch = RootFs::architecture_of(&args.rootfs)?;
            let rootfs = RootFs::open(&args.rootfs, arch)?;
            if args.glibc_only { rootfs.glibc_policy(&args.name)? } else { rootfs.policy(&args.name)? }
        }
        Command::Show(args) => Policy::al2023(args.arch)
            .map_err(|source| TargetError::Policy { target: "al2023".to_owned(), source })?,
    };
    write!(stdout, "{}", policy.render()).map_err(Error::Output)
}
