//! The trees of all functions to layers that they share, within Lambda's limits. Pure: the
//! same demand gives the same plan, in whatever order it comes. docs/layering.md says why.

mod board;
mod bound;
mod demand;
mod error;
mod last;
mod rates;
mod space;
mod split;
mod summary;
mod too_large;

pub use bound::{Bound, bound};
pub use demand::{Demand, FunctionDemand, LayerPlan, Plan, SizedTree, TreeId};
pub use error::PlanError;
pub use last::{Change, LastLayer, LastPlan, TreeMark};
pub use summary::{LayerSummary, Moves, Skew, Summary, WideBump, summary, what_if};
pub use too_large::{Drop, TooLarge};

use board::Board;
use space::Space;

/// How to plan. docs/layering.md says how the defaults were found.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Settings {
    pub weights: Weights,
    /// What a function's layers may hold, in bytes, that it does not need.
    pub allow_extra_bytes: u64,
    /// Layers that others have published.
    pub catalogue: Vec<LastLayer>,
}

/// What counts how much, beside 1 for each byte that is to be published now.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Weights {
    /// For each byte that the next change of a function is expected to publish: changes
    /// ahead that count.
    pub horizon: f64,
    /// For each byte that another function, which has no layers yet, will not publish.
    pub sharing: f64,
    /// For each byte that another function would not publish, should it come to need the same.
    pub following: f64,
    /// For each byte that a function loads without need.
    pub extra: f64,
    /// For each layer.
    pub layer: f64,
    /// For each layer that no other function could take, beside `layer`.
    pub alone: f64,
}

impl Default for Weights {
    fn default() -> Self {
        Self { horizon: 2.0, sharing: 1.0, following: 0.5, extra: 0.05, layer: 1e6, alone: 8e6 }
    }
}

/// Plans all functions: those that need what they needed keep their layers, the others take
/// of what exists and have made what does not.
///
/// # Errors
///
/// Where a function is too large, with its ten heaviest trees; where no layer is left for it.
pub fn plan(demand: &Demand, last: &LastPlan, settings: &Settings) -> Result<Plan, PlanError> {
    for function in &demand.functions {
        demand.check(function)?;
    }
    let space = Space::new(demand, last, &settings.catalogue);
    let n_slots = demand.limits.n_layers.saturating_sub(demand.n_reserved);
    let mut board = Board::new(&space, settings, n_slots);
    for need in 0..space.needs.len() {
        board.keep(need);
    }
    for need in 0..space.needs.len() {
        if !board.is_placed(need) {
            board.place(need);
        }
    }
    Ok(board.plan(demand.functions.len()))
}

#[cfg(test)]
mod properties;
#[cfg(test)]
mod tests;
