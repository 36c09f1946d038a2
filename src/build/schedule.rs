//! Which package to build next: the one with the longest way still ahead of it. Pure.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

/// A build plan as a value that is asked for the next step.
#[derive(Debug, Clone)]
pub(super) struct Schedule {
    /// By package: its direct dependencies that are not built yet.
    waiting_for: BTreeMap<usize, BTreeSet<usize>>,
    dependents: BTreeMap<usize, BTreeSet<usize>>,
    /// By package: its own time and that of the longest chain of packages after it.
    ahead: BTreeMap<usize, Duration>,
    ready: BTreeSet<usize>,
}

impl Schedule {
    /// `dependencies` holds what is to be built, each with its direct dependencies, which
    /// must be keys too and form no circle; `estimate` says how long one may take.
    pub(super) fn new(
        dependencies: BTreeMap<usize, BTreeSet<usize>>,
        estimate: impl Fn(usize) -> Duration,
    ) -> Self {
        let mut dependents: BTreeMap<usize, BTreeSet<usize>> = BTreeMap::new();
        for (at, before) in &dependencies {
            for dependency in before {
                dependents.entry(*dependency).or_default().insert(*at);
            }
        }
        let mut ahead = BTreeMap::new();
        for at in dependencies.keys() {
            way_ahead(*at, &dependents, &estimate, &mut ahead);
        }
        let ready = dependencies.iter().filter(|(_, before)| before.is_empty()).map(|(at, _)| *at).collect();
        Self { waiting_for: dependencies, dependents, ahead, ready }
    }

    /// The next package that can start; it is not given twice.
    pub(super) fn next(&mut self) -> Option<usize> {
        // Equal ways ahead go by place, so that the order is the same in every run.
        let next = self.ready.iter().copied().max_by_key(|at| (self.ahead[at], std::cmp::Reverse(*at)))?;
        self.ready.remove(&next);
        self.waiting_for.remove(&next);
        Some(next)
    }

    /// Says that a package is built: what waited for it alone becomes ready.
    pub(super) fn done(&mut self, at: usize) {
        for dependent in self.dependents.get(&at).into_iter().flatten() {
            if let Some(before) = self.waiting_for.get_mut(dependent) {
                before.remove(&at);
                if before.is_empty() {
                    self.ready.insert(*dependent);
                }
            }
        }
    }

    /// What never became ready, since something it needs failed.
    pub(super) fn left(&self) -> BTreeSet<usize> {
        self.waiting_for.keys().copied().filter(|at| !self.ready.contains(at)).collect()
    }
}

fn way_ahead(
    at: usize,
    dependents: &BTreeMap<usize, BTreeSet<usize>>,
    estimate: &impl Fn(usize) -> Duration,
    ahead: &mut BTreeMap<usize, Duration>,
) -> Duration {
    if let Some(known) = ahead.get(&at) {
        return *known;
    }
    let after = dependents.get(&at).into_iter().flatten();
    let longest = after.map(|next| way_ahead(*next, dependents, estimate, ahead)).max().unwrap_or_default();
    let way = longest + estimate(at);
    ahead.insert(at, way);
    way
}

#[cfg(test)]
mod tests {
    use super::*;

    fn schedule(edges: &[(usize, &[usize])], seconds: &[u64]) -> Schedule {
        let dependencies = edges.iter().map(|(at, before)| (*at, before.iter().copied().collect())).collect();
        Schedule::new(dependencies, |at| Duration::from_secs(seconds[at]))
    }

    #[test]
    fn the_longest_chain_starts_first_even_if_its_first_link_is_short() {
        // 0 takes long alone; 1 is short, but 2, which takes longest, needs it.
        let mut schedule = schedule(&[(0, &[]), (1, &[]), (2, &[1])], &[50, 1, 60]);
        assert_eq!(schedule.next(), Some(1));
        assert_eq!(schedule.next(), Some(0));
        assert_eq!(schedule.next(), None, "2 waits for 1");
        schedule.done(1);
        assert_eq!(schedule.next(), Some(2));
    }

    #[test]
    fn a_failure_leaves_only_what_needs_it() {
        let mut schedule = schedule(&[(0, &[]), (1, &[0]), (2, &[1]), (3, &[])], &[9, 9, 9, 1]);
        assert_eq!(schedule.next(), Some(0)); // and fails: nobody calls `done`
        assert_eq!(schedule.next(), Some(3));
        schedule.done(3);
        assert_eq!(schedule.next(), None);
        assert_eq!(schedule.left(), BTreeSet::from([1, 2]));
    }

    #[test]
    fn equal_packages_come_in_one_order() {
        let mut schedule = schedule(&[(2, &[]), (0, &[]), (1, &[])], &[1, 1, 1]);
        assert_eq!([schedule.next(), schedule.next(), schedule.next()], [Some(0), Some(1), Some(2)]);
    }
}
