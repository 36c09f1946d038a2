//! Stage 4: source tarballs and a base to installed trees in the store.
//!
//! Every package is built in a sandbox of its own, as soon as what it needs is built and a
//! core is free, the longest way ahead first. What is in the store under its key is not
//! built again.

mod again;
mod asked;
mod awaited;
mod diagnosis;
mod elsewhere;
mod error;
mod farmed;
mod key;
mod one;
mod precompile;
mod recipe;
mod schedule;
mod submitted;
mod tokens;
mod workshop;

use std::collections::{BTreeMap, BTreeSet};
use std::num::NonZeroUsize;
use std::sync::mpsc;
use std::time::{Duration, Instant};

pub use again::{Again, again};
pub use asked::{Asked, build_one};
pub use elsewhere::{Search, find_elsewhere};
pub use error::{BuildError, Failure, JobFault, Reason};
pub use farmed::{FarmBase, FarmSite};
pub use submitted::{InvalidTemplate, Scheduler};

use crate::base::Base;
use crate::engine::{Engine, Limits};
use crate::fetch::SourceTarball;
use crate::model::{BuildKey, PackageId, Sha256Digest, TreeDigest};
use crate::remote::Shared;
use crate::report::{Event, Report, Stage};
use crate::resolve::Graph;
use crate::store::{BuildRecord, Kind, Store, StoreError};
use crate::sys::interrupt::Interrupt;
use awaited::Awaited;
use key::Inputs;
use one::{Outcome, Source};
use schedule::Schedule;
use workshop::Workshop;

/// What runs builds.
#[derive(Clone, Copy)]
pub enum Venue<'a> {
    /// Sandboxes of this machine.
    Here(&'a Engine),
    /// Workers of a farm.
    Farm(FarmSite<'a>),
    /// Jobs of a scheduler.
    Jobs(&'a Scheduler),
}

/// What this machine builds where others do the most of it.
#[derive(Clone, Copy)]
pub struct Instead<'a> {
    pub engine: &'a Engine,
    /// Whether that is what the others lose.
    pub lost: bool,
    /// What takes less, while there is a core for it.
    pub light: Duration,
}

/// Where builds happen.
#[derive(Clone, Copy)]
pub struct Site<'a> {
    pub store: &'a Store,
    pub venue: Venue<'a>,
    /// What this machine builds in the stead of a farm or a scheduler.
    pub instead: Option<Instead<'a>>,
    pub base: &'a Base,
    pub report: &'a dyn Report,
    pub interrupt: &'a Interrupt,
    /// What others have built, if there is a cache for that.
    pub shared: Option<Shared<'a>>,
}

/// How to build. None of it changes the bytes.
#[derive(Debug, Clone, Copy)]
pub struct BuildOptions {
    /// Packages at once.
    pub n_jobs: NonZeroUsize,
    /// Job tokens of this machine: packages and compilers at once.
    pub n_tokens: NonZeroUsize,
    /// Of each build.
    pub limits: Limits,
}

/// A package whose tree is in the store.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BuiltPackage {
    pub id: PackageId,
    pub key: BuildKey,
    pub tree: TreeDigest,
    /// What Lambda counts: the sum of the files' sizes.
    pub unzipped_bytes: u64,
    pub origin: Origin,
}

/// Where a built package is from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Origin {
    /// It was in the store already.
    Store,
    /// Another machine built it.
    Remote,
    /// It was built in this run.
    Here,
}

/// Builds everything of the graph that is needed. `tarballs` are those of the graph's
/// nodes, in their order; the result is by node.
///
/// # Errors
///
/// All packages that failed, after everything that does not need them was built.
pub fn build(
    graph: &Graph,
    tarballs: &[SourceTarball],
    site: Site<'_>,
    options: &BuildOptions,
) -> Result<BTreeMap<usize, BuiltPackage>, BuildError> {
    let needed = graph.needed();
    let run = Run { keys: Keys::new(graph, tarballs, site.base), site, options };
    let schedule = run.schedule(&needed)?;
    site.report.report(&Event::Started { stage: Stage::Build, n_items: needed.len() });
    let result = run.all(schedule);
    site.report.report(&Event::Finished { stage: Stage::Build });
    result
}

