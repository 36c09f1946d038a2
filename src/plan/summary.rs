//! A plan in figures: what it stores, what it moves, who shares what, and what it would be
//! if something were otherwise.

use std::collections::{BTreeMap, BTreeSet};

use super::rates::{chance, rates};
use super::{
    Demand, FunctionDemand, LastLayer, LastPlan, LayerPlan, Plan, PlanError, Settings, SizedTree, TreeId,
    plan,
};

#[derive(Debug, Clone)]
pub struct Summary {
    /// In the order of the plan.
    pub layers: Vec<LayerSummary>,
    /// Of all layers, each once.
    pub stored_bytes: u64,
    /// Of all trees, each once: no plan can store less.
    pub least_bytes: u64,
    /// If each function had one layer of its own.
    pub apart_bytes: u64,
    pub moves: Moves,
    /// New versions that move more than the layer they are in.
    pub wide_bumps: Vec<WideBump>,
    /// Trees that functions have in several versions, the costliest first.
    pub skews: Vec<Skew>,
}

#[derive(Debug, Clone)]
pub struct LayerSummary {
    /// Functions, in the order of the demand.
    pub users: Vec<String>,
    pub is_new: bool,
    /// It lies in the code of its user, and is no layer for Lambda.
    pub is_in_code: bool,
    /// That a change of one of its users changes it, between 0 and 1.
    pub chance: f64,
}

/// What publishing a plan changes.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Moves {
    pub n_layers: usize,
    pub bytes: u64,
    /// Functions whose layers are not those they had.
    pub functions: Vec<String>,
}

/// A function of which one tree became another, and that gets more than one new layer for it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WideBump {
    pub function: String,
    pub tree: TreeId,
    pub n_layers: usize,
    pub bytes: u64,
    /// Of the new layers, the one that has the tree.
    pub own_bytes: u64,
}

/// One tree in several versions.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Skew {
    pub versions: Vec<(TreeId, Vec<String>)>,
    /// What is stored beside the largest version.
    pub bytes: u64,
}

pub fn summary(demand: &Demand, last: &LastPlan, plan: &Plan) -> Summary {
    let distinct: BTreeSet<&SizedTree> = demand.functions.iter().flat_map(|f| &f.trees).collect();
    let apart: BTreeSet<LayerPlan> =
        demand.functions.iter().map(|function| LayerPlan::new(function.trees.clone())).collect();
    Summary {
        layers: layers(demand, last, plan),
        stored_bytes: plan.layers.iter().map(|layer| layer.unzipped_bytes).sum(),
        least_bytes: distinct.iter().map(|tree| tree.unzipped_bytes).sum(),
        apart_bytes: apart.iter().map(|layer| layer.unzipped_bytes).sum(),
        moves: moves(demand, last, plan),
        wide_bumps: wide_bumps(demand, last, plan),
        skews: skews(demand),
    }
}

fn layers(demand: &Demand, last: &LastPlan, plan: &Plan) -> Vec<LayerSummary> {
    let rates = rates(&demand.functions, &last.changes);
    let rate = |trees: &[SizedTree]| -> f64 {
        trees.iter().filter_map(|tree| rates.get(tree.id.name())).sum::<f64>().max(f64::MIN_POSITIVE)
    };
    let known = known(last);
    let summary = |(at, layer): (usize, &LayerPlan)| {
        let users = || (0..demand.functions.len()).filter(|n| plan.functions[*n].contains(&at));
        let chance_for = |n: usize| chance(rate(&layer.trees) / rate(&demand.functions[n].trees));
        LayerSummary {
            users: users().map(|n| demand.functions[n].name.clone()).collect(),
            is_new: !known.contains(&remembered(layer)),
            is_in_code: !plan.is_published(at),
            chance: users().map(chance_for).fold(0.0, f64::max),
        }
    };
    plan.layers.iter().enumerate().map(summary).collect()
}

fn known(last: &LastPlan) -> BTreeSet<LastLayer> {
    last.published().cloned().collect()
}

fn remembered(layer: &LayerPlan) -> LastLayer {
    LastLayer::new(layer.trees.iter().map(SizedTree::mark).collect())
}

