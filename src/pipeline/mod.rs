//! The only place that knows the order of the stages: lockfiles to layers.

mod audit;
mod building;
mod check;
mod finishing;
mod loading;
mod hashes;
mod known;
mod memory;
mod pull;
mod record;
mod requirements;
mod run;
mod runtime;
mod select;
mod verify;

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsString;
use std::path::PathBuf;
use std::time::{Duration, Instant};

pub use audit::{
    LicenceTexts, Risks, Sources, fetch_again, known_sources, licence_texts, look_into, sources, standings,
};
pub use check::{CheckReport, FunctionCheck, FunctionWhy, check, vendor, why};
pub use hashes::VerifyHashes;
pub use known::{describe, look_up};
pub use memory::catalogue;
pub use pull::{PullReport, pull};
pub use record::manifest;
pub use requirements::{Lacking, Requirements, system_requirements};
use run::Run;
pub use runtime::{RuntimeReport, runtime, runtime_content};
pub use select::FunctionRequest;
use select::Needs;
pub use verify::{Differing, VerifyReport, verify};

use crate::base::{self, Base, BaseOptions, Recipe};
use crate::build::{self, BuildOptions, BuiltPackage, FarmBase, Origin, Scheduler};
use crate::engine::Choice;
use crate::error::Error;
use crate::fetch::{Http, SourceTarball};
use crate::finish::{Finished, Profile};
use crate::lockfile::Lockfile;
use crate::model::{PackageId, PackageName, Remainder};
use crate::pack::{CodePackages, Layer};
use crate::plan::{self, Demand, LastPlan, Plan};
use crate::remote::{self, Farm, Remote};
use crate::report::{Event, Report};
use crate::resolve::Graph;
use crate::store::Store;
use crate::sys::interrupt::Interrupt;
use crate::target;

/// What a run works with; made once, in `cli`.
pub struct Services {
    pub store: Store,
    pub http: Http,
    pub report: Box<dyn Report>,
    pub interrupt: Interrupt,
    /// What machines share, if they do.
    pub remote: Option<Remote>,
    /// What runs builds in this machine's place.
    pub builders: Option<Builders>,
    /// Whether this machine builds what they do not.
    pub falls_back: bool,
    /// What takes less is built by this machine all the same, while it has cores for it.
    pub light: Duration,
    /// Whether the network may not be used.
    pub offline: bool,
    /// Where `~` leads to.
    pub home: Option<PathBuf>,
    /// Where programs are looked for.
    pub search_path: OsString,
}

/// Machines that build for this one.
pub enum Builders {
    Farm(Box<Farm>, FarmBase),
    Scheduler(Scheduler),
}

/// What a run is to do. No `Default`: each field is the caller's decision.
#[derive(Debug, Clone)]
pub struct BuildRequest {
    pub functions: Vec<FunctionRequest>,
    pub base: Recipe,
    pub base_options: BaseOptions,
    pub engine: Choice,
    pub build: BuildOptions,
    pub prefix: String,
    pub plan: plan::Settings,
    pub remainder: Remainder,
    /// Plan as if there were no layers yet.
    pub fresh: bool,
    /// Packages to ship although nothing needs them at run time.
    pub keep: BTreeSet<PackageName>,
    /// What the layers are to run on.
    pub target: target::Choice,
    /// What of packages is left out.
    pub profile: Profile,
    /// The same, were it as slim as can be: for what that would save.
    pub slimmest: Profile,
    pub load_test: LoadTest,
    /// Layers left to others: one for the runtime.
    pub n_reserved: usize,
    pub allow_r_mismatch: bool,
    pub verify_hashes: VerifyHashes,
    pub binary: Binary,
    /// Fail rather than change layr.lock.
    pub locked: bool,
    pub layr_lock: PathBuf,
    /// A folder that `layr vendor` made, to take sources from before all others.
    pub vendor: Option<PathBuf>,
    pub out: PathBuf,
}

/// Whether packages are taken that others have built, where a package manager has such.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Binary {
    Never,
    Prefer,
}

/// Whether the packages of new layers are loaded before these count as made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LoadTest {
    Run,
    Skip,
}

/// What a run has made.
#[derive(Debug)]
pub struct BuildReport {
    pub base: Base,
    /// The name of what the layers run on.
    pub target: String,
    pub functions: Vec<FunctionReport>,
    /// Tarballs that the network was needed for.
    pub n_fetched: usize,
    pub n_built: usize,
    pub n_from_store: usize,
    /// Packages that other machines built.
    pub n_from_remote: usize,
    pub elapsed: Duration,
    /// What the next plan is to know of this one.
    pub(crate) last_plan: LastPlan,
}

