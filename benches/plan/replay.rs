//! A fleet's commits, one by one, to what a packer publishes.

use std::collections::{BTreeMap, BTreeSet};

use layr::model::LAMBDA;

use crate::history::{Event, Fleet};
use crate::trees::{TreeNo, Trees};

/// Layers that are left beside the runtime's.
pub(crate) const N_SLOTS: usize = LAMBDA.n_layers - 1;

pub(crate) type Layer = Vec<TreeNo>;
/// What each function needs, by its number in the fleet.
pub(crate) type Needs = BTreeMap<usize, Vec<TreeNo>>;
/// Each function's layers.
pub(crate) type Layers = BTreeMap<usize, Vec<Layer>>;

/// A way to decide which tree goes to which layer.
pub(crate) trait Packer {
    fn name(&self) -> &'static str;
    fn pack(&mut self, needs: &Needs, trees: &Trees) -> Layers;

    /// What a function's layers may hold that it does not need.
    fn extra_bytes(&self) -> u64 {
        0
    }

    /// By function, the one of its layers that is no layer for Lambda, but lies in its code.
    fn in_code(&self) -> BTreeMap<usize, Layer> {
        BTreeMap::new()
    }
}

#[derive(Debug, Clone, Default)]
pub(crate) struct Totals {
    pub(crate) n_events: usize,
    /// Of all layers whose content was never published before.
    pub(crate) published_bytes: u64,
    pub(crate) n_published: usize,
    /// Of what lay in functions' code, each time that a function's needs changed.
    pub(crate) code_bytes: u64,
    /// Of all distinct layers, summed over all commits.
    pub(crate) stored_bytes: u64,
    /// Most bytes of others' layers that the arrival of a function moved.
    pub(crate) moved_by_adding_bytes: u64,
    /// Layers that one new version of one package published, at most, for one function.
    pub(crate) max_layers_of_a_bump: usize,
    /// Functions with too many layers, or with other trees than they need.
    pub(crate) n_broken: usize,
}

/// Replays all commits. A lockfile that no packing brings within Lambda's limit is left out
/// while it is so, for all packers alike.
pub(crate) fn replay(fleet: &Fleet, packer: &mut dyn Packer, trees: &Trees) -> Totals {
    let mut totals = Totals::default();
    let (mut needs, mut published) = (Needs::new(), BTreeSet::new());
    for event in &fleet.events {
        let before = needs.clone();
        apply(event, &mut needs, trees);
        let layers = packer.pack(&needs, trees);
        let in_code = packer.in_code();
        let mut moved = 0;
        for (function, of_function) in &layers {
            let code = in_code.get(function);
            if before.get(function) != needs.get(function) {
                totals.code_bytes += code.map_or(0, |layer| trees.total(layer));
            }
            let for_lambda = of_function.iter().filter(|layer| Some(*layer) != code);
            let new: Vec<&Layer> = for_lambda.filter(|layer| published.insert((*layer).clone())).collect();
            totals.n_published += new.len();
            let bytes: u64 = new.iter().map(|layer| trees.total(layer)).sum();
            totals.published_bytes += bytes;
            match before.get(function) {
                Some(old) if *old == needs[function] => moved += bytes,
                Some(old) if is_bump(old, &needs[function], trees) => {
                    totals.max_layers_of_a_bump = totals.max_layers_of_a_bump.max(new.len());
                }
                _ => {}
            }
        }
        if needs.len() > before.len() {
            totals.moved_by_adding_bytes = totals.moved_by_adding_bytes.max(moved);
        }
        totals.n_broken += n_broken(&needs, &layers, packer, trees);
        totals.stored_bytes += stored(&layers, trees);
        totals.n_events += 1;
    }
    totals
}

/// What the functions need after each commit.
pub(crate) fn after_each(fleet: &Fleet, trees: &Trees) -> Vec<Needs> {
    let after = fleet.events.iter().scan(Needs::new(), |needs, event| {
        apply(event, needs, trees);
        Some(needs.clone())
    });
    after.collect()
}

/// What the functions need after a commit.
pub(crate) fn apply(event: &Event, needs: &mut Needs, trees: &Trees) {
    for (function, need) in event {
        if need.is_empty() || trees.total(need) > LAMBDA.unzipped_bytes {
            needs.remove(function);
        } else {
            needs.insert(*function, need.clone());
        }
    }
}

pub(crate) fn stored(layers: &Layers, trees: &Trees) -> u64 {
    let distinct: BTreeSet<&Layer> = layers.values().flatten().collect();
    distinct.into_iter().map(|layer| trees.total(layer)).sum()
}

/// Whether one package has another version, and nothing else changed.
fn is_bump(old: &[TreeNo], new: &[TreeNo], trees: &Trees) -> bool {
    let gone: Vec<&TreeNo> = old.iter().filter(|tree| new.binary_search(tree).is_err()).collect();
    let come: Vec<&TreeNo> = new.iter().filter(|tree| old.binary_search(tree).is_err()).collect();
    matches!((&gone[..], &come[..]), ([gone], [come]) if trees.name(**gone) == trees.name(**come))
}

fn n_broken(needs: &Needs, layers: &Layers, packer: &dyn Packer, trees: &Trees) -> usize {
    let in_code = packer.in_code();
    let is_broken = |(function, need): &(&usize, &Vec<TreeNo>)| {
        let Some(layers) = layers.get(function) else { return true };
        let all: BTreeSet<TreeNo> = layers.iter().flatten().copied().collect();
        let names: BTreeSet<&str> = all.iter().map(|tree| trees.name(*tree)).collect();
        let n_trees = layers.iter().map(Vec::len).sum::<usize>();
        let bytes: u64 = all.iter().map(|tree| trees.bytes(*tree)).sum();
        let n_slots = N_SLOTS + usize::from(in_code.contains_key(function));
        !need.iter().all(|tree| all.contains(tree))
            || bytes > LAMBDA.unzipped_bytes.min(trees.total(need) + packer.extra_bytes())
            || layers.len() > n_slots
            || names.len() != n_trees
    };
    needs.iter().filter(is_broken).count()
}
