//! `layr build`

use std::io::Write;

use super::project::ProjectArgs;
use super::remote::RemoteFlags;
use super::{Global, table};
use crate::error::Error;
use crate::pipeline;

#[derive(Debug, clap::Args)]
pub(super) struct Args {
    #[command(flatten)]
    project: ProjectArgs,
    #[command(flatten)]
    remote: RemoteFlags,
    /// Print what was made as JSON
    #[arg(long)]
    pub(super) json: bool,
}

pub(super) fn run(args: &Args, global: &Global, stdout: &mut dyn Write) -> Result<(), Error> {
    let (request, overrides) = args.project.request()?;
    let services = args.remote.join_all(global.services(overrides)?, &request, global)?;
    let report = pipeline::build(&request, &services)?;
    let text = if args.json { table::build_json(&report) } else { table::build_text(&report, &request.out) };
    write!(stdout, "{text}").map_err(Error::Output)
}
