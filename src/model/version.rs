//! Text to the version of an R package, and R's two orders of versions.

use std::cmp::Ordering;
use std::fmt;
use std::str::FromStr;

/// Version of an R package, e.g. `1.7-3`: as written, since that is in the file's name.
///
/// Equal by its text. There is no `Ord` by meaning, because R has two that disagree:
/// [`compare_version`] and [`compare_numeric`]. The derived `Ord` is that of the text and
/// serves only as a key of ordered maps.
///
/// Invariant: two or more numbers separated by `.` or `-`
/// (`.standard_regexps()$valid_package_version`); 64 characters at most.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RVersion(String);

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{}` is not a version of an R package: two or more numbers separated by `.` or `-`", .0.escape_debug())]
pub struct InvalidVersion(String);

impl RVersion {
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The first two numbers, `4.5` of `4.5.0`: what R's compatibility goes by.
    pub fn minor_series(&self) -> String {
        components(&self.0).take(2).collect::<Vec<_>>().join(".")
    }
}

impl FromStr for RVersion {
    type Err = InvalidVersion;

    fn from_str(text: &str) -> Result<Self, InvalidVersion> {
        let valid = text.len() <= MOST_CHARACTERS && text.contains(['.', '-']) && is_numbers(text);
        if valid { Ok(Self(text.to_owned())) } else { Err(InvalidVersion(text.chars().take(80).collect())) }
    }
}

impl fmt::Display for RVersion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

const MOST_CHARACTERS: usize = 64;

/// Whether it is one number, or several separated by `.` or `-`.
fn is_numbers(text: &str) -> bool {
    text.split(['.', '-']).all(|number| !number.is_empty() && number.bytes().all(|b| b.is_ascii_digit()))
}

fn components(text: &str) -> impl Iterator<Item = &str> {
    text.split(['.', '-']).map(|digits| {
        let significant = digits.trim_start_matches('0');
        if significant.is_empty() { "0" } else { significant }
    })
}

/// Numbers of any length, without leading zeros.
fn compare_numbers(a: &str, b: &str) -> Ordering {
    a.len().cmp(&b.len()).then_with(|| a.cmp(b))
}

/// The order of `utils::compareVersion`: where one version begins with the other, the
/// longer is the later. For sorting: which of two releases is newer.
pub fn compare_version(a: &RVersion, b: &RVersion) -> Ordering {
    by_length(&a.0, &b.0)
}

/// [`compare_version`] of texts that need not be versions of packages: to
/// `compareVersion`, one number is enough. `None` where R has no answer either.
pub fn compare_version_texts(a: &str, b: &str) -> Option<Ordering> {
    let are_numbers = [a, b].into_iter().all(|text| text.len() <= MOST_CHARACTERS && is_numbers(text));
    are_numbers.then(|| by_length(a, b))
}

fn by_length(a: &str, b: &str) -> Ordering {
    let (mut left, mut right) = (components(a), components(b));
    loop {
        match (left.next(), right.next()) {
            (None, None) => return Ordering::Equal,
            (None, Some(_)) => return Ordering::Less,
            (Some(_), None) => return Ordering::Greater,
            (Some(x), Some(y)) => match compare_numbers(x, y) {
                Ordering::Equal => {}
                unequal @ (Ordering::Less | Ordering::Greater) => return unequal,
            },
        }
    }
}

/// The order of R's operators `<`, `==`, …: missing numbers count as zero. It is what
/// `Imports: cli (>= 3.6.0)` is held against.
pub fn compare_numeric(a: &RVersion, b: &RVersion) -> Ordering {
    let (mut left, mut right) = (components(&a.0), components(&b.0));
    loop {
        let (x, y) = (left.next(), right.next());
        if x.is_none() && y.is_none() {
            return Ordering::Equal;
        }
        match compare_numbers(x.unwrap_or("0"), y.unwrap_or("0")) {
            Ordering::Equal => {}
            unequal @ (Ordering::Less | Ordering::Greater) => return unequal,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn version(text: &str) -> RVersion {
        text.parse().unwrap()
    }

    /// The rule is R's own: `.standard_regexps()$valid_package_version`.
    #[test]
    fn a_version_is_valid_exactly_where_r_says_so() {
        let cases = [
            ("1.0", true),
            ("1.7-7-1", true), // hyphens separate too
            ("1.01", true),    // kept as written: it is in the file name
            ("1.0.0.9.1.2.3.4.5.6.7.8", true),
            ("4", false), // at least two
            ("", false),
            ("1.0.", false),
            ("1..0", false),
            ("1.0rc1", false),
            ("1.0/../..", false),
            ("1.0\n", false),
        ];
        for (text, valid) in cases {
            assert_eq!(text.parse::<RVersion>().is_ok(), valid, "{text:?}");
        }
    }

    /// Measured with `compareVersion()` and with the operators of R 4.2.2.
    #[test]
    fn both_orders_are_those_of_r() {
        use Ordering::{Equal, Greater, Less};
        let cases = [
            ("1.0", "1.0.0", Less, Equal),
            ("0.3.2.0", "0.3.2", Greater, Equal),
            ("1.2", "1.2.0.1", Less, Less),
            ("1.0-0", "1.0.0", Equal, Equal),
            ("1.01", "1.1", Equal, Equal),
            ("1.2-3", "1.2.3", Equal, Equal),
            ("0.9", "0.75", Less, Less),
            ("1.10", "1.9", Greater, Greater),
            ("1.0.0.9000", "1.0.1", Less, Less),
            ("1.99999999999999999999", "1.100000000000000000000", Less, Less), // beyond u64
        ];
        for (a, b, by_length, by_value) in cases {
            assert_eq!(compare_version(&version(a), &version(b)), by_length, "compareVersion({a}, {b})");
            assert_eq!(compare_numeric(&version(a), &version(b)), by_value, "{a} <=> {b}");
        }
    }

    #[test]
    fn to_compare_version_one_number_is_a_version() {
        use Ordering::{Greater, Less};
        let cases = [
            ("2", "2.0", Some(Less)),
            ("2.0", "1", Some(Greater)),
            ("1.0-rc1", "1.0", None),
            ("", "1", None),
        ];
        for (a, b, order) in cases {
            assert_eq!(compare_version_texts(a, b), order, "{a} and {b}");
        }
    }

    #[test]
    fn the_minor_series_is_what_r_is_compatible_within() {
        assert_eq!(version("4.5.0").minor_series(), "4.5");
        assert_eq!(version("4.05").minor_series(), "4.5");
    }
}
