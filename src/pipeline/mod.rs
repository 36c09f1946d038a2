//! The only place that knows the order of the stages: lockfiles to layers.

mod record;
mod select;

use std::cell::OnceCell;
use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsString;
use std::path::PathBuf;
use std::time::{Duration, Instant};

pub use record::{manifest, render_manifest};
pub use select::FunctionRequest;

use crate::base::{self, Base, BaseError, BaseOptions, Recipe, Workshop};
use crate::build::{self, BuildOptions, BuiltPackage, Site};
use crate::engine::{Choice, Engine};
use crate::error::Error;
use crate::fetch::{self, FetchError, Http, SourceTarball};
use crate::layr_lock::{LayrLock, LayrLockError};
use crate::lockfile::Lockfile;
use crate::model::{LAMBDA, PackageName, RVersion};
use crate::pack::{self, Layer, LayerPlan, Naming, Output, PlanInput};
use crate::report::{Event, Report, Stage};
use crate::resolve::{self, Graph, PackageIndex, Resolution};
use crate::store::Store;
use crate::sys::fs;
use crate::sys::interrupt::Interrupt;

/// What a run works with; made once, in `cli`.
pub struct Services {
    pub store: Store,
    pub http: Http,
    pub report: Box<dyn Report>,
    pub interrupt: Interrupt,
    /// Where programs are looked for.
    pub search_path: OsString,
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
    /// Packages to ship although nothing needs them at run time.
    pub keep: BTreeSet<PackageName>,
    /// Layers left to others: one for the runtime.
    pub n_reserved: usize,
    pub allow_r_mismatch: bool,
    /// Fail rather than change layr.lock.
    pub locked: bool,
    pub layr_lock: PathBuf,
    pub out: PathBuf,
}

/// What a run has made.
#[derive(Debug)]
pub struct BuildReport {
    pub base: Base,
    pub functions: Vec<FunctionReport>,
    /// Tarballs that the network was needed for.
    pub n_fetched: usize,
    pub n_built: usize,
    pub n_from_store: usize,
    pub elapsed: Duration,
}

#[derive(Debug)]
pub struct FunctionReport {
    pub name: String,
    pub lockfile: String,
    pub code_bytes: u64,
    /// All that was built, shipped or not, with the tarball it came from.
    pub packages: Vec<(BuiltPackage, SourceTarball, bool)>,
    pub layers: Vec<Layer>,
    dependencies: BTreeMap<String, Vec<String>>,
}

/// What a run would do.
#[derive(Debug)]
pub struct PlanReport {
    pub functions: Vec<FunctionPlan>,
    /// Absent where the base has yet to be made.
    pub base: Option<Base>,
    pub recipe: String,
}

#[derive(Debug)]
pub struct FunctionPlan {
    pub name: String,
    pub lockfile: String,
    pub graph: Graph,
    pub found: BTreeMap<usize, BuiltPackage>,
    pub code_bytes: u64,
    /// Present where everything is built, so that sizes are known.
    pub layers: Option<Vec<LayerPlan>>,
}

/// A function once its sources are here.
struct Prepared {
    request: FunctionRequest,
    lockfile: Lockfile,
    tarballs: Vec<SourceTarball>,
    code_bytes: u64,
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

fn build_once(request: &BuildRequest, services: &Services) -> Result<BuildReport, Error> {
    let started = Instant::now();
    let run = Run { request, services, engine: OnceCell::new() };
    let before = run.read_layr_lock()?;
    let prepared = run.prepare(&before)?;
    let base = run.base(&before)?;
    run.check_r(&base, &prepared)?;
    let mut functions = Vec::new();
    for function in prepared {
        functions.push(run.build_function(function, &base)?);
    }
    let report = BuildReport {
        n_fetched: count(&functions, |(_, tarball, _)| !tarball.from_store),
        n_built: count(&functions, |(package, _, _)| !package.from_store),
        n_from_store: count(&functions, |(package, _, _)| package.from_store),
        base,
        functions,
        elapsed: started.elapsed(),
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
    let run = Run { request, services, engine: OnceCell::new() };
    let before = run.read_layr_lock()?;
    let prepared = run.prepare(&before)?;
    let base = base::find(&request.base, &request.base_options, before.base_digest(), &services.store)?;
    let mut functions = Vec::new();
    for function in prepared {
        let r = base.as_ref().map(|base| base.r.clone()).or_else(|| function.lockfile.r.clone());
        let (graph, tarballs) = run.graph(&function, r.as_ref())?;
        let found = match &base {
            Some(base) => build::find_built(&graph, &tarballs, base, &services.store)?,
            None => BTreeMap::new(),
        };
        let complete = graph.needed().iter().all(|at| found.contains_key(at));
        let layers =
            if complete { Some(run.plan_layers(&graph, &found, function.code_bytes)?) } else { None };
        let FunctionRequest { name, lockfile, .. } = function.request;
        let lockfile = lockfile.display().to_string();
        functions.push(FunctionPlan {
            name,
            lockfile,
            graph,
            found,
            code_bytes: function.code_bytes,
            layers,
        });
    }
    Ok(PlanReport { functions, base, recipe: request.base.to_string() })
}

fn count(
    functions: &[FunctionReport],
    counts: impl Fn(&(BuiltPackage, SourceTarball, bool)) -> bool,
) -> usize {
    // The same package in two functions is one build.
    let packages = functions.iter().flat_map(|function| &function.packages).filter(|package| counts(package));
    packages.map(|(package, _, _)| package.key).collect::<BTreeSet<_>>().len()
}

struct Run<'a> {
    request: &'a BuildRequest,
    services: &'a Services,
    /// Asked for when something has to be built: mostly nothing has.
    engine: OnceCell<Engine>,
}

impl Run<'_> {
    fn read_layr_lock(&self) -> Result<LayrLock, Error> {
        let path = &self.request.layr_lock;
        match fs::read_if_there(path)? {
            Some(bytes) => Ok(LayrLock::parse(&String::from_utf8_lossy(&bytes))?),
            None if self.request.locked => {
                Err(LayrLockError::Missing { path: path.display().to_string() }.into())
            }
            None => Ok(LayrLock::default()),
        }
    }

