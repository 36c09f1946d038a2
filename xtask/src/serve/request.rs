//! Bytes of a connection to the few things of a request that matter to a file server.

use std::io::{self, BufRead};
use std::ops::Range;

/// A request's head may not be longer than this, in bytes.
const MAX_HEAD_BYTES: u64 = 16 << 10;

#[derive(Debug, PartialEq, Eq)]
pub(super) struct Request {
    pub(super) method: String,
    /// Decoded, without a query.
    pub(super) path: String,
    /// Header names are in lower case.
    headers: Vec<(String, String)>,
}

/// What a request wants of a file.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Part {
    Whole,
    Bytes(Range<u64>),
    OutOfRange,
}

impl Request {
    pub(super) fn read(stream: impl BufRead) -> io::Result<Self> {
        let mut lines = stream.take(MAX_HEAD_BYTES).lines();
        let mut next = || lines.next().unwrap_or_else(|| Err(io::ErrorKind::UnexpectedEof.into()));
        let first = next()?;
        let mut words = first.split(' ');
        let (Some(method), Some(target)) = (words.next(), words.next()) else {
            return Err(io::ErrorKind::InvalidData.into());
        };
        let mut headers = Vec::new();
        loop {
            let line = next()?;
            if line.is_empty() {
                break;
            }
            if let Some((name, value)) = line.split_once(':') {
                headers.push((name.to_ascii_lowercase(), value.trim().to_owned()));
            }
        }
        let path = decode(target.split('?').next().unwrap_or(target));
        Ok(Self { method: method.to_owned(), path, headers })
    }

    /// The part that is asked for of a file of `n_bytes` whose tag is `etag`.
    pub(super) fn part(&self, n_bytes: u64, etag: &str) -> Part {
        let is_other = self.header("if-range").is_some_and(|tag| tag != etag);
        let range = self.header("range").and_then(|value| value.strip_prefix("bytes="));
        match range.and_then(|range| range.split_once('-')) {
            // Several ranges would need a multipart answer; a server may send it all.
            Some((first, last)) if !is_other && !last.contains(',') => part(first, last, n_bytes),
            _ => Part::Whole,
        }
    }

    fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }
}

fn part(first: &str, last: &str, n_bytes: u64) -> Part {
    let range = match (first.parse::<u64>(), last.parse::<u64>()) {
        (Ok(first), Ok(last)) if last >= first => first..n_bytes.min(last.saturating_add(1)),
        (Ok(first), Err(_)) if last.is_empty() => first..n_bytes,
        (Err(_), Ok(n_last)) if first.is_empty() => n_bytes.saturating_sub(n_last)..n_bytes,
        _ => return Part::Whole,
    };
    if range.is_empty() { Part::OutOfRange } else { Part::Bytes(range) }
}

/// Resolves `%2B` and the like; what is not well-formed stays as it is.
fn decode(path: &str) -> String {
    let mut decoded = Vec::new();
    let mut rest = path.as_bytes();
    while let [byte, after @ ..] = rest {
        let code = after.get(..2).filter(|_| *byte == b'%').and_then(|digits| hex::decode(digits).ok());
        if let Some(code) = code {
            decoded.extend(code);
            rest = &after[2..];
        } else {
            decoded.push(*byte);
            rest = after;
        }
    }
    String::from_utf8_lossy(&decoded).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request(head: &str) -> Request {
        Request::read(head.as_bytes()).unwrap()
    }

    #[test]
    fn a_range_is_cut_to_the_file() {
        let cases = [
            ("bytes=0-3", Part::Bytes(0..4)),
            ("bytes=4-", Part::Bytes(4..10)),
            ("bytes=4-99", Part::Bytes(4..10)),
            ("bytes=-3", Part::Bytes(7..10)),
            ("bytes=10-", Part::OutOfRange),
            ("bytes=5-2", Part::Whole),     // malformed ones are ignored
            ("bytes=0-1,3-4", Part::Whole), // several, too
            ("lines=1-2", Part::Whole),
        ];
        for (range, expected) in cases {
            let request = request(&format!("GET /a HTTP/1.1\r\nRange: {range}\r\n\r\n"));
            assert_eq!(request.part(10, "\"tag\""), expected, "{range}");
        }
    }

    #[test]
    fn a_range_of_another_version_of_the_file_is_ignored() {
        let asked = request("GET /a HTTP/1.1\r\nRange: bytes=4-\r\nIf-Range: \"old\"\r\n\r\n");
        assert_eq!(asked.part(10, "\"new\""), Part::Whole);
        assert_eq!(asked.part(10, "\"old\""), Part::Bytes(4..10));
    }

    #[test]
    fn a_path_is_decoded_and_its_query_dropped() {
        assert_eq!(request("GET /a%2Bb%zz?x=1 HTTP/1.1\r\n\r\n").path, "/a+b%zz");
    }

    #[test]
    fn half_a_head_is_an_error() {
        assert!(Request::read("GET /a HTTP/1.1\r\nRange".as_bytes()).is_err());
    }
}
