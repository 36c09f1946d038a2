//! Columns for which needs would pay more than they weigh. Given who takes a layer, the best
//! one has the classes for which they pay more than these weigh; so the search is over sets
//! of needs, and leaves out what cannot pay any more.

use super::master::Prices;
use super::{Column, Instance};

/// Sets of needs beyond these are not looked at.
const MAX_SETS: usize = 60_000;
/// So many columns at once are enough: the prices change with each.
const MAX_FOUND: usize = 24;

pub(super) struct Found {
    pub(super) columns: Vec<Column>,
    /// Whether all sets of needs were looked at.
    pub(super) is_complete: bool,
}

/// Columns that are paid more than (1 + slack) times their weight.
pub(super) fn price(instance: &Instance, prices: &Prices, slack: f64) -> Found {
    let found = Found { columns: Vec::new(), is_complete: true };
    let weights = instance.weights.iter().map(|weight| weight * (1.0 + slack)).collect();
    let tolerance = instance.total() * 1e-7;
    let mut search = Search { instance, prices, weights, tolerance, n_sets: 0, found };
    let all: Vec<InCommon> = (0..instance.weights.len()).map(|class| (class, 0.0)).collect();
    search.descend(&mut Vec::new(), &all, 0.0);
    search.found.columns.sort();
    search.found.columns.dedup();
    search.found
}

struct Search<'a> {
    instance: &'a Instance,
    prices: &'a Prices,
    /// By class, with the slack.
    weights: Vec<f64>,
    tolerance: f64,
    n_sets: usize,
    found: Found,
}

/// A class that all needs of a set have, with what they pay for it.
type InCommon = (usize, f64);

impl Search<'_> {
    /// Tries each need after the last of a set beside it.
    fn descend(&mut self, set: &mut Vec<usize>, common: &[InCommon], slots: f64) {
        let from = set.last().map_or(0, |last| last + 1);
        for need in from..self.instance.has.len() {
            let common: Vec<InCommon> = common
                .iter()
                .filter(|(class, _)| self.instance.has[need][*class])
                .map(|(class, paid)| (*class, paid + self.prices.classes[need][*class]))
                .collect();
            if common.is_empty() {
                continue;
            }
            if self.n_sets == MAX_SETS || self.found.columns.len() >= MAX_FOUND {
                self.found.is_complete = false;
                return;
            }
            self.n_sets += 1;
            let slots = slots + self.prices.slots[need];
            set.push(need);
            if self.value(&common, slots) > self.tolerance {
                self.found.columns.push(self.column(set, &common));
            }
            if self.at_most(need + 1, &common, slots) > self.tolerance {
                self.descend(set, &common, slots);
            }
            set.pop();
        }
    }

    /// What is paid beyond the weight of the best layer.
    fn value(&self, common: &[InCommon], slots: f64) -> f64 {
        common.iter().map(|(class, paid)| (paid - self.weights[*class]).max(0.0)).sum::<f64>() - slots
    }

    /// What it can become with any of the needs from the `from`th on.
    fn at_most(&self, from: usize, common: &[InCommon], slots: f64) -> f64 {
        let mut common = common.to_vec();
        for need in from..self.instance.has.len() {
            let price = |class: usize| self.prices.classes[need][class].max(0.0);
            let most: f64 = common.iter().map(|(class, _)| price(*class)).sum();
            if most > self.prices.slots[need] {
                for (class, paid) in &mut common {
                    *paid += price(*class);
                }
            }
        }
        self.value(&common, slots)
    }

    /// The best layer of a set, with all needs that would pay for it.
    fn column(&self, set: &[usize], common: &[InCommon]) -> Column {
        let is_paid = |(class, paid): &&(usize, f64)| *paid > self.weights[*class];
        let classes: Vec<usize> = common.iter().filter(is_paid).map(|(class, _)| *class).collect();
        let pays = |need: &usize| {
            let has_all = classes.iter().all(|class| self.instance.has[*need][*class]);
            let paid: f64 = classes.iter().map(|class| self.prices.classes[*need][*class]).sum();
            has_all && (paid > self.prices.slots[*need] || set.contains(need))
        };
        let needs = (0..self.instance.has.len()).filter(pays).collect();
        Column { classes, needs }
    }
}