#[derive(Debug)]
pub struct FunctionReport {
    pub name: String,
    pub lockfile: String,
    pub is_image: bool,
    pub code_bytes: u64,
    /// All that was built, shipped or not.
    pub packages: Vec<PackageReport>,
    pub layers: Vec<Layer>,
    /// What lies in its code instead of in a layer.
    pub in_code: Option<CodePackages>,
}

/// A package and where it came from.
#[derive(Debug)]
pub struct PackageReport {
    pub built: BuiltPackage,
    /// As it is shipped, if it is.
    pub finished: Option<Finished>,
    pub tarball: SourceTarball,
    /// What it needs directly, to build or to run.
    pub dependencies: Vec<PackageId>,
}

/// What a run would do.
#[derive(Debug)]
pub struct PlanReport {
    pub functions: Vec<FunctionPlan>,
    /// Present where everything is built, so that sizes are known.
    pub layers: Option<Planned>,
    /// Absent where the base has yet to be made.
    pub base: Option<Base>,
    pub recipe: String,
    /// What is to be built asks for it, and the base's system lacks it; `None` where the
    /// system is not known.
    pub requirements: Option<Requirements>,
}

/// A plan, and what it was made from.
#[derive(Debug)]
pub struct Planned {
    pub demand: Demand,
    pub last: LastPlan,
    pub plan: Plan,
}

#[derive(Debug)]
pub struct FunctionPlan {
    pub name: String,
    pub lockfile: String,
    pub graph: Graph,
    pub found: BTreeMap<usize, BuiltPackage>,
    /// What is shipped of it, where everything is built.
    pub finished: BTreeMap<usize, Finished>,
    pub code_bytes: u64,
    code_room_bytes: u64,
    is_image: bool,
}

impl FunctionPlan {
    fn is_built(&self) -> bool {
        self.graph.needed().iter().all(|at| self.found.contains_key(at))
    }

    fn needs(&self) -> Needs<'_> {
        let Self { name, graph, finished, code_bytes, code_room_bytes, is_image, .. } = self;
        let (code_bytes, code_room_bytes) = (*code_bytes, *code_room_bytes);
        Needs { name, graph, finished, code_bytes, code_room_bytes, is_image: *is_image }
    }
}

/// A function once its sources are here.
struct Prepared {
    request: FunctionRequest,
    lockfile: Lockfile,
    tarballs: Vec<SourceTarball>,
    code_bytes: u64,
    /// What its code's zip can take of its packages.
    code_room_bytes: u64,
}

/// A function once its packages are in the store, by the graph's nodes.
struct BuiltFunction {
    request: FunctionRequest,
    code_bytes: u64,
    code_room_bytes: u64,
    graph: Graph,
    tarballs: Vec<SourceTarball>,
    built: BTreeMap<usize, BuiltPackage>,
    finished: BTreeMap<usize, Finished>,
}

impl BuiltFunction {
    fn needs(&self) -> Needs<'_> {
        let Self { request, code_bytes, code_room_bytes, graph, finished, .. } = self;
        let (code_bytes, code_room_bytes) = (*code_bytes, *code_room_bytes);
        let FunctionRequest { name, is_image, .. } = request;
        Needs { name, graph, finished, code_bytes, code_room_bytes, is_image: *is_image }
    }

    fn report(self, layers: Vec<Layer>, in_code: Option<CodePackages>) -> FunctionReport {
        let Self { request, code_bytes, code_room_bytes: _, graph, tarballs, built, mut finished } = self;
        let packages = built.into_iter().map(|(at, built)| PackageReport {
            built,
            finished: finished.remove(&at),
            tarball: tarballs[at].clone(),
            dependencies: graph.nodes[at].direct.iter().map(|at| graph.nodes[*at].id.clone()).collect(),
        });
        FunctionReport {
            name: request.name,
            lockfile: request.lockfile.display().to_string(),
            is_image: request.is_image,
            code_bytes,
            packages: packages.collect(),
            layers,
            in_code,
        }
    }
}

