//! One layer for what all functions have in common, and one for the rest of each.

use std::collections::BTreeMap;

use super::tidy;
use crate::replay::{Layer, Needs, Packer};
use crate::trees::{TreeNo, Trees};

pub(crate) struct SharedLayer;

impl Packer for SharedLayer {
    fn name(&self) -> &'static str {
        "one shared layer"
    }

    fn pack(&mut self, needs: &Needs, _: &Trees) -> BTreeMap<usize, Vec<Layer>> {
        let in_all = |tree: &TreeNo| needs.values().all(|need| need.binary_search(tree).is_ok());
        let split = |need: &Vec<TreeNo>| {
            let (common, rest) = need.iter().partition(|tree| in_all(tree));
            tidy(vec![common, rest])
        };
        needs.iter().map(|(function, need)| (*function, split(need))).collect()
    }
}
