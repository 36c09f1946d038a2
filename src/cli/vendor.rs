//! `layr vendor`

use std::io::Write;
use std::path::PathBuf;

use super::Global;
use super::sources::SourceArgs;
use crate::error::Error;
use crate::model::human_bytes;
use crate::pipeline;

#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Folder for the sources, in the form of a repository
    #[arg(value_name = "DIR")]
    folder: PathBuf,
    #[command(flatten)]
    sources: SourceArgs,
}

pub(super) fn run(args: &Args, global: &Global, stdout: &mut dyn Write) -> Result<(), Error> {
    let (request, overrides) = args.sources.request()?;
    let services = global.services(overrides)?;
    let report = pipeline::vendor(&request, &args.folder, &services)?;
    let (n, size) = (report.n_packages, human_bytes(report.n_bytes));
    writeln!(stdout, "{n} source tarballs, {size}, are in {}", args.folder.display()).map_err(Error::Output)
}
