//! `layr base build` and `layr base list`

use std::io::Write;

use serde::Serialize;

use super::project::{self, EngineArg};
use super::{Global, table};
use crate::base::{self, Base, BaseError, BaseOptions, Recipe, Workshop};
use crate::engine::Engine;
use crate::error::Error;
use crate::model::RVersion;

#[derive(Debug, clap::Subcommand)]
pub(super) enum Command {
    /// Make a base from a recipe
    Build(BuildArgs),
    /// List the bases that are here
    List(ListArgs),
}

#[derive(Debug, clap::Args)]
pub(super) struct BuildArgs {
    /// al2023, debian:SUITE, IMAGE@sha256:DIGEST, or the folder of a root file system
    recipe: Option<String>,
    /// Where Debian's packages come from
    #[arg(long, value_name = "URL")]
    mirror: Option<String>,
    /// Further system packages
    #[arg(long, value_name = "PACKAGE", value_delimiter = ',')]
    include: Vec<String>,
    /// The R to install, where the recipe can choose
    #[arg(long, value_name = "VERSION")]
    r: Option<String>,
    /// What to build with
    #[arg(long, value_enum, env = "LAYR_ENGINE")]
    engine: Option<EngineArg>,
    /// Print the base as JSON
    #[arg(long)]
    json: bool,
}

#[derive(Debug, clap::Args)]
pub(super) struct ListArgs {
    /// Print the bases as JSON
    #[arg(long)]
    json: bool,
}

#[derive(Serialize)]
struct BaseJson {
    recipe: String,
    digest: String,
    r: String,
    arch: String,
    path: String,
    rootfs: Option<String>,
}

impl BaseJson {
    fn new(base: &Base) -> Self {
        Self {
            recipe: base.recipe.clone(),
            digest: base.digest.to_hex(),
            r: base.r.to_string(),
            arch: base.arch.to_string(),
            path: base.folder.display().to_string(),
            rootfs: base.rootfs().map(|path| path.display().to_string()),
        }
    }
}

pub(super) fn run(command: &Command, global: &Global, stdout: &mut dyn Write) -> Result<(), Error> {
    let text = match command {
        Command::Build(args) => build(args, global)?,
        Command::List(args) => list(args, global)?,
    };
    write!(stdout, "{text}").map_err(Error::Output)
}

fn build(args: &BuildArgs, global: &Global) -> Result<String, Error> {
    let (config, _) = project::read_config()?;
    let recipe = project::recipe(args.recipe.as_deref(), &config)?;
    let r: Option<RVersion> = match &args.r {
        Some(text) => Some(text.parse().map_err(|error| Error::Usage(format!("--r: {error}")))?),
        None => config.r.clone(),
    };
    let include = if args.include.is_empty() { config.include.clone() } else { args.include.clone() };
    let options = BaseOptions { mirror: args.mirror.clone().or_else(|| config.mirror.clone()), include, r };
    let services = global.services(Vec::new())?;
    if services.offline && !matches!(recipe, Recipe::Folder(_)) {
        return Err(BaseError::Offline { recipe: recipe.to_string() }.into());
    }
    let engine = Engine::find(project::engine(args.engine, &config)?, &services.search_path)?;
    let workshop = Workshop {
        store: &services.store,
        engine: &engine,
        report: &*services.report,
        interrupt: &services.interrupt,
        search_path: services.search_path.clone(),
    };
    let base = base::build(&recipe, &options, &workshop)?;
    // Imported now, so that the first package need not wait for it.
    base.root_for(&engine, &*services.report)?;
    Ok(if args.json { table::to_json(&BaseJson::new(&base)) } else { table::base_line(&base) })
}

fn list(args: &ListArgs, global: &Global) -> Result<String, Error> {
    let services = global.services(Vec::new())?;
    let bases = base::list(&services.store)?;
    if args.json {
        return Ok(table::to_json(&bases.iter().map(BaseJson::new).collect::<Vec<_>>()));
    }
    Ok(bases.iter().map(table::base_line).collect())
}
