//! `layr report`

use std::io::Write;
use std::path::{Path, PathBuf};

use super::Global;
use super::advisories::{AdvisoryArgs, known};
use super::inventory::Inventories;
use crate::diff::Diff;
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
    advisories: AdvisoryArgs,
    /// Where the page goes; `-` is stdout
    #[arg(long, value_name = "FILE", default_value = "layr-report.html")]
    out: PathBuf,
}

pub(super) fn run(args: &Args, global: &Global, stdout: &mut dyn Write) -> Result<(), Error> {
    let inventories = Inventories::new(global);
    let after = inventories.read(&args.what)?;
    let before = args.since.as_deref().map(|since| inventories.read(since)).transpose()?;
    let mut diff = before.as_ref().map(|before| Diff::of(before, &after));
    let database = args.advisories.database()?;
    let found = database.as_ref().map(|database| known(&after, database)).transpose()?;
    if let (Some(before), Some(database), Some(found)) = (&before, &database, &found) {
        let old = known(before, database)?;
        diff = diff.map(|diff| diff.with_advisories(&old.found, &found.found));
    }
    let source = args.what.display().to_string();
    let page = Page {
        inventory: &after,
        source: &source,
        version: env!("CARGO_PKG_VERSION"),
        diff: diff.as_ref(),
        advisories: found.as_ref().map(|known| Advisories { found: &known.found, coverage: &known.coverage }),
    };
    let text = page::render(&page);
    if args.out == Path::new("-") {
        return write!(stdout, "{text}").map_err(Error::Output);
    }
    fs::write_atomic(&args.out, text.as_bytes())?;
    writeln!(stdout, "{}", args.out.display()).map_err(Error::Output)
}
