//! What no plan of these functions can store less than: the bound of a linear program over
//! all layers there could be.
//!
//! A plan chooses layers, and for each need at most so many of them that hold each of its
//! trees once. Where layers may be taken in part, that is a linear program, whose optimum no
//! plan is below. It has a column for each set of trees with each set of needs that take it,
//! too many to write down: `master` solves it for those that are known, `pricing` finds one
//! that would help, until there is none. Trees that the same needs have are one class, which
//! costs nothing: docs/layering.md.

mod master;
#[cfg(test)]
mod oracle;
mod pricing;

use std::collections::{BTreeMap, BTreeSet};

use master::Master;
use pricing::price;

use super::space::{NeedNo, Space, TreeNo};
use super::{Demand, LastPlan, Settings};

/// What no plan can store less than.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Bound {
    pub bytes: u64,
    /// By the linear program; each tree once if not, which is less.
    pub is_of_layers: bool,
}

/// Needs are bounded together while their classes are no more than these; those of the next
/// group count what no group before had.
const MAX_CLASSES: usize = 900;
/// Groups beyond these count each tree once.
const MAX_GROUPS: usize = 4;
/// Columns beyond these are not looked for: what is known then has to do.
const MAX_COLUMNS: usize = 6_000;
/// How far the columns that are not known may be from helping: the bound is this much lower.
/// Without it, the last thousandth takes longer than all before.
const SLACKS: [f64; 6] = [0.001, 0.01, 0.03, 0.1, 0.3, 1.0];

/// The bound for plans of `demand`.
///
/// Layers that hold more than a function needs are outside of it: where the settings allow
/// them, it is each tree once.
pub fn bound(demand: &Demand, settings: &Settings) -> Bound {
    let space = Space::new(demand, &LastPlan::default(), &[]);
    let each_once: f64 = space.trees.iter().map(|tree| tree.bytes).sum();
    let with_code = demand.functions.iter().any(|function| function.code_room_bytes > 0);
    let n_slots = demand.limits.n_layers.saturating_sub(demand.n_reserved) + usize::from(with_code);
    if settings.allow_extra_bytes > 0 || n_slots == 0 {
        return Bound { bytes: whole(each_once), is_of_layers: false };
    }
    let mut counted = vec![false; space.trees.len()];
    let (mut megabytes, mut left) = (0.0, (0..space.needs.len()).collect::<Vec<_>>());
    for _ in 0..MAX_GROUPS {
        let group = next_group(&space, &mut left);
        let instance = Instance::new(&space, (&group, &counted), n_slots);
        megabytes += instance.bound();
        for tree in group.iter().flat_map(|need| &space.needs[*need].trees) {
            counted[*tree as usize] = true;
        }
    }
    let rest = space.trees.iter().zip(&counted).filter(|(_, counted)| !**counted);
    let bytes = megabytes * MEGABYTE + rest.map(|(tree, _)| tree.bytes).sum::<f64>();
    Bound { bytes: whole(bytes.max(each_once)), is_of_layers: bytes > each_once }
}

/// The solver wants numbers of a middling size.
const MEGABYTE: f64 = 1e6;

/// The solver and the search for columns round: the bound is lower by more than that.
const ROUNDING: f64 = 1e-5;

fn whole(bytes: f64) -> u64 {
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "sizes are not negative, and far below 2^53"
    )]
    let whole = bytes.floor() as u64;
    whole
}

/// The needs that fit into one program, largest first; takes them out of `left`.
fn next_group(space: &Space, left: &mut Vec<NeedNo>) -> Vec<NeedNo> {
    left.sort_by_key(|need| (std::cmp::Reverse(space.needs[*need].trees.len()), *need));
    let mut group = Vec::new();
    left.retain(|need| {
        group.push(*need);
        let fits = classes(space, &group).keys().map(Vec::len).sum::<usize>() <= MAX_CLASSES;
        if !fits && group.len() > 1 {
            group.pop();
            return true;
        }
        false
    });
    group
}

