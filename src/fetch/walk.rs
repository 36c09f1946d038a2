//! A compressed tar archive to its files and folders, each let through by [`Judge`].
//!
//! Headers are read raw: the `tar` crate's own handling passes over hostile entries in
//! silence, and keeps names of any length in memory. Whoever takes the archive's last
//! entry from here knows that all of the archive is sane: the checksums of the gzip
//! members were right, and nothing but zeros came after the end.

use std::io::{self, BufReader, Read};

use flate2::bufread::MultiGzDecoder;

use super::policy::{Flaw, Head, Judge, Verdict, Violation};
use crate::report::causes;
use crate::sys::fs::PathError;

/// Takes what an archive holds, in its order. Paths are relative and normal.
pub(super) trait Visitor {
    fn folder(&mut self, path: &str) -> Result<(), PathError>;
    /// A file begins; its bytes follow, then [`Visitor::end`].
    fn file(&mut self, path: &str, is_executable: bool) -> Result<(), PathError>;
    fn bytes(&mut self, bytes: &[u8]) -> Result<(), PathError>;
    fn end(&mut self) -> Result<(), PathError>;
    /// A symbolic link, which only repositories hold; its target is as the archive has it.
    fn link(&mut self, _path: &str, _target: &str) {}
    /// The comment on the archive as a whole: `git archive` writes the commit there.
    fn comment(&mut self, _text: &str) {}
}

/// Why a walk ended early.
#[derive(Debug)]
pub(super) enum WalkError {
    Violation(Violation),
    /// What the visitor could not do.
    Path(PathError),
}

impl From<Violation> for WalkError {
    fn from(violation: Violation) -> Self {
        Self::Violation(violation)
    }
}

impl From<PathError> for WalkError {
    fn from(error: PathError) -> Self {
        Self::Path(error)
    }
}

/// What the headers before an entry say of it.
#[derive(Debug, Default)]
struct Prelude {
    gnu_name: Option<Vec<u8>>,
    gnu_target: Option<Vec<u8>>,
    pax: Option<Pax>,
}

#[derive(Debug, Default, PartialEq, Eq)]
struct Pax {
    path: Option<Vec<u8>>,
    size: Option<u64>,
    target: Option<Vec<u8>>,
    comment: Option<String>,
}

/// Reads the whole archive.
pub(super) fn walk(
    compressed: impl Read,
    judge: &mut Judge<'_>,
    visitor: &mut dyn Visitor,
) -> Result<(), WalkError> {
    let decoder = MultiGzDecoder::new(BufReader::with_capacity(256 << 10, compressed));
    let mut archive = tar::Archive::new(decoder);
    let mut prelude = Prelude::default();
    for entry in archive.entries().map_err(damaged)?.raw(true) {
        let mut entry = entry.map_err(damaged)?;
        let n_bytes = entry.header().entry_size().map_err(damaged)?;
        judge.admit(n_bytes).map_err(Violation::of_archive)?;
        let kind = entry.header().entry_type().as_byte();
        if matches!(kind, b'L' | b'K' | b'x' | b'g') {
            let longest = judge.limits().path_bytes * 4;
            let noted = note(&mut prelude, kind, &mut entry, longest).map_err(Violation::of_archive)?;
            if let Some(comment) = noted {
                visitor.comment(&comment);
            }
        } else {
            let prelude = std::mem::take(&mut prelude);
            let name = prelude.gnu_name.clone().or_else(|| prelude.pax.as_ref()?.path.clone());
            let name = name.unwrap_or_else(|| entry.header().path_bytes().into_owned());
            let head = Head { name: &name, kind, n_bytes };
            let verdict = unambiguous(&prelude, &head).and_then(|()| judge.judge(&head));
            let verdict = verdict.map_err(|flaw| Violation::of_entry(&name, flaw))?;
            if let Verdict::Link { path } = &verdict {
                let target = target(&prelude, entry.header());
                visitor.link(path, &target.map_err(|flaw| Violation::of_entry(&name, flaw))?);
            }
            visit(&verdict, n_bytes, &mut entry, visitor)?;
        }
    }
    if prelude.gnu_name.is_some() || prelude.pax.is_some() {
        return Err(Violation::of_archive(Flaw::Ambiguous { why: "a header for no entry" }).into());
    }
    Ok(only_zeros(archive.into_inner(), judge)?)
}

