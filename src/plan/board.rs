//! A plan in the making: one need at a time takes layers that exist, and has new ones made
//! of what is left.

use std::collections::BTreeMap;

use super::rates::as_f64;
use super::space::{Need, NeedNo, Space, TreeNo, is_subset, minus};
use super::split::{self, Price, Split};
use super::{LayerPlan, Plan, Settings, Weights};

pub(super) struct Board<'a> {
    pub(super) space: &'a Space,
    pub(super) settings: &'a Settings,
    pub(super) n_slots: usize,
    layers: Vec<Vec<TreeNo>>,
    layers_of_tree: Vec<Vec<usize>>,
    /// By layer: needs that have it.
    n_users: Vec<usize>,
    /// By need: positions in `layers`.
    placed: Vec<Option<Vec<usize>>>,
    /// By need: the one of these that lies in the code.
    in_code: Vec<Option<usize>>,
}

/// More layers than these are not tried out for one need.
const MAX_CANDIDATES: usize = 12;

/// Layers that a need could take, and what it would be left with.
#[derive(Clone)]
struct Choice {
    layers: Vec<usize>,
    left: Vec<TreeNo>,
    /// Trees that the need does not ask for.
    extra: Vec<TreeNo>,
}

impl<'a> Board<'a> {
    pub(super) fn new(space: &'a Space, settings: &'a Settings, n_slots: usize) -> Self {
        let mut board = Self {
            space,
            settings,
            n_slots,
            layers: Vec::new(),
            layers_of_tree: vec![Vec::new(); space.trees.len()],
            n_users: Vec::new(),
            placed: vec![None; space.needs.len()],
            in_code: vec![None; space.needs.len()],
        };
        for layer in &space.layers {
            board.add(layer.clone());
        }
        board
    }

    pub(super) fn is_placed(&self, need: NeedNo) -> bool {
        self.placed[need].is_some()
    }

    fn add(&mut self, layer: Vec<TreeNo>) -> usize {
        let at = self.layers.len();
        for tree in &layer {
            self.layers_of_tree[*tree as usize].push(at);
        }
        self.layers.push(layer);
        self.n_users.push(0);
        at
    }

    fn set(&mut self, need: NeedNo, layers: Vec<usize>) {
        for layer in &layers {
            self.n_users[*layer] += 1;
        }
        self.placed[need] = Some(layers);
    }

    /// Leaves a need where it was, if a function of it had layers that still are right.
    pub(super) fn keep(&mut self, need: NeedNo) {
        let Need { trees, had, code, .. } = &self.space.needs[need];
        let in_code = code.as_ref().and_then(|code| {
            let layer = code.had.filter(|layer| had.iter().any(|had| had.contains(layer)))?;
            let trees = &self.layers[layer];
            code.holds(trees, self.space.bytes(trees)).then_some(layer)
        });
        let n_slots = self.n_slots + usize::from(in_code.is_some());
        let fits = |had: &&Vec<usize>| {
            let choice =
                had.iter().try_fold(self.nothing(need), |choice, layer| self.take(need, &choice, *layer));
            had.len() <= n_slots && choice.is_some_and(|choice| choice.left.is_empty())
        };
        debug_assert!(!trees.is_empty());
        if let Some(had) = had.iter().filter(fits).min().cloned() {
            self.set(need, had);
            self.in_code[need] = in_code;
        }
    }

    fn nothing(&self, need: NeedNo) -> Choice {
        Choice { layers: Vec::new(), left: self.space.needs[need].trees.clone(), extra: Vec::new() }
    }

    /// One layer more, where that gives no name twice and no more than is allowed.
    fn take(&self, need: NeedNo, choice: &Choice, layer: usize) -> Option<Choice> {
        let trees = &self.layers[layer];
        if is_subset(trees, &choice.left) {
            let mut choice = Choice { left: minus(&choice.left, trees), ..choice.clone() };
            choice.layers.push(layer);
            return Some(choice);
        }
        if self.settings.allow_extra_bytes == 0 {
            return None;
        }
        let mut choice = choice.clone();
        choice.layers.push(layer);
        let Need { trees: needed, room_bytes, .. } = &self.space.needs[need];
        let (wanted, extra): (Vec<TreeNo>, Vec<TreeNo>) =
            trees.iter().partition(|tree| needed.binary_search(tree).is_ok());
        let name = |tree: &TreeNo| self.space.trees[*tree as usize].name;
        let is_taken =
            |tree: &TreeNo| needed.iter().chain(&choice.extra).any(|other| name(other) == name(tree));
        if wanted.is_empty() || !is_subset(&wanted, &choice.left) || extra.iter().any(is_taken) {
            return None;
        }
        choice.left = minus(&choice.left, &wanted);
        choice.extra.extend(extra);
        let extra_bytes = self.space.bytes(&choice.extra);
        let allowed = extra_bytes <= as_f64(self.settings.allow_extra_bytes)
            && extra_bytes + self.space.bytes(needed) <= *room_bytes;
        allowed.then_some(choice)
    }

    /// Places a need where it costs least by what is known now.
    pub(super) fn place(&mut self, need: NeedNo) {
        let nothing = self.nothing(need);
        let best = (self.cost(need, &nothing), nothing.clone());
        let mut search = Search { board: self, need, candidates: self.candidates(need), best };
        search.descend(&nothing, 0);
        let Choice { mut layers, left, .. } = search.best.1;
        if !left.is_empty() {
            let (bins, in_code) = self.cut(need, &left, self.n_slots - layers.len());
            let first = self.layers.len();
            layers.extend(bins.into_iter().map(|bin| self.add(bin)).collect::<Vec<_>>());
            self.in_code[need] = in_code.map(|at| first + at);
        }
        self.set(need, layers);
    }

