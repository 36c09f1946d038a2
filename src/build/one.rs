//! One package: its tarball unpacked, installed in a sandbox, and what came of it kept.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::ExitStatus;
use std::time::{Duration, Instant};

use super::error::{Failure, Reason};
use super::farmed::OnFarm;
use super::tokens::Token;
use super::workshop::{Ground, Here, Workshop};
use super::{
    Again, BuildError, BuiltPackage, Instead, Origin, Site, diagnosis, elsewhere, estimate, look_up,
    precompile, recipe,
};
use crate::engine::{Bind, Engine, EngineError, First, Limits, Network, Sandbox};
use crate::fetch::{self, SourceTarball};
use crate::model::{BuildKey, PackageId, PackageName, Sha256Digest, TreeDigest};
use crate::remote::Reservation;
use crate::report::{Event, causes};
use crate::store::{Blob, BuildRecord, Kind, Store, StoreError};
use crate::sys::fs;
use crate::sys::process::{ProcessError, exit_code, signal_name};

/// Lines of a log that the error shows.
const N_LAST_LINES: usize = 15;

pub(super) struct Job<'a> {
    pub(super) site: Site<'a>,
    pub(super) source: Source,
    pub(super) key: BuildKey,
    /// What it is built against.
    pub(super) library: BTreeMap<PackageName, TreeDigest>,
    pub(super) limits: Limits,
    pub(super) workshop: Workshop<'a>,
}

/// What a build has to know of a source tarball.
#[derive(Debug, Clone)]
pub(super) struct Source {
    pub(super) id: PackageId,
    pub(super) sha256: Sha256Digest,
    pub(super) n_bytes: u64,
    pub(super) needs_compilation: bool,
}

impl From<&SourceTarball> for Source {
    fn from(SourceTarball { id, sha256, n_bytes, description, .. }: &SourceTarball) -> Self {
        let needs_compilation = description.needs_compilation;
        Self { id: id.clone(), sha256: *sha256, n_bytes: *n_bytes, needs_compilation }
    }
}

pub(super) enum Outcome {
    Built(BuiltPackage),
    Failed(Box<Failure>),
    /// Another machine is at it.
    Theirs,
}

/// A package that was installed, and how long that took.
#[derive(Debug, Clone, Copy)]
pub(super) struct Installed {
    pub(super) tree: TreeDigest,
    pub(super) elapsed: Duration,
    /// Where a farm's worker did it.
    pub(super) on_farm: Option<OnFarm>,
}

/// Whether what a build gives is recorded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Purpose {
    Keep,
    Compare,
}

