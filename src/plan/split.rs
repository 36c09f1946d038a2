//! What is in no layer yet, cut into new layers: trees that change often apart from those
//! that do not, and those that others need too apart from those of one need alone.

use std::collections::BTreeMap;

use super::Weights;
use super::board::Board;
use super::rates::chance;
use super::space::{NeedNo, Space, TreeNo};

/// Trees that stay together: the same needs have them, and they change about as often for
/// their size.
struct Class {
    trees: Vec<TreeNo>,
    bytes: f64,
    rate: f64,
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
    let mut tiers: BTreeMap<(i64, usize), (f64, f64)> = BTreeMap::new();
    let mut chunks = Chunks::new(space.bytes(trees));
    for tree in trees.iter().map(|tree| &space.trees[*tree as usize]) {
        let tier = tier(tree.rate, tree.bytes);
        let (bytes, rate) = tiers.entry((tier, chunks.next(tier, tree.bytes))).or_default();
        *bytes += tree.bytes;
        *rate += tree.rate;
    }
    let tiers: Vec<(f64, f64)> = tiers.into_values().collect();
    cut(&tiers, n_bins, price).0
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

    pub(super) fn of(&self, bytes: f64, rate: f64) -> f64 {
        let Weights { horizon, layer, .. } = self.weights;
        layer + horizon * bytes * chance(rate / self.total_rate)
    }
}

/// The best cut of (bytes, rate) in their order into at most so many bins: what it costs,
/// and where it is. Of all partitions, the best is one in the order of rate for each byte,
/// as far as a layer's chance grows in proportion to its rates.
fn cut(parts: &[(f64, f64)], n_bins: usize, price: Price) -> (f64, Vec<usize>) {
    if parts.is_empty() {
        return (0.0, Vec::new());
    }
    let mut sums = vec![(0.0, 0.0)];
    for (bytes, rate) in parts {
        let last = sums[sums.len() - 1];
        sums.push((last.0 + bytes, last.1 + rate));
    }
    let cost = |from: usize, to: usize| price.of(sums[to].0 - sums[from].0, sums[to].1 - sums[from].1);
    let mut best: Vec<(f64, Vec<usize>)> = (0..sums.len()).map(|to| (cost(0, to), Vec::new())).collect();
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
        best = (0..sums.len()).map(with_one_more).collect();
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
            let empty = Class { trees: Vec::new(), bytes: 0.0, rate: 0.0, others };
            let tier = tier(tree.rate, tree.bytes);
            let chunk = chunks.next((tier, others), tree.bytes);
            let class = classes.entry((tier, others, chunk)).or_insert(empty);
            class.trees.push(*number);
            class.bytes += tree.bytes;
            class.rate += tree.rate;
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
            let of = |at: usize| self.classes[at].rate / self.classes[at].bytes.max(1.0);
            of(*a).total_cmp(&of(*b)).then(a.cmp(b))
        };
        let mut order: Vec<usize> = (0..n).collect();
        order.sort_by(by_rate);
        let parts: Vec<(f64, f64)> =
            order.iter().map(|at| (self.classes[*at].bytes, self.classes[*at].rate)).collect();
        // The exact cut takes the square of the number of classes; beyond this it is too slow.
        let cuts = if n <= 48 { cut(&parts, self.n_bins, self.price).1 } else { evenly(n, self.n_bins) };
        let mut starts = vec![vec![0; n], bins(&order, &cuts)];
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
        let (mut bytes, mut rate, mut others) = (0.0, 0.0, u64::MAX);
        for class in classes.map(|at| &self.classes[at]) {
            bytes += class.bytes;
            rate += class.rate;
            others &= class.others;
        }
        let served = self.worth.iter().enumerate().filter(|(bit, _)| others >> bit & 1 == 1);
        let worth: f64 = served.map(|(_, worth)| worth).sum();
        if bytes > 0.0 { self.price.of(bytes, rate) - bytes * worth } else { 0.0 }
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
