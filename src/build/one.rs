//! One package: its tarball unpacked, installed in a sandbox, and what came of it kept.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::ExitStatus;
use std::time::{Duration, Instant};

use super::error::{Failure, Reason};
use super::{
    Again, BuildError, BuiltPackage, Ground, Origin, Site, Venue, Workshop, diagnosis, elsewhere, look_up,
    precompile, recipe,
};
use crate::engine::{Bind, Engine, EngineError, First, Limits, Network, Root, Sandbox};
use crate::fetch::{self, SourceTarball};
use crate::model::{BuildKey, PackageName, TreeDigest};
use crate::remote::Reservation;
use crate::report::Event;
use crate::store::{Blob, BuildRecord, Kind, Store, StoreError};
use crate::sys::fs;
use crate::sys::process::{ProcessError, exit_code, signal_name};

/// Lines of a log that the error shows.
const N_LAST_LINES: usize = 15;

pub(super) struct Job<'a> {
    pub(super) site: Site<'a>,
    pub(super) tarball: &'a SourceTarball,
    pub(super) key: BuildKey,
    /// What it is built against.
    pub(super) library: BTreeMap<PackageName, TreeDigest>,
    pub(super) limits: Limits,
    pub(super) workshop: Workshop,
}

pub(super) enum Outcome {
    Built(BuiltPackage),
    Failed(Box<Failure>),
    /// Another machine is at it.
    Theirs,
}

