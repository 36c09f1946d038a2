//! Fleets with the statistics of real lockfiles, for the time that planning takes.

use std::collections::BTreeSet;

use layr::model::LAMBDA;
use layr::plan::{LastPlan, Settings, plan};

use crate::ours::demand;
use crate::replay::Needs;
use crate::trees::Trees;

/// Packages of a lockfile: deciles of 102 real renv.lock files.
const DECILES: [u64; 11] = [1, 2, 20, 60, 100, 125, 140, 160, 190, 272, 466];
/// Lockfiles are from so many dates, with other versions each.
const N_DATES: u64 = 8;

pub(crate) struct Timing {
    pub(crate) n_functions: usize,
    pub(crate) n_trees: usize,
    /// Of the processor, so that it is the same on a machine that has more to do.
    pub(crate) seconds: f64,
    /// The most that this process had until then.
    pub(crate) peak_mib: u64,
    pub(crate) stored_bytes: u64,
    /// What no plan can be below: each tree once.
    pub(crate) least_bytes: u64,
}

/// A small xorshift: the same numbers on every machine.
struct Numbers(u64);

impl Numbers {
    fn below(&mut self, n: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % n
    }
}

/// Plans functions over packages, of which low numbers are popular; each of so many packages,
/// or of as many as lockfiles have.
pub(crate) fn time(n_functions: u64, n_packages: u64, of_each: Option<u64>, trees: &mut Trees) -> Timing {
    let mut numbers = Numbers(0x9e37_79b9_7f4a_7c15);
    let mut needs = Needs::new();
    for function in 0..n_functions {
        let decile = numbers.below(10) as usize;
        let n = DECILES[decile] + numbers.below(DECILES[decile + 1] - DECILES[decile]);
        let date = numbers.below(N_DATES);
        let mut packages = BTreeSet::new();
        while (packages.len() as u64) < of_each.unwrap_or(n) {
            // A cube of an even number: the first tenth of packages is in half of the draws.
            let even = numbers.below(1 << 20) as f64 / f64::from(1 << 20);
            packages.insert((even.powi(3) * n_packages as f64) as u64);
        }
        let mut need = Vec::new();
        for package in packages {
            // Half of the packages have a new version at each date or two.
            let version = if package % 2 == 0 { date / (1 + package % 3) } else { 0 };
            need.extend(trees.number(&format!("pkg{package}"), &format!("1.{version}")));
        }
        while trees.total(&need) > LAMBDA.unzipped_bytes {
            need.pop();
        }
        need.sort_unstable();
        needs.insert(usize::try_from(function).unwrap_or(usize::MAX), need);
    }
    let demand = demand(&needs, trees);
    let all: BTreeSet<usize> = needs.values().flatten().copied().collect();
    let started = processor_seconds();
    let plan = plan(&demand, &LastPlan::default(), &Settings::default()).expect("each function fits");
    Timing {
        n_functions: needs.len(),
        n_trees: all.len(),
        seconds: processor_seconds() - started,
        peak_mib: peak_mib(),
        stored_bytes: plan.layers.iter().map(|layer| layer.unzipped_bytes).sum(),
        least_bytes: all.into_iter().map(|tree| trees.bytes(tree)).sum(),
    }
}

/// What this thread, the only one, has had of the processor.
fn processor_seconds() -> f64 {
    let text = std::fs::read_to_string("/proc/self/schedstat").unwrap_or_default();
    let nanoseconds: f64 = text.split(' ').next().and_then(|word| word.parse().ok()).unwrap_or(f64::NAN);
    nanoseconds / 1e9
}

fn peak_mib() -> u64 {
    let text = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = text.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap_or_default();
    line.trim().trim_end_matches(" kB").parse::<u64>().unwrap_or_default() / 1024
}