    /// Lockfiles to source tarballs in the store: stages 1 to 3.
    fn prepare(&self, locked: &LayrLock) -> Result<Vec<Prepared>, Error> {
        let mut read = Vec::new();
        for request in &self.request.functions {
            let lockfile = select::read_lockfile(request)?;
            for text in &lockfile.warnings {
                self.services.report.report(&Event::Warning { text });
            }
            let code_bytes = request.code.as_deref().map(select::folder_bytes).transpose()?.unwrap_or(0);
            read.push((request, select::without_managers(lockfile, &self.request.keep), code_bytes));
        }
        let n_items = read.iter().map(|(_, lockfile, _)| lockfile.packages.len()).sum();
        self.services.report.report(&Event::Started { stage: Stage::Fetch, n_items });
        let prepared = read.into_iter().map(|(request, lockfile, code_bytes)| {
            let resolution = self.resolve(&lockfile, locked)?;
            let tarballs = self.fetch(&resolution, locked)?;
            Ok(Prepared { request: request.clone(), lockfile, tarballs, code_bytes })
        });
        let prepared = prepared.collect();
        self.services.report.report(&Event::Finished { stage: Stage::Fetch });
        prepared
    }

    /// The indexes are asked only where layr.lock does not say where a package is.
    fn resolve(&self, lockfile: &Lockfile, locked: &LayrLock) -> Result<Resolution, Error> {
        let Services { store, http, report, .. } = self.services;
        let is_pinned = |package: &crate::lockfile::LockedPackage| locked.source(&package.id).is_some();
        let mut indexes = BTreeMap::new();
        if !lockfile.packages.values().all(is_pinned) {
            for url in resolve::repository_urls(lockfile) {
                let text = fetch::fetch_index(&url, http, store, &**report)
                    .map_err(|error| Error::Fetch(vec![error]))?;
                match text.as_deref().map(PackageIndex::parse) {
                    Some(Ok(index)) => _ = indexes.insert(url, index),
                    Some(Err(error)) => {
                        let text = format!("what {url} gives as its index is none: {error}");
                        report.report(&Event::Warning { text: &text });
                    }
                    None => {}
                }
            }
        }
        resolve::resolve(lockfile, &indexes).map_err(Error::Resolve)
    }

    fn fetch(&self, resolution: &Resolution, locked: &LayrLock) -> Result<Vec<SourceTarball>, Error> {
        let Services { store, http, report, .. } = self.services;
        let pin = |(url, sha256, n_bytes): (&str, _, _)| fetch::Pin { url: url.to_owned(), sha256, n_bytes };
        let requests: Vec<_> = resolution
            .packages
            .iter()
            .map(|package| fetch::Request {
                package: package.clone(),
                pin: locked.source(&package.id).map(pin),
            })
            .collect();
        if let (true, Some(new)) =
            (self.request.locked, requests.iter().find(|request| request.pin.is_none()))
        {
            let difference = format!("package `{}` is new", new.package.id);
            return Err(LayrLockError::Changed { difference }.into());
        }
        let (mut tarballs, mut errors) = (Vec::new(), Vec::new());
        for result in fetch::fetch(&requests, http, store, &**report) {
            match result {
                Ok(tarball) => tarballs.push(tarball),
                Err(FetchError::Interrupted) => return Err(Error::Interrupted),
                Err(error) => errors.push(error),
            }
        }
        if errors.is_empty() { Ok(tarballs) } else { Err(Error::Fetch(errors)) }
    }

    fn engine(&self) -> Result<&Engine, Error> {
        if let Some(engine) = self.engine.get() {
            return Ok(engine);
        }
        let engine = Engine::find(self.request.engine, &self.services.search_path)?;
        Ok(self.engine.get_or_init(|| engine))
    }

