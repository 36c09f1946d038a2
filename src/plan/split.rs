//! What is in no layer yet, cut into new layers: trees that change often apart from those
//! that do not, and those that others need too apart from those of one need alone.

use std::collections::BTreeMap;

use super::Weights;
use super::board::Board;
use super::rates::chance;
use super::space::{NeedNo, Space, Sum, TreeNo};

/// Trees that stay together: the same needs have them, and they change about as often for
/// their size.
struct Class {
    trees: Vec<TreeNo>,
    sum: Sum,
    /// A bit for each other need that has them.
    others: u64,
}

pub(super) struct Split {
    classes: Vec<Class>,
    /// By bit of `others`: what it is worth that this need can take a layer, for each byte.
    worth: Vec<f64>,
    n_bins: usize,
    price: Price,
}

/// Other needs that are looked at: those that share most.
const MAX_OTHERS: usize = 64;
/// Rates for each byte within a factor of 2^(1/1.5) are one tier.
const TIERS_PER_DOUBLING: f64 = 1.5;
/// A class has at most one in so many of the bytes, or one tree.
const CHUNKS: f64 = 16.0;
/// Passes over all classes; mostly fewer than ten are needed.
const MAX_PASSES: usize = 30;

fn tier(rate: f64, bytes: f64) -> i64 {
    #[expect(clippy::cast_possible_truncation, reason = "a logarithm is small")]
    let tier = ((rate / bytes.max(1.0)).max(1e-30).log2() * TIERS_PER_DOUBLING).round() as i64;
    tier
}

/// Numbers the parts of trees that are alike, so that no part is too large to be balanced.
struct Chunks<K> {
    max_bytes: f64,
    /// By what is alike: the present part, and its bytes.
    parts: BTreeMap<K, (usize, f64)>,
}

impl<K: Ord> Chunks<K> {
    fn new(total_bytes: f64) -> Self {
        Self { max_bytes: total_bytes / CHUNKS, parts: BTreeMap::new() }
    }

    fn next(&mut self, key: K, bytes: f64) -> usize {
        let (part, filled) = self.parts.entry(key).or_default();
        if *filled > 0.0 && *filled + bytes > self.max_bytes {
            (*part, *filled) = (*part + 1, 0.0);
        }
        *filled += bytes;
        *part
    }
}

/// What trees are expected to cost later, if they are cut into so many layers by how often
/// they change alone.
pub(super) fn expected(space: &Space, trees: &[TreeNo], price: Price, n_bins: usize) -> f64 {
    let mut tiers: BTreeMap<(i64, usize), Sum> = BTreeMap::new();
    let mut chunks = Chunks::new(space.bytes(trees));
    for tree in trees.iter().map(|tree| &space.trees[*tree as usize]) {
        let tier = tier(tree.rate, tree.bytes);
        let sum = tiers.entry((tier, chunks.next(tier, tree.bytes))).or_default();
        *sum = sum.with(tree);
    }
    let tiers: Vec<Sum> = tiers.into_values().collect();
    cut(&tiers, n_bins, |sum| price.alone(sum)).0
}

/// What a layer is expected to cost, beside the bytes that are published now.
#[derive(Clone, Copy)]
pub(super) struct Price {
    weights: Weights,
    /// All the rates of the need.
    total_rate: f64,
}

impl Price {
    pub(super) fn new(board: &Board<'_>, need: NeedNo) -> Self {
        let total_rate = board.space.rate(&board.space.needs[need].trees);
        Self { weights: board.settings.weights, total_rate }
    }

    /// Of a layer that other needs may take.
    pub(super) fn of(&self, sum: Sum) -> f64 {
        let Weights { horizon, layer, .. } = self.weights;
        layer + horizon * sum.bytes * chance(sum.rate / self.total_rate)
    }

    /// Of a layer that this need alone has.
    pub(super) fn alone(&self, sum: Sum) -> f64 {
        self.weights.alone + self.of(sum)
    }
}

