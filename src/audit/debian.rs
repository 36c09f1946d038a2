//! Debian's order of versions (Debian Policy, "Version"): what the advisories of its
//! packages go by. Pure.

use std::cmp::Ordering;

/// Epoch, then upstream version, then revision. Any text has a place in this order, but not
/// in those of other ecosystems.
#[expect(clippy::unnecessary_wraps, reason = "as the orders beside it")]
pub(super) fn compare(a: &str, b: &str) -> Option<Ordering> {
    let (left, right) = (parts(a), parts(b));
    let epoch = |text: &str| text.parse::<u32>().unwrap_or(0);
    let order = epoch(left.0)
        .cmp(&epoch(right.0))
        .then_with(|| compare_part(left.1, right.1))
        .then_with(|| compare_part(left.2, right.2));
    Some(order)
}

fn parts(version: &str) -> (&str, &str, &str) {
    let (epoch, rest) = version.split_once(':').unwrap_or(("0", version));
    let (upstream, revision) = rest.rsplit_once('-').unwrap_or((rest, "0"));
    (epoch, upstream, revision)
}

/// Turns of text and number. In texts, `~` comes before the end, and letters before all
/// else.
fn compare_part(a: &str, b: &str) -> Ordering {
    let (mut left, mut right) = (a, b);
    while !left.is_empty() || !right.is_empty() {
        let (x, y) = (leading(&mut left, false), leading(&mut right, false));
        let order = compare_texts(x, y).then_with(|| {
            let (x, y) = (leading(&mut left, true), leading(&mut right, true));
            let (x, y) = (x.trim_start_matches('0'), y.trim_start_matches('0'));
            x.len().cmp(&y.len()).then_with(|| x.cmp(y))
        });
        if order != Ordering::Equal {
            return order;
        }
    }
    Ordering::Equal
}

/// Takes the digits, or what is none, from the beginning.
fn leading<'a>(text: &mut &'a str, digits: bool) -> &'a str {
    let end = text.find(|c: char| c.is_ascii_digit() != digits).unwrap_or(text.len());
    let (head, rest) = text.split_at(end);
    *text = rest;
    head
}

fn compare_texts(a: &str, b: &str) -> Ordering {
    let weight = |c: Option<char>| match c {
        Some('~') => -1,
        None => 0,
        Some(c) if c.is_ascii_alphabetic() => i64::from(u32::from(c)),
        Some(c) => i64::from(u32::from(c)) + 0x11_0000,
    };
    let (mut left, mut right) = (a.chars(), b.chars());
    loop {
        let (x, y) = (left.next(), right.next());
        match weight(x).cmp(&weight(y)) {
            Ordering::Equal if x.is_none() => return Ordering::Equal,
            Ordering::Equal => {}
            unequal @ (Ordering::Less | Ordering::Greater) => return unequal,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// As `dpkg --compare-versions` has it.
    #[test]
    fn versions_follow_each_other_as_dpkg_has_it() {
        use Ordering::{Equal, Greater, Less};
        let cases = [
            ("1.0-1", "1.0-2", Less),
            ("1.0", "1.0-0", Equal),
            ("1:1.0", "2.0", Greater),
            ("1.0~rc1", "1.0", Less),
            ("1.0~~", "1.0~", Less),
            ("1.0a", "1.0+", Less),
            ("1.10", "1.9", Greater),
            ("76.1-4", "76.1-4+deb13u1", Less),
            ("4.5.0-3", "4.5.0-3", Equal),
            ("1.2.3-4-5", "1.2.3-4-6", Less),
            ("01.0", "1.0", Equal),
            ("1.0-1+b2", "1.0-1", Greater),
        ];
        for (a, b, order) in cases {
            assert_eq!(compare(a, b), Some(order), "{a} and {b}");
            assert_eq!(compare(b, a), Some(order.reverse()), "{b} and {a}");
        }
    }
}
