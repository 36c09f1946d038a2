//! `layr base build` and `layr base list`

use std::io::Write;
use std::path::PathBuf;

use serde::Serialize;

use super::project::{self, EngineArg, Settings};
use super::sources::SourceFlags;
use super::{Global, table};
use crate::base::{self, Base, BaseError, BaseOptions, Recipe, Workshop};
use crate::engine::Engine;
use crate::error::Error;
use crate::model::{Architecture, RVersion};
use crate::pipeline::{self, Services};
use crate::report::Event;
use crate::requirements::Source;

#[derive(Debug, clap::Subcommand)]
pub(super) enum Command {
    /// Make a base from a recipe
    Build(Box<BuildArgs>),
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
    /// Also what the packages of these lockfiles ask of the system
    #[arg(long = "for", value_name = "LOCKFILE")]
    lockfiles: Vec<PathBuf>,
    #[command(flatten)]
    sources: SourceFlags,
    /// The R to install, where the recipe can choose
    #[arg(long, value_name = "VERSION")]
    r: Option<String>,
    /// The processor it is for, where it is not this machine's: `x86_64` or `arm64`
    #[arg(long, value_name = "ARCH", env = "LAYR_ARCH")]
    arch: Option<Architecture>,
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
    let arch = args.arch.or(config.arch);
    let mut options =
        BaseOptions { mirror: args.mirror.clone().or_else(|| config.mirror.clone()), include, r, arch };
    let services = if args.lockfiles.is_empty() {
        global.services(Vec::new())?
    } else {
        args.include_for_lockfiles(&recipe, &mut options, global)?
    };
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

impl BuildArgs {
    /// Adds to the options what packages of the lockfiles ask for; the services that were
    /// used to find out.
    fn include_for_lockfiles(
        &self,
        recipe: &Recipe,
        options: &mut BaseOptions,
        global: &Global,
    ) -> Result<Services, Error> {
        let (mut request, overrides) = Settings::of_sources(self.sources.clone()).request(&self.lockfiles)?;
        options.r = options.r.take().or(request.base_options.r.take());
        (request.base, request.base_options) = (recipe.clone(), options.clone());
        let services = global.services(overrides)?;
        let found = pipeline::system_requirements(&request, &services)?.ok_or_else(|| {
            Error::Usage(format!(
                "what base {recipe} has is not known: --for is for debian: bases and al2023"
            ))
        })?;
        for lacking in found.lacking.iter().filter(|lacking| lacking.source == Source::Nowhere) {
            let (packages, system) = (lacking.asked_by.join(", "), found.distribution.name());
            let text = format!("{packages} asks for {}, of which {system} has no package", lacking.name);
            services.report.report(&Event::Warning { text: &text });
        }
        options.include.extend(found.include().into_iter().map(str::to_owned));
        options.include.sort();
        options.include.dedup();
        let text = format!("asked for beside the recipe: {}", options.include.join(", "));
        services.report.report(&Event::Note { text: &text });
        Ok(services)
    }
}

fn list(args: &ListArgs, global: &Global) -> Result<String, Error> {
    let services = global.services(Vec::new())?;
    let bases = base::list(&services.store)?;
    if args.json {
        return Ok(table::to_json(&bases.iter().map(BaseJson::new).collect::<Vec<_>>()));
    }
    Ok(bases.iter().map(table::base_line).collect())
}
