//! What strangers wrote to what may be shown and compared. Pure.

/// `RSEC-2023-3`, `CVE-2023-33460`: one word that is safe wherever it is printed.
pub(super) fn is_id(text: &str) -> bool {
    (1..=100).contains(&text.len())
        && text.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.' | b':'))
}

/// RFC 3339, of which all that is compared is the order as text.
pub(super) fn is_time(text: &str) -> bool {
    text.len() <= 40 && text.parse::<jiff::Timestamp>().is_ok()
}

/// One line without control characters, shortened.
pub(super) fn plain(text: &str, most: usize) -> String {
    let line = text.split(['\n', '\r']).find(|line| !line.trim().is_empty()).unwrap_or_default().trim();
    let mut shown: String = line.chars().filter(|c| is_shown(*c)).take(most + 1).collect();
    if shown.chars().count() > most {
        shown.pop();
        shown.push('…');
    }
    shown
}

/// Neither a control character nor one that turns the order of what is read.
fn is_shown(c: char) -> bool {
    !c.is_control()
        && !matches!(c, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_of_strangers_are_one_plain_line() {
        assert_eq!(plain("\n  a\u{1b}[31mb\u{202e}c\r\n::error::x", 300), "a[31mbc");
        assert_eq!(plain("abcdef", 3), "abc…");
    }
}
