//! The demand in numbers: trees, names and distinct needs, so that sets are cheap.

use std::collections::BTreeMap;

use super::rates::{as_f64, rates};
use super::{Demand, FunctionDemand, LastLayer, LastPlan, SizedTree, TreeMark};

pub(super) type TreeNo = u32;
pub(super) type NeedNo = usize;

/// Trees and needs are numbered in their own order, so the numbers do not depend on the
/// order in which they came.
pub(super) struct Space {
    pub(super) trees: Vec<Tree>,
    /// Distinct.
    pub(super) needs: Vec<Need>,
    pub(super) needs_of_tree: Vec<Vec<NeedNo>>,
    pub(super) needs_of_name: Vec<Vec<NeedNo>>,
    /// Layers that exist, whose trees are all still needed; those of the last plan first.
    pub(super) layers: Vec<Vec<TreeNo>>,
    /// Of these, whether it is a layer for Lambda: else it lay in some function's code.
    pub(super) is_published: Vec<bool>,
}

pub(super) struct Tree {
    pub(super) sized: SizedTree,
    /// Trees of one name are never in one function.
    pub(super) name: usize,
    pub(super) bytes: f64,
    pub(super) rate: f64,
}

/// What trees are together.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Sum {
    pub(super) bytes: f64,
    pub(super) rate: f64,
}

impl Sum {
    pub(super) fn with(self, tree: &Tree) -> Self {
        self.and(Self { bytes: tree.bytes, rate: tree.rate })
    }

    pub(super) fn and(self, other: Self) -> Self {
        Self { bytes: self.bytes + other.bytes, rate: self.rate + other.rate }
    }
}

/// What one or more functions need.
pub(super) struct Need {
    /// Sorted; never empty.
    pub(super) trees: Vec<TreeNo>,
    /// Positions in the demand.
    pub(super) functions: Vec<usize>,
    /// What its functions had: positions in the space's layers, as far as they still are.
    pub(super) had: Vec<Vec<usize>>,
    /// What Lambda leaves to layers beside the largest code.
    pub(super) room_bytes: f64,
    /// What the code of its function may hold, if it has only one.
    pub(super) code: Option<CodeRoom>,
}

/// What of a need may lie in the code.
pub(super) struct CodeRoom {
    /// Sorted.
    trees: Vec<TreeNo>,
    bytes: f64,
    /// The layer that did: its position in the space's layers.
    pub(super) had: Option<usize>,
}

impl CodeRoom {
    pub(super) fn holds(&self, layer: &[TreeNo], bytes: f64) -> bool {
        bytes <= self.bytes && is_subset(layer, &self.trees)
    }
}

impl Space {
    pub(super) fn new(demand: &Demand, last: &LastPlan, catalogue: &[LastLayer]) -> Self {
        let (trees, n_names) = trees(demand, last);
        let marks: BTreeMap<TreeMark, TreeNo> =
            (0..).zip(&trees).map(|(number, tree)| (tree.sized.mark(), number)).collect();
        let (mut layers, mut is_published, mut places) = (Vec::new(), Vec::new(), BTreeMap::new());
        for (at, layer) in last.layers.iter().chain(&last.retired).chain(catalogue).enumerate() {
            let known: Option<Vec<TreeNo>> =
                layer.trees.iter().map(|mark| marks.get(mark).copied()).collect();
            if let Some(mut known) = known.filter(|known| !known.is_empty()) {
                known.sort_unstable();
                places.insert(at, layers.len());
                layers.push(known);
                is_published.push(at >= last.layers.len() || last.is_published(at));
            }
        }
        let mut needs = needs(demand, &marks, |name| {
            let had = last.functions.get(name)?;
            Some(had.iter().filter_map(|at| places.get(at).copied()).collect())
        });
        for need in &mut needs {
            if let [function] = need.functions[..] {
                let function = &demand.functions[function];
                let had = last.in_code.get(&function.name).and_then(|at| places.get(at).copied());
                need.code = code_room(function, &marks, had);
            }
        }
        let mut space = Self {
            needs_of_tree: vec![Vec::new(); trees.len()],
            needs_of_name: vec![Vec::new(); n_names],
            trees,
            needs,
            layers,
            is_published,
        };
        for (number, need) in space.needs.iter().enumerate() {
            for tree in &need.trees {
                space.needs_of_tree[*tree as usize].push(number);
                space.needs_of_name[space.trees[*tree as usize].name].push(number);
            }
        }
        space
    }

