//! layr's planner as a packer: it is given what layr.lock would have kept.

use std::collections::BTreeMap;

use layr::model::LAMBDA;
use layr::plan::{Demand, FunctionDemand, LastPlan, Settings, SizedTree, plan};

use crate::replay::{Layers, Needs, Packer};
use crate::trees::{TreeNo, Trees};

#[derive(Default)]
pub(crate) struct Ours {
    settings: Settings,
    last: LastPlan,
}

impl Packer for Ours {
    fn name(&self) -> &'static str {
        "layr"
    }

    fn pack(&mut self, needs: &Needs, trees: &Trees) -> Layers {
        let demand = demand(needs, trees);
        let plan = plan(&demand, &self.last, &self.settings).expect("each function fits");
        self.last = self.last.next(&demand, &plan);
        let numbers: BTreeMap<&SizedTree, TreeNo> =
            needs.values().flatten().map(|tree| (&trees.all[*tree], *tree)).collect();
        let layer = |at: &usize| {
            let mut layer: Vec<TreeNo> = plan.layers[*at].trees.iter().map(|tree| numbers[tree]).collect();
            layer.sort_unstable();
            layer
        };
        needs
            .keys()
            .zip(&plan.functions)
            .map(|(f, layers)| (*f, layers.iter().map(layer).collect()))
            .collect()
    }
}

pub(crate) fn demand(needs: &Needs, trees: &Trees) -> Demand {
    let functions = needs.iter().map(|(function, need)| FunctionDemand {
        name: format!("{function:06}"),
        trees: need.iter().map(|tree| trees.all[*tree].clone()).collect(),
        needed_by: BTreeMap::new(),
        code_bytes: 0,
        runtime_bytes: 0,
        code_room_bytes: 0,
        limit_bytes: LAMBDA.unzipped_bytes,
    });
    Demand { functions: functions.collect(), limits: LAMBDA, n_reserved: 1 }
}
