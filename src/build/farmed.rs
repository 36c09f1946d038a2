//! One package on a worker of a farm: the same recipe over the same paths as in a sandbox
//! of this machine, and so the same bytes.

use std::fs::File;
use std::io::{self, Seek, Write};
use std::path::Path;
use std::time::{Duration, Instant};

use super::error::Reason;
use super::one::{Installed, Job, Purpose, Source};
use super::workshop::FarmGround;
use super::{BuildError, Site, recipe};
use crate::fetch::{self, Sources};
use crate::model::{TreeDigest, human_bytes};
use crate::remote::{self, Farm, RemoteError, Said};
use crate::report::{Event, FarmParts};
use crate::store::{BaseTreeRecord, Entry, EntryKind, Kind, Mount, Parcel, Store, StoreError};
use crate::sys::fs;

/// A farm, and what its workers bring along.
#[derive(Clone, Copy)]
pub struct FarmSite<'a> {
    pub farm: &'a Farm,
    pub base: FarmBase,
}

/// What a job took, up to where it had ended there.
#[derive(Debug, Clone, Copy)]
pub(super) struct OnFarm {
    started: Instant,
    prepared: Duration,
    sent: Duration,
    /// In the queue and on workers together.
    away: Duration,
    ran: Duration,
}

impl OnFarm {
    /// Once what came of it is kept.
    pub(super) fn parts(self) -> FarmParts {
        let Self { started, prepared, sent, away, ran } = self;
        let brought = started.elapsed().saturating_sub(prepared + sent + away);
        FarmParts { prepared, sent, waited: away.saturating_sub(ran), ran, brought }
    }
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
    /// What every job finds besides its own: folders, the recipe, and the base, as far as it
    /// is sent.
    pub(super) fn ground(self, site: Site<'_>) -> Result<TreeDigest, BuildError> {
        let store = site.store;
        let folder = |path: &str| Entry { path: path.to_owned(), kind: EntryKind::Directory };
        let mut entries: Vec<Entry> = ["build", "opt/R/library", "tmp"].map(folder).to_vec();
        for (name, text) in recipe::FILES {
            let (digest, n_bytes) = (store.put_bytes(text.as_bytes())?, text.len() as u64);
            let path = format!("{}/{name}", recipe::FOLDER.trim_start_matches('/'));
            entries.push(Entry { path, kind: EntryKind::File { digest, n_bytes, executable: false } });
        }
        let own = store.put_tree(&entries)?;
        let base = match (self.base, site.base.rootfs()) {
            (FarmBase::Sent, None) => {
                return Err(BuildError::FarmNeedsFolder { base: site.base.recipe.clone() });
            }
            (FarmBase::Sent, Some(rootfs)) => kept_base(rootfs, site)?,
            (FarmBase::OfWorker, Some(rootfs)) => store.put_tree(&links(rootfs)?)?,
            (FarmBase::OfWorker, None) => store.put_tree(&[])?,
        };
        let ground = TreeDigest(store.overlay(&[base.0, own.0])?);
        if self.base == FarmBase::Sent {
            // Once, before hundreds of jobs find it lacking. Should it fail, so do they.
            _ = self.farm.provide(ground, store);
        }
        Ok(ground)
    }
}

/// The base as a tree. It is walked once: a digest stands for the same files always.
fn kept_base(rootfs: &Path, site: Site<'_>) -> Result<TreeDigest, BuildError> {
    let (store, key) = (site.store, site.base.digest.to_hex());
    let known =
        store.record::<BaseTreeRecord>(Kind::BaseTree, &key)?.and_then(|known| known.tree.parse().ok());
    if let Some(tree) = known.filter(|tree: &TreeDigest| store.has_tree(tree.0)) {
        return Ok(tree);
    }
    let mut mounts = Vec::new();
    for entry in fs::sorted_entries(rootfs)? {
        let (path, name) = (entry.path(), entry.file_name().to_string_lossy().into_owned());
        if fs::metadata(&path)?.is_dir() && !OF_WORKER.contains(&name.as_str()) {
            mounts.push(Mount { path: name, tree: store.keep_part_of_root(&path)?.0 });
        }
    }
    let (folders, _) = store.compose(&mounts)?;
    let tree = TreeDigest(store.overlay(&[folders, store.put_tree(&links(rootfs)?)?.0])?);
    store.put_record(Kind::BaseTree, &key, &BaseTreeRecord { tree: tree.to_hex() })?;
    Ok(tree)
}

