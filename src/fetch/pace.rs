//! How long a server may take: not all in all, but without sending anything. Pure.

use std::time::Duration;

/// How long was waited since enough bytes came. Time that we spend ourselves does not count.
pub(super) struct Pace {
    pub(super) limit: Duration,
    pub(super) waited: Duration,
    n_bytes: usize,
}

impl Pace {
    pub(super) fn new(limit: Duration) -> Self {
        Self { limit, waited: Duration::ZERO, n_bytes: 0 }
    }

    pub(super) fn left(&self) -> Duration {
        self.limit.saturating_sub(self.waited)
    }

    /// One byte now and then is no progress.
    pub(super) fn got(&mut self, n_bytes: usize) {
        const ENOUGH: usize = 1024;
        self.n_bytes += n_bytes;
        if self.n_bytes >= ENOUGH {
            (self.waited, self.n_bytes) = (Duration::ZERO, 0);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_kibibyte_starts_the_clock_anew_and_a_byte_does_not() {
        let mut pace = Pace::new(Duration::from_secs(20));
        pace.waited = Duration::from_secs(15);
        pace.got(1023);
        assert_eq!(pace.left(), Duration::from_secs(5));
        pace.got(1);
        assert_eq!(pace.left(), Duration::from_secs(20));
        pace.waited = Duration::from_secs(25);
        pace.got(1);
        assert_eq!(pace.left(), Duration::ZERO);
    }
}