/// The best cut of parts in their order into at most so many bins: what it costs, and where
/// it is. Of all partitions, the best is one in the order of rate for each byte, as far as a
/// layer's chance grows in proportion to its rates.
fn cut(parts: &[Sum], n_bins: usize, price: impl Fn(Sum) -> f64) -> (f64, Vec<usize>) {
    if parts.is_empty() {
        return (0.0, Vec::new());
    }
    // By the first part and the number of parts less one.
    let costs: Vec<Vec<f64>> = (0..parts.len())
        .map(|from| {
            let sums = parts[from..].iter().scan(Sum::default(), |sum, part| {
                *sum = sum.and(*part);
                Some(*sum)
            });
            sums.map(&price).collect()
        })
        .collect();
    let cost = |from: usize, to: usize| costs[from][to - from - 1];
    let mut best: Vec<(f64, Vec<usize>)> =
        (0..=parts.len()).map(|to| (if to == 0 { 0.0 } else { cost(0, to) }, Vec::new())).collect();
    for _ in 1..n_bins {
        let with_one_more = |to: usize| {
            let last = (1..to).map(|from| (best[from].0 + cost(from, to), from));
            match last.min_by(|a, b| a.0.total_cmp(&b.0)) {
                Some((cost, from)) if cost < best[to].0 => {
                    (cost, best[from].1.iter().copied().chain([from]).collect())
                }
                _ => best[to].clone(),
            }
        };
        best = (0..=parts.len()).map(with_one_more).collect();
    }
    best.pop().unwrap_or_default()
}

impl Split {
    pub(super) fn new(board: &Board<'_>, need: NeedNo, left: &[TreeNo], n_bins: usize) -> Self {
        let space = board.space;
        let (masks, worth) = others(board, need, left);
        let mut classes: BTreeMap<(i64, u64, usize), Class> = BTreeMap::new();
        let mut chunks = Chunks::new(space.bytes(left));
        for (number, others) in left.iter().zip(masks) {
            let tree = &space.trees[*number as usize];
            let empty = Class { trees: Vec::new(), sum: Sum::default(), others };
            let tier = tier(tree.rate, tree.bytes);
            let chunk = chunks.next((tier, others), tree.bytes);
            let class = classes.entry((tier, others, chunk)).or_insert(empty);
            class.trees.push(*number);
            class.sum = class.sum.with(tree);
        }
        Self { classes: classes.into_values().collect(), worth, n_bins, price: Price::new(board, need) }
    }

    /// The layers, each sorted.
    pub(super) fn run(&self) -> Vec<Vec<TreeNo>> {
        let mut best: Option<(f64, Vec<usize>)> = None;
        for mut bin_of in self.starts() {
            let cost = self.improve(&mut bin_of);
            if best.as_ref().is_none_or(|(least, _)| cost < *least) {
                best = Some((cost, bin_of));
            }
        }
        let mut bins = vec![Vec::new(); self.n_bins];
        for (class, bin) in best.map_or(Vec::new(), |(_, bin_of)| bin_of).into_iter().enumerate() {
            bins[bin].extend(&self.classes[class].trees);
        }
        bins.retain(|bin| !bin.is_empty());
        for bin in &mut bins {
            bin.sort_unstable();
        }
        bins
    }

    /// Where to begin: all together; by rate; by how many others need it.
    fn starts(&self) -> Vec<Vec<usize>> {
        let n = self.classes.len();
        let by_rate = |a: &usize, b: &usize| {
            let of = |at: usize| self.classes[at].sum.rate / self.classes[at].sum.bytes.max(1.0);
            of(*a).total_cmp(&of(*b)).then(a.cmp(b))
        };
        let mut order: Vec<usize> = (0..n).collect();
        order.sort_by(by_rate);
        let parts: Vec<Sum> = order.iter().map(|at| self.classes[*at].sum).collect();
        // The exact cut takes the square of the number of classes; beyond this it is too slow.
        let mut starts = vec![vec![0; n]];
        if n <= 48 {
            let shared = cut(&parts, self.n_bins, |sum| self.price.of(sum)).1;
            let alone = cut(&parts, self.n_bins, |sum| self.price.alone(sum)).1;
            starts.extend([bins(&order, &shared), bins(&order, &alone)]);
        } else {
            starts.push(bins(&order, &evenly(n, self.n_bins)));
        }
        let n_others = |at: usize| self.classes[at].others.count_ones();
        order.sort_by(|a, b| n_others(*a).cmp(&n_others(*b)).then_with(|| by_rate(a, b)));
        starts.push(bins(&order, &evenly(n, self.n_bins)));
        starts
    }

