//! `layr diff`

use std::io::Write;
use std::path::PathBuf;

use super::advisories::{AdvisoryArgs, known};
use super::inventory::Inventories;
use super::{Global, table};
use crate::diff::{self, Diff};
use crate::error::Error;

#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// What it was: layers.json or its folder, a layer's zip or ARN, layr.lock, a lockfile,
    /// or a function of layr.toml
    before: PathBuf,
    /// What it is: any of these
    after: PathBuf,
    /// Print the difference as JSON
    #[arg(long)]
    pub(super) json: bool,
    /// Print it as Markdown, for a pull request
    #[arg(long, conflicts_with = "json")]
    markdown: bool,
    #[command(flatten)]
    advisories: AdvisoryArgs,
}

pub(super) fn run(args: &Args, global: &Global, stdout: &mut dyn Write) -> Result<(), Error> {
    let inventories = Inventories::new(global);
    let (before, after) = (inventories.read(&args.before)?, inventories.read(&args.after)?);
    let mut diff = Diff::of(&before, &after);
    if let Some(database) = args.advisories.database()? {
        let (old, new) = (known(&before, &database)?, known(&after, &database)?);
        diff = diff.with_advisories(&old.found, &new.found);
    }
    let text = match (args.json, args.markdown) {
        (true, _) => table::to_json(&diff::json(&diff)),
        (false, true) => diff::markdown(&diff),
        (false, false) => diff::text(&diff),
    };
    write!(stdout, "{text}").map_err(Error::Output)
}