    /// The base that is locked, if it is here; else the recipe's; else it is made.
    fn base(&self, locked: &LayrLock) -> Result<Base, Error> {
        let BuildRequest { base: recipe, base_options, .. } = self.request;
        let Services { store, report, interrupt, search_path, .. } = self.services;
        let found = base::find(recipe, base_options, locked.base_digest(), store)?;
        let base = if let Some(base) = found {
            base
        } else {
            let engine = self.engine()?;
            let search_path = search_path.clone();
            let workshop = Workshop { store, engine, report: &**report, interrupt, search_path };
            base::build(recipe, base_options, &workshop)?
        };
        match locked.base_digest() {
            Some(digest) if self.request.locked && digest != base.digest => {
                Err(BaseError::NotLocked { recipe: base.recipe, locked: digest.0, found: base.digest.0 }
                    .into())
            }
            _ => Ok(base),
        }
    }

    /// A library is good for all R versions of one minor series and no other.
    fn check_r(&self, base: &Base, prepared: &[Prepared]) -> Result<(), Error> {
        for r in prepared.iter().filter_map(|function| function.lockfile.r.as_ref()) {
            if r.minor_series() == base.r.minor_series() {
                continue;
            }
            let mismatch = BaseError::RMismatch { base: base.r.clone(), lockfile: r.clone() };
            if !self.request.allow_r_mismatch {
                return Err(mismatch.into());
            }
            self.services.report.report(&Event::Warning { text: &mismatch.to_string() });
        }
        Ok(())
    }

    /// The graph, and the tarballs in the order of its nodes. Packages for Windows alone
    /// are left out.
    fn graph(&self, function: &Prepared, r: Option<&RVersion>) -> Result<(Graph, Vec<SourceTarball>), Error> {
        let mut tarballs = function.tarballs.clone();
        tarballs.retain(|tarball| {
            let is_windows = tarball.description.os_type.as_deref() == Some("windows");
            if is_windows {
                let text = format!("`{}` is for Windows alone, and left out", tarball.id);
                self.services.report.report(&Event::Warning { text: &text });
            }
            !is_windows
        });
        tarballs.sort_by(|a, b| a.id.cmp(&b.id));
        let descriptions = tarballs.iter().map(|tarball| tarball.description.clone()).collect();
        let graph = Graph::new(descriptions, r, &self.request.keep).map_err(Error::Graph)?;
        Ok((graph, tarballs))
    }

    fn build_function(&self, function: Prepared, base: &Base) -> Result<FunctionReport, Error> {
        let Services { store, report, interrupt, .. } = self.services;
        let (graph, tarballs) = self.graph(&function, Some(&base.r))?;
        let mut built = build::find_built(&graph, &tarballs, base, store)?;
        if !graph.needed().iter().all(|at| built.contains_key(at)) {
            let site = Site { store, engine: self.engine()?, base, report: &**report, interrupt };
            built = build::build(&graph, &tarballs, site, &self.request.build)?;
        }
        let plans = self.plan_layers(&graph, &built, function.code_bytes)?;
        let naming = Naming { prefix: self.request.prefix.clone(), r: base.r.clone(), arch: base.arch };
        let output = Output { naming: &naming, folder: &self.request.out, store, report: &**report };
        let layers = pack::pack(&plans, output)?;
        let dependencies = graph.nodes.iter().map(|node| {
            let direct = node.direct.iter().map(|at| graph.nodes[*at].id.to_string());
            (node.id.to_string(), direct.collect())
        });
        Ok(FunctionReport {
            name: function.request.name,
            lockfile: function.request.lockfile.display().to_string(),
            code_bytes: function.code_bytes,
            dependencies: dependencies.collect(),
            packages: built
                .into_iter()
                .map(|(at, p)| (p, tarballs[at].clone(), graph.nodes[at].shipped))
                .collect(),
            layers,
        })
    }

    fn plan_layers(
        &self,
        graph: &Graph,
        built: &BTreeMap<usize, BuiltPackage>,
        code_bytes: u64,
    ) -> Result<Vec<LayerPlan>, Error> {
        let packages = select::sized_packages(graph, built);
        let input = PlanInput { packages, code_bytes, n_reserved: self.request.n_reserved };
        Ok(pack::plan_layers(input, LAMBDA)?)
    }

    /// layr.lock and the manifest, each only where it changes.
    fn write_results(&self, report: &BuildReport, before: &LayrLock) -> Result<(), Error> {
        let mut lock = record::layr_lock(report);
        lock.complete(before);
        if let Some(difference) = before.difference(&lock) {
            if self.request.locked {
                return Err(LayrLockError::Changed { difference }.into());
            }
            fs::write_atomic(&self.request.layr_lock, lock.render().as_bytes())?;
        }
        let path = self.request.out.join("layers.json");
        let manifest = render_manifest(&manifest(report));
        fs::create_dir_all(&self.request.out)?;
        if fs::read_if_there(&path)?.as_deref() != Some(manifest.as_bytes()) {
            fs::write_atomic(&path, manifest.as_bytes())?;
        }
        Ok(())
    }
}
