//! What holds of every plan, for generated fleets and the changes they go through.

use std::collections::{BTreeMap, BTreeSet};

use super::tests::tree;
use super::*;
use crate::model::LAMBDA;

const N_FLEETS: u64 = 1_500;
const N_CHANGES: u64 = 7;

/// A small xorshift: the same numbers on every machine.
struct Numbers(u64);

impl Numbers {
    fn below(&mut self, n: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % n
    }
}

/// How many packages there are.
const N_PACKAGES: u64 = 20;

/// Functions that share much, with versions that differ here and there.
struct Fleet {
    numbers: Numbers,
    /// By function: versions by package number.
    functions: Vec<BTreeMap<u64, u8>>,
    /// Of each function's code.
    code_room_bytes: u64,
}

impl Fleet {
    fn new(seed: u64) -> Self {
        let code_room_bytes = if seed.is_multiple_of(5) { 100_000 } else { 0 };
        let mut fleet = Self { numbers: Numbers(seed * 2 + 1), functions: Vec::new(), code_room_bytes };
        for _ in 0..20 {
            fleet.numbers.below(2);
        }
        for _ in 0..=fleet.numbers.below(5) {
            fleet.add();
        }
        fleet
    }

    fn add(&mut self) {
        let like = self.functions.last().cloned().unwrap_or_default();
        self.functions.push(like);
        for _ in 0..=self.numbers.below(12) {
            let package = self.numbers.below(N_PACKAGES);
            self.change(self.functions.len() - 1, package);
        }
    }

    fn change(&mut self, function: usize, package: u64) {
        let version = u8::try_from(self.numbers.below(3)).unwrap();
        let function = &mut self.functions[function];
        if version == 0 {
            function.remove(&package)
        } else {
            function.insert(package, version)
        };
    }

    /// Changes some functions, or adds one; says whether that was all.
    fn step(&mut self) -> bool {
        if self.numbers.below(4) == 0 {
            self.add();
            return true;
        }
        for _ in 0..=self.numbers.below(6) {
            let function = usize::try_from(self.numbers.below(self.functions.len() as u64)).unwrap();
            let package = self.numbers.below(N_PACKAGES);
            self.change(function, package);
        }
        false
    }

    fn demand(&self) -> Demand {
        let tree = |(package, version): (&u64, &u8)| {
            tree(&format!("p{package}"), *version, 1000 * (package * package % 97 + 1))
        };
        let function = |(n, versions): (usize, &BTreeMap<u64, u8>)| FunctionDemand {
            name: format!("f{n}"),
            trees: versions.iter().map(tree).collect(),
            needed_by: BTreeMap::new(),
            code_bytes: 0,
            runtime_bytes: 0,
            code_room_bytes: self.code_room_bytes,
            limit_bytes: LAMBDA.unzipped_bytes,
        };
        Demand {
            functions: self.functions.iter().enumerate().map(function).collect(),
            limits: LAMBDA,
            n_reserved: 1,
        }
    }
}

/// Holds that a function has what it needs, once, in few enough layers, and little else.
#[track_caller]
fn assert_feasible(demand: &Demand, plan: &Plan, allow_extra_bytes: u64) {
    for (n, function) in demand.functions.iter().enumerate() {
        let has: Vec<&SizedTree> = plan.layers_of(n).flat_map(|layer| &layer.trees).collect();
        let names: BTreeSet<&str> = has.iter().map(|tree| tree.id.name()).collect();
        assert_eq!(names.len(), has.len(), "a name twice");
        let in_code = plan.in_code[n].map(|at| &plan.layers[at]);
        let in_code_bytes = in_code.map_or(0, |layer| layer.unzipped_bytes);
        assert!(in_code_bytes <= function.code_room_bytes, "too much in the code");
        assert!(plan.in_code[n].is_none_or(|at| plan.functions[n].contains(&at)));
        let n_layers = plan.functions[n].len() - usize::from(in_code.is_some());
        assert!(n_layers < LAMBDA.n_layers, "too many layers");
        assert!(function.trees.iter().all(|tree| has.contains(&tree)), "something is missing");
        let extra = has.iter().filter(|tree| !function.trees.contains(tree));
        assert!(extra.map(|tree| tree.unzipped_bytes).sum::<u64>() <= allow_extra_bytes, "too much");
    }
    let used: BTreeSet<usize> = plan.functions.iter().flatten().copied().collect();
    assert_eq!(used.len(), plan.layers.len(), "a layer that nobody uses");
    assert!(plan.layers.is_sorted());
}

#[test]
fn plans_are_right_stable_and_the_same_for_the_same_demand_in_another_order() {
    let mut n_cases = 0;
    for seed in 0..N_FLEETS {
        let settings =
            Settings { allow_extra_bytes: if seed % 4 == 0 { 20_000 } else { 0 }, ..Settings::default() };
        let mut fleet = Fleet::new(seed);
        let (mut last, mut before) = (LastPlan::default(), None);
        for _ in 0..N_CHANGES {
            let only_added = fleet.step();
            let demand = fleet.demand();
            let made = plan(&demand, &last, &settings).unwrap();
            assert_feasible(&demand, &made, settings.allow_extra_bytes);

            let next = last.next(&demand, &made);
            if seed % 3 == 0 {
                let mut turned = demand.clone();
                turned.functions.reverse();
                turned.functions.iter_mut().for_each(|function| function.trees.reverse());
                let mut same = plan(&turned, &last, &settings).unwrap();
                assert_eq!(last.next(&turned, &same), next, "seed {seed}: another order, another memory");
                same.functions.reverse();
                same.in_code.reverse();
                assert_eq!(same, made, "seed {seed}: another order, another plan");
            }

            if let (true, Some(Plan { functions, layers, .. })) = (only_added, &before) {
                for (n, had) in functions.iter().enumerate() {
                    let had: BTreeSet<&LayerPlan> = had.iter().map(|at| &layers[*at]).collect();
                    assert_eq!(made.layers_of(n).collect::<BTreeSet<_>>(), had, "seed {seed}: others moved");
                }
            }
            assert_eq!(plan(&demand, &next, &settings).unwrap(), made, "seed {seed}: no change, but moved");
            assert_eq!(next.next(&demand, &made), next, "seed {seed}: no change, but remembered");
            (last, before) = (next, Some(made));
            n_cases += 1;
        }
    }
    assert!(n_cases >= 10_000);
}
