//! Ctrl-C and a request to terminate: what the task has started ends, and then the task,
//! step by step, so that nothing of it stays behind.

use std::collections::BTreeMap;
use std::fs;
use std::sync::atomic::{AtomicBool, Ordering};

use anyhow::{Context, Result, bail};
use rustix::process::{Pid, Signal, kill_process};

static IS_SET: AtomicBool = AtomicBool::new(false);

/// From here on a signal does not end this process, but what it has started.
pub fn listen() -> Result<()> {
    let end = || {
        IS_SET.store(true, Ordering::SeqCst);
        end_below(std::process::id());
    };
    ctrlc::set_handler(end).context("no handler for signals")
}

/// Asks all that a process has started, and what that has started, to end.
pub fn end_below(root: u32) {
    send(&below(root), Signal::TERM);
}

/// Kills a process, and all that it has started, at once.
pub fn kill_all(root: u32) {
    send(&[vec![root], below(root)].concat(), Signal::KILL);
}

fn send(pids: &[u32], signal: Signal) {
    for pid in pids {
        if let Some(pid) = i32::try_from(*pid).ok().and_then(Pid::from_raw) {
            kill_process(pid, signal).ok(); // it may have ended by itself
        }
    }
}

/// An error after a signal: nothing more is to be started.
pub fn check() -> Result<()> {
    if IS_SET.load(Ordering::SeqCst) {
        bail!("interrupted");
    }
    Ok(())
}

/// What a process has started, and what that has started.
pub fn below(root: u32) -> Vec<u32> {
    descendants(root, &parents())
}

/// All processes of the machine, each with its parent.
fn parents() -> BTreeMap<u32, u32> {
    let processes = fs::read_dir("/proc").into_iter().flatten().flatten();
    let parent = |entry: fs::DirEntry| {
        let pid = entry.file_name().to_str()?.parse().ok()?;
        Some((pid, parent(&fs::read_to_string(entry.path().join("stat")).ok()?)?))
    };
    processes.filter_map(parent).collect()
}

/// `1234 (a name) S 567 …`, where the name may hold anything.
fn parent(stat: &str) -> Option<u32> {
    stat.rsplit_once(')')?.1.split_whitespace().nth(1)?.parse().ok()
}

/// The processes below `root`.
fn descendants(root: u32, parents: &BTreeMap<u32, u32>) -> Vec<u32> {
    let mut found = vec![root];
    let mut at = 0;
    while let Some(&above) = found.get(at) {
        found.extend(parents.iter().filter(|(_, parent)| **parent == above).map(|(pid, _)| *pid));
        at += 1;
    }
    found.split_off(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_process_is_below_another_through_those_between() {
        assert_eq!(parent("12 (a) b) S 3 4 5"), Some(3));
        assert_eq!(parent("12"), None);
        let parents = BTreeMap::from([(2, 1), (3, 2), (4, 3), (5, 1), (6, 4)]);
        assert_eq!(descendants(2, &parents), [3, 4, 6]);
    }
}
