//! The steps of one run, each a stage's function on what the stage before gave.

use std::cell::OnceCell;
use std::collections::BTreeMap;

use super::runtime::runtime_tree;
use super::select::{self, Needs};
use super::{
    Binary, BuildReport, BuildRequest, Builders, BuiltFunction, FunctionReport, FunctionRequest, Planned,
    Prepared, Services, memory, record,
};
use crate::base::{self, Base, BaseError, Workshop};
use crate::engine::Engine;
use crate::error::Error;
use crate::fetch::{self, FetchError, SourceTarball};
use crate::layr_lock::{Form, LayrLock, LayrLockError, LockedSource};
use crate::lockfile::{LockedPackage, Lockfile};
use crate::manifest::{self, Manifest};
use crate::model::{LAMBDA, RVersion, Sha256Digest, Subfolder};
use crate::pack::{self, Layer, Naming, Output};
use crate::plan::{self, Demand, LayerPlan, Plan, PlanError};
use crate::provenance;
use crate::remote::Shared;
use crate::report::{Event, Stage};
use crate::resolve::{self, Binaries, Checkout, Graph, Known, PackageIndex, Resolution, Vendored};
use crate::store::Blob;
use crate::sys::fs;
use crate::sys::hash::sha256;

pub(super) struct Run<'a> {
    pub(super) request: &'a BuildRequest,
    pub(super) services: &'a Services,
    /// Asked for when something has to be built: mostly nothing has.
    pub(super) engine: OnceCell<Engine>,
    /// What other machines have built, where there is a cache for it.
    pub(super) shared: Option<Shared<'a>>,
}

impl<'a> Run<'a> {
    /// A run of this machine alone.
    pub(super) fn new(request: &'a BuildRequest, services: &'a Services) -> Self {
        Self { request, services, engine: OnceCell::new(), shared: None }
    }
}

