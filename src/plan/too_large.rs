//! A function that is too large: by how much, what weighs most, and what would make it fit.

use std::collections::BTreeSet;
use std::fmt;

use super::{FunctionDemand, SizedTree, TreeId};
use crate::model::human_bytes;

#[derive(Debug)]
pub struct TooLarge {
    pub function: String,
    pub unzipped_bytes: u64,
    pub code_bytes: u64,
    pub runtime_bytes: u64,
    pub limit: u64,
    /// With what needs them.
    pub heaviest: Vec<(Vec<TreeId>, SizedTree)>,
    /// What can be left out of the lockfile, by what that saves.
    pub drops: Vec<Drop>,
    /// What the slimmest profile would leave out of the packages, where that is known.
    pub slim_bytes: Option<u64>,
}

/// A package that no other needs, and all that it alone needs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Drop {
    pub package: TreeId,
    pub n_others: usize,
    pub bytes: u64,
}

/// More are not listed.
const MAX_HEAVIEST: usize = 10;
const MAX_DROPS: usize = 5;

impl TooLarge {
    pub(super) fn new(function: &FunctionDemand) -> Self {
        let mut heaviest = function.trees.clone();
        heaviest.sort_by(|a, b| b.unzipped_bytes.cmp(&a.unzipped_bytes).then_with(|| a.id.cmp(&b.id)));
        heaviest.truncate(MAX_HEAVIEST);
        let needed_by = |tree: &SizedTree| function.needed_by.get(&tree.id).cloned().unwrap_or_default();
        Self {
            function: function.name.clone(),
            unzipped_bytes: function.trees.iter().map(|tree| tree.unzipped_bytes).sum(),
            code_bytes: function.code_bytes,
            runtime_bytes: function.runtime_bytes,
            limit: function.limit_bytes,
            heaviest: heaviest.into_iter().map(|tree| (needed_by(&tree), tree)).collect(),
            drops: drops(function),
            slim_bytes: None,
        }
    }

    fn total_bytes(&self) -> u64 {
        self.unzipped_bytes + self.code_bytes + self.runtime_bytes
    }

    fn over_bytes(&self) -> u64 {
        self.total_bytes().saturating_sub(self.limit)
    }

    fn enough(&self, saved_bytes: u64) -> &'static str {
        if saved_bytes >= self.over_bytes() { "enough" } else { "not enough" }
    }
}

/// What dropping each package that only the lockfile asks for would save.
fn drops(function: &FunctionDemand) -> Vec<Drop> {
    let needed_by = |tree: &SizedTree| function.needed_by.get(&tree.id).map_or(&[][..], Vec::as_slice);
    let roots = function.trees.iter().filter(|tree| needed_by(tree).is_empty());
    let drop = |root: &SizedTree| {
        let mut gone = BTreeSet::from([&root.id]);
        loop {
            let without = |tree: &&SizedTree| {
                let needed_by = needed_by(tree);
                !gone.contains(&tree.id)
                    && !needed_by.is_empty()
                    && needed_by.iter().all(|id| gone.contains(id))
            };
            let more: Vec<&TreeId> = function.trees.iter().filter(without).map(|tree| &tree.id).collect();
            if more.is_empty() {
                break;
            }
            gone.extend(more);
        }
        let trees = function.trees.iter().filter(|tree| gone.contains(&tree.id));
        let bytes = trees.map(|tree| tree.unzipped_bytes).sum();
        Drop { package: root.id.clone(), n_others: gone.len() - 1, bytes }
    };
    let mut drops: Vec<Drop> = roots.map(drop).collect();
    drops.sort_by(|a, b| b.bytes.cmp(&a.bytes).then_with(|| a.package.cmp(&b.package)));
    drops.truncate(MAX_DROPS);
    drops
}

impl fmt::Display for TooLarge {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { function, unzipped_bytes, code_bytes, runtime_bytes, limit, heaviest, drops, slim_bytes } =
            self;
        write!(
            f,
            "function `{function}` has {} bytes unzipped ({} of packages, {} of code, {} of R), {} more than Lambda's \
             limit of {limit}; the heaviest packages:",
            self.total_bytes(),
            human_bytes(*unzipped_bytes),
            human_bytes(*code_bytes),
            human_bytes(*runtime_bytes),
            human_bytes(self.over_bytes()),
        )?;
        for (needed_by, tree) in heaviest {
            let needed_by: Vec<_> = needed_by.iter().map(|id| format!("`{}`", id.name())).collect();
            let why = match needed_by.len() {
                0 => "in the lockfile by itself".to_owned(),
                1..=4 => format!("needed by {}", needed_by.join(", ")),
                n => format!("needed by {} and {} more", needed_by[..3].join(", "), n - 3),
            };
            write!(f, "\n  {:>10}  `{}`, {why}", human_bytes(tree.unzipped_bytes), tree.id)?;
        }
        f.write_str("\nwhat would be saved:")?;
        if let Some(bytes) = slim_bytes {
            write!(f, "\n  {:>10}  by --slim max: {}", human_bytes(*bytes), self.enough(*bytes))?;
        }
        for Drop { package, n_others, bytes } in drops {
            let others = match n_others {
                0 => String::new(),
                n => format!(" and {n} that it alone needs"),
            };
            let enough = self.enough(*bytes);
            write!(f, "\n  {:>10}  without `{}`{others}: {enough}", human_bytes(*bytes), package.name())?;
        }
        Ok(())
    }
}
