//! A command to the time it took and the memory it had.

use std::fs;
use std::process::{Child, Command};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};

use crate::run;

/// Time between two looks at a process's memory.
const POLL: Duration = Duration::from_millis(5);

/// One run of a command.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Measured {
    pub(super) time: Duration,
    /// The most memory the process itself had (not its children, which are compilers
    /// mostly), as last seen before it ended.
    pub(super) peak_kib: u64,
}

/// Runs `command`, which must end well.
pub(super) fn measure(command: &mut Command) -> Result<Measured> {
    let start = Instant::now();
    let mut child = command.spawn().with_context(|| format!("failed to start `{}`", run::shown(command)))?;
    let mut peak_kib = 0;
    let status = loop {
        if let Some(status) = child.try_wait()? {
            break status;
        }
        peak_kib = peak_kib.max(high_water_mark_kib(&child).unwrap_or_default());
        thread::sleep(POLL);
    };
    let time = start.elapsed();
    if !status.success() {
        bail!("`{}` ended with {status}", run::shown(command));
    }
    Ok(Measured { time, peak_kib })
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
}
