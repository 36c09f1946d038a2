//! Whether a version of R still gets fixes. Pure.

use jiff::civil::{Date, date};

use crate::model::RVersion;

/// The day of each series' first release. Source: the dates of R's release announcements.
const SERIES: [(&str, Date); 9] = [
    ("3.4", date(2017, 4, 21)),
    ("3.5", date(2018, 4, 23)),
    ("3.6", date(2019, 4, 26)),
    ("4.0", date(2020, 4, 24)),
    ("4.1", date(2021, 5, 18)),
    ("4.2", date(2022, 4, 22)),
    ("4.3", date(2023, 4, 21)),
    ("4.4", date(2024, 4, 24)),
    ("4.5", date(2025, 4, 11)),
];

/// R's makers mend the latest series alone, and begin one each spring: what began longer
/// ago than that has a successor, whether this layr knows it or not.
const DAYS_TO_THE_NEXT: i64 = 396;

/// Since when there are no fixes any more; `None` where there are, or where the series is
/// newer than this layr.
pub(super) fn unsupported_since(r: &RVersion, today: Date) -> Option<Date> {
    let series = r.minor_series();
    let Some(at) = SERIES.iter().position(|(name, _)| *name == series) else {
        let is_older =
            crate::model::compare_version_texts(&series, SERIES[0].0) == Some(std::cmp::Ordering::Less);
        return is_older.then_some(SERIES[0].1);
    };
    let next = match SERIES.get(at + 1) {
        Some((_, next)) => *next,
        None => SERIES[at].1.checked_add(jiff::Span::new().days(DAYS_TO_THE_NEXT)).ok()?,
    };
    (next <= today).then_some(next)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_series_gets_fixes_until_the_next_begins() {
        let today = date(2025, 6, 1);
        let cases = [
            ("3.2.1", Some(date(2017, 4, 21))),
            ("4.0.5", Some(date(2021, 5, 18))),
            ("4.4.3", Some(date(2025, 4, 11))),
            ("4.5.0", None),
            ("4.7.0", None),
        ];
        for (r, since) in cases {
            assert_eq!(unsupported_since(&r.parse().unwrap(), today), since, "{r}");
        }
        assert!(unsupported_since(&"4.5.0".parse().unwrap(), date(2026, 11, 24)).is_some());
    }
}
