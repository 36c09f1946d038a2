//! `layr cache …`: the store, and what it shares with other machines

use std::io::Write;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use super::project::ProjectArgs;
use super::remote::{self as remote_flags, RemoteFlags};
use super::{Global, table};
use crate::error::Error;
use crate::model::human_bytes;
use crate::pipeline::{self, PullReport};
use crate::remote::{self, RemoteError, Shared, SigningKey};
use crate::store::Store;
use crate::sys::fs;

#[derive(Debug, clap::Subcommand)]
pub(super) enum Command {
    /// What the store holds
    Stats(StatsArgs),
    /// Read everything and hold it against its name; what is wrong is set aside
    Verify,
    /// Remove what was not used for some time
    Gc(GcArgs),
    /// Send all that the store has to the cache that machines share
    Push(PushArgs),
    /// Bring what others have built of these lockfiles; builds nothing
    Pull(Box<PullArgs>),
    /// Print the public key of a builder, whose private key is made if it is not there
    Key(KeyArgs),
}

#[derive(Debug, clap::Args)]
pub(super) struct StatsArgs {
    #[command(flatten)]
    remote: RemoteFlags,
    /// Say what the cache that machines share is, and how much of the store it has
    #[arg(long = "remote")]
    of_remote: bool,
}

#[derive(Debug, clap::Args)]
pub(super) struct PushArgs {
    #[command(flatten)]
    remote: RemoteFlags,
}

#[derive(Debug, clap::Args)]
pub(super) struct PullArgs {
    #[command(flatten)]
    project: ProjectArgs,
    #[command(flatten)]
    remote: RemoteFlags,
}

#[derive(Debug, clap::Args)]
pub(super) struct KeyArgs {
    /// PEM file of the private key, for `LAYR_SIGNING_KEY`
    file: PathBuf,
}

#[derive(Debug, clap::Args)]
pub(super) struct GcArgs {
    /// Days without use after which a package, tarball or layer goes
    #[arg(long, value_name = "DAYS", default_value_t = 90)]
    unused_for: u64,
}

pub(super) fn run(command: &Command, global: &Global, stdout: &mut dyn Write) -> Result<(), Error> {
    let text = match command {
        Command::Stats(args) if args.of_remote => remote_stats(args, global)?,
        Command::Stats(_) => stats(&Store::open(&global.absolute_store_root()?)?)?,
        Command::Verify => verify(&Store::open(&global.absolute_store_root()?)?, stdout)?,
        Command::Gc(args) => {
            let unused_for = Duration::from_secs(args.unused_for * 24 * 3600);
            let report = Store::gc(&global.absolute_store_root()?, unused_for, SystemTime::now())?;
            format!("removed {} files, {}\n", report.n_removed, human_bytes(report.freed_bytes))
        }
        Command::Push(args) => push(args, global)?,
        Command::Pull(args) => pull(args, global)?,
        Command::Key(args) => key(&args.file)?,
    };
    write!(stdout, "{text}").map_err(Error::Output)
}

fn remote_stats(args: &StatsArgs, global: &Global) -> Result<String, Error> {
    let services = args.remote.join(global.services(Vec::new())?, global)?;
    let remote = services.remote.as_ref().ok_or(RemoteError::NoAddress)?;
    let description = remote.description()?;
    let shared = Shared::new(remote, &services.store, &*services.report);
    let remote::Stats { n_builds, n_results } = shared.stats()?;
    Ok(format!("remote    {description}\npackages  {n_results} of the store's {n_builds}\n"))
}

fn push(args: &PushArgs, global: &Global) -> Result<String, Error> {
    let services = args.remote.join(global.services(Vec::new())?, global)?;
    let remote = services.remote.as_ref().ok_or(RemoteError::NoAddress)?;
    if !remote.may_write() {
        return Err(Error::Usage("to push is to write: it needs --remote-cache-mode=read-write".to_owned()));
    }
    let n_sent = Shared::new(remote, &services.store, &*services.report).push()?;
    Ok(format!("sent {}\n", table::packages(n_sent)))
}

fn pull(args: &PullArgs, global: &Global) -> Result<String, Error> {
    let (request, overrides) = args.project.request()?;
    let services = args.remote.join(global.services(overrides)?, global)?;
    let PullReport { n_brought, n_from_store, n_lacking } = pipeline::pull(&request, &services)?;
    let brought = table::packages(n_brought);
    Ok(format!("{brought} brought, {n_from_store} found in the store, {n_lacking} that nobody has built\n"))
}

/// The line that belongs into `trusted` of [cache] in layr.toml.
fn key(file: &Path) -> Result<String, Error> {
    if !fs::exists(file) {
        let invalid = |source| RemoteError::Key { path: file.display().to_string(), source };
        fs::write_secret(file, SigningKey::generate().map_err(invalid)?.as_bytes())?;
    }
    Ok(format!("{}\n", remote_flags::signing_key(file)?.builder()))
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
