//! The program over the columns that are known, as its dual: a price for each class that a
//! need has, and one for each layer that a need takes. A column is a row here, and says that
//! those who take the layer pay no more for it than it weighs.

use microlp::{ComparisonOp, LinearExpr, OptimizationDirection, Problem, Solution, Variable};

use super::{Column, Instance};
use crate::plan::rates::as_f64;

pub(super) struct Master {
    /// By need and class; `None` where the need does not have the class.
    classes: Vec<Vec<Option<Variable>>>,
    /// By need.
    slots: Vec<Variable>,
    /// By class.
    weights: Vec<f64>,
    solution: Solution,
}

/// What each need would pay.
pub(super) struct Prices {
    /// By need and class; 0 where the need does not have the class.
    pub(super) classes: Vec<Vec<f64>>,
    /// By need, for each layer that it takes.
    pub(super) slots: Vec<f64>,
    pub(super) objective: f64,
}

impl Master {
    /// Without any column; prices are within what all weighs, so that there is an optimum.
    pub(super) fn new(instance: &Instance) -> Option<Self> {
        let mut problem = Problem::new(OptimizationDirection::Maximize);
        let total = instance.total();
        let (mut classes, mut slots) = (Vec::new(), Vec::new());
        for has in &instance.has {
            let class = |has: &bool| has.then(|| problem.add_var(1.0, (-total, total)));
            classes.push(has.iter().map(class).collect());
            slots.push(problem.add_var(-as_f64(instance.n_slots as u64), (0.0, total)));
        }
        let solution = problem.solve().ok()?.into_solution().ok()?;
        Some(Self { classes, slots, weights: instance.weights.clone(), solution })
    }

    /// With one column more; `None` where the solver gives up.
    pub(super) fn with(self, column: &Column) -> Option<Self> {
        let Self { classes, slots, weights, solution } = self;
        let mut paid = LinearExpr::empty();
        for need in &column.needs {
            for variable in column.classes.iter().filter_map(|class| classes[*need][*class]) {
                paid.add(variable, 1.0);
            }
            paid.add(slots[*need], -1.0);
        }
        let weight = column.classes.iter().map(|class| weights[*class]).sum();
        let solution = solution.add_constraint(paid, ComparisonOp::Le, weight).ok()?.into_solution().ok()?;
        Some(Self { classes, slots, weights, solution })
    }

    pub(super) fn prices(&self) -> Prices {
        let value = |variable: Variable| self.solution.var_value(variable);
        let of_need = |classes: &Vec<Option<Variable>>| {
            classes.iter().map(|variable| variable.map_or(0.0, value)).collect()
        };
        Prices {
            classes: self.classes.iter().map(of_need).collect(),
            slots: self.slots.iter().map(|variable| value(*variable)).collect(),
            objective: self.solution.objective(),
        }
    }
}
