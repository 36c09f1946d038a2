//! Packages that were built, built once more against the very trees that they were built
//! against, to see whether the bytes are the same. Nothing is recorded.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Mutex;
use std::sync::PoisonError;

use super::error::Failure;
use super::{BuildError, BuildOptions, BuiltPackage, Keys, Run, Site, Workshop};
use crate::fetch::SourceTarball;
use crate::model::TreeDigest;
use crate::report::{Event, Stage};
use crate::resolve::Graph;

/// What a package became the second time.
#[derive(Debug)]
pub enum Again {
    Built(TreeDigest),
    Failed(Box<Failure>),
}

/// Builds the packages `which` of the graph again, as many at once as jobs are allowed:
/// none waits for another, since each is built against what is in the store. `built` holds
/// all that they need.
///
/// # Errors
///
/// Where builds cannot be run. A package that fails is in the outcome.
pub fn again(
    (graph, tarballs): (&Graph, &[SourceTarball]),
    built: &BTreeMap<usize, BuiltPackage>,
    which: &BTreeSet<usize>,
    (site, options): (Site<'_>, &BuildOptions),
) -> Result<BTreeMap<usize, Again>, BuildError> {
    let run = Run { keys: Keys::new(graph, tarballs, site.base), site, options };
    let workshop = Workshop::new(site, options.n_tokens)?;
    let left = Mutex::new(which.iter().copied());
    let outcomes = Mutex::new(BTreeMap::new());
    site.report.report(&Event::Started { stage: Stage::Build, n_items: which.len() });
    let worker = || loop {
        let next = left.lock().unwrap_or_else(PoisonError::into_inner).next();
        let Some(at) = next.filter(|_| !site.interrupt.is_set()) else { return };
        let outcome = run.job(at, built, workshop.clone()).again();
        outcomes.lock().unwrap_or_else(PoisonError::into_inner).insert(at, outcome);
    };
    std::thread::scope(|scope| {
        for _ in 0..options.n_jobs.get() {
            scope.spawn(worker);
        }
    });
    site.report.report(&Event::Finished { stage: Stage::Build });
    if site.interrupt.is_set() {
        return Err(BuildError::Interrupted);
    }
    let outcomes = outcomes.into_inner().unwrap_or_else(PoisonError::into_inner);
    outcomes.into_iter().map(|(at, outcome)| Ok((at, outcome?))).collect()
}
