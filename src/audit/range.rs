//! A version and an advisory's ranges to whether it is affected, and what mends it. Pure.
//!
//! The rules are those of the OSV schema, "Evaluation": the events of a range in the order
//! of their versions switch it on and off.

use std::cmp::Ordering;

use serde::{Deserialize, Serialize};

/// Which of two versions is the later; `None` where one of them is none.
pub(super) type Compare = fn(&str, &str) -> Option<Ordering>;

/// What happens at a version.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Event {
    /// `0` stands for what is before all versions.
    Introduced(String),
    Fixed(String),
    LastAffected(String),
    /// The range ends before it; `*` for never.
    Limit(String),
}

const BEFORE_ALL: &str = "0";
const NEVER: &str = "*";

impl Event {
    pub(super) fn version(&self) -> &str {
        match self {
            Self::Introduced(version)
            | Self::Fixed(version)
            | Self::LastAffected(version)
            | Self::Limit(version) => version,
        }
    }

    /// Whether its version is a word of the schema's, and not a version.
    pub(super) fn is_open(&self) -> bool {
        match self {
            Self::Introduced(version) => version == BEFORE_ALL,
            Self::Limit(version) => version == NEVER,
            Self::Fixed(_) | Self::LastAffected(_) => false,
        }
    }
}

/// Whether the version is in the range.
pub(super) fn contains(events: &[Event], version: &str, compare: Compare) -> bool {
    // The bounds were looked at when they were read.
    let against = |bound: &str| compare(version, bound).unwrap_or(Ordering::Less);
    let limits = || events.iter().filter(|event| matches!(event, Event::Limit(_)));
    let is_below = |event: &Event| event.is_open() || against(event.version()) == Ordering::Less;
    if limits().next().is_some() && !limits().any(is_below) {
        return false;
    }
    let mut sorted: Vec<&Event> = events.iter().filter(|event| !matches!(event, Event::Limit(_))).collect();
    sorted.sort_by(|a, b| match (a.is_open(), b.is_open()) {
        (true, true) => Ordering::Equal,
        (true, false) => Ordering::Less,
        (false, true) => Ordering::Greater,
        (false, false) => compare(a.version(), b.version()).unwrap_or(Ordering::Equal),
    });
    let mut is_affected = false;
    let mut rest = sorted.as_slice();
    while let Some(first) = rest.first() {
        let is_same = |event: &&&Event| {
            event.is_open() == first.is_open()
                && (first.is_open() || compare(event.version(), first.version()) == Some(Ordering::Equal))
        };
        let (together, later) = rest.split_at(rest.iter().take_while(is_same).count());
        // At one version, a range that has begun ends before another begins there.
        let ends_first = is_affected;
        let (begins, ends): (Vec<&Event>, Vec<&Event>) =
            together.iter().partition(|event| matches!(event, Event::Introduced(_)));
        let (one, other) = if ends_first { (ends, begins) } else { (begins, ends) };
        for event in one.into_iter().chain(other) {
            match event {
                Event::Introduced(bound) if event.is_open() || against(bound) != Ordering::Less => {
                    is_affected = true;
                }
                Event::Fixed(bound) if against(bound) != Ordering::Less => is_affected = false,
                Event::LastAffected(bound) if against(bound) == Ordering::Greater => is_affected = false,
                Event::Introduced(_) | Event::Fixed(_) | Event::LastAffected(_) | Event::Limit(_) => {}
            }
        }
        rest = later;
    }
    is_affected
}

/// The first version after this one that mends the range.
pub(super) fn next_fix<'a>(events: &'a [Event], version: &str, compare: Compare) -> Option<&'a str> {
    let fixes = events.iter().filter_map(|event| match event {
        Event::Fixed(bound) => Some(bound.as_str()),
        Event::Introduced(_) | Event::LastAffected(_) | Event::Limit(_) => None,
    });
    let later = fixes.filter(|bound| compare(bound, version) == Some(Ordering::Greater));
    later.min_by(|a, b| compare(a, b).unwrap_or(Ordering::Equal))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::compare_version_texts;

    /// `+1.0` introduced, `-1.0` fixed, `=1.0` last affected, `|1.0` limit.
    fn events(text: &str) -> Vec<Event> {
        let event = |word: &str| {
            let version = word[1..].to_owned();
            match &word[..1] {
                "+" => Event::Introduced(version),
                "-" => Event::Fixed(version),
                "=" => Event::LastAffected(version),
                _ => Event::Limit(version),
            }
        };
        text.split_whitespace().map(event).collect()
    }

    #[test]
    fn events_switch_a_range_on_and_off() {
        let cases = [
            ("+0 -1.2", "1.1.9", true),
            ("+0 -1.2", "1.2", false),
            ("+0 -1.2", "1.2.0", false), // `compareVersion`: the longer is the later
            ("+0.7.1 -1.2.2-2", "1.2.2-1", true),
            ("+0.7.1 -1.2.2-2", "1.2.2.2", false),
            ("+0.7.1 -1.2.2-2", "0.7", false),
            ("+0.1-3 -0.1-9", "0.1.8", true),
            ("+1.0", "7.0", true), // never fixed
            ("+1.0 =1.5", "1.5", true),
            ("+1.0 =1.5", "1.5.0", false),
            ("+2.0 -2.1 +0 -1.2", "1.5", false), // in no order
            ("+2.0 -2.1 +0 -1.2", "2.0.1", true),
            ("+2.0 -1.0", "3.0", true), // fixed before it began: not since
            ("+2.0 -1.0", "1.5", false),
            ("+0 -1.2 +1.2 -1.4", "1.2", true), // one range ends where another begins
            ("+1.2 -1.4 +0 =1.2", "1.3", true),
            ("+1.2 -1.2", "1.2", false),
            ("+1.2 =1.2", "1.2", true),
            ("+1.2 =1.2", "1.3", false),
            ("+0 |1.2", "1.1", true),
            ("+0 |1.2", "1.2", false),
            ("+0 |1.2 |2.0", "1.5", true), // below one of them is enough
            ("+0 |*", "99.0", true),
            ("", "1.0", false),
            ("-1.0", "0.5", false), // nothing began
        ];
        for (range, version, affected) in cases {
            assert_eq!(
                contains(&events(range), version, compare_version_texts),
                affected,
                "{version} in {range}"
            );
        }
    }

    #[test]
    fn what_mends_a_version_is_the_next_fix_after_it() {
        let range = events("+0 -1.2 +2.0 -2.3 +2.4 -2.5");
        for (version, fix) in
            [("1.0", Some("1.2")), ("2.0", Some("2.3")), ("2.4", Some("2.5")), ("3.0", None)]
        {
            assert_eq!(next_fix(&range, version, compare_version_texts), fix, "{version}");
        }
    }
}