impl Run<'_> {
    pub(super) fn read_layr_lock(&self) -> Result<LayrLock, Error> {
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
    pub(super) fn prepare(&self, locked: &LayrLock) -> Result<Vec<Prepared>, Error> {
        let mut read = Vec::new();
        for request in &self.request.functions {
            let lockfile = self.read(request)?;
            let code_bytes = request.code.as_deref().map(select::folder_bytes).transpose()?.unwrap_or(0);
            read.push((request, lockfile, code_bytes));
        }
        let n_items = read.iter().map(|(_, lockfile, _)| lockfile.packages.len()).sum();
        self.services.report.report(&Event::Started { stage: Stage::Fetch, n_items });
        let prepared = read.into_iter().map(|(request, lockfile, code_bytes)| {
            let resolution = self.resolve(request, &lockfile, locked)?;
            if !resolution.lost.is_empty() {
                return Err(Error::Resolve(resolution.lost));
            }
            let (tarballs, errors) = self.fetch(&resolution, locked)?;
            if !errors.is_empty() {
                return Err(Error::Fetch(errors));
            }
            let code_room_bytes = select::code_room_bytes(self.request, request, code_bytes);
            Ok(Prepared { request: request.clone(), lockfile, tarballs, code_bytes, code_room_bytes })
        });
        let prepared: Result<Vec<_>, Error> = prepared.collect();
        self.services.report.report(&Event::Finished { stage: Stage::Fetch });
        let prepared = prepared?;
        self.check_sources(&prepared)?;
        Ok(prepared)
    }

    /// What is to be built of a lockfile.
    pub(super) fn read(&self, request: &FunctionRequest) -> Result<Lockfile, Error> {
        let lockfile = select::read_lockfile(request)?;
        for text in &lockfile.warnings {
            self.services.report.report(&Event::Warning { text });
        }
        Ok(select::without_managers(lockfile, &self.request.keep))
    }

    /// The indexes are asked only where layr.lock does not say where a package is.
    pub(super) fn resolve(
        &self,
        function: &FunctionRequest,
        lockfile: &Lockfile,
        locked: &LayrLock,
    ) -> Result<Resolution, Error> {
        let Services { store, http, report, .. } = self.services;
        let vendored = self.vendored()?;
        let is_known = |package: &LockedPackage| {
            locked.source(&package.id).is_some() || vendored.contains_key(&package.id)
        };
        let mut indexes = BTreeMap::new();
        if !lockfile.packages.values().all(is_known) {
            for url in resolve::repository_urls(lockfile) {
                let text = fetch::fetch_index(&url, http, store, &**report)
                    .map_err(|error| Error::Fetch(vec![error]))?;
                match text.as_deref().map(PackageIndex::parse) {
                    Some(Ok(index)) => _ = indexes.insert(url, index),
                    Some(Err(error)) => {
                        let text =
                            format!("what {} gives as its index is none: {error}", fetch::redacted(&url));
                        report.report(&Event::Warning { text: &text });
                    }
                    None => {}
                }
            }
        }
        let project = select::project(function, self.request, self.services.home.as_deref())?;
        let binaries = self.binaries(lockfile);
        let binaries = binaries.as_ref();
        let known = Known { indexes: &indexes, project: &project, vendored: &vendored, binaries };
        let resolution = resolve::resolve(lockfile, &known);
        for text in &resolution.warnings {
            report.report(&Event::Warning { text });
        }
        Ok(resolution)
    }

    /// What binary packages have to be built for, where these are preferred and it is known.
    fn binaries(&self, lockfile: &Lockfile) -> Option<Binaries> {
        let wanted = self.request.binary == Binary::Prefer;
        let r = lockfile.r.clone().or_else(|| self.request.base_options.r.clone()).filter(|_| wanted)?;
        let arch = self.request.base_options.arch.or_else(|| base::host_architecture().ok())?;
        Some(Binaries { r, arch })
    }

    pub(super) fn vendored(&self) -> Result<Vendored, Error> {
        let Some(folder) = &self.request.vendor else { return Ok(Vendored::new()) };
        let text = fs::read(&folder.join("src/contrib/PACKAGES"))?;
        let (text, url) = (String::from_utf8_lossy(&text), select::file_url(folder));
        resolve::vendored(&text, &url)
            .map_err(|source| Error::Vendor { folder: folder.display().to_string(), source })
    }

    /// What could be had, and why the rest could not.
    pub(super) fn fetch(
        &self,
        resolution: &Resolution,
        locked: &LayrLock,
    ) -> Result<(Vec<SourceTarball>, Vec<FetchError>), Error> {
        let Services { store, http, report, .. } = self.services;
        let pin = |(source, sha256): (&LockedSource, Sha256Digest)| fetch::Pin {
            url: source.url.clone(),
            checkout: source.form.filter(|form| *form == Form::Files).map(|_| Checkout {
                commit: source.commit.as_ref().and_then(|text| text.parse().ok()),
                reference: None,
                subfolder: source.subfolder.as_ref().and_then(|text| Subfolder::parse(text).ok()?),
            }),
            is_binary: source.form == Some(Form::Binary),
            sha256,
            n_bytes: source.size,
        };
        // A farm is told the names of files before it is sent any.
        let named = matches!(self.services.builders, Some(Builders::Farm(..)));
        let requests: Vec<_> = resolution
            .packages
            .iter()
            .map(|package| fetch::Request {
                package: package.clone(),
                pin: locked.source(&package.id).map(pin).filter(|pin| pin.fits(package)),
                named,
            })
            .collect();
        if let (true, Some(new)) =
            (self.request.locked, requests.iter().find(|request| request.pin.is_none()))
        {
            let difference = format!("package `{}` is new", new.package.id);
            return Err(LayrLockError::Changed { difference }.into());
        }
        if let Some(shared) = self.shared {
            let pins = requests.iter().filter_map(|request| request.pin.as_ref());
            let blobs = pins.map(|pin| Blob { digest: pin.sha256, n_bytes: pin.n_bytes });
            shared.bring_blobs(&blobs.collect::<Vec<_>>())?;
        }
        let (mut tarballs, mut errors) = (Vec::new(), Vec::new());
        for result in fetch::fetch(&requests, http, store, &**report) {
            match result {
                Ok(tarball) => tarballs.push(tarball),
                Err(FetchError::Interrupted) => return Err(Error::Interrupted),
                Err(error) => errors.push(error),
            }
        }
        Ok((tarballs, errors))
    }

    pub(super) fn engine(&self) -> Result<&Engine, Error> {
        if let Some(engine) = self.engine.get() {
            return Ok(engine);
        }
        let engine = Engine::find(self.request.engine, &self.services.search_path)?;
        Ok(self.engine.get_or_init(|| engine))
    }

    /// The base that is locked, if it is here; else the recipe's; else it is made.
    pub(super) fn base(&self, locked: &LayrLock) -> Result<Base, Error> {
        let BuildRequest { base: recipe, base_options, .. } = self.request;
        let Services { store, report, interrupt, search_path, .. } = self.services;
        let found = base::find(recipe, base_options, locked.base_digest(), store)?;
        let base = if let Some(base) = found {
            base
        } else if self.services.offline {
            return Err(BaseError::Offline { recipe: recipe.to_string() }.into());
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
    pub(super) fn check_r(&self, base: &Base, prepared: &[Prepared]) -> Result<(), Error> {
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
        let tarballs = prepared.iter().flat_map(|function| &function.tarballs);
        Ok(base.check_binaries(tarballs.map(|tarball| &tarball.description))?)
    }

    /// The graph, and the tarballs in the order of its nodes. Packages for Windows alone
    /// are left out.
    pub(super) fn graph(
        &self,
        function: &Prepared,
        r: Option<&RVersion>,
    ) -> Result<(Graph, Vec<SourceTarball>), Error> {
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

    /// Plans all functions together, as near to the last plan as pays.
    pub(super) fn plan<'a>(
        &self,
        functions: impl Iterator<Item = Needs<'a>>,
        base: Option<&Base>,
        before: &LayrLock,
    ) -> Result<Planned, Error> {
        let BuildRequest { n_reserved, fresh, .. } = *self.request;
        let functions: Vec<Needs<'a>> = functions.collect();
        let mut demand = Demand {
            functions: functions.iter().map(select::function_demand).collect(),
            limits: LAMBDA,
            n_reserved,
        };
        if let Some(base) = base.filter(|_| n_reserved > 0) {
            self.leave_room_for_r(&mut demand, base)?;
        }
        for problem in memory::unreadable(before) {
            let text = format!("in layr.lock, {problem}: it is planned as if there was no such layer");
            self.services.report.report(&Event::Warning { text: &text });
        }
        let last = memory::last_plan(before);
        let known = if fresh { last.clone().forget_layers() } else { last.clone() };
        let plan = match plan::plan(&demand, &known, &self.request.plan) {
            Err(PlanError::TooLarge(mut too_large)) => {
                let function = functions.iter().find(|function| function.name == too_large.function);
                too_large.slim_bytes = function.map(|function| self.slim_bytes(function)).transpose()?;
                return Err(PlanError::TooLarge(too_large).into());
            }
            plan => plan?,
        };
        Ok(Planned { demand, last, plan })
    }

    /// Has the runtime's layer count for functions that come near the limit: to know its
    /// size it has to be made. Where it cannot be made, the load test says so.
    fn leave_room_for_r(&self, demand: &mut Demand, base: &Base) -> Result<(), Error> {
        for function in &mut demand.functions {
            let packages: u64 = function.trees.iter().map(|tree| tree.unzipped_bytes).sum();
            let is_near = packages + function.code_bytes > LAMBDA.unzipped_bytes / 2;
            if is_near && function.limit_bytes == LAMBDA.unzipped_bytes {
                function.runtime_bytes = match runtime_tree(base, self) {
                    Ok((_, made)) => made.unzipped_bytes,
                    Err(Error::Runtime(_)) => 0,
                    Err(error) => return Err(error),
                };
            }
        }
        Ok(())
    }

    /// Packs each layer once, and what lies in a function's code with that.
    pub(super) fn pack(
        &self,
        functions: Vec<BuiltFunction>,
        plan: &Plan,
        base: &Base,
    ) -> Result<Vec<FunctionReport>, Error> {
        let Services { store, report, .. } = self.services;
        let naming = Naming { prefix: self.request.prefix.clone(), r: base.r.clone(), arch: base.arch };
        let output = Output { naming: &naming, folder: &self.request.out, store, report: &**report };
        let published: Vec<usize> = (0..plan.layers.len()).filter(|at| plan.is_published(*at)).collect();
        let plans: Vec<LayerPlan> = published.iter().map(|at| plan.layers[*at].clone()).collect();
        let layers: BTreeMap<usize, Layer> = published.into_iter().zip(pack::pack(&plans, output)?).collect();
        let mut reports = Vec::new();
        for (n, function) in functions.into_iter().enumerate() {
            let in_code = plan.in_code[n].map(|at| pack::in_code(&plan.layers[at], store)).transpose()?;
            if let (Some(packages), Some(code)) = (&in_code, &function.request.code) {
                pack::write_code_zip(&function.request.name, (code, packages.digest), output)?;
            }
            let attached = plan.functions[n].iter().filter(|at| plan.in_code[n] != Some(**at));
            reports.push(function.report(attached.map(|at| layers[at].clone()).collect(), in_code));
        }
        Ok(reports)
    }

    /// layr.lock and the manifest, each only where it changes.
    pub(super) fn write_results(&self, report: &BuildReport, before: &LayrLock) -> Result<(), Error> {
        let mut lock = record::layr_lock(report, fs::parent(&self.request.layr_lock));
        memory::remember(&report.last_plan, &mut lock);
        lock.complete(before);
        if let Some(difference) = before.difference(&lock) {
            if self.request.locked {
                return Err(LayrLockError::Changed { difference }.into());
            }
            fs::write_atomic(&self.request.layr_lock, lock.render().as_bytes())?;
        }
        let mut made = record::manifest(report);
        made.layr_lock_sha256 = Some(sha256(lock.render().as_bytes()));
        self.write_manifest(made)
    }

    /// What was published before stays known where the bytes are the same.
    fn write_manifest(&self, mut made: Manifest) -> Result<(), Error> {
        fs::create_dir_all(&self.request.out)?;
        // `layr publish` may be noting ARNs in the one before.
        let _folder = fs::lock_folder(&self.request.out)?;
        let path = self.request.out.join(manifest::FILE_NAME);
        let before = fs::read_if_there(&path)?;
        // One that cannot be read is replaced: all in it but the ARNs is made anew, and
        // `layr publish` finds those again.
        if let Some(before) = before.as_deref().and_then(|bytes| Manifest::parse(bytes, "").ok()) {
            made.remember(&before);
        }
        let text = made.render();
        for layer in &made.layers {
            let statement = provenance::statement(&made, layer, env!("CARGO_PKG_VERSION"));
            let path = self.request.out.join(provenance::file_name(layer));
            if fs::read_if_there(&path)?.as_deref() != Some(statement.as_bytes()) {
                fs::write_atomic(&path, statement.as_bytes())?;
            }
        }
        if before.as_deref() != Some(text.as_bytes()) {
            fs::write_atomic(&path, text.as_bytes())?;
        }
        Ok(())
    }
}
