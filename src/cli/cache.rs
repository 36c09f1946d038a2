//! `layr cache stats`, `verify` and `gc`

use std::io::Write;
use std::time::{Duration, SystemTime};

use super::Global;
use crate::error::Error;
use crate::model::human_bytes;
use crate::store::Store;

#[derive(Debug, clap::Subcommand)]
pub(super) enum Command {
    /// What the store holds
    Stats,
    /// Read everything and hold it against its name; what is wrong is set aside
    Verify,
    /// Remove what was not used for some time
    Gc(GcArgs),
}

#[derive(Debug, clap::Args)]
pub(super) struct GcArgs {
    /// Days without use after which a package, tarball or layer goes
    #[arg(long, value_name = "DAYS", default_value_t = 90)]
    unused_for: u64,
}

pub(super) fn run(command: &Command, global: &Global, stdout: &mut dyn Write) -> Result<(), Error> {
    let root = global.absolute_store_root()?;
    let text = match command {
        Command::Stats => stats(&Store::open(&root)?)?,
        Command::Verify => verify(&Store::open(&root)?, stdout)?,
        Command::Gc(args) => {
            let report =
                Store::gc(&root, Duration::from_secs(args.unused_for * 24 * 3600), SystemTime::now())?;
            format!("removed {} files, {}\n", report.n_removed, human_bytes(report.freed_bytes))
        }
    };
    write!(stdout, "{text}").map_err(Error::Output)
}

fn stats(store: &Store) -> Result<String, Error> {
    let stats = store.stats()?;
    Ok(format!(
        "store     {}\npackages  {}\nsources   {}\nlayers    {}\nbases     {}\nblobs     {}, {}\n",
        store.root().display(),
        stats.n_builds,
        stats.n_sources,
        stats.n_layers,
        stats.n_bases,
        stats.n_blobs,
        human_bytes(stats.blob_bytes),
    ))
}

fn verify(store: &Store, stdout: &mut dyn Write) -> Result<String, Error> {
    let report = store.verify()?;
    for package in &report.incomplete {
        writeln!(stdout, "{package} is not complete any more, and will be built anew")
            .map_err(Error::Output)?;
    }
    match report.corrupt.len() {
        0 => Ok(format!("{} blobs are what their names say\n", report.n_blobs)),
        n_corrupt => Err(Error::StoreDamaged { n_corrupt }),
    }
}
