//! The exact optimum of small fleets, by an integer program over all layers there could be,
//! to hold the bound and the plan against.

use std::collections::{BTreeMap, BTreeSet};

use microlp::{ComparisonOp, LinearExpr, OptimizationDirection, Problem};

use super::bound;
use crate::model::{LAMBDA, LayerLimits};
use crate::plan::tests::tree;
use crate::plan::{Demand, FunctionDemand, LastPlan, Settings, Weights, plan};

const MEGABYTE: u64 = 1_000_000;

/// Least megabytes of layers that give each function its trees, each once, in so many.
fn least(functions: &[BTreeSet<usize>], megabytes: &[u64], n_slots: usize) -> f64 {
    let mut problem = Problem::new(OptimizationDirection::Minimize);
    let mut layers: BTreeMap<Vec<usize>, microlp::Variable> = BTreeMap::new();
    for function in functions {
        let trees: Vec<usize> = function.iter().copied().collect();
        let mut taken = Vec::new();
        for set in 1_usize..1 << trees.len() {
            let layer: Vec<usize> =
                (0..trees.len()).filter(|at| set >> at & 1 == 1).map(|at| trees[at]).collect();
            let weight: u64 = layer.iter().map(|tree| megabytes[*tree]).sum();
            let weight = f64::from(u32::try_from(weight).unwrap());
            let is_made = *layers.entry(layer.clone()).or_insert_with(|| problem.add_binary_var(weight));
            let is_taken = problem.add_binary_var(0.0);
            problem.add_constraint([(is_taken, 1.0), (is_made, -1.0)], ComparisonOp::Le, 0.0);
            taken.push((layer, is_taken));
        }
        for tree in &trees {
            let mut n_times = LinearExpr::empty();
            for (_, is_taken) in taken.iter().filter(|(layer, _)| layer.contains(tree)) {
                n_times.add(*is_taken, 1.0);
            }
            problem.add_constraint(n_times, ComparisonOp::Eq, 1.0);
        }
        let mut n_taken = LinearExpr::empty();
        for (_, is_taken) in &taken {
            n_taken.add(*is_taken, 1.0);
        }
        problem.add_constraint(n_taken, ComparisonOp::Le, f64::from(u32::try_from(n_slots).unwrap()));
    }
    problem.solve().unwrap().into_solution().unwrap().objective()
}

fn demand(functions: &[BTreeSet<usize>], megabytes: &[u64], n_slots: usize) -> Demand {
    let function = |(n, trees): (usize, &BTreeSet<usize>)| FunctionDemand {
        name: format!("f{n}"),
        trees: trees.iter().map(|at| tree(&format!("p{at}"), 1, megabytes[*at] * MEGABYTE)).collect(),
        needed_by: BTreeMap::new(),
        code_bytes: 0,
        runtime_bytes: 0,
        code_room_bytes: 0,
        limit_bytes: LAMBDA.unzipped_bytes,
    };
    Demand {
        functions: functions.iter().enumerate().map(function).collect(),
        limits: LayerLimits { n_layers: n_slots + 1, ..LAMBDA },
        n_reserved: 1,
    }
}

/// Some functions of some trees each: the same on every machine.
fn fleet(seed: u64) -> (Vec<BTreeSet<usize>>, Vec<u64>, usize) {
    let mut state = seed * 2 + 1;
    let mut below = |n: u64| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        usize::try_from(state % n).unwrap()
    };
    (0..20).for_each(|_| _ = below(2));
    let megabytes = (0..7).map(|_| 1 + below(30) as u64).collect();
    let functions = (0..2 + below(3)).map(|_| (0..7).filter(|_| below(3) > 0).collect()).collect();
    (functions, megabytes, 2 + below(2))
}

/// Only what is stored counts.
fn storage_alone() -> Settings {
    let weights = Weights { horizon: 0.0, following: 0.0, layer: 0.0, ..Weights::default() };
    Settings { weights, ..Settings::default() }
}

#[test]
fn the_bound_is_below_the_optimum_and_plans_are_near_it() {
    let (mut planned, mut optimal, mut bounded) = (0.0, 0.0, 0.0);
    for seed in 0..60 {
        let (functions, megabytes, n_slots) = fleet(seed);
        let least = least(&functions, &megabytes, n_slots);
        let demand = demand(&functions, &megabytes, n_slots);
        let in_megabytes =
            |bytes: u64| crate::plan::rates::as_f64(bytes) / crate::plan::rates::as_f64(MEGABYTE);
        let below = in_megabytes(bound(&demand, &Settings::default()).bytes);
        let made = plan(&demand, &LastPlan::default(), &storage_alone()).unwrap();
        let stored = in_megabytes(made.layers.iter().map(|layer| layer.unzipped_bytes).sum());
        assert!(below <= least + 1e-3, "seed {seed}: the bound {below} is above {least}");
        assert!(stored >= least - 1e-3, "seed {seed}: {stored} is below the optimum {least}");
        planned += stored;
        optimal += least;
        bounded += below;
    }
    assert!(planned <= 1.10 * optimal, "plans store {} of the optimum", planned / optimal);
    assert!(bounded >= 0.95 * optimal, "the bound is {} of the optimum", bounded / optimal);
}

#[test]
fn a_bound_above_each_tree_once_is_found_where_slots_are_few() {
    // Three functions, each two of three trees: with one layer each, all is stored twice.
    let functions = [[0, 1], [1, 2], [0, 2]].map(BTreeSet::from);
    let found = bound(&demand(&functions, &[10, 10, 10], 1), &Settings::default());
    assert!(found.is_of_layers && (59_900_000..=60_000_000).contains(&found.bytes), "{found:?}");
    let found = bound(&demand(&functions, &[10, 10, 10], 2), &Settings::default());
    assert_eq!((found.bytes, found.is_of_layers), (30_000_000, false));
    let loose = Settings { allow_extra_bytes: 1, ..Settings::default() };
    assert_eq!(bound(&demand(&functions, &[10, 10, 10], 1), &loose).bytes, 30_000_000);
}