    /// What is left, in as many new layers as there are slots, and one more where one of them
    /// can lie in the code: its position.
    fn cut(&self, need: NeedNo, left: &[TreeNo], n_free: usize) -> (Vec<Vec<TreeNo>>, Option<usize>) {
        let Some(code) = &self.space.needs[need].code else {
            return (Split::new(self, need, left, n_free).run(), None);
        };
        let bins = Split::new(self, need, left, n_free + 1).run();
        let rate = |at: usize| self.space.rate(&bins[at]);
        let can = |at: &usize| {
            code.holds(&bins[*at], self.space.bytes(&bins[*at])) && self.is_of_one(need, &bins[*at])
        };
        // The one that changes most often, since code is sent again with each change anyway.
        let in_code = (0..bins.len()).filter(can).max_by(|a, b| rate(*a).total_cmp(&rate(*b)));
        if in_code.is_none() && bins.len() > n_free {
            return (Split::new(self, need, left, n_free).run(), None);
        }
        (bins, in_code)
    }

    /// Whether no other need has all of these trees.
    fn is_of_one(&self, need: NeedNo, trees: &[TreeNo]) -> bool {
        let has = |other: NeedNo, tree: TreeNo| self.space.needs_of_tree[tree as usize].contains(&other);
        let others = trees.first().map_or(&[][..], |tree| &self.space.needs_of_tree[*tree as usize]);
        others.iter().all(|other| *other == need || trees.iter().any(|tree| !has(*other, *tree)))
    }

    /// Layers that have nothing, or little, but what a need has; large ones first.
    fn candidates(&self, need: NeedNo) -> Vec<usize> {
        let mut bytes = vec![0.0; self.layers.len()];
        for tree in &self.space.needs[need].trees {
            for layer in &self.layers_of_tree[*tree as usize] {
                bytes[*layer] += self.space.trees[*tree as usize].bytes;
            }
        }
        let nothing = self.nothing(need);
        let mut candidates: Vec<(usize, f64)> =
            bytes.into_iter().enumerate().filter(|(_, bytes)| *bytes > 0.0).collect();
        let is_published = |layer: usize| self.space.is_published.get(layer).copied().unwrap_or(true);
        candidates.retain(|(layer, _)| is_published(*layer) && self.take(need, &nothing, *layer).is_some());
        candidates.sort_by(|a, b| b.1.total_cmp(&a.1).then(a.0.cmp(&b.0)));
        candidates.truncate(MAX_CANDIDATES);
        candidates.into_iter().map(|(layer, _)| layer).collect()
    }

    /// Bytes to publish now, those to be expected later, and the price of what is not needed.
    fn cost(&self, need: NeedNo, choice: &Choice) -> f64 {
        let Weights { layer: each, extra, .. } = self.settings.weights;
        let price = Price::new(self, need);
        let later = |layer: &usize| {
            let trees = &self.layers[*layer];
            // Where others have it, it is published again for them anyway.
            let alone = self.n_users[*layer] == 0;
            if alone { price.alone(self.space.sum(trees)) } else { each }
        };
        let kept: f64 = choice.layers.iter().map(later).sum();
        let may_be_in_code = self.space.needs[need].code.is_some();
        let n_free = self.n_slots - choice.layers.len() + usize::from(may_be_in_code);
        let new = split::expected(self.space, &choice.left, price, n_free);
        self.space.bytes(&choice.left) + kept + new + extra * self.space.bytes(&choice.extra)
    }

    pub(super) fn plan(&self, n_functions: usize) -> Plan {
        let mut used: BTreeMap<LayerPlan, usize> = BTreeMap::new();
        for layer in self.placed.iter().flatten().flatten() {
            used.insert(self.layer_plan(*layer), 0);
        }
        for (position, at) in used.values_mut().enumerate() {
            *at = position;
        }
        let (mut functions, mut in_code) = (vec![Vec::new(); n_functions], vec![None; n_functions]);
        for ((need, layers), code) in self.space.needs.iter().zip(&self.placed).zip(&self.in_code) {
            let mut layers: Vec<usize> =
                layers.iter().flatten().map(|layer| used[&self.layer_plan(*layer)]).collect();
            layers.sort_unstable();
            for function in &need.functions {
                functions[*function].clone_from(&layers);
                in_code[*function] = code.map(|layer| used[&self.layer_plan(layer)]);
            }
        }
        Plan { layers: used.into_keys().collect(), functions, in_code }
    }

    fn layer_plan(&self, layer: usize) -> LayerPlan {
        let trees = self.layers[layer].iter().map(|tree| self.space.trees[*tree as usize].sized.clone());
        LayerPlan::new(trees.collect())
    }
}

/// Depth first over choices of the candidates.
struct Search<'a> {
    board: &'a Board<'a>,
    need: NeedNo,
    candidates: Vec<usize>,
    /// With its cost.
    best: (f64, Choice),
}

impl Search<'_> {
    /// Tries each candidate from the `from`th on beside a choice.
    fn descend(&mut self, choice: &Choice, from: usize) {
        let n_slots = self.board.n_slots;
        if choice.layers.len() == n_slots {
            return;
        }
        for at in from..self.candidates.len() {
            let Some(next) = self.board.take(self.need, choice, self.candidates[at]) else { continue };
            if next.left.is_empty() || next.layers.len() < n_slots {
                // What is to be expected later takes long to know, and is not asked for where
                // the bytes of now are too many.
                let left_bytes = self.board.space.bytes(&next.left);
                let cost = (left_bytes < self.best.0).then(|| self.board.cost(self.need, &next));
                if let Some(cost) = cost.filter(|cost| *cost < self.best.0) {
                    self.best = (cost, next.clone());
                }
            }
            self.descend(&next, at + 1);
        }
    }
}
