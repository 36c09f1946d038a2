//! `layr report`

use std::io::Write;
use std::path::{Path, PathBuf};

use super::advisories::{DatabaseArgs, known};
use super::inventory::Inventories;
use super::{Global, project};
use crate::diff::{Advised, Diff};
use crate::error::Error;
use crate::page::{self, Advisories, Page};
use crate::sys::fs;

#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// layers.json or its folder, a layer's zip or ARN, layr.lock, a lockfile, or a function of
    /// layr.toml
    #[arg(default_value = "dist")]
    what: PathBuf,
    /// Show what changed since this: any of the same
    #[arg(long, value_name = "WHAT")]
    since: Option<PathBuf>,
    #[command(flatten)]
    advisories: DatabaseArgs,
    /// Where the page goes; `-` is stdout
    #[arg(long, value_name = "FILE", default_value = "layr-report.html")]
    out: PathBuf,
}

pub(super) fn run(args: &Args, global: &Global, stdout: &mut dyn Write) -> Result<(), Error> {
    let inventories = Inventories::new(global);
    let after = inventories.read(&args.what)?;
    let before = args.since.as_deref().map(|since| inventories.read(since)).transpose()?;
    let mut diff = before.as_ref().map(|before| Diff::of(before, &after));
    let with_libraries =
        [Some(&after), before.as_ref()].iter().flatten().any(|one| !one.libraries.is_empty());
    let (config, _) = project::read_config()?;
    let here = global.at_hand(Vec::new())?;
    let database = args.advisories.asked(&config, with_libraries, here.as_ref().map(|here| &here.store))?;
    let found = match &database {
        Advised::NotAsked => Advised::NotAsked,
        Advised::NoDatabase => Advised::NoDatabase,
        Advised::Known(database) => Advised::Known(known(&after, database)?),
    };
    if let (Some(before), Advised::Known(database), Advised::Known(found)) = (&before, &database, &found) {
        let old = known(before, database)?;
        diff = diff.map(|diff| diff.with_advisories(&old.found, &found.found, found.coverage.clone()));
    }
    let source = args.what.display().to_string();
    let page = Page {
        inventory: &after,
        source: &source,
        version: env!("CARGO_PKG_VERSION"),
        diff: diff.as_ref(),
        advisories: match &found {
            Advised::NotAsked => Advised::NotAsked,
            Advised::NoDatabase => Advised::NoDatabase,
            Advised::Known(known) => {
                Advised::Known(Advisories { found: &known.found, coverage: &known.coverage })
            }
        },
    };
    let text = page::render(&page);
    if args.out == Path::new("-") {
        return write!(stdout, "{text}").map_err(Error::Output);
    }
    fs::write_atomic(&args.out, text.as_bytes())?;
    writeln!(stdout, "{}", args.out.display()).map_err(Error::Output)
}
