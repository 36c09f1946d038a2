//! nixpkgs' auto-layer: large packages are roots, a layer is what the same roots need. One
//! root more, largest first, as long as there are layers enough.

use std::collections::BTreeMap;

use super::popularity::{positions, users_first};
use crate::replay::{Layer, N_SLOTS};
use crate::trees::{TreeNo, Trees};

pub(crate) fn pack(need: &[TreeNo], trees: &Trees) -> Vec<Layer> {
    let needed: Vec<Vec<usize>> = need.iter().map(|tree| positions(*tree, need, trees)).collect();
    let order = users_first(&needed);
    let mut by_size: Vec<usize> = (0..need.len()).collect();
    by_size.sort_by_key(|at| (std::cmp::Reverse(trees.bytes(need[*at])), *at));
    let mut best = vec![need.to_vec()];
    for n_roots in 1..=need.len() {
        let layers = by_roots(&by_size[..n_roots], &needed, &order);
        if layers.len() > N_SLOTS {
            break;
        }
        best = layers.into_iter().map(|layer| layer.into_iter().map(|at| need[at]).collect()).collect();
    }
    best
}

/// What is needed by the same of the roots, together.
fn by_roots(roots: &[usize], needed: &[Vec<usize>], order: &[usize]) -> Vec<Vec<usize>> {
    let mut signature: Vec<Vec<bool>> = vec![vec![false; roots.len()]; needed.len()];
    for (n, root) in roots.iter().enumerate() {
        signature[*root][n] = true;
    }
    for at in order {
        for below in &needed[*at] {
            let of_user = signature[*at].clone();
            signature[*below].iter_mut().zip(of_user).for_each(|(has, of_user)| *has |= of_user);
        }
    }
    let mut layers: BTreeMap<&Vec<bool>, Vec<usize>> = BTreeMap::new();
    for (at, signature) in signature.iter().enumerate() {
        layers.entry(signature).or_default().push(at);
    }
    layers.into_values().collect()
}
