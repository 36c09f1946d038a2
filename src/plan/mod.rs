//! The trees of all functions to layers that they share, within Lambda's limits. Pure: the
//! same demand gives the same plan, in whatever order it comes. docs/layering.md says why.

mod demand;
mod error;

use std::collections::BTreeMap;

pub use demand::{Demand, FunctionDemand, LayerPlan, Plan, SizedTree, TreeId};
pub use error::PlanError;

/// Plans all functions.
///
/// # Errors
///
/// Where a function is too large, with its ten heaviest trees; where no layer is left for it.
pub fn plan(demand: &Demand) -> Result<Plan, PlanError> {
    let mut layers: BTreeMap<Vec<TreeId>, LayerPlan> = BTreeMap::new();
    for function in &demand.functions {
        demand.check(function)?;
        if !function.trees.is_empty() {
            let layer = LayerPlan::new(function.trees.clone());
            layers.insert(layer.trees.iter().map(|tree| tree.id.clone()).collect(), layer);
        }
    }
    let layers: Vec<LayerPlan> = layers.into_values().collect();
    let of_function = |function: &FunctionDemand| {
        let wanted = LayerPlan::new(function.trees.clone());
        (0..layers.len()).filter(|at| layers[*at] == wanted).collect()
    };
    Ok(Plan { functions: demand.functions.iter().map(of_function).collect(), layers })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{LAMBDA, PackageId, Sha256Digest, TreeDigest};

    fn tree(name: &str, unzipped_bytes: u64) -> SizedTree {
        let id = PackageId { name: name.parse().unwrap(), version: "1.0".parse().unwrap() };
        let digest = TreeDigest(Sha256Digest([name.as_bytes()[0]; 32]));
        SizedTree { id: TreeId::Package(id), digest, unzipped_bytes }
    }

    fn function(name: &str, trees: Vec<SizedTree>, code_bytes: u64) -> FunctionDemand {
        FunctionDemand { name: name.to_owned(), trees, needed_by: BTreeMap::new(), code_bytes }
    }

    fn plan_all(functions: Vec<FunctionDemand>, n_reserved: usize) -> Result<Plan, PlanError> {
        plan(&Demand { functions, limits: LAMBDA, n_reserved })
    }

    #[test]
    fn the_plan_is_the_same_in_whatever_order_trees_come() {
        let one = plan_all(vec![function("f", vec![tree("a1", 1), tree("b1", 2)], 0)], 1).unwrap();
        let other = plan_all(vec![function("f", vec![tree("b1", 2), tree("a1", 1)], 0)], 1).unwrap();
        assert_eq!(one, other);
        assert_eq!((one.layers.len(), one.layers[0].unzipped_bytes), (1, 3));
        assert!(plan_all(vec![function("f", Vec::new(), 0)], 1).unwrap().layers.is_empty());
    }

    #[test]
    fn functions_of_the_same_trees_share_their_layers() {
        let trees = || vec![tree("a1", 1), tree("b1", 2)];
        let plan = plan_all(vec![function("f", trees(), 0), function("g", trees(), 0)], 1).unwrap();
        assert_eq!((plan.layers.len(), plan.functions), (1, vec![vec![0], vec![0]]));
    }

    #[test]
    fn the_limit_itself_fits_and_one_byte_more_does_not() {
        let at_limit = LAMBDA.unzipped_bytes - 10;
        assert!(plan_all(vec![function("f", vec![tree("a1", at_limit)], 10)], 1).is_ok());
        let two = function("f", vec![tree("a1", at_limit), tree("b1", 1)], 10);
        let text = plan_all(vec![two], 1).unwrap_err().to_string();
        for part in ["`f`", "262144001", "262144000", "`a1 1.0`"] {
            assert!(text.contains(part), "{part} in {text}");
        }
    }

    #[test]
    fn a_function_without_a_layer_left_is_named() {
        let text = plan_all(vec![function("f", vec![tree("a1", 1)], 0)], 5).unwrap_err().to_string();
        assert_eq!(text, "function `f` has no layer left: 5 of its 5 are others'");
        assert!(plan_all(vec![function("f", Vec::new(), 0)], 5).is_ok());
    }
}
