//! Stage 5 of a run: what was built to what is shipped.

use std::collections::{BTreeMap, BTreeSet};

use super::Services;
use super::run::Run;
use super::select::Needs;
use crate::base::{Asking, Base};
use crate::build::BuiltPackage;
use crate::error::Error;
use crate::finish::{self, Finished, Part, Site};
use crate::model::TreeDigest;
use crate::resolve::Graph;
use crate::target::{Policy, RootFs};

/// What all functions' packages are finished with.
pub(super) struct Finishing {
    pub(super) rootfs: RootFs,
    pub(super) policy: Policy,
    r_libraries: BTreeSet<String>,
}

impl Run<'_> {
    pub(super) fn finishing(&self, base: &Base) -> Result<Finishing, Error> {
        let Services { store, interrupt, report, search_path, .. } = self.services;
        let asking = Asking { store, report: &**report, search_path };
        let (root, rpm_list) = match base.rootfs() {
            Some(rootfs) => (rootfs.to_owned(), base.rpm_list(rootfs, asking)?),
            None => (base.copied_libraries(self.engine()?, asking, interrupt)?, None),
        };
        let rootfs = RootFs::open(&root, base.arch)?.with_rpm_list(rpm_list);
        let policy = self.request.target.policy(&base.recipe, &rootfs)?;
        let r_libraries = rootfs.names_in(&format!("{}/lib", base.r_home))?;
        Ok(Finishing { rootfs, policy, r_libraries })
    }

    /// The packages of one function that are shipped, by node of its graph; all of them
    /// are built.
    pub(super) fn finish(
        &self,
        (graph, built): (&Graph, &BTreeMap<usize, BuiltPackage>),
        base: &Base,
        finishing: &Finishing,
    ) -> Result<BTreeMap<usize, Finished>, Error> {
        let site = Site {
            store: &self.services.store,
            base: &finishing.rootfs,
            base_digest: base.digest,
            policy: &finishing.policy,
            profile: &self.request.profile,
            r_libraries: &finishing.r_libraries,
            report: &*self.services.report,
        };
        let shipped = graph.nodes.iter().enumerate().filter(|(_, node)| node.shipped);
        let shipped: Vec<_> = shipped.filter_map(|(at, _)| Some((at, built.get(&at)?))).collect();
        let trees = |at: usize| -> Vec<TreeDigest> {
            graph.nodes[at].closure.iter().filter_map(|needed| Some(built.get(needed)?.tree)).collect()
        };
        let parts: Vec<Part<'_>> = shipped
            .iter()
            .map(|(at, package)| Part { id: &package.id, tree: package.tree, needs: trees(*at) })
            .collect();
        let finished = finish::finish(&parts, site)?;
        Ok(shipped.into_iter().map(|(at, _)| at).zip(finished).collect())
    }

    /// What the slimmest profile would leave out of a function's packages beside what is left
    /// out already.
    pub(super) fn slim_bytes(&self, function: &Needs<'_>) -> Result<u64, Error> {
        let package = |(at, package): (&usize, &Finished)| {
            let name = &function.graph.nodes[*at].id.name;
            finish::left_out_bytes((name, package.tree), &self.request.slimmest, &self.services.store)
        };
        function.finished.iter().map(package).sum::<Result<u64, _>>().map_err(Error::from)
    }
}
