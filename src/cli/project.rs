//! Lockfiles, layr.toml and flags to what a run is to do.

use std::collections::BTreeSet;
use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::sources::{SourceFlags, absolute};
use crate::base::{BaseOptions, Recipe};
use crate::build::BuildOptions;
use crate::config::{self, Config, PlanConfig};
use crate::engine::{Choice, Limits};
use crate::error::Error;
use crate::finish::{FinishError, Profile, Slimness};
use crate::lockfile::{self, Lockfile};
use crate::model::{Architecture, LAMBDA, PackageName};
use crate::pipeline::{self, BuildRequest, FunctionRequest, LoadTest, VerifyHashes};
use crate::plan::{self, Weights};
use crate::sys::fs;
use crate::target;

/// Flags that `build` and `plan` share.
#[derive(Debug, clap::Args)]
pub(super) struct ProjectArgs {
    /// Lockfiles: renv.lock, packrat.lock, rv.lock, uvr.lock or pkg.lock. Those of layr.toml's
    /// functions, or the first of these that is here, if none is given
    lockfiles: Vec<PathBuf>,
    #[command(flatten)]
    settings: Settings,
}

/// Flags of all commands that build.
#[derive(Debug, clap::Args)]
#[expect(clippy::struct_excessive_bools, reason = "flags are what they are")]
pub(super) struct Settings {
    #[command(flatten)]
    sources: SourceFlags,
    /// What to build in: al2023, debian:SUITE, IMAGE@sha256:DIGEST, or a folder
    #[arg(long, value_name = "RECIPE", env = "LAYR_BASE")]
    base: Option<String>,
    /// The processor to build for, where it is not this machine's: `x86_64` or `arm64`
    #[arg(long, value_name = "ARCH", env = "LAYR_ARCH")]
    arch: Option<Architecture>,
    /// What to build with
    #[arg(long, value_enum, env = "LAYR_ENGINE")]
    engine: Option<EngineArg>,
    /// Where the layers go
    #[arg(long, value_name = "DIR", default_value = "dist")]
    out: PathBuf,
    /// Packages at once, and compilers at once; as many as there are cores if not given
    #[arg(short, long, value_name = "N", env = "LAYR_JOBS")]
    jobs: Option<NonZeroUsize>,
    /// Use all five layers: the function's R is not a layer
    #[arg(long)]
    no_runtime: bool,
    /// Build with the base's R even where the lockfile is for another
    #[arg(long)]
    allow_r_mismatch: bool,
    /// What the layers are to run on: al2023, base, or a file of `layr target inspect`
    #[arg(long, value_name = "TARGET", env = "LAYR_TARGET")]
    target: Option<String>,
    /// How much of packages is left out
    #[arg(long, value_enum)]
    slim: Option<SlimArg>,
    /// Do not load the packages of new layers in what the target offers
    #[arg(long, env = "LAYR_NO_LOAD_TEST", value_parser = clap::builder::FalseyValueParser::new())]
    no_load_test: bool,
    /// Plan the layers anew, as if there were none: fewer bytes, but more of them move
    #[arg(long)]
    fresh: bool,
}

#[derive(Debug, Clone, Copy, clap::ValueEnum)]
pub(super) enum VerifyHashesArg {
    Off,
    Warn,
    Error,
}

impl VerifyHashesArg {
    fn value(self) -> VerifyHashes {
        match self {
            Self::Off => VerifyHashes::Off,
            Self::Warn => VerifyHashes::Warn,
            Self::Error => VerifyHashes::Error,
        }
    }
}

#[derive(Debug, Clone, Copy, clap::ValueEnum)]
pub(super) enum EngineArg {
    Auto,
    Docker,
    Podman,
    Bwrap,
    Reapi,
    Command,
}

#[derive(Debug, Clone, Copy, clap::ValueEnum)]
pub(super) enum SlimArg {
    None,
    Default,
    Max,
}