fn moves(demand: &Demand, last: &LastPlan, plan: &Plan) -> Moves {
    let known = known(last);
    let published = plan.layers.iter().enumerate().filter(|(at, _)| plan.is_published(*at));
    let new = published.map(|(_, layer)| layer).filter(|layer| !known.contains(&remembered(layer)));
    let (n_layers, bytes) = new.fold((0, 0), |(n, sum), layer| (n + 1, sum + layer.unzipped_bytes));
    let is_moved = |n: &usize| {
        let had = last.functions.get(&demand.functions[*n].name);
        let had: BTreeSet<&LastLayer> = had.into_iter().flatten().map(|at| &last.layers[*at]).collect();
        let has: BTreeSet<LastLayer> = plan.layers_of(*n).map(remembered).collect();
        had != has.iter().collect()
    };
    let moved = (0..demand.functions.len()).filter(is_moved);
    Moves { n_layers, bytes, functions: moved.map(|n| demand.functions[n].name.clone()).collect() }
}

fn wide_bumps(demand: &Demand, last: &LastPlan, plan: &Plan) -> Vec<WideBump> {
    let known = known(last);
    let bump = |(n, function): (usize, &FunctionDemand)| {
        let had = last.functions.get(&function.name)?.iter().flat_map(|at| &last.layers[*at].trees);
        let had: BTreeMap<&str, u64> = had.map(|mark| (mark.name.as_str(), mark.digest)).collect();
        let is_other = |tree: &&SizedTree| had.get(tree.id.name()) != Some(&tree.mark().digest);
        let other: Vec<&SizedTree> = function.trees.iter().filter(is_other).collect();
        let [tree] = other[..] else { return None };
        let is_bump = had.contains_key(tree.id.name()) && had.len() == function.trees.len();
        let published = plan.functions[n].iter().filter(|at| plan.is_published(**at));
        let new: Vec<&LayerPlan> = published
            .map(|at| &plan.layers[*at])
            .filter(|layer| !known.contains(&remembered(layer)))
            .collect();
        (is_bump && new.len() > 1).then(|| WideBump {
            function: function.name.clone(),
            tree: tree.id.clone(),
            n_layers: new.len(),
            bytes: new.iter().map(|layer| layer.unzipped_bytes).sum(),
            own_bytes: new.iter().filter(|layer| layer.trees.contains(tree)).map(|l| l.unzipped_bytes).sum(),
        })
    };
    demand.functions.iter().enumerate().filter_map(bump).collect()
}

fn skews(demand: &Demand) -> Vec<Skew> {
    let mut by_name: BTreeMap<&str, BTreeMap<&SizedTree, Vec<String>>> = BTreeMap::new();
    for function in &demand.functions {
        for tree in &function.trees {
            let versions = by_name.entry(tree.id.name()).or_default();
            versions.entry(tree).or_default().push(function.name.clone());
        }
    }
    let skew = |versions: BTreeMap<&SizedTree, Vec<String>>| {
        let sizes = || versions.keys().map(|tree| tree.unzipped_bytes);
        let bytes = sizes().sum::<u64>() - sizes().max().unwrap_or(0);
        let versions = versions.into_iter().map(|(tree, functions)| (tree.id.clone(), functions));
        Skew { versions: versions.collect(), bytes }
    };
    let mut skews: Vec<Skew> =
        by_name.into_values().filter(|versions| versions.len() > 1).map(skew).collect();
    skews.sort_by_key(|skew| std::cmp::Reverse(skew.bytes));
    skews
}

/// What would move if every function that needs a package of this name came to need another
/// version of it, of the same size. `None` where no function needs it.
///
/// # Errors
///
/// As planning.
pub fn what_if(
    (demand, settings): (&Demand, &Settings),
    (last, now): (&LastPlan, &Plan),
    id: &TreeId,
) -> Result<Option<Moves>, PlanError> {
    let mut changed = demand.clone();
    let mut n_changed = 0;
    for tree in changed.functions.iter_mut().flat_map(|function| &mut function.trees) {
        if tree.id.name() == id.name() && tree.id != *id {
            // Some digest that no tree has: its bytes would be others.
            tree.digest.0.0.iter_mut().for_each(|byte| *byte = !*byte);
            (tree.id, n_changed) = (id.clone(), n_changed + 1);
        }
    }
    if n_changed == 0 {
        return Ok(None);
    }
    // All of them come to need the same bytes: those that one has already, if one does.
    let has_id =
        |demand: &Demand| demand.functions.iter().flat_map(|f| &f.trees).find(|t| t.id == *id).cloned();
    let one = has_id(demand).or_else(|| has_id(&changed));
    for tree in changed.functions.iter_mut().flat_map(|function| &mut function.trees) {
        if let Some(one) = one.as_ref().filter(|one| one.id == tree.id) {
            tree.clone_from(one);
        }
    }
    let next = last.next(demand, now);
    let then = plan(&changed, &next, settings)?;
    Ok(Some(moves(&changed, &next, &then)))
}
