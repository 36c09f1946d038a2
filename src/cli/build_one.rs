//! `layr build-one`: what a scheduler's job runs

use std::ffi::OsString;
use std::io::Write;
use std::num::NonZeroUsize;

use super::Global;
use super::project::n_cores;
use crate::base;
use crate::build::{self, Asked, BuildError, BuiltPackage, Site, Venue};
use crate::engine::{Choice, Engine};
use crate::error::Error;
use crate::model::BuildKey;
use crate::report::Report;
use crate::store::Store;
use crate::sys::interrupt::Interrupt;

#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// The build key, as `layr build --engine command` asks for it
    key: String,
    /// What to build with
    #[arg(long, value_enum, default_value_t = EngineArg::Auto)]
    engine: EngineArg,
    /// Compilers at once; as many as there are cores if not given
    #[arg(short, long, value_name = "N", env = "LAYR_JOBS")]
    jobs: Option<NonZeroUsize>,
}

/// Not the variable: it may be that of the machine that asks.
#[derive(Debug, Clone, Copy, clap::ValueEnum)]
enum EngineArg {
    Auto,
    Docker,
    Podman,
    Bwrap,
}

impl EngineArg {
    fn choice(self) -> Choice {
        match self {
            Self::Auto => Choice::Auto,
            Self::Docker => Choice::Docker,
            Self::Podman => Choice::Podman,
            Self::Bwrap => Choice::Bwrap,
        }
    }
}

pub(super) fn run(args: &Args, global: &Global, stdout: &mut dyn Write) -> Result<(), Error> {
    let no_key = |_| Error::Usage(format!("`{}` is no build key: 64 hexadecimal digits", args.key));
    let key: BuildKey = args.key.parse().map_err(no_key)?;
    let root = global.absolute_store_root()?;
    Asked::check(key, &root)?;
    let store = Store::open(&root)?;
    let (interrupt, report) = (global.interrupt()?, global.reporter());
    let asked = Asked::find(key, &store)?;
    match build(args, &asked, (&store, &report), &interrupt) {
        Ok(package) => writeln!(stdout, "{} is built", package.id).map_err(Error::Output),
        Err(error) => {
            if !matches!(error, Error::Build(BuildError::Failed { .. })) {
                asked.stopped(error.message().replace("\n  caused by", ""), &store)?;
            }
            Err(error)
        }
    }
}

fn build(
    args: &Args,
    asked: &Asked,
    (store, report): (&Store, &dyn Report),
    interrupt: &Interrupt,
) -> Result<BuiltPackage, Error> {
    let search_path: OsString = std::env::var_os("PATH").unwrap_or_default();
    let (digest, folder) = asked.base()?;
    let base = base::find_exact(digest, &folder, store)?
        .ok_or_else(|| BuildError::OtherBase { digest, folder: folder.display().to_string() })?;
    let engine = Engine::find(args.engine.choice(), &search_path)?;
    let venue = Venue::Here(&engine);
    let site = Site { store, venue, instead: None, base: &base, report, interrupt, shared: None };
    Ok(build::build_one(asked, site, args.jobs.unwrap_or_else(n_cores))?)
}
