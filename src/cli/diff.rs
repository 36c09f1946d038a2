//! `layr diff`

use std::io::Write;
use std::path::PathBuf;

use super::advisories::{DatabaseArgs, known};
use super::inventory::Inventories;
use super::{Global, project, table};
use crate::diff::{self, Advised, Diff};
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
    advisories: DatabaseArgs,
}

pub(super) fn run(args: &Args, global: &Global, stdout: &mut dyn Write) -> Result<(), Error> {
    let inventories = Inventories::new(global);
    let (before, after) = (inventories.read(&args.before)?, inventories.read(&args.after)?);
    let with_libraries = !before.libraries.is_empty() || !after.libraries.is_empty();
    let (config, _) = project::read_config()?;
    let here = global.at_hand(Vec::new())?;
    let store = here.as_ref().map(|here| &here.store);
    let mut diff = Diff::of(&before, &after);
    match args.advisories.asked(&config, with_libraries, store)? {
        Advised::NotAsked => {}
        Advised::NoDatabase => diff.advisories = Advised::NoDatabase,
        Advised::Known(database) => {
            let (old, new) = (known(&before, &database)?, known(&after, &database)?);
            diff = diff.with_advisories(&old.found, &new.found, new.coverage);
        }
    }
    let text = match (args.json, args.markdown) {
        (true, _) => table::to_json(&diff::json(&diff)),
        (false, true) => diff::markdown(&diff),
        (false, false) => diff::text(&diff),
    };
    write!(stdout, "{text}").map_err(Error::Output)
}
