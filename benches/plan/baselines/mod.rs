//! What others do, function by function; docs/layering.md says where each comes from.

mod auto_layer;
mod bins;
mod largest;
mod popularity;
mod shared;

use std::collections::BTreeMap;

use crate::replay::{Layer, Needs, Packer};
use crate::trees::{TreeNo, Trees};

/// A rule that looks at one function at a time.
type Rule = fn(&[TreeNo], &Trees) -> Vec<Layer>;

struct EachAlone {
    name: &'static str,
    rule: Rule,
}

impl Packer for EachAlone {
    fn name(&self) -> &'static str {
        self.name
    }

    fn pack(&mut self, needs: &Needs, trees: &Trees) -> BTreeMap<usize, Vec<Layer>> {
        needs.iter().map(|(function, need)| (*function, tidy((self.rule)(need, trees)))).collect()
    }
}

/// Without empty layers, each in order.
fn tidy(mut layers: Vec<Layer>) -> Vec<Layer> {
    layers.retain(|layer| !layer.is_empty());
    for layer in &mut layers {
        layer.sort_unstable();
    }
    layers
}

pub(crate) fn one_layer() -> Box<dyn Packer> {
    Box::new(EachAlone { name: "one layer per lockfile", rule: |need, _| vec![need.to_vec()] })
}

pub(crate) fn others() -> Vec<Box<dyn Packer>> {
    let alone = |name, rule| -> Box<dyn Packer> { Box::new(EachAlone { name, rule }) };
    vec![
        alone("Nix popularity", popularity::pack),
        alone("nixpkgs auto-layer", auto_layer::pack),
        Box::new(bins::RpmOstree::default()),
        alone("chunkah", bins::chunkah),
        alone("apko", largest::pack),
        Box::new(shared::SharedLayer),
    ]
}
