//! Packages that other machines are building: when to look for them again. Pure.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

/// By package, when it is looked for next, and how long after that.
#[derive(Debug, Default)]
pub(super) struct Awaited {
    looks: BTreeMap<usize, (Instant, Duration)>,
    /// Those that are being looked for, with the pause before the next look.
    looking: BTreeMap<usize, Duration>,
}

const FIRST: Duration = Duration::from_millis(250);
/// A build takes seconds at least, and many machines may ask.
const LONGEST: Duration = Duration::from_secs(2);

impl Awaited {
    /// Whether it was not looked for before.
    pub(super) fn is_new(&self, at: usize) -> bool {
        !self.looking.contains_key(&at)
    }

    /// It is not there yet.
    pub(super) fn put_off(&mut self, at: usize, now: Instant) {
        let pause = self.looking.remove(&at).unwrap_or(FIRST);
        self.looks.insert(at, (now + pause, (pause * 2).min(LONGEST)));
    }

    /// One that it is time for; it is not given twice.
    pub(super) fn due(&mut self, now: Instant) -> Option<usize> {
        let (at, (_, pause)) = self.looks.iter().find(|(_, (due, _))| *due <= now)?;
        let (at, pause) = (*at, *pause);
        self.looks.remove(&at);
        self.looking.insert(at, pause);
        Some(at)
    }

    /// How long there is nothing to look for; `None` where nothing is awaited.
    pub(super) fn pause(&self, now: Instant) -> Option<Duration> {
        self.looks.values().map(|(due, _)| due.saturating_duration_since(now)).min()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_awaited_is_looked_for_more_and_more_seldom() {
        let (mut awaited, start) = (Awaited::default(), Instant::now());
        assert_eq!(awaited.pause(start), None);
        assert!(awaited.is_new(7));
        awaited.put_off(7, start);
        let mut now = start;
        let mut pauses = Vec::new();
        for _ in 0..6 {
            assert_eq!(awaited.due(now), None, "too early");
            let pause = awaited.pause(now).unwrap();
            now += pause;
            pauses.push(pause.as_millis());
            assert_eq!((awaited.due(now), awaited.due(now)), (Some(7), None));
            assert!(!awaited.is_new(7));
            awaited.put_off(7, now);
        }
        assert_eq!(pauses, [250, 500, 1000, 2000, 2000, 2000]);
    }
}
