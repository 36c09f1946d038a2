//! The first difference of two byte strings to what it probably is.

/// Seconds since 1970 that a clock may show while somebody builds: 2000 to 2100.
const CLOCK: std::ops::Range<f64> = 946_684_800.0..4_102_444_800.0;

/// In words. What stands at the first difference decides.
pub(super) fn cause(one: &[u8], other: &[u8]) -> String {
    let at = one.iter().zip(other).take_while(|(a, b)| a == b).count();
    if at == one.len() || at == other.len() {
        return "one goes on where the other ends".to_owned();
    }
    if let Some((a, b)) = clock(one, other, at) {
        return format!("probably a time: {a:.0} and {b:.0} seconds since 1970");
    }
    let (Some(a), Some(b)) = (word(one, at), word(other, at)) else {
        return format!(
            "binary data from byte {at} on: a number, such as a process id or chance, or another order"
        );
    };
    let shown = format!("`{a}` and `{b}`");
    if is_time(&a) && is_time(&b) {
        format!("probably a time: {shown}")
    } else if a.contains('/') || b.contains('/') {
        format!("probably a path: {shown}")
    } else if a.bytes().chain(b.bytes()).all(|b| b.is_ascii_digit()) {
        format!("a number, such as a process id, a count or chance: {shown}")
    } else {
        shown
    }
}

/// Times as R serializes them: doubles, big-endian. Some bytes of one may be printable, yet no
/// text is taken for one: the second byte of such a double is not ASCII.
fn clock(one: &[u8], other: &[u8], at: usize) -> Option<(f64, f64)> {
    let double =
        |bytes: &[u8], start: usize| Some(f64::from_be_bytes(bytes.get(start..start + 8)?.try_into().ok()?));
    (at.saturating_sub(7)..=at).find_map(|start| {
        let (a, b) = (double(one, start)?, double(other, start)?);
        (CLOCK.contains(&a) && CLOCK.contains(&b)).then_some((a, b))
    })
}

/// The printable text around a place, if it is one.
fn word(bytes: &[u8], at: usize) -> Option<String> {
    const MAX: usize = 60;
    let is_part = |byte: &u8| byte.is_ascii_graphic() || *byte == b' ';
    if !bytes.get(at).is_some_and(is_part) {
        return None;
    }
    let start = bytes[..at].iter().rev().take(MAX).take_while(|byte| is_part(byte)).count();
    let end = bytes[at..].iter().take(MAX).take_while(|byte| is_part(byte)).count();
    let text = String::from_utf8_lossy(&bytes[at - start..at + end]).into_owned();
    (text.len() >= 3).then(|| around(&text, start))
}

/// The part of a text between blanks, or with the blank of a date and a time.
fn around(text: &str, at: usize) -> String {
    if is_time(text) {
        return text.to_owned();
    }
    let start = text[..at].rfind(' ').map_or(0, |blank| blank + 1);
    let end = text[at..].find(' ').map_or(text.len(), |blank| at + blank);
    text[start..end].to_owned()
}

/// Whether there is a date such as 2026-01-02 or a time such as 10:11:12 in it.
fn is_time(text: &str) -> bool {
    let shape: String = text.chars().map(|c| if c.is_ascii_digit() { '0' } else { c }).collect();
    ["0000-00-00", "00:00:00", "0000/00/00"].iter().any(|form| shape.contains(form))
}
