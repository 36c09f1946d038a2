//! rpm-ostree and chunkah: packages of unusual size alone, the others in bins.

use std::collections::BTreeMap;

use super::tidy;
use crate::replay::{Layer, N_SLOTS, Needs, Packer};
use crate::trees::{TreeNo, Trees, fingerprint};

/// Sizes above median + 3 median absolute deviations, largest first.
fn outliers(need: &[TreeNo], trees: &Trees) -> Vec<TreeNo> {
    let mut sizes: Vec<u64> = need.iter().map(|tree| trees.bytes(*tree)).collect();
    sizes.sort_unstable();
    let Some(median) = sizes.get(sizes.len() / 2).copied() else { return Vec::new() };
    let mut deviations: Vec<u64> = sizes.iter().map(|size| size.abs_diff(median)).collect();
    deviations.sort_unstable();
    let limit = median + 3 * deviations[deviations.len() / 2];
    let mut large: Vec<TreeNo> = need.iter().copied().filter(|tree| trees.bytes(*tree) > limit).collect();
    large.sort_by_key(|tree| (std::cmp::Reverse(trees.bytes(*tree)), *tree));
    large
}

/// Outliers get up to 80 % of the layers, the rest is spread over what is left by the hash
/// of its name.
pub(crate) fn chunkah(need: &[TreeNo], trees: &Trees) -> Vec<Layer> {
    let alone: Vec<TreeNo> = outliers(need, trees).into_iter().take(N_SLOTS * 8 / 10).collect();
    let n_bins = N_SLOTS - alone.len();
    let mut layers: Vec<Layer> = alone.iter().map(|tree| vec![*tree]).collect();
    let mut bins = vec![Vec::new(); n_bins];
    for tree in need.iter().filter(|tree| !alone.contains(tree)) {
        let hash = usize::try_from(fingerprint(trees.name(*tree)) % n_bins as u64).unwrap_or(0);
        bins[hash].push(*tree);
    }
    layers.extend(bins);
    layers
}

/// The largest outlier alone, one bin of small packages, one of the others; what comes
/// later goes to a bin that is kept for it, and what was there stays where it was.
#[derive(Default)]
pub(crate) struct RpmOstree {
    bins: BTreeMap<usize, BTreeMap<String, usize>>,
}

impl Packer for RpmOstree {
    fn name(&self) -> &'static str {
        "rpm-ostree"
    }

    fn pack(&mut self, needs: &Needs, trees: &Trees) -> BTreeMap<usize, Vec<Layer>> {
        let mut packed = BTreeMap::new();
        for (function, need) in needs {
            let bins = self.bins.entry(*function).or_insert_with(|| first_bins(need, trees));
            let mut layers = vec![Vec::new(); N_SLOTS];
            for tree in need {
                let bin = *bins.entry(trees.name(*tree).to_owned()).or_insert(N_SLOTS - 1);
                layers[bin].push(*tree);
            }
            packed.insert(*function, tidy(layers));
        }
        packed
    }
}

fn first_bins(need: &[TreeNo], trees: &Trees) -> BTreeMap<String, usize> {
    let largest = outliers(need, trees).first().copied();
    let mut sizes: Vec<u64> = need.iter().map(|tree| trees.bytes(*tree)).collect();
    sizes.sort_unstable();
    let median = sizes[sizes.len() / 2];
    let bin = |tree: &TreeNo| match tree {
        tree if Some(*tree) == largest => 0,
        tree if trees.bytes(*tree) >= median => 1,
        _ => 2,
    };
    need.iter().map(|tree| (trees.name(*tree).to_owned(), bin(tree))).collect()
}
