//! A server's headers to what may be done with the bytes that follow. Pure.

use std::time::Duration;

/// The part of a whole that an answer of status 206 says it holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct ContentRange {
    pub(super) first: u64,
    /// Exclusive.
    pub(super) end: u64,
    pub(super) total: Option<u64>,
}

impl ContentRange {
    /// Reads `bytes 5-9/10`, or `bytes 5-9/*`.
    pub(super) fn parse(text: &str) -> Option<Self> {
        let (range, total) = text.trim().strip_prefix("bytes ")?.split_once('/')?;
        let (first, last) = range.trim().split_once('-')?;
        let (first, last): (u64, u64) = (first.parse().ok()?, last.parse().ok()?);
        let total = if total == "*" { None } else { Some(total.parse().ok()?) };
        let end = last.checked_add(1)?;
        (first < end && total.is_none_or(|total| end <= total)).then_some(Self { first, end, total })
    }
}

/// The tag, where it promises that equal tags mean equal bytes; `W/"…"` does not.
pub(super) fn strong_etag(text: &str) -> Option<&str> {
    let inner = text.strip_prefix('"')?.strip_suffix('"')?;
    let valid = !inner.is_empty() && inner.bytes().all(|b| b.is_ascii_graphic() && b != b'"');
    valid.then_some(text)
}

/// How long a `Retry-After` asks us to wait. Its form as a date is as good as none: a wait
/// of our own choice is as right as one by two clocks that differ.
pub(super) fn retry_after(text: &str) -> Option<Duration> {
    /// No server's wish may stop a run for longer.
    const LONGEST: Duration = Duration::from_secs(30);
    let digits = text.trim();
    if digits.is_empty() || !digits.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    Some(digits.parse().map_or(LONGEST, Duration::from_secs).min(LONGEST))
}

/// How long to wait before try number `n_tried + 1`: twice as long each time, and between
/// half and all of that, so that what failed together does not come back together. The
/// chance is drawn from the URL: a run can be repeated.
pub(super) fn backoff(base: Duration, n_tried: u32, url: &str) -> Duration {
    const LONGEST: Duration = Duration::from_secs(10);
    let whole = base.saturating_mul(1 << n_tried.saturating_sub(1).min(10)).min(LONGEST);
    let digest = crate::sys::hash::sha256(format!("{n_tried} {url}").as_bytes());
    whole / 2 + whole.mul_f64(f64::from(digest.0[0]) / 512.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_content_range_is_read_or_refused() {
        let range = |first, end, total| Some(ContentRange { first, end, total });
        let cases = [
            ("bytes 5-9/10", range(5, 10, Some(10))),
            ("bytes 0-0/*", range(0, 1, None)),
            ("bytes 5-10/10", None), // beyond the end
            ("bytes 9-5/10", None),
            ("bytes */10", None),
            ("bytes 5-18446744073709551615/*", None),
            ("items 5-9/10", None),
            ("", None),
        ];
        for (text, expected) in cases {
            assert_eq!(ContentRange::parse(text), expected, "{text:?}");
        }
    }

    #[test]
    fn only_a_strong_tag_is_good_for_resuming() {
        for (text, strong) in [
            ("\"abc\"", true),
            ("W/\"abc\"", false),
            ("\"\"", false),
            ("abc", false),
            ("\"a\"b\"", false),
            ("\"a\r\nX: y\"", false), // it goes into a header of ours
        ] {
            assert_eq!(strong_etag(text).is_some(), strong, "{text:?}");
        }
    }

    #[test]
    fn a_server_s_wish_to_wait_is_granted_within_reason() {
        let cases = [
            ("1", Some(1)),
            ("0", Some(0)),
            ("1000000000", Some(30)),
            ("99999999999999999999999", Some(30)),
            ("-1", None),
            ("Wed, 21 Oct 2026 07:28:00 GMT", None),
            ("", None),
        ];
        for (text, seconds) in cases {
            assert_eq!(retry_after(text), seconds.map(Duration::from_secs), "{text:?}");
        }
    }

    #[test]
    fn waits_grow_differ_between_urls_and_stay_the_same_between_runs() {
        let base = Duration::from_millis(500);
        for n_tried in 1..40 {
            let whole = base.saturating_mul(1 << (n_tried - 1).min(10)).min(Duration::from_secs(10));
            let wait = backoff(base, n_tried, "https://host/a");
            assert!(wait >= whole / 2 && wait <= whole, "{n_tried}: {wait:?}");
            assert_eq!(wait, backoff(base, n_tried, "https://host/a"));
        }
        assert_ne!(backoff(base, 1, "https://host/a"), backoff(base, 1, "https://host/b"));
    }
}