/// Two names or two sizes are read differently by different programs.
fn unambiguous(prelude: &Prelude, head: &Head<'_>) -> Result<(), Flaw> {
    let Some(pax) = &prelude.pax else { return Ok(()) };
    if pax.path.as_ref().is_some_and(|path| path != head.name) {
        return Err(Flaw::Ambiguous { why: "it has two names" });
    }
    if pax.size.is_some_and(|size| size != head.n_bytes) {
        return Err(Flaw::Ambiguous { why: "it has two sizes" });
    }
    Ok(())
}

/// Where a link leads.
fn target(prelude: &Prelude, header: &tar::Header) -> Result<String, Flaw> {
    let pax = prelude.pax.as_ref().and_then(|pax| pax.target.clone());
    let target = match (&prelude.gnu_target, pax) {
        (Some(_), Some(_)) => return Err(Flaw::Ambiguous { why: "it has two targets" }),
        (Some(target), None) => target.clone(),
        (None, Some(target)) => target,
        (None, None) => header.link_name_bytes().unwrap_or_default().into_owned(),
    };
    String::from_utf8(target).ok().ok_or(Flaw::NotUtf8)
}

/// Reads a header that describes the entry after it, or, with a comment, all of them.
fn note(
    prelude: &mut Prelude,
    kind: u8,
    body: &mut dyn Read,
    longest: usize,
) -> Result<Option<String>, Flaw> {
    let mut bytes = Vec::new();
    body.take(longest as u64 + 1).read_to_end(&mut bytes).map_err(|error| flaw_of(&error))?;
    if bytes.len() > longest {
        return Err(Flaw::LongPath { actual: bytes.len(), limit: longest });
    }
    let twice = Flaw::Ambiguous { why: "two headers for one entry" };
    match kind {
        b'L' if prelude.gnu_name.is_some() => return Err(twice),
        b'K' if prelude.gnu_target.is_some() => return Err(twice),
        b'x' if prelude.pax.is_some() => return Err(twice),
        b'L' | b'K' => {
            let end = bytes.iter().rposition(|byte| *byte != 0).map_or(0, |last| last + 1);
            bytes.truncate(end);
            let place = if kind == b'L' { &mut prelude.gnu_name } else { &mut prelude.gnu_target };
            *place = Some(bytes);
        }
        b'x' => prelude.pax = Some(parse_pax(&bytes)?),
        // `git archive` writes one with a comment. One that renames all that follows is
        // obeyed by some programs only.
        _ => match parse_pax(&bytes)? {
            Pax { path: None, size: None, target: None, comment } => return Ok(comment),
            Pax { .. } => return Err(Flaw::Ambiguous { why: "a global header with a name or size" }),
        },
    }
    Ok(None)
}

/// `length key=value\n`, repeated; the length counts all of it.
fn parse_pax(mut bytes: &[u8]) -> Result<Pax, Flaw> {
    let mut pax = Pax::default();
    while !bytes.is_empty() {
        let (key, value, rest) = pax_record(bytes).ok_or(Flaw::Ambiguous { why: "a malformed header" })?;
        match key {
            b"path" => pax.path = Some(value.to_owned()),
            b"linkpath" => pax.target = Some(value.to_owned()),
            b"comment" => pax.comment = String::from_utf8(value.to_owned()).ok(),
            b"size" => {
                let size = std::str::from_utf8(value).ok().and_then(|text| text.parse().ok());
                pax.size = Some(size.ok_or(Flaw::Ambiguous { why: "a malformed header" })?);
            }
            _ if key.starts_with(b"GNU.sparse.") => return Err(Flaw::Kind { kind: "sparse file" }),
            _ => {}
        }
        bytes = rest;
    }
    Ok(pax)
}