impl Job<'_> {
    pub(super) fn run(&self) -> Result<Outcome, BuildError> {
        let Site { store, report, interrupt, .. } = self.site;
        let id = &self.source.id;
        let _mine = store.lock_key(&self.key.to_hex(), interrupt)?;
        // Another process may have built it while we waited.
        if let Some(package) = look_up(id, self.key, store)? {
            report.report(&Event::FoundInStore { package: id });
            return Ok(Outcome::Built(package));
        }
        if let Some(package) = self.elsewhere()? {
            report.report(&Event::FoundElsewhere { package: id });
            return Ok(Outcome::Built(package));
        }
        if let Some(shared) = self.site.shared {
            match shared.reserve(self.key, self.limits.time)? {
                Reservation::Ours => {}
                Reservation::OursAfterAnother => {
                    if let Some(package) = self.elsewhere()? {
                        shared.release(self.key, false);
                        report.report(&Event::FoundElsewhere { package: id });
                        return Ok(Outcome::Built(package));
                    }
                }
                Reservation::Theirs => return Ok(Outcome::Theirs),
            }
        }
        let outcome = self.build();
        // What was built is handed over, and given up by whoever sends it.
        match (self.site.shared, &outcome) {
            (None, _) | (_, Ok(Outcome::Built(_) | Outcome::Theirs)) => {}
            (Some(shared), Ok(Outcome::Failed(_))) => shared.release(self.key, true),
            (Some(shared), Err(_)) => shared.release(self.key, false),
        }
        outcome
    }

    fn build(&self) -> Result<Outcome, BuildError> {
        let report = self.site.report;
        let id = &self.source.id;
        match self.install(Purpose::Keep)? {
            Ok(installed) => {
                let package = self.keep(installed)?;
                if let Some(job) = installed.on_farm {
                    report.report(&Event::OnFarm { package: id, parts: job.parts() });
                }
                report.report(&Event::Built { package: id, elapsed: installed.elapsed });
                Ok(Outcome::Built(package))
            }
            Err(reason) => {
                report.report(&Event::BuildFailed { package: id });
                Ok(Outcome::Failed(Box::new(self.failure(reason))))
            }
        }
    }

    fn elsewhere(&self) -> Result<Option<BuiltPackage>, BuildError> {
        let Some(shared) = self.site.shared else { return Ok(None) };
        elsewhere::look_elsewhere(&self.source.id, self.key, shared)
    }

    /// Builds it whatever the store has, and keeps the tree but no record of it.
    pub(super) fn again(&self) -> Result<Again, BuildError> {
        let Site { store, report, interrupt, .. } = self.site;
        let id = &self.source.id;
        let _mine = store.lock_key(&self.key.to_hex(), interrupt)?;
        match self.install(Purpose::Compare)? {
            Ok(Installed { tree, elapsed, .. }) => {
                report.report(&Event::Built { package: id, elapsed });
                Ok(Again::Built(tree))
            }
            Err(reason) => {
                report.report(&Event::BuildFailed { package: id });
                Ok(Again::Failed(Box::new(self.failure(reason))))
            }
        }
    }

    /// Has it installed where builds happen; in its stead here where it is light, and there is
    /// a core for it, or where that comes to nothing.
    fn install(&self, purpose: Purpose) -> Result<Result<Installed, Reason>, BuildError> {
        let store = self.site.store;
        let log_path = store.log_path(self.key);
        let log = fs::create(&log_path)?;
        if let Some((here, Instead { light, .. })) = &self.workshop.instead
            && estimate(&self.source, store)? < *light
            && let Some(token) = here.tokens.at_once()
        {
            return self.install_with(token, here, &log);
        }
        let installed = match &self.workshop.ground {
            Ground::Here(here) => return self.install_here(here, &log),
            Ground::Farm(farm, ground) => self.on_farm((*farm, ground), purpose, &log),
            Ground::Jobs(scheduler) => self.by_scheduler(scheduler, purpose),
        };
        match (installed, &self.workshop.instead) {
            (Err(error), Some((here, Instead { lost: true, .. }))) if error.is_of_others() => {
                let id = &self.source.id;
                let text = format!("{id} is built on this machine: {}", causes::in_one_line(&error));
                self.site.report.report(&Event::Warning { text: &text });
                self.install_here(here, &fs::create(&log_path)?)
            }
            (installed, _) => installed,
        }
    }

    /// Installs with compilers in parallel, and should `make` fail over that, once more
    /// without: not every package's rules are complete.
    pub(super) fn install_here(
        &self,
        here: &Here<'_>,
        log: &std::fs::File,
    ) -> Result<Result<Installed, Reason>, BuildError> {
        let token = here.tokens.acquire(self.site.interrupt).map_err(BuildError::Tokens)?;
        self.install_with(token.ok_or(BuildError::Interrupted)?, here, log)
    }

    fn install_with(
        &self,
        _token: Token<'_>,
        here: &Here<'_>,
        log: &std::fs::File,
    ) -> Result<Result<Installed, Reason>, BuildError> {
        let Site { store, report, .. } = self.site;
        report.report(&Event::Building { package: &self.source.id });
        let started = Instant::now();
        let mut tree = self.attempt(here, log, true)?;
        let failed = matches!(tree, Err(Reason::Exit(_))) && self.source.needs_compilation;
        if failed && looks_like_make(&fs::last_lines(&store.log_path(self.key), N_LAST_LINES)) {
            tree = self.attempt(here, log, false)?;
        }
        Ok(tree.map(|tree| Installed { tree, elapsed: started.elapsed(), on_farm: None }))
    }

    fn attempt(
        &self,
        here: &Here<'_>,
        log: &std::fs::File,
        parallel: bool,
    ) -> Result<Result<TreeDigest, Reason>, BuildError> {
        let store = self.site.store;
        let work = self.unpacked()?;
        let (sources, library) = (work.path().join("src"), work.path().join("library"));
        fs::create_dir_all(&library)?;
        if let Some(user) = here.engine.build_user() {
            fs::chown_all(work.path(), user, user)?;
        }
        let sandbox = self.sandbox((&sources, &library), here, parallel)?;
        if let Err(reason) = self.in_sandbox((here.engine, &sandbox), log)? {
            return Ok(Err(reason));
        }
        let installed = library.join(self.source.id.name.as_str());
        if !fs::exists(&installed.join("DESCRIPTION")) {
            return Ok(Err(Reason::NoPackage));
        }
        for folder in recipe::FOR_READERS {
            fs::remove_dir_all(&installed.join(folder))?;
        }
        match store.keep_folder(&installed) {
            Ok(tree) => Ok(Ok(tree)),
            Err(error @ (StoreError::UnsupportedFile { .. } | StoreError::EscapingLink { .. })) => {
                Ok(Err(Reason::Unkeepable(error.to_string())))
            }
            Err(error) => Err(error.into()),
        }
    }

    /// A folder with the package's sources below `src`.
    fn unpacked(&self) -> Result<tempfile::TempDir, BuildError> {
        let work = self.site.store.temp_dir("package-")?;
        let sources = work.path().join("src");
        fs::create_dir_all(&sources)?;
        let Source { id, sha256, .. } = &self.source;
        fetch::unpack(*sha256, id, &sources, self.site.store).map_err(Box::new)?;
        Ok(work)
    }

    fn in_sandbox(
        &self,
        (engine, sandbox): (&Engine, &Sandbox),
        log: &std::fs::File,
    ) -> Result<Result<(), Reason>, BuildError> {
        match engine.run(sandbox, log, self.site.interrupt) {
            Ok(status) => Ok(failure_of(status).map_or(Ok(()), Err)),
            Err(EngineError::Process(ProcessError::TimedOut { limit, .. })) => {
                Ok(Err(Reason::TooLong(limit)))
            }
            Err(EngineError::Process(ProcessError::Interrupted)) => Err(BuildError::Interrupted),
            Err(error) => Err(error.into()),
        }
    }

    fn sandbox(
        &self,
        (sources, library): (&Path, &Path),
        here: &Here<'_>,
        parallel: bool,
    ) -> Result<Sandbox, BuildError> {
        let bind =
            |from: &Path, to: &str, writable| Bind { from: from.to_owned(), to: to.to_owned(), writable };
        let mut binds = vec![
            bind(sources, recipe::SOURCES, true),
            bind(&self.workshop.recipe, recipe::FOLDER, false),
            bind(library, recipe::LIBRARY, true),
        ];
        if parallel {
            binds.push(bind(here.tokens.path(), recipe::TOKENS, true));
        }
        for (name, tree) in &self.library {
            let folder = self.site.store.materialise(*tree)?;
            binds.push(bind(&folder, &format!("{}/{name}", recipe::LIBRARY), false));
        }
        Ok(Sandbox {
            root: here.root.clone(),
            binds,
            env: self.environment(&own_sources(&sources.join(self.source.id.name.as_str()).join("src"))?),
            working_dir: recipe::SOURCES.to_owned(),
            command: recipe::command(&self.source.id.name),
            limits: self.limits,
            network: Network::None,
            first: First::Command,
        })
    }

    pub(super) fn environment(&self, own: &precompile::Own) -> Vec<(String, String)> {
        let mut env = recipe::environment(&self.site.base.r_home);
        env.extend(precompile::environment(own));
        env
    }

    pub(super) fn built(&self, Installed { tree, .. }: Installed) -> Result<BuiltPackage, BuildError> {
        let unzipped_bytes = unzipped_bytes(self.site.store, tree)?;
        let (id, origin) = (self.source.id.clone(), Origin::Here);
        Ok(BuiltPackage { id, key: self.key, tree, unzipped_bytes, origin })
    }

    pub(super) fn keep(&self, installed: Installed) -> Result<BuiltPackage, BuildError> {
        let package = self.built(installed)?;
        let (store, id) = (self.site.store, &package.id);
        let record = BuildRecord {
            package: id.name.to_string(),
            version: id.version.to_string(),
            tree: package.tree.to_hex(),
            unzipped_bytes: package.unzipped_bytes,
            build_ms: u64::try_from(installed.elapsed.as_millis()).unwrap_or(u64::MAX),
        };
        store.put_record(Kind::Timing, id.name.as_str(), &record)?;
        store.put_record(Kind::Build, &self.key.to_hex(), &record)?;
        if let Some(shared) = self.site.shared {
            let tarball = Blob { digest: self.source.sha256, n_bytes: self.source.n_bytes };
            shared.offer(self.key, record, tarball);
        }
        Ok(package)
    }

    pub(super) fn failure(&self, reason: Reason) -> Failure {
        let log = self.site.store.log_path(self.key);
        let last_lines = fs::last_lines(&log, N_LAST_LINES);
        let diagnosis = diagnosis::diagnose(&fs::last_lines(&log, 200), self.site.base.distribution());
        Failure {
            package: self.source.id.clone(),
            reason,
            log: log.display().to_string(),
            last_lines,
            diagnosis,
        }
    }
}

