//! Lockfiles over time, as JSON lines, to fleets of functions that are replayed commit by commit.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::{Context, Result};
use serde::Deserialize;

use crate::trees::{TreeNo, Trees};

/// One lockfile's past: what each commit set and deleted.
#[derive(Debug, Clone, Deserialize)]
pub(crate) struct Past {
    pub(crate) repo: String,
    pub(crate) path: String,
    pub(crate) commits: Vec<Commit>,
}

#[derive(Debug, Clone, Deserialize)]
pub(crate) struct Commit {
    pub(crate) date: String,
    #[serde(rename = "commit")]
    pub(crate) id: String,
    /// Versions by package.
    pub(crate) set: BTreeMap<String, String>,
    #[serde(default)]
    pub(crate) del: Vec<String>,
}

/// Functions that are planned together, and what becomes of their needs.
#[derive(Clone)]
pub(crate) struct Fleet {
    pub(crate) name: String,
    pub(crate) functions: Vec<String>,
    pub(crate) events: Vec<Event>,
}

/// What one commit changes: needs by function.
pub(crate) type Event = Vec<(usize, Vec<TreeNo>)>;

pub(crate) fn read(text: &str) -> Result<Vec<Past>> {
    let lines = text.lines().enumerate().filter(|(_, line)| !line.trim().is_empty());
    lines.map(|(n, line)| serde_json::from_str(line).with_context(|| format!("line {}", n + 1))).collect()
}

/// The functions' needs after each commit, in the order of dates.
pub(crate) fn fleet(name: &str, pasts: &[&Past], trees: &mut Trees) -> Fleet {
    let mut by_commit: BTreeMap<_, Vec<(usize, &Commit)>> = BTreeMap::new();
    for (function, past) in pasts.iter().enumerate() {
        for commit in &past.commits {
            let key = (commit.date.as_str(), past.repo.as_str(), commit.id.as_str());
            by_commit.entry(key).or_default().push((function, commit));
        }
    }
    // Commits of one day keep the order that they have in each lockfile's past.
    let mut order: Vec<_> = by_commit.into_values().collect();
    let place = |(function, commit): &(usize, &Commit)| {
        pasts[*function].commits.iter().position(|other| other.id == commit.id)
    };
    order.sort_by_key(|commits| (commits[0].1.date.clone(), commits.iter().filter_map(place).max()));
    let mut versions: Vec<BTreeMap<&str, &str>> = vec![BTreeMap::new(); pasts.len()];
    let events = order.into_iter().map(|commits| {
        let mut event = Vec::new();
        for (function, commit) in commits {
            let now = &mut versions[function];
            for gone in &commit.del {
                now.remove(gone.as_str());
            }
            now.extend(commit.set.iter().map(|(name, version)| (name.as_str(), version.as_str())));
            let needs: BTreeSet<TreeNo> = now.iter().filter_map(|(name, v)| trees.number(name, v)).collect();
            event.push((function, needs.into_iter().collect()));
        }
        event
    });
    let events = events.collect();
    let functions = pasts.iter().map(|past| format!("{} {}", past.repo, past.path)).collect();
    Fleet { name: name.to_owned(), functions, events }
}

/// Each repository of several lockfiles alone, and mixed fleets of all.
pub(crate) fn fleets(pasts: &[Past], trees: &mut Trees) -> Vec<Fleet> {
    let mut by_repo: BTreeMap<&str, Vec<&Past>> = BTreeMap::new();
    for past in pasts {
        by_repo.entry(&past.repo).or_default().push(past);
    }
    let several = by_repo.iter().filter(|(_, pasts)| pasts.len() > 1);
    let mut fleets: Vec<Fleet> = several.map(|(repo, pasts)| fleet(repo, pasts, trees)).collect();
    for size in [10, 20, 50] {
        if pasts.len() >= size {
            // Evenly out of the list, so that no order of it matters much.
            let mixed: Vec<&Past> = (0..size).map(|n| &pasts[n * pasts.len() / size]).collect();
            fleets.push(fleet(&format!("{size} mixed"), &mixed, trees));
        }
    }
    fleets
}
