//! `layr plan`

use std::io::Write;

use super::project::ProjectArgs;
use super::{Global, table};
use crate::error::Error;
use crate::pipeline;

#[derive(Debug, clap::Args)]
pub(super) struct Args {
    #[command(flatten)]
    project: ProjectArgs,
    /// Print the plan as JSON
    #[arg(long)]
    pub(super) json: bool,
}

pub(super) fn run(args: &Args, global: &Global, stdout: &mut dyn Write) -> Result<(), Error> {
    let (request, overrides) = args.project.request()?;
    let services = global.services(overrides)?;
    let report = pipeline::plan(&request, &services)?;
    let text = if args.json { table::plan_json(&report) } else { table::plan_text(&report) };
    write!(stdout, "{text}").map_err(Error::Output)
}
