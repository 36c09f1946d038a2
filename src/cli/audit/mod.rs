//! `layr audit`

mod fleet;
mod licenses;
pub(super) mod update;

use std::io::Write;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use jiff::Timestamp;
use jiff::civil::Date;

use super::advisories::DatabaseArgs;
use super::inventory::{self, Inventories};
use super::sources::SourceFlags;
use super::{Global, project};
use crate::audit::render::{Format, Verbosity, render};
use crate::audit::{self, AuditError, Database, Policy, Report, Subject};
use crate::config::Config;
use crate::diff::Advised;
use crate::error::{Error, ExitCode};
use crate::inventory::Reading;
use crate::lockfile::Lockfile;
use crate::pipeline::{self, BuildRequest, FunctionRequest, Risks, Services, Sources};
use crate::resolve;

#[derive(Debug, clap::Args)]
#[command(args_conflicts_with_subcommands = true)]
pub(super) struct Args {
    #[command(subcommand)]
    command: Option<Command>,
    #[command(flatten)]
    audit: AuditArgs,
}

#[derive(Debug, clap::Subcommand)]
enum Command {
    /// Fetch advisories, or take them from a file
    Update(update::Args),
    /// The licences of packages, and their texts in a folder
    Licenses(licenses::Args),
    /// The layers of an account, and the functions that have them
    Fleet(fleet::Args),
}

/// What is audited; the subcommands that read the same things share it.
#[derive(Debug, clap::Args)]
struct SubjectArgs {
    /// Lockfiles, layr.lock, layers.json or its folder, zips or ARNs of layers, functions of
    /// layr.toml; all functions of layr.toml, or the lockfile that is here, if none is given
    whats: Vec<PathBuf>,
    #[command(flatten)]
    sources: SourceFlags,
    /// Ask repositories: fetch sources that are not in the store, and look for newer versions
    #[arg(long)]
    online: bool,
}

#[derive(Debug, clap::Args)]
struct AuditArgs {
    #[command(flatten)]
    subjects: SubjectArgs,
    #[command(flatten)]
    report: ReportArgs,
    /// Read the sources for what packages run, download and bring
    #[arg(long)]
    risks: bool,
    /// Fetch each source tarball again, and compare it with what was locked
    #[arg(long, requires = "online")]
    bytes: bool,
    /// Tell only what this does not have: an earlier lockfile, layr.lock or layers.json
    #[arg(long, value_name = "WHAT")]
    since: Option<PathBuf>,
}

/// What packages are held against, and how that is told.
#[derive(Debug, clap::Args)]
struct ReportArgs {
    #[command(flatten)]
    advisories: DatabaseArgs,
    /// Form of the report
    #[arg(long, value_enum, default_value = "text")]
    format: FormatArg,
    /// The same as --format json
    #[arg(long, conflicts_with = "format")]
    json: bool,
    /// Audit as if it were that day, in UTC
    #[arg(long, value_name = "YYYY-MM-DD")]
    as_of: Option<Date>,
}

#[derive(Debug, Clone, Copy, clap::ValueEnum)]
enum FormatArg {
    Text,
    Json,
    /// For code scanning
    Sarif,
    /// For pull requests
    Markdown,
    Junit,
    /// Annotations of GitHub Actions
    Github,
}

/// Denied findings are a result, and have an exit code of their own.
pub(super) fn run(args: &Args, global: &Global, stdout: &mut dyn Write) -> Result<ExitCode, Error> {
    match &args.command {
        Some(Command::Update(args)) => update::run(args, global, stdout).map(|()| ExitCode::Success),
        Some(Command::Licenses(args)) => licenses::run(args, global, stdout).map(|()| ExitCode::Success),
        Some(Command::Fleet(args)) => fleet::run(args, global, stdout),
        None => audit(&args.audit, global, stdout),
    }
}

pub(super) fn asks_for_json(args: &Args) -> bool {
    match &args.command {
        Some(Command::Update(_)) => false,
        Some(Command::Licenses(args)) => args.json,
        Some(Command::Fleet(args)) => args.report.is_json(),
        None => args.audit.report.is_json(),
    }
}

fn audit(args: &AuditArgs, global: &Global, stdout: &mut dyn Write) -> Result<ExitCode, Error> {
    let (config, _) = project::read_config()?;
    let policy = policy(&config)?;
    let inventories = Inventories::new(global);
    let mut audited = Scope::of(&args.subjects.whats, &config, &inventories)?;
    let services = args.subjects.services(&audited, global)?;
    let mut before = match &args.since {
        Some(what) => Scope::of(std::slice::from_ref(what), &config, &inventories)?,
        None => Scope::default(),
    };
    for scope in [&mut audited, &mut before] {
        args.learn(scope, &services)?;
    }
    let with_debian = audited.subjects.iter().any(|subject| !subject.libraries.is_empty());
    let database = args.report.database(&config, with_debian, &services)?;
    let request = |subjects| audit::Request {
        subjects,
        database: database.as_ref(),
        policy: &policy,
        now: args.report.now(),
        is_whole: args.subjects.whats.is_empty(),
    };
    let mut report = audit::check(&request(&audited.subjects));
    if args.since.is_some() {
        report.since(&audit::check(&request(&before.subjects)));
    }
    write!(stdout, "{}", render(&report, args.report.format(global))).map_err(Error::Output)?;
    Ok(verdict(&report))
}