/// Lockfiles to layers in the output folder.
///
/// # Errors
///
/// What any stage fails with. A store that turns out to be damaged is mended by doing the
/// work again, once, with a warning.
pub fn build(request: &BuildRequest, services: &Services) -> Result<BuildReport, Error> {
    match build_once(request, services) {
        Err(error) if error.is_mended_by_repeating() => {
            let text = format!("{error}; doing that part of the work again");
            services.report.report(&Event::Warning { text: &text });
            build_once(request, services)
        }
        result => result,
    }
}

/// Ends when what was built is where other machines find it, too.
fn build_once(request: &BuildRequest, services: &Services) -> Result<BuildReport, Error> {
    let Services { remote, store, report, .. } = services;
    remote::sharing(remote.as_ref(), (store, &**report), |shared| {
        build_all(&Run { shared, ..Run::new(request, services) })
    })
}

fn build_all(run: &Run<'_>) -> Result<BuildReport, Error> {
    let started = Instant::now();
    let before = run.read_layr_lock()?;
    let prepared = run.prepare(&before)?;
    let base = run.base(&before)?;
    run.check_r(&base, &prepared)?;
    let mut built = run.build_functions(prepared, &base)?;
    let finishing = run.finishing(&base)?;
    for function in &mut built {
        function.finished = run.finish((&function.graph, &function.built), &base, &finishing)?;
    }
    let planned = run.plan(built.iter().map(BuiltFunction::needs), Some(&base), &before)?;
    let functions = run.pack(built, &planned.plan, &base)?;
    run.load_test(&functions, &base, &finishing)?;
    let report = BuildReport {
        n_fetched: count(&functions, |package| !package.tarball.from_store),
        n_built: count(&functions, |package| package.built.origin == Origin::Here),
        n_from_store: count(&functions, |package| package.built.origin == Origin::Store),
        n_from_remote: count(&functions, |package| package.built.origin == Origin::Remote),
        base,
        target: finishing.policy.name,
        functions,
        elapsed: started.elapsed(),
        last_plan: planned.last.next(&planned.demand, &planned.plan),
    };
    run.write_results(&report, &before)?;
    Ok(report)
}

/// What a build would do; nothing is built, and nothing but the store changes.
///
/// # Errors
///
/// As a build, up to where it would begin to compile.
pub fn plan(request: &BuildRequest, services: &Services) -> Result<PlanReport, Error> {
    let run = Run::new(request, services);
    let before = run.read_layr_lock()?;
    let prepared = run.prepare(&before)?;
    let base = base::find(&request.base, &request.base_options, before.base_digest(), &services.store)?;
    if let Some(base) = &base {
        run.check_r(base, &prepared)?;
    }
    let (mut functions, mut to_build) = (Vec::new(), Vec::new());
    for function in prepared {
        let r = base.as_ref().map(|base| base.r.clone()).or_else(|| function.lockfile.r.clone());
        let (graph, tarballs) = run.graph(&function, r.as_ref())?;
        let found = match &base {
            Some(base) => build::find_built(&graph, &tarballs, base, &services.store)?,
            None => BTreeMap::new(),
        };
        let missing = graph.needed().into_iter().filter(|at| !found.contains_key(at));
        to_build.extend(missing.map(|at| tarballs[at].clone()));
        let FunctionRequest { name, lockfile, is_image, .. } = function.request;
        let lockfile = lockfile.display().to_string();
        functions.push(FunctionPlan {
            name,
            lockfile,
            graph,
            found,
            finished: BTreeMap::new(),
            code_bytes: function.code_bytes,
            code_room_bytes: function.code_room_bytes,
            is_image,
        });
    }
    if let Some(base) = base.as_ref().filter(|_| functions.iter().all(FunctionPlan::is_built)) {
        let finishing = run.finishing(base)?;
        for function in &mut functions {
            function.finished = run.finish((&function.graph, &function.found), base, &finishing)?;
        }
    }
    let layers = if functions.iter().all(FunctionPlan::is_built) {
        Some(run.plan(functions.iter().map(FunctionPlan::needs), base.as_ref(), &before)?)
    } else {
        None
    };
    let requirements = run.lacking(to_build.iter(), base.as_ref())?;
    Ok(PlanReport { functions, layers, base, recipe: request.base.to_string(), requirements })
}

fn count(functions: &[FunctionReport], counts: impl Fn(&PackageReport) -> bool) -> usize {
    // The same package in two functions is one build.
    let packages = functions.iter().flat_map(|function| &function.packages).filter(|package| counts(package));
    packages.map(|package| package.built.key).collect::<BTreeSet<_>>().len()
}
