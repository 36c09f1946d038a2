//! `layr build`

use std::io::Write;

use super::project::ProjectArgs;
use super::{Global, table};
use crate::error::Error;
use crate::pipeline;

#[derive(Debug, clap::Args)]
pub(super) struct Args {
    #[command(flatten)]
    project: ProjectArgs,
    /// Print what was made as JSON
    #[arg(long)]
    pub(super) json: bool,
}

pub(super) fn run(args: &Args, global: &Global, stdout: &mut dyn Write) -> Result<(), Error> {
    let (request, overrides) = args.project.request()?;
    let services = global.services(overrides)?;
    let report = pipeline::build(&request, &services)?;
    let text = if args.json { table::build_json(&report) } else { table::build_text(&report, &request.out) };
    write!(stdout, "{text}").map_err(Error::Output)
}
