//! A command to the time and the processors that it took, and the memory it had.

use std::collections::BTreeMap;
use std::fs;
use std::process::{Child, Command};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};

use crate::run;

/// Time between two looks at a process's memory.
const POLL: Duration = Duration::from_millis(5);
/// Looks at memory between two looks at the compilers, which take longer.
const POLLS_PER_CENSUS: u32 = 20;
/// What compiles: gcc's parts, and R with its own compiler.
const COMPILERS: [&str; 6] = ["cc1", "cc1plus", "f951", "as", "ld", "R"];
/// The kernel's unit in `/proc/PID/stat`, on every architecture that Linux runs R on.
const TICK: Duration = Duration::from_millis(10);

/// One run of a command.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Measured {
    pub(super) time: Duration,
    /// User and system time of it and of all that it started.
    pub(super) cpu: Duration,
    /// The part of `cpu` that compilers were seen to take; those that ended between two
    /// looks are missing, so it is at least this.
    pub(super) compilers: Duration,
    /// The most memory the process itself had (not its children, which are compilers
    /// mostly), as last seen before it ended.
    pub(super) peak_kib: u64,
}

/// A time in a table.
pub(super) fn seconds(time: Duration) -> String {
    format!("{:.2} s", time.as_secs_f64())
}

/// Runs `command`, which must end well.
pub(super) fn measure(command: &mut Command) -> Result<Measured> {
    let (start, cpu_before) = (Instant::now(), children_cpu());
    let mut child = command.spawn().with_context(|| format!("failed to start `{}`", run::shown(command)))?;
    let mut peak_kib = 0;
    let mut census = BTreeMap::new();
    let mut n_polls = 0_u32;
    let status = loop {
        if let Some(status) = child.try_wait()? {
            break status;
        }
        peak_kib = peak_kib.max(high_water_mark_kib(&child).unwrap_or_default());
        if n_polls.is_multiple_of(POLLS_PER_CENSUS) {
            take_census(&mut census);
        }
        n_polls += 1;
        thread::sleep(POLL);
    };
    let (time, cpu) = (start.elapsed(), children_cpu().saturating_sub(cpu_before));
    let compilers = census.into_values().sum();
    if !status.success() {
        bail!("`{}` ended with {status}", run::shown(command));
    }
    Ok(Measured { time, cpu, compilers, peak_kib })
}

/// What all children that have ended, with all of theirs, have taken.
fn children_cpu() -> Duration {
    let stat = fs::read_to_string("/proc/self/stat").unwrap_or_default();
    ticks(&stat, [13, 14])
}

/// Notes what each compiler on the machine has taken so far, by process and start.
fn take_census(census: &mut BTreeMap<(u32, String), Duration>) {
    for entry in fs::read_dir("/proc").into_iter().flatten().flatten() {
        let Ok(pid) = entry.file_name().to_string_lossy().parse::<u32>() else { continue };
        let Ok(stat) = fs::read_to_string(entry.path().join("stat")) else { continue };
        let name = stat.split(['(', ')']).nth(1).unwrap_or_default();
        if COMPILERS.contains(&name) {
            let began = stat.rsplit(')').next().and_then(|rest| rest.split_whitespace().nth(19));
            census.insert((pid, began.unwrap_or_default().to_owned()), ticks(&stat, [11, 12]));
        }
    }
}

/// The sum of two of the fields behind the name in a line of `/proc/PID/stat`.
fn ticks(stat: &str, fields: [usize; 2]) -> Duration {
    let values: Vec<&str> = stat.rsplit(')').next().unwrap_or_default().split_whitespace().collect();
    let field = |at: usize| values.get(at).and_then(|value| value.parse::<u32>().ok()).unwrap_or_default();
    TICK * fields.map(field).iter().sum::<u32>()
}

/// How long a fixed piece of work takes on every core at once: what it varies by between
/// the runs is the machine's noise.
pub(super) fn fixed_work() -> Duration {
    let work =
        || (0..100_000_000_u64).fold(1_u64, |state, n| std::hint::black_box(state).wrapping_mul(31) ^ n);
    let start = Instant::now();
    thread::scope(|scope| {
        for _ in 0..n_cores() {
            scope.spawn(|| std::hint::black_box(work()));
        }
    });
    start.elapsed()
}

pub(super) fn n_cores() -> u32 {
    let n = thread::available_parallelism().map_or(1, std::num::NonZeroUsize::get);
    u32::try_from(n).unwrap_or(1)
}

/// The kernel keeps the peak itself, so looking at times loses only the last moment.
fn high_water_mark_kib(child: &Child) -> Option<u64> {
    let status = fs::read_to_string(format!("/proc/{}/status", child.id())).ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    line.trim().trim_end_matches(" kB").parse().ok()
}

/// The middle of several runs and how far they lie apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Spread {
    pub(super) min: Duration,
    pub(super) median: Duration,
    pub(super) max: Duration,
}

impl Spread {
    /// `None` without a run; of an even number of runs, the lower one in the middle.
    pub(super) fn of(mut times: Vec<Duration>) -> Option<Self> {
        times.sort_unstable();
        let median = *times.get(times.len().checked_sub(1)? / 2)?;
        Some(Self { min: *times.first()?, median, max: *times.last()? })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_spread_is_the_same_in_whatever_order_the_runs_came() {
        let spread = |times: &[u64]| Spread::of(times.iter().copied().map(Duration::from_secs).collect());
        let expected = Spread {
            min: Duration::from_secs(1),
            median: Duration::from_secs(2),
            max: Duration::from_secs(9),
        };
        assert_eq!(spread(&[9, 1, 2]), Some(expected));
        assert_eq!(spread(&[2, 9, 1]), Some(expected));
        assert_eq!(spread(&[]), None);
    }

    #[test]
    fn a_command_that_fails_is_not_a_measurement() {
        assert!(measure(&mut Command::new("false")).is_err());
        assert!(measure(Command::new("sleep").arg("0.05")).unwrap().peak_kib > 0);
    }

    #[test]
    fn time_of_processors_is_read_from_behind_the_name() {
        let stat = "7 (a (b) c) S 1 7 7 0 -1 4194560 1 2 3 4 100 20 3000 400 20 0 1 0 555 1 1";
        assert_eq!(ticks(stat, [11, 12]), Duration::from_millis(1200));
        assert_eq!(ticks(stat, [13, 14]), Duration::from_secs(34));
        assert_eq!(ticks("", [11, 12]), Duration::ZERO);
    }
}