/// Links of a root file system's root, such as `lib`, which is `usr/lib`.
fn links(rootfs: &Path) -> Result<Vec<Entry>, StoreError> {
    let mut links = Vec::new();
    for entry in fs::sorted_entries(rootfs)? {
        let path = entry.path();
        if fs::metadata(&path)?.is_symlink() {
            let target = fs::read_link(&path)?.to_string_lossy().into_owned();
            let path = entry.file_name().to_string_lossy().into_owned();
            links.push(Entry { path, kind: EntryKind::Symlink { target } });
        }
    }
    Ok(links)
}

impl Job<'_> {
    /// Runs the build there, and gives what it has installed.
    pub(super) fn on_farm(
        &self,
        (FarmSite { farm, .. }, ground): (FarmSite<'_>, &FarmGround),
        purpose: Purpose,
        log: &File,
    ) -> Result<Result<Installed, Reason>, BuildError> {
        let Site { store, report, interrupt, .. } = self.site;
        let name = &self.source.id.name;
        report.report(&Event::Building { package: &self.source.id });
        let token = ground.preparing.acquire(interrupt).map_err(BuildError::Tokens)?;
        let token = token.ok_or(BuildError::Interrupted)?;
        let started = Instant::now();
        let mut parcel = Parcel::over(store);
        let (sources, environment) = self.sources(&mut parcel)?;
        let job = remote::Job {
            arguments: recipe::command_of_farm(name),
            environment: &environment,
            root: self.input_root(ground.tree, sources, &mut parcel)?,
            parcel,
            output: format!("{}/{name}", recipe::LIBRARY.trim_start_matches('/')),
            limit: self.limits.time,
            anew: purpose == Purpose::Compare,
            log,
        };
        drop(token);
        let prepared = started.elapsed();
        let ended = match farm.run(job, store) {
            Ok(ended) => ended,
            Err(RemoteError::TimedOut) => return Ok(Err(Reason::TooLong(self.limits.time))),
            Err(RemoteError::Interrupted) => return Err(BuildError::Interrupted),
            Err(RemoteError::Store(error)) => return Err(error.into()),
            Err(error) => return Err(BuildError::Farm(Box::new(error))),
        };
        write_log(log, &ended.said).map_err(StoreError::Write)?;
        let tree = match (ended.exit_code, ended.output) {
            (0, Some(installed)) => without_help(installed, store)?,
            (0, None) => Err(Reason::NoPackage),
            (code, _) => Err(Reason::Exit(code)),
        };
        let remote::Ended { sent, away, .. } = ended;
        let elapsed = ended.on_worker.unwrap_or(away).min(away);
        let on_farm = Some(OnFarm { started, prepared, sent, away, ran: elapsed });
        Ok(tree.map(|tree| Installed { tree, elapsed, on_farm }))
    }

    /// The package's sources as a tree, and the environment that they are built in.
    fn sources<'a>(
        &'a self,
        parcel: &mut Parcel<'a>,
    ) -> Result<(TreeDigest, Vec<(String, String)>), BuildError> {
        let (Source { id, sha256, .. }, store) = (&self.source, self.site.store);
        let Sources { tree, mut headers } = fetch::sources(*sha256, id, store).map_err(Box::new)?;
        parcel.add_tree(&tree, fetch::Tarball { sha256: *sha256, id, store });
        let own = parcel.names_in(tree.root, &format!("{}/src", id.name))?;
        let own =
            own.into_iter().map(|name| (headers.remove(&name), name)).map(|(header, name)| (name, header));
        Ok((tree.root, self.environment(&own.collect())))
    }

    /// The ground with the package's sources, and what it is built against.
    fn input_root(
        &self,
        ground: TreeDigest,
        sources: TreeDigest,
        parcel: &mut Parcel<'_>,
    ) -> Result<TreeDigest, StoreError> {
        let mount = |path: &str, tree: TreeDigest| Mount {
            path: path.trim_start_matches('/').to_owned(),
            tree: tree.0,
        };
        let mut mounts = vec![mount(recipe::SOURCES, sources)];
        for (name, tree) in &self.library {
            mounts.push(mount(&format!("{}/{name}", recipe::LIBRARY), *tree));
        }
        let (own, _) = parcel.compose(&mounts)?;
        Ok(TreeDigest(parcel.overlay(&[ground.0, own])?))
    }
}

/// All that a job has said, in the place of what was heard of it while it ran.
fn write_log(mut log: &File, said: &Said) -> io::Result<()> {
    match said {
        Said::All(said) if said.is_empty() => Ok(()),
        Said::All(said) => {
            log.set_len(0)?;
            log.rewind()?;
            log.write_all(said)
        }
        Said::TooMuch(n_bytes) => writeln!(log, "(the log has {}, and is left there)", human_bytes(*n_bytes)),
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
