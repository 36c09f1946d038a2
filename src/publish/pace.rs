//! How fast AWS is asked, and how long to wait before asking again.

use std::collections::VecDeque;
use std::hash::{BuildHasher, RandomState};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// At most so many requests in any stretch of so long, over all threads and regions.
pub(super) struct Pace {
    n_requests: usize,
    window: Duration,
    /// When the latest requests were or will be sent, oldest first.
    turns: Mutex<VecDeque<Instant>>,
}

impl Pace {
    /// 15 requests a second, for everything but `GetFunction`, `GetPolicy` and invocations.
    /// Source: "Lambda quotas" in the AWS Lambda Developer Guide. The window is a little
    /// longer, since the network may push requests together.
    pub(super) fn of_lambda() -> Self {
        Self { n_requests: 15, window: Duration::from_millis(1050), turns: Mutex::default() }
    }

    /// Takes the next free turn, and says how long until it comes.
    pub(super) fn wait_for_turn(&self) -> Duration {
        let now = Instant::now();
        let mut turns = self.turns.lock().unwrap_or_else(PoisonError::into_inner);
        let turn = next_turn(&mut turns, self.n_requests, self.window, now);
        turn.saturating_duration_since(now)
    }
}

fn next_turn(turns: &mut VecDeque<Instant>, n: usize, window: Duration, now: Instant) -> Instant {
    let turn =
        if turns.len() < n { now } else { turns.pop_front().map_or(now, |oldest| now.max(oldest + window)) };
    turns.push_back(turn);
    turn
}

/// The wait after the `n_tried`th failure: it doubles, and is spread, so that many who
/// failed together do not come back together.
pub(super) fn backoff(n_tried: u32) -> Duration {
    const FIRST: Duration = Duration::from_millis(200);
    const LONGEST: Duration = Duration::from_secs(10);
    let longest = FIRST.saturating_mul(1 << n_tried.saturating_sub(1).min(16)).min(LONGEST);
    // Between half of it and all of it, by the seed that std gives each new state.
    let spread = RandomState::new().hash_one(n_tried) % 1024;
    longest / 2 + longest.mul_f64(0.5 * f64::from(u32::try_from(spread).unwrap_or(0)) / 1024.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_window_holds_more_requests_than_it_may() {
        let (start, window) = (Instant::now(), Duration::from_secs(1));
        let mut turns = VecDeque::new();
        let sent: Vec<Instant> = (0..50_u64)
            .map(|n| next_turn(&mut turns, 15, window, start + Duration::from_millis(n * 7)))
            .collect();
        assert_eq!(sent[14], start + Duration::from_millis(98), "the first fifteen wait for nobody");
        for pair in sent.windows(16) {
            assert!(pair[15] - pair[0] >= window);
        }
        assert_eq!(sent[45] - sent[30], window, "and no longer than needed");
    }

    #[test]
    fn waits_double_up_to_a_limit() {
        for (n_tried, least, most) in [(1, 100, 200), (2, 200, 400), (5, 1600, 3200), (30, 5000, 10_000)] {
            let wait = backoff(n_tried).as_millis();
            assert!((least..=most).contains(&wait), "{n_tried}: {wait} ms");
        }
    }
}