/// The target by flag, else by layr.toml, else what is right for the base.
fn target(flag: Option<&str>, config: &Config) -> Result<target::Choice, Error> {
    let Some(text) = flag.or(config.target.as_deref()) else { return Ok(target::Choice::Auto) };
    target::Choice::parse(text).ok_or_else(|| {
        Error::Usage(format!("target `{text}` is not one of auto, al2023, base, or the path of a file"))
    })
}

/// The profile by flag, else by layr.toml, with the patterns of layr.toml.
fn profile(flag: Option<SlimArg>, config: &Config) -> Result<Profile, Error> {
    use clap::ValueEnum;
    let slim = match (flag, &config.slim) {
        (Some(flag), _) => flag,
        (None, None) => SlimArg::Default,
        (None, Some(name)) => SlimArg::from_str(name, false).ok().ok_or_else(|| {
            Error::Usage(format!("slim `{name}` of layr.toml is not one of none, default, max"))
        })?,
    };
    let slimness = match slim {
        SlimArg::None => Slimness::None,
        SlimArg::Default => Slimness::Default,
        SlimArg::Max => Slimness::Max,
    };
    Ok(Profile::new(slimness, &config.slim_drop, &config.slim_keep).map_err(FinishError::from)?)
}

impl EngineArg {
    pub(super) fn choice(self) -> Choice {
        match self {
            Self::Auto => Choice::Auto,
            Self::Docker => Choice::Docker,
            Self::Podman => Choice::Podman,
            Self::Bwrap => Choice::Bwrap,
            Self::Reapi => Choice::Farm,
            Self::Command => Choice::Scheduler,
        }
    }
}

/// layr.toml of the working folder, if there is one.
pub(super) fn read_config() -> Result<(Config, bool), Error> {
    let text = fs::read_if_there(Path::new("layr.toml"))?;
    let config = config::parse(&String::from_utf8_lossy(text.as_deref().unwrap_or_default()))?;
    Ok((config, text.is_some()))
}

/// The recipe of a base by flag, else by layr.toml, else the one for real use.
pub(super) fn recipe(flag: Option<&str>, config: &Config) -> Result<Recipe, Error> {
    let recipe = Recipe::parse(flag.or(config.base.as_deref()).unwrap_or("al2023"))?;
    match recipe {
        Recipe::Folder(folder) => Ok(Recipe::Folder(absolute(&folder)?)),
        other @ (Recipe::Debian { .. } | Recipe::Al2023 | Recipe::Image { .. }) => Ok(other),
    }
}

/// The engine by flag, else by layr.toml, else the first that answers.
pub(super) fn engine(flag: Option<EngineArg>, config: &Config) -> Result<Choice, Error> {
    use clap::ValueEnum;
    match (flag, &config.engine) {
        (Some(flag), _) => Ok(flag.choice()),
        (None, None) => Ok(Choice::Auto),
        (None, Some(name)) => EngineArg::from_str(name, false).map(EngineArg::choice).ok().ok_or_else(|| {
            Error::Usage(format!(
                "engine `{name}` of layr.toml is not one of auto, docker, podman, bwrap, reapi, command"
            ))
        }),
    }
}

impl ProjectArgs {
    /// What to do, and for each repository URL of the lockfiles where to fetch from instead.
    pub(super) fn request(&self) -> Result<(BuildRequest, Vec<(String, String)>), Error> {
        self.settings.request(&self.lockfiles)
    }
}

impl Settings {
    /// Where nothing is built, most settings do not matter.
    pub(super) fn of_sources(sources: SourceFlags) -> Self {
        Self {
            sources,
            base: None,
            arch: None,
            engine: None,
            out: PathBuf::from("dist"),
            jobs: None,
            no_runtime: false,
            no_load_test: false,
            allow_r_mismatch: false,
            target: None,
            slim: None,
            fresh: false,
        }
    }

    /// The same for these lockfiles, or those that are meant where none is given.
    pub(super) fn request(
        &self,
        lockfiles: &[PathBuf],
    ) -> Result<(BuildRequest, Vec<(String, String)>), Error> {
        let (config, has_config) = read_config()?;
        let functions = functions(lockfiles, &config)?;
        self.request_for(functions, config, has_config)
    }

