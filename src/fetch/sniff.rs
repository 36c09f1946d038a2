//! The first bytes of a file to what it is, for the message that it is no gzip. Pure.

/// What begins so, unless it is gzip.
pub(super) fn not_gzip(first: &[u8]) -> Option<String> {
    const KNOWN: [(&[u8], &str); 7] = [
        (b"\xfd7zXZ\0", "an xz archive"),
        (b"BZh", "a bzip2 archive"),
        (b"\x28\xb5\x2f\xfd", "a zstd archive"),
        (b"PK\x03\x04", "a zip archive"),
        (b"RDX", "an R data file"),
        (b"version https://git-lfs", "a Git LFS pointer"),
        (b"\x1f\x9d", "an archive of `compress`"),
    ];
    if first.starts_with(b"\x1f\x8b") {
        return None;
    }
    if first.is_empty() {
        return Some("an empty file".to_owned());
    }
    if let Some((_, what)) = KNOWN.iter().find(|(magic, _)| first.starts_with(magic)) {
        return Some((*what).to_owned());
    }
    if is_html(first) {
        return Some("an HTML page".to_owned());
    }
    let head = first[..first.len().min(16)].escape_ascii();
    Some(format!("bytes that begin with `{head}`"))
}

/// A page made for a browser: a login, a proxy's notice, an error.
pub(super) fn is_html(first: &[u8]) -> bool {
    let text = first.strip_prefix(b"\xef\xbb\xbf").unwrap_or(first).trim_ascii_start();
    let text = text[..text.len().min(64)].to_ascii_lowercase();
    [&b"<!doctype html"[..], b"<html", b"<head", b"<body", b"<?xml", b"<script", b"<!--"]
        .iter()
        .any(|tag| text.starts_with(tag))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_gzip_is_named() {
        let cases: [(&[u8], Option<&str>); 7] = [
            (b"\x1f\x8b\x08\0", None),
            (b"", Some("an empty file")),
            (b"\n <!DOCTYPE HTML><html>", Some("an HTML page")),
            (b"\xfd7zXZ\0\0", Some("an xz archive")),
            (b"PK\x03\x04", Some("a zip archive")),
            (b"\x1b[31mhello", Some("bytes that begin with `\\x1b[31mhello`")), // escaped
            (b"Package: x1", Some("bytes that begin with `Package: x1`")),
        ];
        for (first, what) in cases {
            assert_eq!(not_gzip(first).as_deref(), what);
        }
    }
}
