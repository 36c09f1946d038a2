//! Two builds' bytes of one file to what differs, and why it probably does: a time, a
//! path, a process id, an order. Pure.

mod cause;

use std::borrow::Cow;

use crate::{elf, rdata};
use cause::cause;

/// Sections or objects that are named at most.
const N_NAMED: usize = 3;

/// What differs in the file at `path`, in a line; `index` are the two builds' bytes of the
/// file beside an `.rdb` that says where in it which object is.
pub fn explain(path: &str, (one, other): (&[u8], &[u8]), index: Option<(&[u8], &[u8])>) -> String {
    let what = if elf::is_elf(one) && elf::is_elf(other) {
        library((one, other))
    } else if path.rsplit_once('.').is_some_and(|(_, ending)| ending == "rdb") {
        index.and_then(|index| database((one, other), index))
    } else if let Some(what) = compressed((one, other)) {
        Some(what)
    } else {
        text((one, other))
    };
    what.unwrap_or_else(|| plain((one, other)))
}

fn plain((one, other): (&[u8], &[u8])) -> String {
    let sizes = if one.len() == other.len() {
        String::new()
    } else {
        format!("{} and {} bytes; ", one.len(), other.len())
    };
    format!("{sizes}{}", cause(one, other))
}

fn library((one, other): (&[u8], &[u8])) -> Option<String> {
    let differences = elf::differing_sections(one, other).ok()?;
    let first = differences.iter().find(|difference| difference.section != ".note.gnu.build-id");
    let Some(first) = first else {
        return Some("only the build id: it is a digest of what was linked before stripping".to_owned());
    };
    let names = differences.iter().map(|difference| difference.section.clone()).collect();
    Some(format!("sections {}; {}", named(names), cause(first.one, first.other)))
}

/// R's file of compressed objects, object by object.
fn database((one, other): (&[u8], &[u8]), index: (&[u8], &[u8])) -> Option<String> {
    let (first, second) = (rdata::index(index.0)?, rdata::index(index.1)?);
    let mut differing = Vec::new();
    let mut why = None;
    for (object, place) in &first {
        let Some(other_place) = second.get(object) else {
            differing.push(object.clone());
            continue;
        };
        let (a, b) = (rdata::object(one, *place).ok()?, rdata::object(other, *other_place).ok()?);
        if a != b {
            differing.push(object.clone());
            why.get_or_insert_with(|| cause(&a, &b));
        }
    }
    differing.extend(second.keys().filter(|object| !first.contains_key(*object)).cloned());
    if differing.is_empty() {
        return Some("the objects are the same, their order is not".to_owned());
    }
    let why = why.unwrap_or_else(|| "only one of the builds has it".to_owned());
    Some(format!("objects {}; {why}", named(differing)))
}

/// What is compressed in a way that R knows: its head, or what is in it.
fn compressed((one, other): (&[u8], &[u8])) -> Option<String> {
    let (Cow::Owned(a), Cow::Owned(b)) = (rdata::unpacked(one).ok()?, rdata::unpacked(other).ok()?) else {
        return None;
    };
    if a == b {
        let is_gzip = one.starts_with(&[0x1f, 0x8b]) && other.starts_with(&[0x1f, 0x8b]);
        let times = if is_gzip { (one.get(4..8), other.get(4..8)) } else { (None, None) };
        let what = if times.0 == times.1 { "how it is compressed" } else { "the time in its gzip header" };
        return Some(format!("only {what}: what is compressed is the same"));
    }
    Some(format!("compressed data; {}", cause(&a, &b)))
}

fn text((one, other): (&[u8], &[u8])) -> Option<String> {
    let (one, other) = (std::str::from_utf8(one).ok()?, std::str::from_utf8(other).ok()?);
    let mut pairs = one.lines().zip(other.lines()).enumerate();
    let (n, (a, b)) = pairs.find(|(_, (a, b))| a != b)?;
    let mut first: Vec<&str> = one.lines().collect();
    let mut second: Vec<&str> = other.lines().collect();
    first.sort_unstable();
    second.sort_unstable();
    if first == second {
        return Some(format!("the same lines in another order, from line {} on", n + 1));
    }
    Some(format!("line {}: {}", n + 1, cause(a.as_bytes(), b.as_bytes())))
}

/// `a, b, c and 4 more`
fn named(names: Vec<String>) -> String {
    let n = names.len();
    let shown: Vec<String> = names.into_iter().take(N_NAMED).map(|name| format!("`{name}`")).collect();
    match n.checked_sub(N_NAMED).filter(|n| *n > 0) {
        Some(n_more) => format!("{} and {n_more} more", shown.join(", ")),
        None => shown.join(", "),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn gzip(bytes: &[u8]) -> Vec<u8> {
        let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        std::io::Write::write_all(&mut encoder, bytes).unwrap();
        encoder.finish().unwrap()
    }

    fn explained(path: &str, one: &[u8], other: &[u8]) -> String {
        explain(path, (one, other), None)
    }

    #[test]
    fn causes_are_named_for_texts() {
        let cases = [
            ("Built: 2026-01-02 10:11:12", "Built: 2026-01-02 10:11:59", "a time"),
            ("file /tmp/Rtmpab12/x", "file /tmp/Rtmpcd34/x", "a path"),
            ("a\nb\nc", "c\nb\na", "another order"),
            ("seed 123", "seed 456", "`123`"),
        ];
        for (one, other, part) in cases {
            let text = explained("x", one.as_bytes(), other.as_bytes());
            assert!(text.contains(part), "{one} and {other} gave: {text}");
        }
    }

    #[test]
    fn a_gzip_header_s_time_is_told_from_its_content() {
        let (one, mut other) = (gzip(b"the same"), gzip(b"the same"));
        other[4] = 9;
        assert!(explained("x.rds", &one, &other).contains("time in its gzip header"));
        let other = gzip(b"not that");
        assert!(explained("x.rds", &one, &other).starts_with("compressed data"));
    }

    #[test]
    fn numbers_of_this_age_are_times() {
        let serialized = |seconds: f64| [b"X\n".as_slice(), &seconds.to_be_bytes()].concat();
        let text = explained("x", &serialized(1_790_000_000.5), &serialized(1_790_000_123.25));
        assert!(text.contains("a time"), "{text}");
        // Bytes of these doubles are printable, and are no words.
        let printable =
            |low: &[u8; 4]| f64::from_be_bytes([0x41, 0xda, b'@', b'|', low[0], low[1], low[2], low[3]]);
        let text = explained("x", &serialized(printable(b"v\"Z1")), &serialized(printable(b"vLTa")));
        assert!(text.contains("a time"), "{text}");
    }
}
