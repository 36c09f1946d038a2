//! nixpkgs' `buildLayeredImage`: the packages that the most paths of the graph lead to get
//! a layer each, the rest is one.

use crate::replay::{Layer, N_SLOTS};
use crate::trees::{TreeNo, Trees};

pub(crate) fn pack(need: &[TreeNo], trees: &Trees) -> Vec<Layer> {
    let needed: Vec<Vec<usize>> = need.iter().map(|tree| positions(*tree, need, trees)).collect();
    let mut n_paths = vec![1.0_f64; need.len()];
    for at in users_first(&needed) {
        for below in &needed[at] {
            n_paths[*below] += n_paths[at];
        }
    }
    let mut order: Vec<usize> = (0..need.len()).collect();
    order.sort_by(|a, b| n_paths[*b].total_cmp(&n_paths[*a]).then(a.cmp(b)));
    let mut layers: Vec<Layer> = order.iter().take(N_SLOTS - 1).map(|at| vec![need[*at]]).collect();
    layers.push(order.iter().skip(N_SLOTS - 1).map(|at| need[*at]).collect());
    layers
}

pub(super) fn positions(tree: TreeNo, need: &[TreeNo], trees: &Trees) -> Vec<usize> {
    let below = trees.depends(tree, need);
    below.filter(|other| *other != tree).filter_map(|other| need.binary_search(&other).ok()).collect()
}

/// Each package after all that need it; in a circle, after those that were met first.
pub(super) fn users_first(needed: &[Vec<usize>]) -> Vec<usize> {
    fn visit(at: usize, needed: &[Vec<usize>], seen: &mut [bool], order: &mut Vec<usize>) {
        if !std::mem::replace(&mut seen[at], true) {
            for below in &needed[at] {
                visit(*below, needed, seen, order);
            }
            order.push(at);
        }
    }
    let (mut seen, mut order) = (vec![false; needed.len()], Vec::new());
    for at in 0..needed.len() {
        visit(at, needed, &mut seen, &mut order);
    }
    order.reverse();
    order
}