    pub(super) fn bytes(&self, trees: &[TreeNo]) -> f64 {
        trees.iter().map(|tree| self.trees[*tree as usize].bytes).sum()
    }

    pub(super) fn rate(&self, trees: &[TreeNo]) -> f64 {
        trees.iter().map(|tree| self.trees[*tree as usize].rate).sum()
    }

    pub(super) fn sum(&self, trees: &[TreeNo]) -> Sum {
        trees.iter().fold(Sum::default(), |sum, tree| sum.with(&self.trees[*tree as usize]))
    }
}

/// All trees once, and how many names they have.
fn trees(demand: &Demand, last: &LastPlan) -> (Vec<Tree>, usize) {
    let mut sized: Vec<&SizedTree> = demand.functions.iter().flat_map(|f| &f.trees).collect();
    sized.sort();
    sized.dedup();
    let rates = rates(&demand.functions, &last.changes);
    let mut names: BTreeMap<&str, usize> = BTreeMap::new();
    let mut numbered = Vec::new();
    for tree in sized {
        let next = names.len();
        numbered.push(Tree {
            sized: tree.clone(),
            name: *names.entry(tree.id.name()).or_insert(next),
            bytes: as_f64(tree.unzipped_bytes),
            rate: rates.get(tree.id.name()).copied().unwrap_or_default(),
        });
    }
    (numbered, names.len())
}

fn needs(
    demand: &Demand,
    marks: &BTreeMap<TreeMark, TreeNo>,
    had: impl Fn(&str) -> Option<Vec<usize>>,
) -> Vec<Need> {
    let mut needs: BTreeMap<Vec<TreeNo>, Need> = BTreeMap::new();
    for (at, function) in demand.functions.iter().enumerate() {
        let mut trees: Vec<TreeNo> = function.trees.iter().map(|tree| marks[&tree.mark()]).collect();
        trees.sort_unstable();
        trees.dedup();
        let need = needs.entry(trees.clone()).or_insert_with(|| Need {
            trees,
            functions: Vec::new(),
            had: Vec::new(),
            room_bytes: f64::INFINITY,
            code: None,
        });
        need.functions.push(at);
        need.room_bytes = need.room_bytes.min(as_f64(function.room_bytes()));
        need.had.extend(had(&function.name));
    }
    needs.into_values().filter(|need| !need.trees.is_empty()).collect()
}

fn code_room(
    function: &FunctionDemand,
    marks: &BTreeMap<TreeMark, TreeNo>,
    had: Option<usize>,
) -> Option<CodeRoom> {
    if function.code_room_bytes == 0 {
        return None;
    }
    let mut trees: Vec<TreeNo> = function.may_be_in_code().map(|tree| marks[&tree.mark()]).collect();
    trees.sort_unstable();
    Some(CodeRoom { trees, bytes: as_f64(function.code_room_bytes), had })
}

/// Whether all of one sorted list is in another.
pub(super) fn is_subset(small: &[TreeNo], large: &[TreeNo]) -> bool {
    let mut rest = large.iter();
    small.iter().all(|tree| rest.any(|other| other == tree))
}

/// What is in one sorted list and not in another.
pub(super) fn minus(from: &[TreeNo], gone: &[TreeNo]) -> Vec<TreeNo> {
    from.iter().copied().filter(|tree| gone.binary_search(tree).is_err()).collect()
}
