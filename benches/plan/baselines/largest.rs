//! apko: the largest packages get a layer each, the rest is one.

use crate::replay::{Layer, N_SLOTS};
use crate::trees::{TreeNo, Trees};

pub(crate) fn pack(need: &[TreeNo], trees: &Trees) -> Vec<Layer> {
    let mut order = need.to_vec();
    order.sort_by_key(|tree| (std::cmp::Reverse(trees.bytes(*tree)), *tree));
    let mut layers: Vec<Layer> = order.iter().take(N_SLOTS - 1).map(|tree| vec![*tree]).collect();
    layers.push(order.into_iter().skip(N_SLOTS - 1).collect());
    layers
}
