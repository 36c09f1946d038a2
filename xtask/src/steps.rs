//! The steps of a task, announced with the time that each took.

use std::panic::resume_unwind;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};

/// Runs `work` under a heading; a failure is of that step.
pub fn step<T>(name: &str, work: impl FnOnce() -> Result<T>) -> Result<T> {
    eprintln!("\n==> {name}");
    let start = Instant::now();
    let result = work().with_context(|| format!("{name} failed"));
    let outcome = if result.is_ok() { "done in" } else { "failed after" };
    eprintln!("==> {name}: {outcome} {}", shown(start.elapsed()));
    result
}

/// Runs `work` under a heading while `other` runs, whose headings come between.
pub fn beside<A: Send, B>(
    name: &str,
    work: impl FnOnce() -> Result<A> + Send,
    other: impl FnOnce() -> Result<B>,
) -> Result<(A, B)> {
    thread::scope(|scope| {
        let working = scope.spawn(|| step(name, work));
        let other = other();
        let done = working.join().unwrap_or_else(|panic| resume_unwind(panic));
        Ok((done?, other?))
    })
}

/// A time as people say it.
pub fn shown(time: Duration) -> String {
    let seconds = time.as_secs();
    if seconds < 60 {
        format!("{:.1} s", time.as_secs_f64())
    } else {
        format!("{} min {} s", seconds / 60, seconds % 60)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_short() {
        assert_eq!(shown(Duration::from_millis(1250)), "1.2 s");
        assert_eq!(shown(Duration::from_secs(125)), "2 min 5 s");
    }
}