fn own_sources(src: &Path) -> Result<precompile::Own, BuildError> {
    let mut found = BTreeMap::new();
    if !fs::is_dir(src) {
        return Ok(found);
    }
    for entry in fs::sorted_entries(src)? {
        let name = entry.file_name().to_string_lossy().into_owned();
        let is_read = fetch::is_cpp(&name) && fs::metadata(&entry.path())?.is_file();
        let text = if is_read { fs::read_if_there(&entry.path())? } else { None };
        found.insert(name, text.and_then(|text| fetch::first_include(&text)));
    }
    Ok(found)
}

fn unzipped_bytes(store: &Store, tree: TreeDigest) -> Result<u64, StoreError> {
    Ok(store.entries(tree.0)?.iter().map(|entry| entry.kind.unzipped_bytes()).sum())
}

fn failure_of(status: ExitStatus) -> Option<Reason> {
    match signal_name(status) {
        Some(signal) => Some(Reason::Signal(signal)),
        None if status.success() => None,
        None => Some(Reason::Exit(exit_code(status))),
    }
}

/// Whether a rule failed and nothing known was missing.
fn looks_like_make(last_lines: &[String]) -> bool {
    last_lines.iter().any(|line| line.starts_with("make") && line.contains("***"))
        && diagnosis::diagnose(last_lines, None).is_none()
}