    /// What is asked about the base alone: functions are looked at for their R, if there are
    /// any.
    pub(super) fn base_request(&self) -> Result<BuildRequest, Error> {
        let (config, has_config) = read_config()?;
        let functions = functions(&[], &config).unwrap_or_default();
        Ok(self.request_for(functions, config, has_config)?.0)
    }

    pub(super) fn request_for(
        &self,
        functions: Vec<FunctionRequest>,
        config: Config,
        has_config: bool,
    ) -> Result<(BuildRequest, Vec<(String, String)>), Error> {
        let lockfiles: Vec<Lockfile> = functions.iter().filter_map(read_lockfile).collect();
        self.request_of((functions, &lockfiles), config, has_config)
    }

    /// The same where the lockfiles were read already, as far as they can be.
    pub(super) fn request_of(
        &self,
        (functions, lockfiles): (Vec<FunctionRequest>, &[Lockfile]),
        config: Config,
        has_config: bool,
    ) -> Result<(BuildRequest, Vec<(String, String)>), Error> {
        let r = lockfiles.first().and_then(|lockfile| lockfile.r.clone());
        let keep: Result<BTreeSet<PackageName>, _> =
            self.sources.keep.iter().chain(&config.keep).map(|name| name.parse()).collect();
        let home = match functions.first() {
            Some(function) if !has_config => fs::parent(&function.lockfile).to_owned(),
            _ => PathBuf::from("."),
        };
        let layr_lock = self.sources.layr_lock(&home);
        let overrides = self.sources.overrides(&config, lockfiles, &layr_lock)?;
        let binary = self.sources.binary(&config)?;
        let chosen = engine(self.engine, &config)?;
        let request = BuildRequest {
            base: recipe(self.base.as_deref(), &config)?,
            base_options: BaseOptions {
                mirror: config.mirror.clone(),
                include: config.include.clone(),
                r: config.r.clone().or(r),
                arch: self.arch.or(config.arch),
            },
            engine: chosen,
            build: self.build_options(chosen, &config),
            target: target(self.target.as_deref(), &config)?,
            profile: profile(self.slim, &config)?,
            slimmest: profile(Some(SlimArg::Max), &config)?,
            load_test: if self.no_load_test { LoadTest::Skip } else { LoadTest::Run },
            plan: plan_settings(&config)?,
            remainder: config.plan.remainder,
            fresh: self.fresh,
            prefix: config.prefix,
            keep: keep?,
            n_reserved: usize::from(!self.no_runtime),
            allow_r_mismatch: self.allow_r_mismatch,
            verify_hashes: self.sources.verify_hashes.value(),
            binary,
            locked: self.sources.locked,
            vendor: self.sources.vendor()?,
            layr_lock,
            out: self.out.clone(),
            functions,
        };
        debug_assert!(request.n_reserved < LAMBDA.n_layers);
        Ok((request, overrides))
    }

    /// A farm and a scheduler have queues of their own: all that is ready may wait there.
    fn build_options(&self, engine: Choice, config: &Config) -> BuildOptions {
        const AWAY: Option<NonZeroUsize> = NonZeroUsize::new(200);
        let n_cores = n_cores();
        let usual = if matches!(engine, Choice::Farm | Choice::Scheduler) { AWAY } else { None };
        let n_jobs = self.jobs.or(usual).unwrap_or(n_cores);
        let n_tokens = if usual.is_some() { n_cores } else { n_jobs };
        BuildOptions { n_jobs, n_tokens, limits: limits(config) }
    }
}

/// Cores that this process may use.
pub(super) fn n_cores() -> NonZeroUsize {
    std::thread::available_parallelism().unwrap_or(NonZeroUsize::MIN)
}

