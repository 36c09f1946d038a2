//! layr's planner as a packer: it is given what layr.lock would have kept.

use std::collections::BTreeMap;

use layr::model::{DIRECT_UPLOAD_BYTES, LAMBDA};
use layr::plan::{Demand, FunctionDemand, LastPlan, Settings, SizedTree, Weights, plan};

use crate::replay::{Layer, Layers, Needs, Packer};
use crate::trees::{TreeNo, Trees};

pub(crate) struct Ours {
    name: &'static str,
    settings: Settings,
    code_room_bytes: u64,
    last: LastPlan,
    in_code: BTreeMap<usize, Layer>,
}

impl Default for Ours {
    fn default() -> Self {
        Self {
            name: "layr",
            settings: Settings::default(),
            code_room_bytes: 0,
            last: LastPlan::default(),
            in_code: BTreeMap::new(),
        }
    }
}

impl Ours {
    /// Where nothing comes, so that only what is stored counts; which weights do best with
    /// that is not known before.
    pub(crate) fn for_storage() -> [Self; 3] {
        [(0.0, 1.0), (0.0, 0.5), (2.0, 1.0)].map(|(horizon, sharing)| {
            let weights =
                Weights { horizon, sharing, following: 0.0, layer: 0.0, alone: 0.0, ..Weights::default() };
            Self { settings: Settings { weights, ..Settings::default() }, ..Self::default() }
        })
    }

    /// What settings change.
    pub(crate) fn variants() -> Vec<Box<dyn Packer>> {
        let extra = |name, megabytes: u64| Self {
            name,
            settings: Settings { allow_extra_bytes: megabytes * 1_000_000, ..Settings::default() },
            ..Self::default()
        };
        let in_code =
            Self { name: "`remainder = \"code\"`", code_room_bytes: DIRECT_UPLOAD_BYTES, ..Self::default() };
        let variants = [extra("`allow-extra` of 20 MB", 20), extra("`allow-extra` of 100 MB", 100), in_code];
        variants.into_iter().map(|packer| Box::new(packer) as Box<dyn Packer>).collect()
    }

    fn demand(&self, needs: &Needs, trees: &Trees) -> Demand {
        let mut demand = demand(needs, trees);
        demand.functions.iter_mut().for_each(|function| function.code_room_bytes = self.code_room_bytes);
        demand
    }
}

impl Packer for Ours {
    fn name(&self) -> &'static str {
        self.name
    }

    fn extra_bytes(&self) -> u64 {
        self.settings.allow_extra_bytes
    }

    fn in_code(&self) -> BTreeMap<usize, Layer> {
        self.in_code.clone()
    }

    fn pack(&mut self, needs: &Needs, trees: &Trees) -> Layers {
        let demand = self.demand(needs, trees);
        let plan = plan(&demand, &self.last, &self.settings).expect("each function fits");
        self.last = self.last.next(&demand, &plan);
        let numbers: BTreeMap<&SizedTree, TreeNo> =
            needs.values().flatten().map(|tree| (&trees.all[*tree], *tree)).collect();
        let layer = |at: &usize| {
            let mut layer: Vec<TreeNo> = plan.layers[*at].trees.iter().map(|tree| numbers[tree]).collect();
            layer.sort_unstable();
            layer
        };
        let in_code = needs.keys().zip(&plan.in_code);
        self.in_code = in_code.filter_map(|(f, at)| Some((*f, layer(at.as_ref()?)))).collect();
        let layers = needs.keys().zip(&plan.functions);
        layers.map(|(f, layers)| (*f, layers.iter().map(layer).collect())).collect()
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
