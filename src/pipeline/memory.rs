//! The last plan, from layr.lock and to it.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use crate::error::Error;
use crate::layr_lock::{LayrLock, LockedChange, RetiredLayer};
use crate::manifest::{self, Manifest};
use crate::plan::{Change, LastLayer, LastPlan, TreeMark};
use crate::sys::fs;

/// What layr.lock says of the last plan. A layer of an older layr.lock, which does not say
/// what trees it has, is as good as none.
pub(super) fn last_plan(lock: &LayrLock) -> LastPlan {
    let position: BTreeMap<&str, usize> =
        lock.layers.iter().enumerate().map(|(at, layer)| (layer.digest.as_str(), at)).collect();
    let functions = lock.functions.iter().map(|function| {
        let layers = function.layers.iter().chain(&function.in_code);
        let layers = layers.filter_map(|digest| position.get(digest.as_str()).copied());
        (function.name.clone(), layers.collect())
    });
    let in_code = lock.functions.iter().filter_map(|function| {
        let at = position.get(function.in_code.as_ref()?.as_str())?;
        Some((function.name.clone(), *at))
    });
    let change =
        |change: &LockedChange| Change { functions: change.functions.clone(), trees: change.trees.clone() };
    LastPlan {
        layers: lock.layers.iter().map(|layer| last_layer(&layer.trees)).collect(),
        functions: functions.collect(),
        in_code: in_code.collect(),
        retired: lock.retired.iter().map(|layer| last_layer(&layer.trees)).collect(),
        changes: lock.changes.iter().map(change).collect(),
    }
}

/// What layr.lock says of layers that it does not say right; those are planned as if they
/// were not there.
pub(super) fn unreadable(lock: &LayrLock) -> Vec<String> {
    let mut problems = Vec::new();
    for layer in lock.layers.iter().filter(|layer| marks_of(&layer.trees).is_none()) {
        problems.push(format!("it is unreadable what layer {} holds", layer.digest));
    }
    let n_retired = lock.retired.iter().filter(|layer| marks_of(&layer.trees).is_none()).count();
    if n_retired > 0 {
        problems.push(format!("it is unreadable what {n_retired} of its retired layers hold"));
    }
    let is_there = |digest: &&String| lock.layers.iter().any(|layer| layer.digest == **digest);
    for function in &lock.functions {
        for digest in function.layers.iter().chain(&function.in_code).filter(|digest| !is_there(digest)) {
            problems.push(format!("function `{}` has layer {digest}, which it does not list", function.name));
        }
    }
    problems
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
    let packages = manifest.functions.iter().flat_map(|function| &function.packages);
    for package in packages.filter(|package| package.layer != manifest::IN_CODE) {
        let mark = TreeMark::new(&package.name, package.tree);
        layers.entry(&package.layer).or_default().insert(mark);
    }
    Ok(layers.into_values().map(|marks| LastLayer { trees: marks.into_iter().collect() }).collect())
}

fn last_layer(trees: &[String]) -> LastLayer {
    LastLayer::new(marks_of(trees).unwrap_or_default())
}

fn marks_of(trees: &[String]) -> Option<Vec<TreeMark>> {
    let mark = |text: &String| {
        let (name, digest) = text.rsplit_once(' ')?;
        Some(TreeMark { name: name.to_owned(), digest: u64::from_str_radix(digest, 16).ok()? })
    };
    trees.iter().map(mark).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::layr_lock::{LockedFunction, LockedLayer};

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

    #[test]
    fn what_is_wrong_in_layr_lock_is_told() {
        let layer = |trees: &[&str]| LockedLayer {
            digest: "ab".to_owned(),
            packages: Vec::new(),
            trees: trees.iter().map(|tree| (*tree).to_owned()).collect(),
        };
        let function = |layers: &[&str]| LockedFunction {
            name: "f".to_owned(),
            lockfile: "renv.lock".to_owned(),
            packages: Vec::new(),
            layers: layers.iter().map(|layer| (*layer).to_owned()).collect(),
            in_code: None,
        };
        let lock = |layer, function| LayrLock {
            layers: vec![layer],
            functions: vec![function],
            ..LayrLock::default()
        };
        assert_eq!(unreadable(&lock(layer(&["cli 00000000000000ff"]), function(&["ab"]))), [""; 0]);
        assert_eq!(unreadable(&lock(layer(&[]), function(&["ab"]))), [""; 0], "an older layr.lock");
        let told = unreadable(&lock(layer(&["cli xyz"]), function(&["cd"])));
        let expected =
            ["it is unreadable what layer ab holds", "function `f` has layer cd, which it does not list"];
        assert_eq!(told, expected);
    }
}
