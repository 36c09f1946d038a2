//! What each package costs and why it is there, by the graph of what needs what. Pure.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use crate::inventory::{Inventory, Package};

/// Of one package that is shipped; positions are those of [`Weights::packages`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Weight {
    pub(super) own_bytes: u64,
    /// With all it needs, packages and libraries, each once.
    pub(super) with_needs_bytes: u64,
    /// What would not be there without it.
    pub(super) alone_bytes: u64,
    /// Positions of those that need it directly.
    pub(super) needed_by: Vec<usize>,
    /// From a package that nothing needs, down to this one: the shortest way.
    pub(super) path: Vec<usize>,
}

pub(super) struct Weights<'a> {
    /// Those that are shipped, in the order of the inventory.
    pub(super) packages: Vec<&'a Package>,
    /// In the same order.
    pub(super) costs: Vec<Weight>,
    /// Whether all of them say what they need. If not, no more is known of any than its own
    /// size.
    pub(super) are_needs_known: bool,
}

struct Graph<'a> {
    packages: Vec<&'a Package>,
    needs: Vec<BTreeSet<usize>>,
    library_bytes: BTreeMap<&'a str, u64>,
    roots: Vec<usize>,
}

impl<'a> Weights<'a> {
    pub(super) fn of(inventory: &'a Inventory) -> Self {
        let graph = Graph::of(inventory);
        let mut needed_by = vec![Vec::new(); graph.packages.len()];
        for (at, needs) in graph.needs.iter().enumerate() {
            for needed in needs {
                needed_by[*needed].push(at);
            }
        }
        let paths = graph.paths();
        let all = graph.bytes(&graph.reachable(&graph.roots, None));
        let costs = needed_by.into_iter().zip(paths).enumerate().map(|(at, (needed_by, path))| Weight {
            own_bytes: graph.packages[at].unzipped_bytes.unwrap_or(0),
            with_needs_bytes: graph.bytes(&graph.reachable(&[at], None)),
            alone_bytes: all.saturating_sub(graph.bytes(&graph.reachable(&graph.roots, Some(at)))),
            needed_by,
            path,
        });
        let are_needs_known = graph.packages.iter().all(|package| package.dependencies.is_some());
        Self { costs: costs.collect(), are_needs_known, packages: graph.packages }
    }

    /// The heaviest first.
    pub(super) fn sorted(&self) -> Vec<usize> {
        let mut order: Vec<usize> = (0..self.packages.len()).collect();
        order.sort_by_key(|at| std::cmp::Reverse(self.costs[*at].own_bytes));
        order
    }
}

impl<'a> Graph<'a> {
    fn of(inventory: &'a Inventory) -> Self {
        let packages: Vec<&Package> =
            inventory.packages.iter().filter(|package| package.is_shipped).collect();
        let mut by_name: BTreeMap<&str, Vec<usize>> = BTreeMap::new();
        for (at, package) in packages.iter().enumerate() {
            by_name.entry(package.id.name.as_str()).or_default().push(at);
        }
        let needs: Vec<BTreeSet<usize>> = packages
            .iter()
            .map(|package| {
                let names = package.dependencies.iter().flatten();
                let of_name = names.filter_map(|name| by_name.get(name.as_str()));
                of_name.flatten().copied().filter(|at| share_a_function(package, packages[*at])).collect()
            })
            .collect();
        let needed: BTreeSet<usize> = needs.iter().flatten().copied().collect();
        let roots = (0..packages.len()).filter(|at| !needed.contains(at)).collect();
        let libraries = inventory.libraries.iter();
        let library_bytes =
            libraries.map(|library| (library.name.as_str(), library.unzipped_bytes.unwrap_or(0))).collect();
        Self { packages, needs, library_bytes, roots }
    }

    /// All that `from` leads to, itself included, as if `without` were not there.
    fn reachable(&self, from: &[usize], without: Option<usize>) -> Vec<bool> {
        let mut seen = vec![false; self.packages.len()];
        let mut left: Vec<usize> = from.to_vec();
        while let Some(at) = left.pop() {
            if Some(at) != without && !std::mem::replace(&mut seen[at], true) {
                left.extend(&self.needs[at]);
            }
        }
        seen
    }

    /// Of packages and of the libraries that came along with them.
    fn bytes(&self, seen: &[bool]) -> u64 {
        let mut libraries = BTreeSet::new();
        let mut bytes = 0_u64;
        for (package, _) in self.packages.iter().zip(seen).filter(|(_, seen)| **seen) {
            bytes = bytes.saturating_add(package.unzipped_bytes.unwrap_or(0));
            libraries.extend(package.libraries.iter().map(String::as_str));
        }
        let of_library = |name: &str| self.library_bytes.get(name).copied().unwrap_or(0);
        libraries.into_iter().map(of_library).fold(bytes, u64::saturating_add)
    }

    fn paths(&self) -> Vec<Vec<usize>> {
        let mut before: Vec<Option<usize>> = vec![None; self.packages.len()];
        let mut seen = vec![false; self.packages.len()];
        let mut left: VecDeque<usize> = self.roots.iter().copied().collect();
        for at in &self.roots {
            seen[*at] = true;
        }
        while let Some(at) = left.pop_front() {
            for needed in &self.needs[at] {
                if !std::mem::replace(&mut seen[*needed], true) {
                    before[*needed] = Some(at);
                    left.push_back(*needed);
                }
            }
        }
        let path = |at: usize| {
            let mut path: Vec<usize> = std::iter::successors(Some(at), |at| before[*at]).collect();
            path.reverse();
            path
        };
        (0..self.packages.len()).map(path).collect()
    }
}

/// Two versions of a package in two functions do not need each other's. A layer by itself
/// has no functions.
fn share_a_function(one: &Package, two: &Package) -> bool {
    one.functions.is_empty() || !one.functions.is_disjoint(&two.functions)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::inventory;

    #[test]
    fn a_package_costs_what_would_go_with_it() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures/layers-full.json");
        let inventory = inventory::read(std::path::Path::new(path), "").unwrap();
        let Weights { packages, costs, are_needs_known } = Weights::of(&inventory);
        assert!(are_needs_known);
        let of = |name: &str| {
            let at = packages.iter().position(|package| package.id.name.as_str() == name).unwrap();
            let weight = &costs[at];
            let path: Vec<_> = weight.path.iter().map(|at| packages[*at].id.name.as_str()).collect();
            (weight.own_bytes, weight.with_needs_bytes, weight.alone_bytes, path)
        };
        // own1 needs xml2, which needs cli and brings a library.
        assert_eq!(of("own1"), (40_000, 3_840_000, 3_840_000, vec!["own1"]));
        assert_eq!(of("xml2"), (900_000, 3_800_000, 3_800_000, vec!["own1", "xml2"]));
        assert_eq!(of("cli"), (1_200_000, 1_200_000, 1_200_000, vec!["own1", "xml2", "cli"]));
        assert_eq!(of("limma"), (2_600_000, 2_600_000, 2_600_000, vec!["limma"]));
        assert!(!packages.iter().any(|package| package.id.name.as_str() == "cpp11"), "it is not shipped");
    }
}