/// The key under which a package's tree would be found, and the tree if it is there:
/// nothing is built. `None` where a dependency is not there, since the key needs its tree.
pub fn find_built(
    graph: &Graph,
    tarballs: &[SourceTarball],
    base: &Base,
    store: &Store,
) -> Result<BTreeMap<usize, BuiltPackage>, BuildError> {
    let keys = Keys::new(graph, tarballs, base);
    let mut found = BTreeMap::new();
    let mut left = graph.needed();
    loop {
        let ready =
            left.iter().copied().filter(|at| graph.nodes[*at].closure.iter().all(|d| found.contains_key(d)));
        let ready: Vec<usize> = ready.collect();
        if ready.is_empty() {
            return Ok(found);
        }
        for at in ready {
            left.remove(&at);
            let key = keys.of(at, &found);
            if let Some(package) = look_up(&graph.nodes[at].id, key, store)? {
                found.insert(at, package);
            }
        }
    }
}

/// What the keys of one function's packages are made of.
struct Keys<'a> {
    graph: &'a Graph,
    tarballs: &'a [SourceTarball],
    base: &'a Base,
    recipe: Sha256Digest,
}

impl<'a> Keys<'a> {
    fn new(graph: &'a Graph, tarballs: &'a [SourceTarball], base: &'a Base) -> Self {
        Self { graph, tarballs, base, recipe: recipe::digest(&base.r_home) }
    }

    /// The key of a package all of whose dependencies are built.
    fn of(&self, at: usize, built: &BTreeMap<usize, BuiltPackage>) -> BuildKey {
        let node = &self.graph.nodes[at];
        let trees = node.closure.iter().filter_map(|dependency| built.get(dependency));
        let inputs = Inputs {
            package: &node.id,
            tarball: self.tarballs[at].sha256,
            base: self.base.digest,
            r: &self.base.r,
            arch: self.base.arch,
            recipe: self.recipe,
            dependencies: trees.map(|package| (&package.id.name, package.tree)).collect(),
        };
        inputs.key()
    }
}

/// A tree that is complete in the store.
fn look_up(id: &PackageId, key: BuildKey, store: &Store) -> Result<Option<BuiltPackage>, BuildError> {
    let Some(record) = store.record::<BuildRecord>(Kind::Build, &key.to_hex())? else { return Ok(None) };
    let Ok(tree) = record.tree.parse::<TreeDigest>() else { return Ok(None) };
    let unzipped_bytes = record.unzipped_bytes;
    let package = BuiltPackage { id: id.clone(), key, tree, unzipped_bytes, origin: Origin::Store };
    Ok(store.has_tree(tree.0).then_some(package))
}

struct Run<'a> {
    keys: Keys<'a>,
    site: Site<'a>,
    options: &'a BuildOptions,
}

impl Run<'_> {
    fn schedule(&self, needed: &BTreeSet<usize>) -> Result<Schedule, BuildError> {
        let mut estimates = BTreeMap::new();
        for at in needed {
            estimates.insert(*at, estimate(&(&self.keys.tarballs[*at]).into(), self.site.store)?);
        }
        let dependencies = needed.iter().map(|at| (*at, self.keys.graph.nodes[*at].direct.clone())).collect();
        Ok(Schedule::new(dependencies, |at| estimates[&at]))
    }

    /// Starts what is ready, waits for what runs, until nothing is left of either.
    fn all(&self, mut schedule: Schedule) -> Result<BTreeMap<usize, BuiltPackage>, BuildError> {
        // Made when the first package has to be built: mostly none has.
        let mut workshop: Option<Workshop<'_>> = None;
        let mut state = State::default();
        let (sender, outcomes) = mpsc::channel();
        std::thread::scope(|scope| {
            loop {
                while state.n_running < self.options.n_jobs.get() && state.stopped.is_none() {
                    let due = state.awaited.due(Instant::now());
                    let Some(at) = due.or_else(|| schedule.next()) else { break };
                    let key = self.keys.of(at, &state.built);
                    if let Some(package) = look_up(&self.keys.graph.nodes[at].id, key, self.site.store)? {
                        self.site.report.report(&Event::FoundInStore { package: &package.id });
                        schedule.done(at);
                        state.built.insert(at, package);
                        continue;
                    }
                    let workshop = match &workshop {
                        Some(workshop) => workshop.clone(),
                        None => workshop.insert(Workshop::new(self.site, self.options.n_tokens)?).clone(),
                    };
                    if state.n_running == 0 {
                        workshop.refill()?;
                    }
                    state.n_running += 1;
                    let job = self.job(at, &state.built, workshop);
                    let sender = sender.clone();
                    scope.spawn(move || _ = sender.send((at, outcome_of(&job))));
                }
                let Some(wait) = state.wait(self.options.n_jobs) else { break };
                match outcomes.recv_timeout(wait) {
                    Ok((at, outcome)) => {
                        if matches!(outcome, Ok(Outcome::Theirs)) && state.awaited.is_new(at) {
                            let package = &self.keys.graph.nodes[at].id;
                            self.site.report.report(&Event::Awaited { package });
                        }
                        state.take(at, outcome, &mut schedule);
                    }
                    Err(_) if self.site.interrupt.is_set() => {
                        _ = state.stopped.get_or_insert(BuildError::Interrupted);
                    }
                    Err(_) => {}
                }
            }
            Ok::<(), BuildError>(())
        })?;
        state.finish(&schedule, self.keys.graph)
    }

    fn job<'b>(
        &'b self,
        at: usize,
        built: &BTreeMap<usize, BuiltPackage>,
        workshop: Workshop<'b>,
    ) -> one::Job<'b> {
        let node = &self.keys.graph.nodes[at];
        let library = node.closure.iter().filter_map(|dependency| built.get(dependency));
        one::Job {
            site: self.site,
            source: (&self.keys.tarballs[at]).into(),
            key: self.keys.of(at, built),
            library: library.map(|package| (package.id.name.clone(), package.tree)).collect(),
            limits: self.options.limits,
            workshop,
        }
    }
}

