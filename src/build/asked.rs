//! The other end of a scheduler's job: one package, built on this machine as the store says
//! that somebody asks for it.

use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::key::Inputs;
use super::one::{Installed, Job, Source};
use super::workshop::{Ground, Workshop};
use super::{BuildError, BuiltPackage, Site, recipe};
use crate::engine::Limits;
use crate::model::{BaseDigest, BuildKey, PackageId};
use crate::store::{JobOutcome, JobRecord, Kind, Store};
use crate::sys::fs;
use crate::sys::interrupt::Interrupt;

/// What somebody asks for, as the store has it.
#[derive(Debug)]
pub struct Asked {
    key: BuildKey,
    record: JobRecord,
}

/// How long it may go unnoticed that nobody waits any more.
const BETWEEN_LOOKS: Duration = Duration::from_secs(2);

impl Asked {
    /// Holds that somebody waits for it, before the store is opened.
    ///
    /// # Errors
    ///
    /// Where nobody does, or where that cannot be seen from here.
    pub fn check(key: BuildKey, root: &Path) -> Result<(), BuildError> {
        if Store::is_locked(root, &key.to_hex())? {
            return Ok(());
        }
        Err(BuildError::NobodyWaits { key, store: root.display().to_string() })
    }

    /// # Errors
    ///
    /// Where the store does not say what is to be built.
    pub fn find(key: BuildKey, store: &Store) -> Result<Self, BuildError> {
        let record = store.record::<JobRecord>(Kind::Job, &key.to_hex())?;
        Ok(Self { key, record: record.ok_or(BuildError::NotAsked { key })? })
    }

    /// The base that it is to be built in: its digest, and where it may be.
    pub fn base(&self) -> Result<(BaseDigest, PathBuf), BuildError> {
        let digest = self.record.base.parse().ok().ok_or(BuildError::NotAsked { key: self.key })?;
        Ok((digest, self.record.base_folder.clone()))
    }

    /// Leaves word of what kept this machine from building it.
    pub fn stopped(&self, error: String, store: &Store) -> Result<(), BuildError> {
        self.answer(JobOutcome::Stopped { error }, store)
    }

    fn answer(&self, outcome: JobOutcome, store: &Store) -> Result<(), BuildError> {
        let record = JobRecord { outcome: Some(outcome), ..self.record.clone() };
        Ok(store.put_record(Kind::Job, &self.key.to_hex(), &record)?)
    }

    /// The build, if the key is the one that its inputs have here, too.
    fn job<'a>(&self, site: Site<'a>, n_tokens: NonZeroUsize) -> Result<Job<'a>, BuildError> {
        let JobRecord { package, version, tarball, tarball_bytes, needs_compilation, library, .. } =
            &self.record;
        let JobRecord { memory_bytes, n_processes, seconds, .. } = self.record;
        let unclear = || BuildError::NotAsked { key: self.key };
        let id = PackageId {
            name: package.parse().ok().ok_or_else(unclear)?,
            version: version.parse().ok().ok_or_else(unclear)?,
        };
        let library: Option<_> =
            library.iter().map(|(name, tree)| Some((name.parse().ok()?, tree.parse().ok()?))).collect();
        let sha256 = tarball.parse().ok().ok_or_else(unclear)?;
        let job = Job {
            source: Source { id, sha256, n_bytes: *tarball_bytes, needs_compilation: *needs_compilation },
            key: self.key,
            library: library.ok_or_else(unclear)?,
            limits: Limits { memory_bytes, n_processes, time: Duration::from_secs(seconds) },
            workshop: Workshop::new(site, n_tokens)?,
            site,
        };
        let here = job.key_here();
        if here == self.key { Ok(job) } else { Err(BuildError::OtherKey { key: self.key, here }) }
    }
}

impl Job<'_> {
    fn key_here(&self) -> BuildKey {
        let base = self.site.base;
        let inputs = Inputs {
            package: &self.source.id,
            tarball: self.source.sha256,
            base: base.digest,
            r: &base.r,
            arch: base.arch,
            recipe: recipe::digest(&base.r_home),
            dependencies: self.library.iter().map(|(name, tree)| (name, *tree)).collect(),
        };
        inputs.key()
    }
}

/// Builds what is asked for, in a sandbox of this machine, and leaves what came of it in the
/// store. It ends when nobody waits any more.
///
/// # Errors
///
/// A package that does not build, too: then the store has word of it already.
pub fn build_one(asked: &Asked, site: Site<'_>, n_tokens: NonZeroUsize) -> Result<BuiltPackage, BuildError> {
    let job = asked.job(site, n_tokens)?;
    let Ground::Here(here) = &job.workshop.ground else {
        return Err(BuildError::NotAsked { key: asked.key });
    };
    let log = fs::create(&site.store.log_path(asked.key))?;
    let done = Interrupt::new().map_err(BuildError::Tokens)?;
    let installed = std::thread::scope(|scope| {
        scope.spawn(|| end_with_asker(asked.key, site, &done));
        let installed = job.install_here(here, &log);
        done.trigger();
        installed
    });
    match installed? {
        Ok(installed) => {
            let Installed { tree, elapsed, .. } = installed;
            let package = job.built(installed)?;
            if asked.record.is_recorded {
                job.keep(installed)?;
            }
            let build_ms = u64::try_from(elapsed.as_millis()).unwrap_or(u64::MAX);
            asked.answer(JobOutcome::Built { tree: tree.to_hex(), build_ms }, site.store)?;
            Ok(package)
        }
        Err(reason) => {
            asked.answer(JobOutcome::Failed { reason: reason.to_string() }, site.store)?;
            Err(BuildError::Failed { failed: vec![job.failure(reason)], not_tried: Vec::new() })
        }
    }
}

fn end_with_asker(key: BuildKey, site: Site<'_>, done: &Interrupt) {
    while !done.is_set_within(BETWEEN_LOOKS) {
        if !Store::is_locked(site.store.root(), &key.to_hex()).unwrap_or(true) {
            site.interrupt.trigger();
            return;
        }
    }
}