/// The trees of a group by which of its needs have them.
fn classes(space: &Space, group: &[NeedNo]) -> BTreeMap<Vec<usize>, Vec<TreeNo>> {
    let mut needs_of_tree: BTreeMap<TreeNo, Vec<usize>> = BTreeMap::new();
    for (at, need) in group.iter().enumerate() {
        for tree in &space.needs[*need].trees {
            needs_of_tree.entry(*tree).or_default().push(at);
        }
    }
    let mut classes: BTreeMap<Vec<usize>, Vec<TreeNo>> = BTreeMap::new();
    for (tree, needs) in needs_of_tree {
        classes.entry(needs).or_default().push(tree);
    }
    classes
}

/// A group of needs, with its trees in classes.
struct Instance {
    /// By class, in megabytes.
    weights: Vec<f64>,
    /// By need and class.
    has: Vec<Vec<bool>>,
    n_slots: usize,
}

/// A layer that there could be, and needs that take it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Column {
    classes: Vec<usize>,
    needs: Vec<usize>,
}

impl Instance {
    /// Trees that are counted already weigh nothing.
    fn new(space: &Space, (group, counted): (&[NeedNo], &[bool]), n_slots: usize) -> Self {
        let (mut weights, mut has) = (Vec::new(), vec![Vec::new(); group.len()]);
        for (needs, trees) in classes(space, group) {
            let counts = trees.iter().filter(|tree| !counted[**tree as usize]);
            let bytes: f64 = counts.map(|tree| space.trees[*tree as usize].bytes).sum();
            if bytes > 0.0 {
                weights.push(bytes / MEGABYTE);
                for (need, has) in has.iter_mut().enumerate() {
                    has.push(needs.binary_search(&need).is_ok());
                }
            }
        }
        Self { weights, has, n_slots }
    }

    fn total(&self) -> f64 {
        self.weights.iter().sum()
    }

    /// In megabytes.
    fn bound(&self) -> f64 {
        if self.weights.is_empty() {
            return 0.0;
        }
        self.solve().unwrap_or(0.0).max(self.total())
    }

    /// `None` where the solver gives up.
    fn solve(&self) -> Option<f64> {
        let mut master = Master::new(self)?;
        let mut new = self.first_columns();
        let mut known = BTreeSet::new();
        while !new.is_empty() && known.len() < MAX_COLUMNS {
            for column in &new {
                master = master.with(column)?;
            }
            known.extend(new);
            new = price(self, &master.prices(), SLACKS[0]).columns;
            // The solver rounds: one that is known may seem to help.
            new.retain(|column| !known.contains(column));
        }
        // Where no column of more than (1 + slack) times its weight is left, prices that are
        // that much lower are right for all columns.
        let prices = master.prices();
        let is_right = |slack: &f64| {
            let found = price(self, &prices, *slack);
            found.columns.is_empty() && found.is_complete
        };
        let slack = SLACKS.into_iter().find(is_right)?;
        Some(prices.objective / (1.0 + slack) * (1.0 - ROUNDING))
    }

    /// Each class for all that have it, each need's all in one, and what two needs share.
    fn first_columns(&self) -> Vec<Column> {
        let n_needs = self.has.len();
        let all: Vec<usize> = (0..n_needs).collect();
        let of_class = |class: usize| Column {
            classes: vec![class],
            needs: all.iter().copied().filter(|need| self.has[*need][class]).collect(),
        };
        let mut columns: Vec<Column> = (0..self.weights.len()).map(of_class).collect();
        for one in 0..n_needs {
            for other in one..n_needs {
                let both = |class: &usize| self.has[one][*class] && self.has[other][*class];
                let classes: Vec<usize> = (0..self.weights.len()).filter(both).collect();
                let has_all = |need: &usize| classes.iter().all(|class| self.has[*need][*class]);
                let needs = all.iter().copied().filter(has_all).collect();
                columns.push(Column { classes, needs });
            }
        }
        columns.retain(|column| !column.classes.is_empty());
        columns.sort();
        columns.dedup();
        columns
    }
}
