//! The last plan, from layr.lock and to it.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use crate::error::Error;
use crate::layr_lock::{LayrLock, LockedChange, RetiredLayer};
use crate::manifest::Manifest;
use crate::plan::{Change, LastLayer, LastPlan, TreeMark};
use crate::sys::fs;

/// What layr.lock says of the last plan. A layer of an older layr.lock, which does not say
/// what trees it has, is as good as none.
pub(super) fn last_plan(lock: &LayrLock) -> LastPlan {
    let position: BTreeMap<&str, usize> =
        lock.layers.iter().enumerate().map(|(at, layer)| (layer.digest.as_str(), at)).collect();
    let functions = lock.functions.iter().map(|function| {
        let layers = function.layers.iter().filter_map(|digest| position.get(digest.as_str()).copied());
        (function.name.clone(), layers.collect())
    });
    let change =
        |change: &LockedChange| Change { functions: change.functions.clone(), trees: change.trees.clone() };
    LastPlan {
        layers: lock.layers.iter().map(|layer| last_layer(&layer.trees)).collect(),
        functions: functions.collect(),
        retired: lock.retired.iter().map(|layer| last_layer(&layer.trees)).collect(),
        changes: lock.changes.iter().map(change).collect(),
    }
}

/// Keeps in layr.lock what the next plan is to know, beside what layr.lock has anyway.
pub(super) fn remember(last: &LastPlan, lock: &mut LayrLock) {
    lock.retired = last.retired.iter().map(|layer| RetiredLayer { trees: marks(&layer.trees) }).collect();
    let change =
        |change: &Change| LockedChange { functions: change.functions.clone(), trees: change.trees.clone() };
    lock.changes = last.changes.iter().map(change).collect();
}

pub(super) fn marks<'a>(trees: impl IntoIterator<Item = &'a TreeMark>) -> Vec<String> {
    trees.into_iter().map(|mark| format!("{} {:016x}", mark.name, mark.digest)).collect()
}

/// The layers of somebody's layers.json, and what they hold.
///
/// # Errors
///
/// Where it is not there, or not a layers.json.
pub fn catalogue(path: &Path) -> Result<Vec<LastLayer>, Error> {
    let manifest = Manifest::parse(&fs::read(path)?, &path.display().to_string())
        .map_err(|error| Error::Usage(format!("`layers.catalogue` of layr.toml cannot be used: {error}")))?;
    let mut layers: BTreeMap<&str, BTreeSet<TreeMark>> = BTreeMap::new();
    for package in manifest.functions.iter().flat_map(|function| &function.packages) {
        let mark = TreeMark::new(&package.name, package.tree);
        layers.entry(&package.layer).or_default().insert(mark);
    }
    Ok(layers.into_values().map(|marks| LastLayer { trees: marks.into_iter().collect() }).collect())
}

fn last_layer(trees: &[String]) -> LastLayer {
    let mark = |text: &String| {
        let (name, digest) = text.rsplit_once(' ')?;
        Some(TreeMark { name: name.to_owned(), digest: u64::from_str_radix(digest, 16).ok()? })
    };
    let marks: Option<Vec<TreeMark>> = trees.iter().map(mark).collect();
    LastLayer::new(marks.unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn layers_are_read_back_as_they_were_written() {
        let mark = |name: &str, digest| TreeMark { name: name.to_owned(), digest };
        let layer = LastLayer { trees: vec![mark("R6", 0), mark("cli", u64::MAX)] };
        let last = LastPlan {
            retired: vec![layer],
            changes: vec![Change { functions: vec!["f".to_owned()], trees: vec!["cli".to_owned()] }],
            ..LastPlan::default()
        };
        let mut lock = LayrLock::default();
        remember(&last, &mut lock);
        assert_eq!(lock.retired[0].trees, ["R6 0000000000000000", "cli ffffffffffffffff"]);
        assert_eq!(last_plan(&lock), last);
        assert_eq!(last_layer(&["no digest".to_owned()]), LastLayer::default());
    }
}