pub(super) fn functions(lockfiles: &[PathBuf], config: &Config) -> Result<Vec<FunctionRequest>, Error> {
    if lockfiles.is_empty() && !config.functions.is_empty() {
        let functions = config.functions.iter().map(|(name, function)| FunctionRequest {
            name: name.clone(),
            lockfile: function.lockfile.clone(),
            code: function.code.clone(),
            is_image: function.image,
        });
        return Ok(functions.collect());
    }
    let mut lockfiles = lockfiles.to_vec();
    if lockfiles.is_empty() {
        let usual =
            ["renv.lock", "packrat/packrat.lock", "rv.lock", "uvr.lock", "pkg.lock"].map(PathBuf::from);
        let found = usual.into_iter().find(|path| fs::exists(path));
        lockfiles.push(found.ok_or_else(|| {
            Error::Usage("there is no renv.lock, packrat/packrat.lock, rv.lock, uvr.lock or pkg.lock here, layr.toml names no function, and no lockfile was given".to_owned())
        })?);
    }
    let mut functions: Vec<FunctionRequest> = Vec::new();
    for lockfile in lockfiles {
        let name = function_name(&lockfile);
        if let Some(other) = functions.iter().find(|function| function.name == name) {
            let (one, two) = (other.lockfile.display(), lockfile.display());
            return Err(Error::Usage(format!(
                "`{one}` and `{two}` would both be function `{name}`: name them in layr.toml"
            )));
        }
        functions.push(FunctionRequest { name, lockfile, code: None, is_image: false });
    }
    Ok(functions)
}

/// A look ahead, for what the run's services have to know. A lockfile that cannot be read
/// is reported by the run.
fn read_lockfile(function: &FunctionRequest) -> Option<Lockfile> {
    let bytes = fs::read(&function.lockfile).ok()?;
    lockfile::read(&bytes).ok()
}

/// `score/renv.lock` is function `score`; `demo.lock` is `demo`.
pub(super) fn function_name(lockfile: &Path) -> String {
    let stem = lockfile.file_stem().unwrap_or_default().to_string_lossy().into_owned();
    if !matches!(stem.as_str(), "renv" | "packrat" | "rv" | "uvr" | "pkg") {
        return stem;
    }
    let folders = fs::parent(lockfile).components().rev().map(|part| part.as_os_str().to_string_lossy());
    let named = folders.filter(|name| !matches!(&**name, "packrat" | "." | ".." | "/"));
    named.map(std::borrow::Cow::into_owned).next().unwrap_or(stem)
}

fn plan_settings(config: &Config) -> Result<plan::Settings, Error> {
    let PlanConfig { allow_extra_bytes, catalogue, .. } = &config.plan;
    let PlanConfig { horizon, sharing, following, extra, layer, alone, .. } = config.plan;
    let usual = Weights::default();
    let catalogue = catalogue.as_deref().map(pipeline::catalogue).transpose()?;
    Ok(plan::Settings {
        weights: Weights {
            horizon: horizon.unwrap_or(usual.horizon),
            sharing: sharing.unwrap_or(usual.sharing),
            following: following.unwrap_or(usual.following),
            extra: extra.unwrap_or(usual.extra),
            layer: layer.unwrap_or(usual.layer),
            alone: alone.unwrap_or(usual.alone),
        },
        allow_extra_bytes: *allow_extra_bytes,
        catalogue: catalogue.unwrap_or_default(),
    })
}

fn limits(config: &Config) -> Limits {
    /// Where the machine does not say how much it has.
    const UNKNOWN_MEMORY: u64 = 8 << 30;
    Limits {
        memory_bytes: config
            .memory_bytes
            .or_else(crate::sys::process::memory_bytes)
            .unwrap_or(UNKNOWN_MEMORY),
        n_processes: config.n_processes,
        time: Duration::from_secs(config.build_seconds),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_function_is_named_after_the_folder_of_its_lockfile() {
        let cases = [
            ("score/renv.lock", "score"),
            ("a/score/packrat/packrat.lock", "score"),
            ("score/rv.lock", "score"),
            ("renv.lock", "renv"),
            ("./packrat/packrat.lock", "packrat"),
            ("lockfiles/demo.lock", "demo"),
        ];
        for (path, name) in cases {
            assert_eq!(function_name(Path::new(path)), name, "{path}");
        }
    }
}