impl Job<'_> {
    pub(super) fn run(&self) -> Result<Outcome, BuildError> {
        let Site { store, report, interrupt, .. } = self.site;
        let id = &self.tarball.id;
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
        let Site { report, interrupt, .. } = self.site;
        let id = &self.tarball.id;
        let token = self.workshop.tokens.acquire(interrupt).map_err(BuildError::Tokens)?;
        let _token = token.ok_or(BuildError::Interrupted)?;
        report.report(&Event::Building { package: id });
        let started = Instant::now();
        match self.install()? {
            Ok(tree) => {
                let package = self.keep(tree, started.elapsed())?;
                report.report(&Event::Built { package: id, elapsed: started.elapsed() });
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
        elsewhere::look_elsewhere(&self.tarball.id, self.key, shared)
    }

    /// Builds it whatever the store has, and keeps the tree but no record of it.
    pub(super) fn again(&self) -> Result<Again, BuildError> {
        let Site { report, interrupt, .. } = self.site;
        let id = &self.tarball.id;
        let token = self.workshop.tokens.acquire(interrupt).map_err(BuildError::Tokens)?;
        let _token = token.ok_or(BuildError::Interrupted)?;
        report.report(&Event::Building { package: id });
        let started = Instant::now();
        match self.install()? {
            Ok(tree) => {
                report.report(&Event::Built { package: id, elapsed: started.elapsed() });
                Ok(Again::Built(tree))
            }
            Err(reason) => {
                report.report(&Event::BuildFailed { package: id });
                Ok(Again::Failed(Box::new(self.failure(reason))))
            }
        }
    }

    /// Installs with compilers in parallel, and should `make` fail over that, once more
    /// without: not every package's rules are complete.
    fn install(&self) -> Result<Result<TreeDigest, Reason>, BuildError> {
        let log_path = self.site.store.log_path(self.key);
        let log = fs::create(&log_path)?;
        let first = self.attempt(&log, true)?;
        let failed = matches!(first, Err(Reason::Exit(_))) && self.tarball.description.needs_compilation;
        if !failed || !looks_like_make(&fs::last_lines(&log_path, N_LAST_LINES)) {
            return Ok(first);
        }
        self.attempt(&log, false)
    }

    fn attempt(&self, log: &std::fs::File, parallel: bool) -> Result<Result<TreeDigest, Reason>, BuildError> {
        let store = self.site.store;
        let work = store.temp_dir("package-")?;
        let (sources, library) = (work.path().join("src"), work.path().join("library"));
        fs::create_dir_all(&sources)?;
        fs::create_dir_all(&library)?;
        fetch::unpack(self.tarball.sha256, &self.tarball.id, &sources, store).map_err(Box::new)?;
        let ended = match (self.site.venue, &self.workshop.ground) {
            (Venue::Here(engine), Ground::Root(root)) => {
                if let Some(user) = engine.build_user() {
                    fs::chown_all(work.path(), user, user)?;
                }
                let sandbox = self.sandbox((&sources, &library), root, parallel)?;
                self.in_sandbox((engine, &sandbox), log)?
            }
            (Venue::Farm(farm), Ground::Tree(ground)) => return self.on_farm(farm, (*ground, &sources), log),
            (Venue::Here(_), Ground::Tree(_)) | (Venue::Farm(_), Ground::Root(_)) => {
                return Err(BuildError::Tokens(std::io::Error::other("a workshop of another venue")));
            }
        };
        if let Err(reason) = ended {
            return Ok(Err(reason));
        }
        let installed = library.join(self.tarball.id.name.as_str());
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
        root: &Root,
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
            binds.push(bind(self.workshop.tokens.path(), recipe::TOKENS, true));
        }
        for (name, tree) in &self.library {
            let folder = self.site.store.materialise(*tree)?;
            binds.push(bind(&folder, &format!("{}/{name}", recipe::LIBRARY), false));
        }
        Ok(Sandbox {
            root: root.clone(),
            binds,
            env: self.environment(sources)?,
            working_dir: recipe::SOURCES.to_owned(),
            command: recipe::command(&self.tarball.id.name),
            limits: self.limits,
            network: Network::None,
            first: First::Command,
        })
    }

    pub(super) fn environment(&self, sources: &Path) -> Result<Vec<(String, String)>, BuildError> {
        let mut env = recipe::environment(&self.site.base.r_home);
        let own = sources.join(self.tarball.id.name.as_str()).join("src");
        env.extend(precompile::environment(&cpp_sources(&own)?));
        Ok(env)
    }

    fn keep(&self, tree: TreeDigest, elapsed: Duration) -> Result<BuiltPackage, BuildError> {
        let (store, id) = (self.site.store, self.tarball.id.clone());
        let unzipped_bytes = unzipped_bytes(store, tree)?;
        let record = BuildRecord {
            package: id.name.to_string(),
            version: id.version.to_string(),
            tree: tree.to_hex(),
            unzipped_bytes,
            build_ms: u64::try_from(elapsed.as_millis()).unwrap_or(u64::MAX),
        };
        store.put_record(Kind::Timing, id.name.as_str(), &record)?;
        store.put_record(Kind::Build, &self.key.to_hex(), &record)?;
        if let Some(shared) = self.site.shared {
            let tarball = Blob { digest: self.tarball.sha256, n_bytes: self.tarball.n_bytes };
            shared.offer(self.key, record, tarball);
        }
        Ok(BuiltPackage { id, key: self.key, tree, unzipped_bytes, origin: Origin::Here })
    }

    fn failure(&self, reason: Reason) -> Failure {
        let log = self.site.store.log_path(self.key);
        let last_lines = fs::last_lines(&log, N_LAST_LINES);
        let diagnosis = diagnosis::diagnose(&fs::last_lines(&log, 200), self.site.base.distribution());
        Failure {
            package: self.tarball.id.clone(),
            reason,
            log: log.display().to_string(),
            last_lines,
            diagnosis,
        }
    }
}

/// The package's own C++ files and what else lies beside them, by name; of the others only
/// the name is of interest.
fn cpp_sources(src: &Path) -> Result<BTreeMap<String, String>, BuildError> {
    let mut found = BTreeMap::new();
    if !fs::is_dir(src) {
        return Ok(found);
    }
    for entry in fs::sorted_entries(src)? {
        let name = entry.file_name().to_string_lossy().into_owned();
        let is_read = precompile::is_cpp(&name) && fs::metadata(&entry.path())?.is_file();
        let text = if is_read { fs::read_if_there(&entry.path())? } else { None };
        found.insert(name, String::from_utf8_lossy(&text.unwrap_or_default()).into_owned());
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