/// A panic in a build must not leave the run waiting for its outcome.
fn outcome_of(job: &one::Job<'_>) -> Result<Outcome, BuildError> {
    let outcome = std::thread::scope(|scope| scope.spawn(|| job.run()).join());
    outcome.unwrap_or_else(|_| Err(BuildError::Tokens(std::io::Error::other("a build panicked"))))
}

/// How far a run has come.
#[derive(Default)]
struct State {
    n_running: usize,
    built: BTreeMap<usize, BuiltPackage>,
    failed: BTreeMap<usize, Failure>,
    /// What other machines are at.
    awaited: Awaited,
    /// What ends the run once those that are running have ended.
    stopped: Option<BuildError>,
}

impl State {
    /// How long to wait for an outcome before there is something else to do; `None` where
    /// nothing is left to wait for.
    fn wait(&self, n_jobs: NonZeroUsize) -> Option<Duration> {
        /// Builds end by themselves when the user interrupts, but nobody tells of it while
        /// all that is left is at other machines.
        const TICK: Duration = Duration::from_millis(200);
        const LONG: Duration = Duration::from_hours(1);
        let pause = self.awaited.pause(Instant::now()).filter(|_| self.stopped.is_none());
        match (self.n_running, pause) {
            (0, pause) => pause.map(|pause| pause.min(TICK)),
            (n_running, Some(pause)) if n_running < n_jobs.get() => Some(pause),
            (_, _) => Some(LONG),
        }
    }

    fn take(&mut self, at: usize, outcome: Result<Outcome, BuildError>, schedule: &mut Schedule) {
        self.n_running -= 1;
        match outcome {
            Ok(Outcome::Built(package)) => {
                schedule.done(at);
                self.built.insert(at, package);
            }
            Ok(Outcome::Failed(failure)) => _ = self.failed.insert(at, *failure),
            Ok(Outcome::Theirs) => self.awaited.put_off(at, Instant::now()),
            Err(error) => _ = self.stopped.get_or_insert(error),
        }
    }

    fn finish(self, schedule: &Schedule, graph: &Graph) -> Result<BTreeMap<usize, BuiltPackage>, BuildError> {
        if let Some(error) = self.stopped {
            return Err(error);
        }
        if self.failed.is_empty() {
            return Ok(self.built);
        }
        let not_tried = schedule.left().into_iter().map(|at| graph.nodes[at].id.clone()).collect();
        Err(BuildError::Failed { failed: self.failed.into_values().collect(), not_tried })
    }
}

/// How long a package may take: as long as the last time, or what its tarball's size lets
/// guess. Only the order of builds and their places depend on it.
fn estimate(source: &Source, store: &Store) -> Result<Duration, StoreError> {
    let record = store.record::<BuildRecord>(Kind::Timing, source.id.name.as_str())?;
    Ok(record.map_or_else(|| guess(source), |record| Duration::from_millis(record.build_ms)))
}

fn guess(source: &Source) -> Duration {
    let per_megabyte = if source.needs_compilation { 20_000 } else { 1_000 };
    Duration::from_millis(1_500 + source.n_bytes * per_megabyte / 1_000_000)
}
