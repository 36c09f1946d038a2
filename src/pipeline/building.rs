//! Functions whose sources are here to functions whose packages are built, here or elsewhere.

use std::collections::{BTreeMap, BTreeSet};

use super::run::Run;
use super::{Builders, BuiltFunction, Prepared, Services};
use crate::base::Base;
use crate::build::{self, BuildError, BuiltPackage, FarmSite, Instead, Site, Venue};
use crate::error::Error;
use crate::fetch::SourceTarball;
use crate::resolve::Graph;

impl Run<'_> {
    /// What runs builds; everything else runs here.
    pub(super) fn venue(&self) -> Result<Venue<'_>, Error> {
        match &self.services.builders {
            Some(Builders::Farm(farm, base)) => Ok(Venue::Farm(FarmSite { farm, base: *base })),
            Some(Builders::Scheduler(scheduler)) => Ok(Venue::Jobs(scheduler)),
            None => Ok(Venue::Here(self.engine()?)),
        }
    }

    /// What this machine builds in their stead, if anything.
    pub(super) fn instead(&self) -> Result<Option<Instead<'_>>, Error> {
        let Services { builders, falls_back, light, .. } = self.services;
        let is_wanted = *falls_back || !light.is_zero();
        if builders.is_none() || !is_wanted {
            return Ok(None);
        }
        Ok(Some(Instead { engine: self.engine()?, lost: *falls_back, light: *light }))
    }

    /// A package that fails does not stop those of other functions; all are told at once.
    pub(super) fn build_functions(
        &self,
        prepared: Vec<Prepared>,
        base: &Base,
    ) -> Result<Vec<BuiltFunction>, Error> {
        let mut functions = Vec::new();
        let (mut all_failed, mut all_not_tried) = (BTreeMap::new(), BTreeSet::new());
        for function in prepared {
            match self.build_function(function, base) {
                Ok(function) => functions.push(function),
                Err(Error::Build(BuildError::Failed { failed, not_tried })) => {
                    // What two functions share fails for both, and is told once.
                    all_failed.extend(failed.into_iter().map(|failure| (failure.package.clone(), failure)));
                    all_not_tried.extend(not_tried);
                }
                Err(error) => return Err(error),
            }
        }
        if all_failed.is_empty() {
            return Ok(functions);
        }
        let (failed, not_tried) = (all_failed.into_values().collect(), all_not_tried.into_iter().collect());
        Err(BuildError::Failed { failed, not_tried }.into())
    }

    /// A function's packages to trees in the store.
    pub(super) fn build_function(&self, function: Prepared, base: &Base) -> Result<BuiltFunction, Error> {
        let Services { store, report, interrupt, .. } = self.services;
        let (graph, tarballs) = self.graph(&function, Some(&base.r))?;
        let mut built = self.find_built(&graph, &tarballs, base)?;
        if !graph.needed().iter().all(|at| built.contains_key(at)) {
            self.warn_of_lacking((&graph, &tarballs), base)?;
            let (venue, instead, shared) = (self.venue()?, self.instead()?, self.shared);
            let site = Site { store, venue, instead, base, report: &**report, interrupt, shared };
            let mut all = build::build(&graph, &tarballs, site, &self.request.build)?;
            // What others built is in the store by now; what it is counted as stays.
            all.extend(built);
            built = all;
        }
        self.check_installed(&function, &tarballs, &built)?;
        let Prepared { request, code_bytes, code_room_bytes, .. } = function;
        let finished = BTreeMap::new();
        Ok(BuiltFunction { request, code_bytes, code_room_bytes, graph, tarballs, built, finished })
    }

    /// What is built already, here or elsewhere.
    pub(super) fn find_built(
        &self,
        graph: &Graph,
        tarballs: &[SourceTarball],
        base: &Base,
    ) -> Result<BTreeMap<usize, BuiltPackage>, Error> {
        let Services { store, report, .. } = self.services;
        let found = build::find_built(graph, tarballs, base, store)?;
        let is_complete = graph.needed().iter().all(|at| found.contains_key(at));
        match self.shared.filter(|_| !is_complete) {
            Some(shared) => {
                let search = build::Search { store, shared, base, report: &**report };
                Ok(build::find_elsewhere(graph, tarballs, found, search)?)
            }
            None => Ok(found),
        }
    }
}