fn policy(config: &Config) -> Result<Policy, Error> {
    Ok(Policy::new(&config.audit, &config.audit_levels()).map_err(AuditError::from)?)
}

fn verdict(report: &Report) -> ExitCode {
    if report.is_denied() { ExitCode::Findings } else { ExitCode::Success }
}

impl AuditArgs {
    /// Finds out about the packages what the flags ask for.
    fn learn(&self, scope: &mut Scope, services: &Services) -> Result<(), Error> {
        let sources = self.subjects.sources(scope, services)?;
        let risks = if self.risks { Risks::Scan } else { Risks::Skip };
        pipeline::look_into(&mut scope.subjects, &sources, risks, services)?;
        let repositories = scope.repositories();
        pipeline::look_up(&mut scope.subjects, &repositories, services)?;
        if self.subjects.online {
            pipeline::standings(&mut scope.subjects, services)?;
        }
        if self.bytes {
            pipeline::fetch_again(&mut scope.subjects, services)?;
        }
        Ok(())
    }
}

impl ReportArgs {
    /// The time of the run, or the beginning of a day.
    fn now(&self) -> Timestamp {
        let day = self.as_of.and_then(|day| format!("{day}T00:00:00Z").parse().ok());
        day.or_else(|| Timestamp::try_from(SystemTime::now()).ok()).unwrap_or_default()
    }

    fn is_json(&self) -> bool {
        self.json || matches!(self.format, FormatArg::Json)
    }

    fn format(&self, global: &Global) -> Format {
        if self.json {
            return Format::Json;
        }
        match self.format {
            FormatArg::Text if global.verbose => Format::Text(Verbosity::Full),
            FormatArg::Text => Format::Text(Verbosity::Summed),
            FormatArg::Json => Format::Json,
            FormatArg::Sarif => Format::Sarif,
            FormatArg::Markdown => Format::Markdown,
            FormatArg::Junit => Format::Junit,
            FormatArg::Github => Format::Github,
        }
    }

    /// `None` where nobody wants to know; an audit without advisories that passes for one with
    /// them would be the worst of results.
    fn database(
        &self,
        config: &Config,
        with_debian: bool,
        services: &Services,
    ) -> Result<Option<Database>, Error> {
        match self.advisories.asked(config, with_debian, Some(&services.store))? {
            Advised::NotAsked => Ok(None),
            Advised::NoDatabase => Err(AuditError::NoDatabase.into()),
            Advised::Known(database) => Ok(Some(database)),
        }
    }
}

/// What is audited, and the lockfiles among it.
#[derive(Debug, Default)]
struct Scope {
    subjects: Vec<Subject>,
    lockfiles: Vec<(FunctionRequest, Lockfile)>,
}

impl Scope {
    /// What the command line names, else what layr.toml does.
    fn of(whats: &[PathBuf], config: &Config, inventories: &Inventories<'_>) -> Result<Self, Error> {
        let mut scope = Self::default();
        if whats.is_empty() {
            for FunctionRequest { name, lockfile, .. } in project::functions(&[], config)? {
                scope.add(&lockfile, name)?;
            }
        }
        for what in whats {
            if inventory::arn(what).is_some() {
                let found = inventories.read(what)?;
                scope.subjects.extend(Subject::of(&found, &what.display().to_string(), None));
                continue;
            }
            let (path, function) = inventory::find(what)?;
            scope.add(&path, function.unwrap_or_else(|| project::function_name(&path)))?;
        }
        if scope.subjects.iter().all(|subject| subject.packages.is_empty()) {
            let shown: Vec<&str> = scope.subjects.iter().map(|subject| subject.path.as_str()).collect();
            return Err(AuditError::Nothing { what: shown.join("`, `") }.into());
        }
        Ok(scope)
    }

    fn add(&mut self, path: &Path, function: String) -> Result<(), Error> {
        let Reading { inventory, text, lockfile } = crate::inventory::open(path, &function)?;
        self.subjects.extend(Subject::of(&inventory, &path.display().to_string(), text.as_deref()));
        self.lockfiles.extend(lockfile.map(|lockfile| (FunctionRequest::of(path, function), lockfile)));
        Ok(())
    }

    /// Those of the lockfiles, by their URLs.
    fn repositories(&self) -> Vec<String> {
        self.lockfiles.iter().flat_map(|(_, lockfile)| resolve::repository_urls(lockfile)).collect()
    }
}

impl SubjectArgs {
    fn request(&self, scope: &Scope) -> Result<(BuildRequest, Vec<(String, String)>), Error> {
        inventory::sources_request(self.sources.clone(), &scope.lockfiles)
    }

    /// Without --online, no request leaves this machine.
    fn services(&self, scope: &Scope, global: &Global) -> Result<Services, Error> {
        let (_, overrides) = self.request(scope)?;
        let offline = global.offline || !self.online;
        Ok(Services { offline, ..global.services_for(overrides, offline)? })
    }

    /// Where to look for what lockfiles and layers do not say.
    fn sources(&self, scope: &Scope, services: &Services) -> Result<Sources, Error> {
        let mut sources = pipeline::known_sources(&scope.subjects, services)?;
        let (request, _) = self.request(scope)?;
        sources.extend(pipeline::sources(&scope.lockfiles, &request, services)?);
        Ok(sources)
    }
}
