//! Packages that others have built: found by their keys in a shared cache, and brought.

use std::collections::{BTreeMap, BTreeSet};

use super::{BuildError, BuiltPackage, Keys, Origin, look_up};
use crate::base::Base;
use crate::fetch::SourceTarball;
use crate::model::{BuildKey, PackageId};
use crate::remote::{Claim, Shared};
use crate::report::{Event, Report};
use crate::resolve::Graph;
use crate::store::Store;

/// Where packages are looked for, and who is told.
#[derive(Clone, Copy)]
pub struct Search<'a> {
    pub store: &'a Store,
    pub shared: Shared<'a>,
    pub base: &'a Base,
    pub report: &'a dyn Report,
}

/// Adds to what was found here what others have built, as far as it can be brought. A key
/// needs the trees of its dependencies alone, which their results name: all results are
/// known before the first file is brought.
///
/// # Errors
///
/// Where this machine's store fails. A cache that fails is done without.
pub fn find_elsewhere(
    graph: &Graph,
    tarballs: &[SourceTarball],
    mut found: BTreeMap<usize, BuiltPackage>,
    search: Search<'_>,
) -> Result<BTreeMap<usize, BuiltPackage>, BuildError> {
    let keys = Keys::new(graph, tarballs, search.base);
    let mut left: BTreeSet<usize> = graph.needed().into_iter().filter(|at| !found.contains_key(at)).collect();
    let mut claims: BTreeMap<usize, Claim> = BTreeMap::new();
    loop {
        let is_ready = |at: &usize| graph.nodes[*at].closure.iter().all(|d| found.contains_key(d));
        let ready: Vec<usize> = left.iter().copied().filter(is_ready).collect();
        if ready.is_empty() {
            break;
        }
        let mut asked = Vec::new();
        for at in ready {
            left.remove(&at);
            let (id, key) = (&graph.nodes[at].id, keys.of(at, &found));
            // Only now that the others' trees are known can it be looked for here.
            match look_up(id, key, search.store)? {
                Some(package) => _ = found.insert(at, package),
                None => asked.push((at, key, id)),
            }
        }
        let wanted: Vec<(BuildKey, &PackageId)> = asked.iter().map(|(_, key, id)| (*key, *id)).collect();
        for ((at, _, id), claim) in asked.into_iter().zip(search.shared.results(&wanted)?) {
            let Some(claim) = claim else { continue };
            found.insert(at, claimed(id, &claim));
            claims.insert(at, claim);
        }
    }
    let brought = search.shared.bring(&claims.values().cloned().collect::<Vec<_>>())?;
    for (at, claim) in claims {
        if brought.contains(&claim.key) {
            search.report.report(&Event::FoundElsewhere { package: &graph.nodes[at].id });
        } else {
            found.remove(&at);
        }
    }
    Ok(found)
}

/// One package whose key is known only now, since something it needs was built here.
pub(super) fn look_elsewhere(
    id: &PackageId,
    key: BuildKey,
    shared: Shared<'_>,
) -> Result<Option<BuiltPackage>, BuildError> {
    let Some(claim) = shared.results(&[(key, id)])?.into_iter().flatten().next() else { return Ok(None) };
    let package = claimed(id, &claim);
    Ok(shared.bring(&[claim])?.contains(&key).then_some(package))
}

fn claimed(id: &PackageId, claim: &Claim) -> BuiltPackage {
    BuiltPackage {
        id: id.clone(),
        key: claim.key,
        tree: claim.tree,
        unzipped_bytes: claim.record.unzipped_bytes,
        origin: Origin::Remote,
    }
}
