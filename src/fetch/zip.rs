//! A zip archive to its files and folders, each let through by the same [`Judge`] as a tar
//! archive's. Only repositories of files come so.
//!
//! Some programs read a zip by the directory at its end, others by the header before each
//! file. Where the two name a file differently, or name one twice, it is refused.

use std::fs::File;
use std::io::{self, BufReader, Read};
use std::os::unix::fs::FileExt;

use zip::ZipArchive;
use zip::read::ZipFile;

use super::policy::{Flaw, Head, Judge, Verdict, Violation};
use super::walk::{Visitor, WalkError, damaged, pour};

const MAGIC: [u8; 4] = *b"PK\x03\x04";
/// A header before a file, up to its name.
const HEADER_BYTES: u64 = 30;
/// Kinds of files in a Unix mode, and the kinds in tar's words.
const KINDS: [(u32, u8); 4] = [(0, b'0'), (0o100_000, b'0'), (0o040_000, b'5'), (0o120_000, b'2')];

/// Whether the file begins as a zip does.
pub(super) fn is_zip(file: &File) -> io::Result<bool> {
    let mut first = [0; MAGIC.len()];
    match file.read_exact_at(&mut first, 0) {
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => Ok(false),
        read => read.map(|()| first == MAGIC),
    }
}

/// Reads the whole archive.
pub(super) fn walk(file: &File, judge: &mut Judge<'_>, visitor: &mut dyn Visitor) -> Result<(), WalkError> {
    let of_zip = |error: zip::result::ZipError| damaged(error.into());
    let mut archive = ZipArchive::new(BufReader::with_capacity(256 << 10, file)).map_err(of_zip)?;
    if archive.has_duplicate_names() {
        return Err(Violation::of_archive(Flaw::Ambiguous { why: "two files of one name" }).into());
    }
    if let Ok(comment) = std::str::from_utf8(archive.comment()) {
        visitor.comment(comment);
    }
    for at in 0..archive.len() {
        let mut entry = archive.by_index(at).map_err(of_zip)?;
        judge.admit(entry.size()).map_err(Violation::of_archive)?;
        let name = entry.name_raw().to_owned();
        let flawed = |flaw| Violation::of_entry(&name, flaw);
        let mode = entry.unix_mode().unwrap_or(0);
        let kind = KINDS.iter().find(|(bits, _)| *bits == mode & 0o170_000).map_or(b'Z', |(_, kind)| *kind);
        let kind = if entry.is_dir() { b'5' } else { kind };
        let head = Head { name: &name, kind, n_bytes: entry.size() };
        let verdict = unambiguous(&entry, file).and_then(|()| judge.judge(&head)).map_err(flawed)?;
        match verdict {
            Verdict::Nothing => {}
            Verdict::Folder { path } => visitor.folder(&path)?,
            Verdict::Link { path } => {
                visitor.link(&path, &target(&mut entry, judge.limits().path_bytes).map_err(flawed)?);
            }
            Verdict::File { path } => {
                visitor.file(&path, mode & 0o111 != 0)?;
                pour(&mut entry, head.n_bytes, visitor)?;
                at_end(&mut entry)?;
                visitor.end()?;
            }
        }
    }
    Ok(())
}

/// The header before the file has to have the directory's name for it.
fn unambiguous(entry: &ZipFile<'_, impl Read>, file: &File) -> Result<(), Flaw> {
    let mut name = vec![0; entry.name_raw().len()];
    let is_read = file.read_exact_at(&mut name, entry.header_start() + HEADER_BYTES).is_ok();
    if is_read && name == entry.name_raw() {
        Ok(())
    } else {
        Err(Flaw::Ambiguous { why: "it has two names" })
    }
}

/// A link's target is its content.
fn target(entry: &mut ZipFile<'_, impl Read>, longest: usize) -> Result<String, Flaw> {
    let mut target = String::new();
    let n_bytes = entry.take(longest as u64 + 1).read_to_string(&mut target);
    match n_bytes {
        Ok(n_bytes) if n_bytes <= longest => Ok(target),
        Ok(actual) => Err(Flaw::LongPath { actual, limit: longest }),
        Err(error) if error.kind() == io::ErrorKind::InvalidData => Err(Flaw::NotUtf8),
        Err(error) => Err(damaged(error).flaw),
    }
}

/// Reading on also has the checksum checked.
fn at_end(entry: &mut ZipFile<'_, impl Read>) -> Result<(), Violation> {
    match entry.read(&mut [0]).map_err(damaged)? {
        0 => Ok(()),
        _ => Err(Violation::of_archive(Flaw::Ambiguous { why: "a file is larger than it says" })),
    }
}
