//! What other machines have built of some lockfiles, brought here; nothing is built.

use super::run::Run;
use super::{BuildRequest, Services};
use crate::build::Origin;
use crate::error::Error;
use crate::remote::{self, RemoteError};

/// How much of what lockfiles need is here, and how it came.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub struct PullReport {
    pub n_brought: usize,
    pub n_from_store: usize,
    /// What nobody has built, or nobody who is believed.
    pub n_lacking: usize,
}

/// Brings the sources and the packages of the request's lockfiles from the cache.
///
/// # Errors
///
/// As a build, up to where it would begin to compile; and where there is no cache.
pub fn pull(request: &BuildRequest, services: &Services) -> Result<PullReport, Error> {
    let Services { remote, store, report, .. } = services;
    let remote = remote.as_ref().ok_or(RemoteError::NoAddress)?;
    remote::sharing(Some(remote), (store, &**report), |shared| {
        let run = Run { shared, ..Run::new(request, services) };
        let locked = run.read_layr_lock()?;
        let prepared = run.prepare(&locked)?;
        let base = run.base(&locked)?;
        run.check_r(&base, &prepared)?;
        let mut pulled = PullReport::default();
        for function in prepared {
            let (graph, tarballs) = run.graph(&function, Some(&base.r))?;
            let found = run.find_built(&graph, &tarballs, &base)?;
            let n_brought = found.values().filter(|package| package.origin == Origin::Remote).count();
            pulled.n_brought += n_brought;
            pulled.n_from_store += found.len() - n_brought;
            pulled.n_lacking += graph.needed().len() - found.len();
        }
        Ok(pulled)
    })
}
