//! How likely each tree is to be among those that the next change changes: from the changes
//! that layr.lock remembers, else from what is usual.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::LazyLock;

use super::{Change, FunctionDemand, TreeId};

/// How often packages change, as parts in a thousand of the changes of their lockfiles.
const USUAL: &str = include_str!("usual_rates.tsv");
/// Of a package that is not listed: mostly it is somebody's own, which changes often.
const UNLISTED: f64 = 0.2;
/// Of a library that came along from the base: it changes when the base does.
const LIBRARY: f64 = 0.02;
/// What the usual rate counts beside one change that was seen.
const USUAL_WEIGHT: f64 = 0.4;
/// What a change counts beside the one after it, of the same function.
const DECAY: f64 = 0.95;

/// By name; only the proportions mean something.
pub(super) fn rates(functions: &[FunctionDemand], changes: &[Change]) -> BTreeMap<String, f64> {
    let usual = usual();
    let ids: BTreeSet<&TreeId> =
        functions.iter().flat_map(|function| &function.trees).map(|t| &t.id).collect();
    let seen = seen(changes);
    let rate = |id: &TreeId| {
        let usual = match id {
            TreeId::Package(id) => usual.get(id.name.as_str()).copied().unwrap_or(UNLISTED),
            TreeId::Library(_) => LIBRARY,
        };
        USUAL_WEIGHT * usual + seen.get(id.name()).copied().unwrap_or(0.0)
    };
    ids.into_iter().map(|id| (id.name().to_owned(), rate(id))).collect()
}

fn usual() -> BTreeMap<&'static str, f64> {
    let row = |line: &'static str| {
        let (name, thousandths) = line.split_once('\t')?;
        Some((name, thousandths.parse::<f64>().ok()? / 1000.0))
    };
    USUAL.lines().filter(|line| !line.starts_with('#')).filter_map(row).collect()
}

/// Each change counts 1 in all, shared by what it changed: one that changes everything says
/// nothing of any tree.
fn seen(changes: &[Change]) -> BTreeMap<&str, f64> {
    let mut counts: BTreeMap<&str, f64> = BTreeMap::new();
    let mut of_function: BTreeMap<&str, f64> = BTreeMap::new();
    for change in changes.iter().rev() {
        let mut weight = 0.0;
        for function in &change.functions {
            let left = of_function.entry(function).or_insert(1.0);
            weight = f64::max(weight, *left);
            *left *= DECAY;
        }
        for name in &change.trees {
            *counts.entry(name).or_default() += weight / as_f64(change.trees.len() as u64);
        }
    }
    counts
}

/// How many trees a change changes: tenths of the changes in many lockfiles' pasts.
const N_CHANGED: [f64; 10] = [1.0, 1.0, 1.0, 2.0, 3.0, 5.0, 8.0, 15.0, 35.0, 90.0];

/// [`chance`] for shares of 0, 1/1024, … and 1: it is asked for millions of times.
static CHANCES: LazyLock<Vec<f64>> = LazyLock::new(|| {
    let of = |n: u32| {
        let left = 1.0 - f64::from(n) / STEPS;
        1.0 - N_CHANGED.iter().map(|n| left.powf(*n)).sum::<f64>() / as_f64(N_CHANGED.len() as u64)
    };
    (0..=1024).map(of).collect()
});
const STEPS: f64 = 1024.0;

/// The chance that a change of a function changes a layer that has this share of all the
/// function's rates.
pub(super) fn chance(share: f64) -> f64 {
    let at = share.clamp(0.0, 1.0) * STEPS;
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "it is from 0 to 1024")]
    let below = at as usize;
    let (low, high) = (CHANCES[below], CHANCES[(below + 1).min(1024)]);
    low + (high - low) * at.fract()
}

#[expect(clippy::cast_precision_loss, reason = "weights need no more than 15 digits")]
pub(super) fn as_f64(n: u64) -> f64 {
    n as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_of_usual_rates_is_read_whole() {
        let usual = usual();
        assert_eq!(usual.len(), USUAL.lines().filter(|line| !line.starts_with('#')).count());
        assert!(usual["rlang"] > 4.0 * usual["R6"], "rlang changes more often than R6");
    }

    #[test]
    fn a_change_of_few_trees_says_more_of_each_and_a_late_one_more_than_an_early_one() {
        let change = |names: &[&str]| Change {
            functions: vec!["f".to_owned()],
            trees: names.iter().map(|name| (*name).to_owned()).collect(),
        };
        let changes = [change(&["early"]), change(&["a", "b"]), change(&["late"])];
        let seen = seen(&changes);
        assert!(seen["late"] > seen["early"] && seen["early"] > seen["a"]);
    }

    #[test]
    fn a_layer_with_all_rates_changes_always_and_one_with_none_never() {
        assert!((chance(1.0) - 1.0).abs() < 1e-9 && chance(0.0).abs() < 1e-9);
        assert!(chance(0.1) < chance(0.2));
    }
}
