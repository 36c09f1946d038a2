//! The last plan, which the next one moves as little as possible.

use std::collections::{BTreeMap, BTreeSet};

use super::{Demand, LayerPlan, Plan, SizedTree};
use crate::model::TreeDigest;

/// Layers that nobody uses any more, but that are published: a lockfile often goes back to
/// what it was, on another branch or after a revert. More than these are forgotten.
const MAX_RETIRED: usize = 24;
/// Changes that are further back say little of the next one.
const MAX_CHANGES: usize = 64;

/// What layr.lock says of the last plan.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct LastPlan {
    pub layers: Vec<LastLayer>,
    /// By function: positions in `layers`, in attach order.
    pub functions: BTreeMap<String, Vec<usize>>,
    /// By function, where one of these lies in its code.
    pub in_code: BTreeMap<String, usize>,
    /// Layers of plans before, latest first.
    pub retired: Vec<LastLayer>,
    /// What changed from plan to plan, latest last.
    pub changes: Vec<Change>,
}

/// What was in a layer, sorted.
#[derive(Debug, Clone, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct LastLayer {
    pub trees: Vec<TreeMark>,
}

/// Enough of a tree to know it again: its name, and the first 8 bytes of its digest.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct TreeMark {
    pub name: String,
    pub digest: u64,
}

/// A plan whose trees were not those of the plan before it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Change {
    /// Functions that came to need other trees.
    pub functions: Vec<String>,
    /// Names of the trees that became others.
    pub trees: Vec<String>,
}

impl SizedTree {
    pub fn mark(&self) -> TreeMark {
        TreeMark::new(self.id.name(), self.digest)
    }
}

impl TreeMark {
    pub fn new(name: &str, digest: TreeDigest) -> Self {
        let first = std::array::from_fn(|n| digest.0.0[n]);
        Self { name: name.to_owned(), digest: u64::from_be_bytes(first) }
    }
}

impl LastLayer {
    pub fn new(mut trees: Vec<TreeMark>) -> Self {
        trees.sort();
        Self { trees }
    }
}

impl LastPlan {
    /// Whether a layer was one for Lambda, and did not lie in some function's code alone.
    pub(super) fn is_published(&self, layer: usize) -> bool {
        let is_layer = |(name, had): (&String, &Vec<usize>)| {
            had.contains(&layer) && self.in_code.get(name) != Some(&layer)
        };
        self.functions.iter().any(is_layer) || !self.in_code.values().any(|at| *at == layer)
    }

    /// What is published by now.
    pub(super) fn published(&self) -> impl Iterator<Item = &LastLayer> {
        let of_plan = self.layers.iter().enumerate().filter(|(at, _)| self.is_published(*at));
        let known = of_plan.map(|(_, layer)| layer).chain(&self.retired);
        // Of one that could not be read it is not known what it holds.
        known.filter(|layer| !layer.trees.is_empty())
    }

    /// Without its layers: a plan made with this starts anew, but knows what changes often.
    #[must_use]
    pub fn forget_layers(self) -> Self {
        Self { changes: self.changes, ..Self::default() }
    }

    /// What the plan after `plan` is to know. Functions that `demand` is not about keep
    /// what they had.
    #[must_use]
    pub fn next(&self, demand: &Demand, plan: &Plan) -> Self {
        let of_plan = |layer: &LayerPlan| LastLayer::new(layer.trees.iter().map(SizedTree::mark).collect());
        let mut layers: Vec<LastLayer> = plan.layers.iter().map(of_plan).collect();
        let names = demand.functions.iter().map(|function| function.name.clone());
        let mut functions: BTreeMap<String, Vec<usize>> = names.zip(plan.functions.iter().cloned()).collect();
        let names = demand.functions.iter().map(|function| function.name.clone());
        let in_code = names.zip(&plan.in_code).filter_map(|(name, at)| Some((name, (*at)?)));
        let mut in_code: BTreeMap<String, usize> = in_code.collect();
        for (name, had) in &self.functions {
            if !functions.contains_key(name) {
                let kept = had.iter().map(|at| position(&mut layers, &self.layers[*at])).collect();
                functions.insert(name.clone(), kept);
                let code = self.in_code.get(name).map(|at| position(&mut layers, &self.layers[*at]));
                in_code.extend(code.map(|at| (name.clone(), at)));
            }
        }
        let mut retired: Vec<LastLayer> = Vec::new();
        for layer in self.published() {
            if retired.len() < MAX_RETIRED && !layers.contains(layer) && !retired.contains(layer) {
                retired.push(layer.clone());
            }
        }
        let mut changes = self.changes.clone();
        changes.extend(self.change(demand));
        changes.drain(..changes.len().saturating_sub(MAX_CHANGES));
        Self { layers, functions, in_code, retired, changes }
    }

    /// The trees that became others since; `None` where none did.
    fn change(&self, demand: &Demand) -> Option<Change> {
        let mut change = Change::default();
        let mut changed: BTreeSet<&str> = BTreeSet::new();
        for function in &demand.functions {
            let had = self.functions.get(&function.name).into_iter().flatten();
            let had: BTreeMap<&str, u64> = had
                .flat_map(|at| &self.layers[*at].trees)
                .map(|mark| (mark.name.as_str(), mark.digest))
                .collect();
            let differs =
                |mark: &TreeMark| had.get(mark.name.as_str()).is_some_and(|old| *old != mark.digest);
            let of_function: Vec<&SizedTree> =
                function.trees.iter().filter(|tree| differs(&tree.mark())).collect();
            if !of_function.is_empty() {
                change.functions.push(function.name.clone());
            }
            changed.extend(of_function.iter().map(|tree| tree.id.name()));
        }
        change.functions.sort();
        change.trees = changed.into_iter().map(str::to_owned).collect();
        (!change.trees.is_empty()).then_some(change)
    }
}

/// Where a layer is in the list, which it is added to if it is not there.
fn position(layers: &mut Vec<LastLayer>, layer: &LastLayer) -> usize {
    layers.iter().position(|other| other == layer).unwrap_or_else(|| {
        layers.push(layer.clone());
        layers.len() - 1
    })
}