    /// Moves single classes while that helps; gives the cost.
    fn improve(&self, bin_of: &mut [usize]) -> f64 {
        let mut bins: Vec<Vec<usize>> = vec![Vec::new(); self.n_bins];
        for (class, bin) in bin_of.iter().enumerate() {
            bins[*bin].push(class);
        }
        let mut costs: Vec<f64> = bins.iter().map(|bin| self.cost(bin.iter().copied())).collect();
        for _ in 0..MAX_PASSES {
            let mut moved = false;
            for (class, _) in self.classes.iter().enumerate() {
                let from = bin_of[class];
                let without = self.cost(bins[from].iter().copied().filter(|other| *other != class));
                let gain = |to: usize| {
                    let with = self.cost(bins[to].iter().copied().chain([class]));
                    (costs[from] + costs[to] - without - with, with, to)
                };
                let gains = (0..self.n_bins).filter(|to| *to != from).map(gain);
                let Some((gain, with, to)) = gains.max_by(|a, b| a.0.total_cmp(&b.0)) else { continue };
                if gain > 1e-3 {
                    bins[from].retain(|other| *other != class);
                    bins[to].push(class);
                    (costs[from], costs[to], bin_of[class], moved) = (without, with, to, true);
                }
            }
            if !moved {
                break;
            }
        }
        costs.iter().sum()
    }

    /// What a layer of these classes is expected to cost later, less what it saves others.
    fn cost(&self, classes: impl Iterator<Item = usize>) -> f64 {
        let (mut sum, mut others) = (Sum::default(), u64::MAX);
        for class in classes.map(|at| &self.classes[at]) {
            sum = sum.and(class.sum);
            others &= class.others;
        }
        let served = self.worth.iter().enumerate().filter(|(bit, _)| others >> bit & 1 == 1);
        let worth: f64 = served.map(|(_, worth)| worth).sum();
        match (sum.bytes > 0.0, worth > 0.0) {
            (false, _) => 0.0,
            (true, true) => self.price.of(sum) - sum.bytes * worth,
            (true, false) => self.price.alone(sum),
        }
    }
}

/// For each tree the bits of the other needs that have it, and by bit what serving them is
/// worth. A need that waits has to have the very tree; one that has its layers may come to
/// need it, if it has another of the same name.
fn others(board: &Board<'_>, need: NeedNo, left: &[TreeNo]) -> (Vec<u64>, Vec<f64>) {
    let space = board.space;
    let mut shared: Vec<Vec<bool>> = vec![Vec::new(); space.needs.len()];
    for (at, tree) in left.iter().enumerate() {
        let waiting = space.needs_of_tree[*tree as usize].iter().filter(|other| !board.is_placed(**other));
        let of_name = &space.needs_of_name[space.trees[*tree as usize].name];
        let following = of_name.iter().filter(|other| board.is_placed(**other));
        for other in waiting.chain(following).filter(|other| **other != need) {
            shared[*other].resize(left.len(), false);
            shared[*other][at] = true;
        }
    }
    let weights = &board.settings.weights;
    // Needs that are the same as far as this goes would publish once, and count once.
    let mut distinct: BTreeMap<Vec<bool>, f64> = BTreeMap::new();
    for (other, has) in shared.into_iter().enumerate().filter(|(_, has)| !has.is_empty()) {
        let worth = distinct.entry(has).or_default();
        *worth = worth.max(if board.is_placed(other) { weights.following } else { weights.sharing });
    }
    let bytes = |has: &[bool]| -> f64 {
        let had = left.iter().zip(has).filter(|(_, has)| **has);
        had.map(|(tree, _)| space.trees[*tree as usize].bytes).sum()
    };
    let mut distinct: Vec<(Vec<bool>, f64)> = distinct.into_iter().collect();
    distinct.sort_by(|a, b| bytes(&b.0).total_cmp(&bytes(&a.0)).then_with(|| a.0.cmp(&b.0)));
    distinct.truncate(MAX_OTHERS);
    let mask = |at: usize| {
        distinct.iter().enumerate().fold(0, |mask, (bit, (has, _))| mask | u64::from(has[at]) << bit)
    };
    ((0..left.len()).map(mask).collect(), distinct.iter().map(|(_, worth)| *worth).collect())
}

fn evenly(n: usize, n_bins: usize) -> Vec<usize> {
    (1..n_bins).map(|bin| bin * n / n_bins).collect()
}

/// By class: its bin, if the classes in this order are cut there.
fn bins(order: &[usize], cuts: &[usize]) -> Vec<usize> {
    let mut bin_of = vec![0; order.len()];
    for (position, class) in order.iter().enumerate() {
        bin_of[*class] = cuts.iter().filter(|cut| position >= **cut).count();
    }
    bin_of
}
