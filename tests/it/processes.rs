//! The machine's processes, as stories look for them.

use std::time::{Duration, Instant};

/// All of them, each with its arguments, a zero byte behind each.
pub(crate) fn processes() -> Vec<(u32, Vec<u8>)> {
    let numbers = std::fs::read_dir("/proc").unwrap();
    let numbers = numbers.filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok());
    numbers.filter_map(|pid| Some((pid, std::fs::read(format!("/proc/{pid}/cmdline")).ok()?))).collect()
}

/// Each `sleep` with that argument.
pub(crate) fn sleeping(argument: &str) -> Vec<u32> {
    let wanted = format!("sleep\0{argument}\0");
    processes().into_iter().filter(|(_, line)| line == wanted.as_bytes()).map(|(pid, _)| pid).collect()
}

/// Whether one runs.
pub(crate) fn is_sleeping(argument: &str) -> bool {
    !sleeping(argument).is_empty()
}

/// Whether any process has `word` among its arguments.
pub(crate) fn is_running(word: &str) -> bool {
    let mut lines = processes().into_iter().map(|(_, line)| line);
    lines.any(|line| line.split(|byte| *byte == 0).any(|argument| argument == word.as_bytes()))
}

#[track_caller]
pub(crate) fn wait_until(what: &str, holds: impl Fn() -> bool) {
    let start = Instant::now();
    while !holds() {
        assert!(start.elapsed() < Duration::from_mins(1), "waited a minute in vain: {what}");
        std::thread::sleep(Duration::from_millis(50));
    }
}