/// The first record's key and value, and what follows it.
fn pax_record(bytes: &[u8]) -> Option<(&[u8], &[u8], &[u8])> {
    let blank = bytes.iter().position(|byte| *byte == b' ')?;
    let length: usize = std::str::from_utf8(&bytes[..blank]).ok()?.parse().ok()?;
    let record = bytes.get(blank + 1..length)?.strip_suffix(b"\n")?;
    let equals = record.iter().position(|byte| *byte == b'=')?;
    Some((&record[..equals], &record[equals + 1..], &bytes[length..]))
}

fn visit(
    verdict: &Verdict,
    n_bytes: u64,
    entry: &mut tar::Entry<'_, impl Read>,
    visitor: &mut dyn Visitor,
) -> Result<(), WalkError> {
    let path = match verdict {
        Verdict::Nothing | Verdict::Link { .. } => return Ok(()),
        Verdict::Folder { path } => return Ok(visitor.folder(path)?),
        Verdict::File { path } => path,
    };
    let is_executable = entry.header().mode().map_err(damaged)? & 0o111 != 0;
    visitor.file(path, is_executable)?;
    pour(entry, n_bytes, visitor)?;
    Ok(visitor.end()?)
}

/// Hands on the bytes of a file.
pub(super) fn pour(entry: &mut impl Read, n_bytes: u64, visitor: &mut dyn Visitor) -> Result<(), WalkError> {
    let mut buffer = vec![0; usize::try_from(n_bytes).unwrap_or(usize::MAX).clamp(1, 64 << 10)];
    let mut left = n_bytes;
    while left > 0 {
        let most = usize::try_from(left).unwrap_or(usize::MAX).min(buffer.len());
        let n = entry.read(&mut buffer[..most]).map_err(damaged)?;
        if n == 0 {
            return Err(damaged(io::ErrorKind::UnexpectedEof.into()).into());
        }
        visitor.bytes(&buffer[..n])?;
        left -= n as u64;
    }
    Ok(())
}

/// What follows the end is padding. Reading it all also has the last checksum checked.
fn only_zeros(mut rest: impl Read, judge: &mut Judge<'_>) -> Result<(), Violation> {
    let mut buffer = vec![0; 64 << 10];
    loop {
        match rest.read(&mut buffer).map_err(damaged)? {
            0 => return Ok(()),
            n if buffer[..n].iter().all(|byte| *byte == 0) => {
                judge.pad(n as u64).map_err(Violation::of_archive)?;
            }
            _ => return Err(Violation::of_archive(Flaw::TrailingData)),
        }
    }
}

fn flaw_of(error: &io::Error) -> Flaw {
    // The text can hold parts of the archive.
    let detail = causes::in_one_line(error).chars().filter(|c| !c.is_control()).take(200).collect();
    Flaw::Damaged { detail }
}

#[expect(clippy::needless_pass_by_value, reason = "for `map_err`")]
pub(super) fn damaged(error: io::Error) -> Violation {
    Violation::of_archive(flaw_of(&error))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pax_header_is_read_by_its_lengths_alone() {
        let pax = |path: Option<&str>, size| {
            Some(Pax { path: path.map(|path| path.as_bytes().to_owned()), size, ..Pax::default() })
        };
        let cases: [(&[u8], Option<Pax>); 9] = [
            (b"", pax(None, None)),
            (b"11 path=ab\n", pax(Some("ab"), None)),
            (b"11 path=ab\n8 size=7\n", None), // 8 is wrong, 9 would be right
            (b"9 size=7\n11 path=ab\n", pax(Some("ab"), Some(7))),
            (b"12 path=a\nb\n", pax(Some("a\nb"), None)), // a newline in a value; refused later
            (b"11 size=-7\n", None),
            (b"99 path=ab\n", None),
            (b"\n11 path=ab\n", None),
            (b"20 GNU.sparse.map=0\n", None),
        ];
        for (bytes, expected) in cases {
            assert_eq!(parse_pax(bytes).ok(), expected, "{}", bytes.escape_ascii());
        }
    }
}
