//! What is to be planned, and what a plan is.

use std::collections::BTreeMap;
use std::fmt;

use super::{PlanError, TooLarge};
use crate::model::{LayerLimits, PackageId, TreeDigest};

/// All functions, and what they may use of Lambda.
#[derive(Debug, Clone)]
pub struct Demand {
    pub functions: Vec<FunctionDemand>,
    pub limits: LayerLimits,
    /// Layers that others take: the R runtime's.
    pub n_reserved: usize,
}

/// One function's share of the demand.
#[derive(Debug, Clone)]
pub struct FunctionDemand {
    pub name: String,
    pub trees: Vec<SizedTree>,
    /// For each tree those that need it directly; none where the lockfile alone asks for it.
    pub needed_by: BTreeMap<TreeId, Vec<TreeId>>,
    /// Size of the function's own code, unzipped.
    pub code_bytes: u64,
    /// Size of the R runtime's layer, which it has beside those that are planned, unzipped.
    pub runtime_bytes: u64,
    /// What the zip of its code may hold of its packages, in bytes: a layer that no other
    /// function takes can lie there. 0 where none may.
    pub code_room_bytes: u64,
    /// What code and all layers may have together, unzipped.
    pub limit_bytes: u64,
}

/// What a tree is, and so where it lies in a layer. A function has each at most once.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum TreeId {
    Package(PackageId),
    /// A library of the base that packages need, by its name, which says its content.
    Library(String),
}

impl TreeId {
    /// Where it lies below `/opt`. Two trees of one path are never in one function.
    pub fn path(&self) -> String {
        match self {
            Self::Package(id) => format!("R/library/{}", id.name),
            Self::Library(name) => format!("R/library/.libs/{name}"),
        }
    }

    /// Without the version: `cli`.
    pub fn name(&self) -> &str {
        match self {
            Self::Package(id) => id.name.as_str(),
            Self::Library(name) => name,
        }
    }
}

/// `cli 3.6.5`
impl fmt::Display for TreeId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Package(id) => id.fmt(f),
            Self::Library(name) => f.write_str(name),
        }
    }
}

/// A tree that is to be in a layer.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct SizedTree {
    pub id: TreeId,
    pub digest: TreeDigest,
    pub unzipped_bytes: u64,
}

/// The trees of one layer, sorted.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct LayerPlan {
    pub trees: Vec<SizedTree>,
    pub unzipped_bytes: u64,
}

impl LayerPlan {
    pub fn new(mut trees: Vec<SizedTree>) -> Self {
        trees.sort();
        Self { unzipped_bytes: trees.iter().map(|tree| tree.unzipped_bytes).sum(), trees }
    }
}

/// Which tree goes to which layer, for all functions together.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Plan {
    /// Each once, sorted.
    pub layers: Vec<LayerPlan>,
    /// By function, in the demand's order: positions in `layers`, in attach order.
    pub functions: Vec<Vec<usize>>,
    /// By function: the one of these that is no layer for Lambda, but lies in its code.
    pub in_code: Vec<Option<usize>>,
}

impl Plan {
    /// The layers of the demand's `function`th function, in attach order.
    pub fn layers_of(&self, function: usize) -> impl Iterator<Item = &LayerPlan> {
        self.functions[function].iter().map(|at| &self.layers[*at])
    }

    /// Whether a layer is one for Lambda: some function has it, and not in its code.
    pub fn is_published(&self, layer: usize) -> bool {
        let mut uses = self.functions.iter().zip(&self.in_code);
        uses.any(|(layers, in_code)| layers.contains(&layer) && *in_code != Some(layer))
    }
}

impl FunctionDemand {
    /// What is left of the limit to the layers that are planned.
    pub(super) fn room_bytes(&self) -> u64 {
        self.limit_bytes.saturating_sub(self.code_bytes + self.runtime_bytes)
    }

    /// What may lie in the code: packages that bring no library, since those are found by
    /// their place beside the packages under `/opt`.
    pub(super) fn may_be_in_code(&self) -> impl Iterator<Item = &SizedTree> {
        let brings = |id: &TreeId| {
            self.needed_by.iter().any(|(of, by)| matches!(of, TreeId::Library(_)) && by.contains(id))
        };
        let is_package = |tree: &&SizedTree| matches!(tree.id, TreeId::Package(_));
        self.trees.iter().filter(is_package).filter(move |tree| !brings(&tree.id))
    }
}

impl Demand {
    /// Whether a function can be planned at all.
    pub(super) fn check(&self, function: &FunctionDemand) -> Result<(), PlanError> {
        let Self { limits, n_reserved, .. } = *self;
        let name = || function.name.clone();
        if n_reserved >= limits.n_layers && !function.trees.is_empty() {
            return Err(PlanError::NoLayerLeft { function: name(), n_reserved, n_layers: limits.n_layers });
        }
        let mut by_name: BTreeMap<&str, &SizedTree> = BTreeMap::new();
        for tree in &function.trees {
            if let Some(other) = by_name.insert(tree.id.name(), tree).filter(|other| *other != tree) {
                let (one, other) = (other.id.clone(), tree.id.clone());
                return Err(PlanError::Conflict { function: name(), one, other });
            }
        }
        let unzipped_bytes: u64 = function.trees.iter().map(|tree| tree.unzipped_bytes).sum();
        if unzipped_bytes <= function.room_bytes()
            && function.code_bytes + function.runtime_bytes <= function.limit_bytes
        {
            return Ok(());
        }
        Err(PlanError::TooLarge(Box::new(TooLarge::new(function))))
    }
}
