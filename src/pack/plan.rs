//! Packages and sizes to layers within Lambda's limits. Pure: the same packages give the
//! same plan, in whatever order they come.

use super::PackError;
use crate::model::{LayerLimits, PackageId, TreeDigest};

/// One function's share of the plan's input.
#[derive(Debug, Clone)]
pub struct PlanInput {
    pub packages: Vec<SizedPackage>,
    /// Size of the function's own code, unzipped.
    pub code_bytes: u64,
    /// Layers that others take: the R runtime's.
    pub n_reserved: usize,
}

/// A package that is to be in a layer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SizedPackage {
    pub id: PackageId,
    pub tree: TreeDigest,
    pub unzipped_bytes: u64,
    /// The packages that need it directly; empty where the lockfile alone asks for it.
    pub needed_by: Vec<PackageId>,
}

/// The packages of one layer, sorted by name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LayerPlan {
    pub packages: Vec<SizedPackage>,
    pub unzipped_bytes: u64,
}

/// Plans one function: as few layers as hold its packages. Lambda has one limit for the
/// sum of all layers and none for a single one, so that is one layer, or none at all.
///
/// # Errors
///
/// Where the packages and the code are too much, with the ten heaviest; where no layer is
/// left for them.
pub fn plan_layers(input: PlanInput, limits: LayerLimits) -> Result<Vec<LayerPlan>, PackError> {
    let PlanInput { mut packages, code_bytes, n_reserved } = input;
    packages.sort_by(|a, b| a.id.cmp(&b.id));
    let unzipped_bytes: u64 = packages.iter().map(|package| package.unzipped_bytes).sum();
    if packages.is_empty() {
        return Ok(Vec::new());
    }
    if n_reserved >= limits.n_layers {
        return Err(PackError::NoLayerLeft { n_reserved, n_layers: limits.n_layers });
    }
    if unzipped_bytes + code_bytes > limits.unzipped_bytes {
        packages.sort_by(|a, b| b.unzipped_bytes.cmp(&a.unzipped_bytes).then_with(|| a.id.cmp(&b.id)));
        packages.truncate(10);
        let limit = limits.unzipped_bytes;
        return Err(PackError::TooLarge { unzipped_bytes, code_bytes, limit, heaviest: packages });
    }
    Ok(vec![LayerPlan { packages, unzipped_bytes }])
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::LAMBDA;
    use crate::sys::hash::sha256;

    fn package(name: &str, unzipped_bytes: u64) -> SizedPackage {
        let id = PackageId { name: name.parse().unwrap(), version: "1.0".parse().unwrap() };
        SizedPackage { id, tree: TreeDigest(sha256(name.as_bytes())), unzipped_bytes, needed_by: Vec::new() }
    }

    fn plan(packages: Vec<SizedPackage>, code_bytes: u64) -> Result<Vec<LayerPlan>, PackError> {
        plan_layers(PlanInput { packages, code_bytes, n_reserved: 1 }, LAMBDA)
    }

    #[test]
    fn the_plan_is_the_same_in_whatever_order_packages_come() {
        let one = plan(vec![package("a1", 1), package("b1", 2)], 0).unwrap();
        let other = plan(vec![package("b1", 2), package("a1", 1)], 0).unwrap();
        assert_eq!(one, other);
        assert_eq!((one.len(), one[0].unzipped_bytes), (1, 3));
        assert!(plan(Vec::new(), 0).unwrap().is_empty(), "no packages need no layer");
    }

    #[test]
    fn the_limit_itself_fits_and_one_byte_more_does_not() {
        let at_limit = LAMBDA.unzipped_bytes - 10;
        assert!(plan(vec![package("a1", at_limit)], 10).is_ok());
        let error = plan(vec![package("a1", at_limit), package("b1", 1)], 10).unwrap_err();
        let text = error.to_string();
        for part in ["262144001", "262144000", "`a1 1.0`"] {
            assert!(text.contains(part), "{part} in {text}");
        }
    }
}
