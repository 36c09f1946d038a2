//! What a lockfile's sources alone can tell: whether all are there and fit together, why a
//! package is needed, and all of them in a folder. Nothing is built.

use std::collections::BTreeSet;
use std::path::Path;
use std::time::{Duration, Instant};

use super::run::Run;
use super::{BuildRequest, FunctionRequest, Prepared, Services};
use crate::base;
use crate::error::Error;
use crate::fetch::{self, VendorReport};
use crate::layr_lock::LayrLock;
use crate::model::{PackageName, RVersion};
use crate::resolve::{self, Graph, GraphError, Why};

/// What was found out about each function.
#[derive(Debug)]
pub struct CheckReport {
    pub functions: Vec<FunctionCheck>,
    pub elapsed: Duration,
}

#[derive(Debug)]
pub struct FunctionCheck {
    pub name: String,
    pub lockfile: String,
    pub n_packages: usize,
    /// In the order of the stages; empty where all is well.
    pub problems: Vec<Error>,
}

/// Why a function has a package.
#[derive(Debug)]
pub struct FunctionWhy {
    pub function: String,
    pub graph: Graph,
    pub why: Why,
}

/// Resolves, fetches and verifies everything, and joins the graph; no problem hides
/// another.
///
/// # Errors
///
/// Only what keeps from checking: the store, layr.lock, an interrupt.
pub fn check(request: &BuildRequest, services: &Services) -> Result<CheckReport, Error> {
    let started = Instant::now();
    let run = Run::new(request, services);
    let locked = run.read_layr_lock()?;
    let base = base::find(&request.base, &request.base_options, locked.base_digest(), &services.store)?;
    let mut functions = Vec::new();
    for function in &request.functions {
        let r = base.as_ref().map(|base| &base.r);
        functions.push(check_function(&run, function, &locked, r)?);
    }
    Ok(CheckReport { functions, elapsed: started.elapsed() })
}

fn check_function(
    run: &Run<'_>,
    function: &FunctionRequest,
    locked: &LayrLock,
    r: Option<&RVersion>,
) -> Result<FunctionCheck, Error> {
    let lockfile_path = function.lockfile.display().to_string();
    let mut check = FunctionCheck {
        name: function.name.clone(),
        lockfile: lockfile_path,
        n_packages: 0,
        problems: Vec::new(),
    };
    let lockfile = match run.read(function) {
        Ok(lockfile) => lockfile,
        Err(error) => {
            check.problems.push(error);
            return Ok(check);
        }
    };
    check.n_packages = lockfile.packages.len();
    let r = r.or(lockfile.r.as_ref()).cloned();
    let resolution = run.resolve(function, &lockfile, locked)?;
    let (tarballs, failed) = match run.fetch(&resolution, locked) {
        Ok(fetched) => fetched,
        // --locked, and layr.lock is not of this lockfile.
        Err(error @ Error::LayrLock(_)) => {
            check.problems.push(error);
            return Ok(check);
        }
        Err(error) => return Err(error),
    };
    let there: BTreeSet<PackageName> = tarballs.iter().map(|tarball| tarball.id.name.clone()).collect();
    if !resolution.lost.is_empty() {
        check.problems.push(Error::Resolve(resolution.lost));
    }
    let is_complete = failed.is_empty();
    if !is_complete {
        check.problems.push(Error::Fetch(failed));
    }
    let prepared =
        Prepared { request: function.clone(), lockfile, tarballs, code_bytes: 0, code_room_bytes: 0 };
    // packrat's hashes cover other packages too, so all have to be here.
    if is_complete {
        check.problems.extend(run.check_sources(std::slice::from_ref(&prepared)).err());
    }
    if let Err(Error::Graph(errors)) = run.graph(&prepared, r.as_ref()) {
        // What is locked and could not be had has been said already.
        let is_locked = |name: &PackageName| prepared.lockfile.packages.contains_key(name);
        let is_news = |error: &GraphError| match error {
            GraphError::NotLocked { dependency, .. } => there.contains(dependency) || !is_locked(dependency),
            GraphError::Conflict { .. } | GraphError::RTooOld { .. } | GraphError::Cycle(_) => true,
        };
        let errors: Vec<_> = errors.into_iter().filter(is_news).collect();
        if !errors.is_empty() {
            check.problems.push(Error::Graph(errors));
        }
    }
    Ok(check)
}

/// All source tarballs of all functions, in a folder that R and `--vendor` read.
///
/// # Errors
///
/// As a build, up to where it would begin to compile.
pub fn vendor(request: &BuildRequest, folder: &Path, services: &Services) -> Result<VendorReport, Error> {
    let run = Run::new(request, services);
    let prepared = run.prepare(&run.read_layr_lock()?)?;
    let tarballs: Vec<_> = prepared.into_iter().flat_map(|function| function.tarballs).collect();
    fetch::vendor(&tarballs, folder, &services.store).map_err(|error| Error::Fetch(vec![error]))
}

/// Why each function has the package; those that have it not are left out.
///
/// # Errors
///
/// As a plan; and where no function has the package.
pub fn why(
    request: &BuildRequest,
    package: &PackageName,
    services: &Services,
) -> Result<Vec<FunctionWhy>, Error> {
    let run = Run::new(request, services);
    let mut found = Vec::new();
    for function in run.prepare(&run.read_layr_lock()?)? {
        let (graph, _) = run.graph(&function, None)?;
        let function = function.request.name;
        found.extend(resolve::why(&graph, package).map(|why| FunctionWhy { function, graph, why }));
    }
    if found.is_empty() {
        return Err(Error::Usage(format!("no lockfile locks `{package}`")));
    }
    Ok(found)
}
