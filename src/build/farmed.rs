//! One package on a worker of a farm: the same recipe over the same paths as in a sandbox
//! of this machine, and so the same bytes.

use std::io::Write;
use std::path::Path;
use std::time::Instant;

use super::error::Reason;
use super::one::{Installed, Job};
use super::{BuildError, Site, recipe};
use crate::model::TreeDigest;
use crate::remote::{self, Farm, RemoteError};
use crate::report::{Event, FarmParts};
use crate::store::{Entry, EntryKind, Mount, Store, StoreError};
use crate::sys::fs;

/// A farm, and what its workers bring along.
#[derive(Clone, Copy)]
pub struct FarmSite<'a> {
    pub farm: &'a Farm,
    pub base: FarmBase,
}

/// Where a worker has the base from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FarmBase {
    /// It is sent along, once, as part of what a job reads. It has to be a folder.
    Sent,
    /// The worker runs jobs in it: an image, which a property of the platform names.
    OfWorker,
}

/// Folders of a root file system that a worker has its own of.
const OF_WORKER: [&str; 5] = ["dev", "proc", "run", "sys", "tmp"];

impl FarmSite<'_> {
    /// What every job finds besides its own: the base, as far as it is sent.
    pub(super) fn ground(self, site: Site<'_>) -> Result<TreeDigest, BuildError> {
        let folder = |path: &str| Entry { path: path.to_owned(), kind: EntryKind::Directory };
        let mut entries: Vec<Entry> = ["build", "opt/R/library", "tmp"].map(folder).to_vec();
        let mut mounts = Vec::new();
        if let Some(rootfs) = site.base.rootfs() {
            for entry in fs::sorted_entries(rootfs)? {
                let (path, name) = (entry.path(), entry.file_name().to_string_lossy().into_owned());
                let metadata = fs::metadata(&path)?;
                if metadata.is_symlink() {
                    // Such as `lib`, which is `usr/lib`.
                    let target = fs::read_link(&path)?.to_string_lossy().into_owned();
                    entries.push(Entry { path: name, kind: EntryKind::Symlink { target } });
                } else if metadata.is_dir()
                    && self.base == FarmBase::Sent
                    && !OF_WORKER.contains(&name.as_str())
                {
                    mounts.push(Mount { path: name, tree: site.store.keep_part_of_root(&path)?.0 });
                }
            }
        } else if self.base == FarmBase::Sent {
            return Err(BuildError::FarmNeedsFolder { base: site.base.recipe.clone() });
        }
        let own = site.store.put_tree(&entries)?;
        let (base, _) = site.store.compose(&mounts)?;
        Ok(TreeDigest(site.store.overlay(&[base, own.0])?))
    }
}

impl Job<'_> {
    /// Runs the build there, and gives what it has installed.
    pub(super) fn on_farm(
        &self,
        FarmSite { farm, .. }: FarmSite<'_>,
        ground: TreeDigest,
        mut log: &std::fs::File,
    ) -> Result<Result<Installed, Reason>, BuildError> {
        let store = self.site.store;
        let name = &self.source.id.name;
        self.site.report.report(&Event::Building { package: &self.source.id });
        let started = Instant::now();
        let work = self.unpacked()?;
        let sources = work.path().join("src");
        let job = remote::Job {
            arguments: recipe::command_of_farm(name),
            environment: &self.environment(&sources)?,
            root: self.input_root(ground, &sources)?,
            output: format!("{}/{name}", recipe::LIBRARY.trim_start_matches('/')),
            limit: self.limits.time,
        };
        let prepared = started.elapsed();
        let ended = match farm.run(&job, store) {
            Ok(ended) => ended,
            Err(RemoteError::TimedOut) => return Ok(Err(Reason::TooLong(self.limits.time))),
            Err(RemoteError::Interrupted) => return Err(BuildError::Interrupted),
            Err(RemoteError::Store(error)) => return Err(error.into()),
            Err(error) => return Err(BuildError::Farm(Box::new(error))),
        };
        log.write_all(&ended.log).map_err(StoreError::Write)?;
        let tree = match (ended.exit_code, ended.output) {
            (0, Some(installed)) => without_help(installed, store)?,
            (0, None) => Err(Reason::NoPackage),
            (code, _) => Err(Reason::Exit(code)),
        };
        let remote::Ended { sent, away, .. } = ended;
        let elapsed = ended.on_worker.unwrap_or(away).min(away);
        let parts = FarmParts {
            prepared,
            sent,
            waited: away.saturating_sub(elapsed),
            ran: elapsed,
            brought: started.elapsed().saturating_sub(prepared + sent + away),
        };
        self.site.report.report(&Event::OnFarm { package: &self.source.id, parts });
        Ok(tree.map(|tree| Installed { tree, elapsed }))
    }

    /// The ground with the package's sources, the recipe, and what it is built against.
    fn input_root(&self, ground: TreeDigest, sources: &Path) -> Result<TreeDigest, StoreError> {
        let store = self.site.store;
        let mount = |path: &str, tree: TreeDigest| Mount {
            path: path.trim_start_matches('/').to_owned(),
            tree: tree.0,
        };
        let mut mounts = vec![
            mount(recipe::SOURCES, store.keep_part_of_root(sources)?),
            mount(recipe::FOLDER, store.keep_folder(&self.workshop.recipe)?),
        ];
        for (name, tree) in &self.library {
            mounts.push(mount(&format!("{}/{name}", recipe::LIBRARY), *tree));
        }
        let (own, _) = store.compose(&mounts)?;
        Ok(TreeDigest(store.overlay(&[ground.0, own])?))
    }
}

/// What the installer has no flag for leaving out.
fn without_help(installed: TreeDigest, store: &Store) -> Result<Result<TreeDigest, Reason>, StoreError> {
    let mut entries = store.entries(installed.0)?;
    if !entries.iter().any(|entry| entry.path == "DESCRIPTION") {
        return Ok(Err(Reason::NoPackage));
    }
    let is_for_readers =
        |path: &str| recipe::FOR_READERS.contains(&path.split_once('/').map_or(path, |(folder, _)| folder));
    entries.retain(|entry| !is_for_readers(&entry.path));
    Ok(Ok(store.put_tree(&entries)?))
}
