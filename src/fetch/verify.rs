//! A file to the source tarball it is said to be, or to why it is not.

use std::io::{Read, Seek};
use std::path::Path;

use md5::Md5;
use sha2::{Digest, Sha256};

use super::failure::Fault;
use super::policy::{Judge, Limits};
use super::sources::Namer;
use super::walk::{Visitor, WalkError, walk};
use super::{Failure, Pin, sniff};
use crate::model::{Description, PackageId, PackageName, Sha256Digest};
use crate::sys::fs::{self, PathError};

/// What the bytes are held against.
#[derive(Debug, Clone, Copy)]
pub(super) struct Wanted<'a> {
    pub(super) id: &'a PackageId,
    /// From the package index, hexadecimal.
    pub(super) md5: Option<&'a str>,
    pub(super) sha256: Option<Sha256Digest>,
    /// Who says what `sha256` is.
    pub(super) by: &'static str,
    pub(super) is_binary: bool,
    pub(super) pin: Option<&'a Pin>,
    /// Whether its files are named as well.
    pub(super) named: bool,
}

impl Wanted<'_> {
    /// What the digest has to be, and who says so.
    pub(super) fn digest(&self) -> Option<(Sha256Digest, &'static str)> {
        let by_lockfile = || Some((self.sha256?, self.by));
        self.pin.map(|pin| (pin.sha256, "layr.lock")).or_else(by_lockfile)
    }
}

/// What is known of a file once all of it was read.
#[derive(Debug)]
pub(super) struct Verified {
    pub(super) sha256: Sha256Digest,
    pub(super) n_bytes: u64,
    pub(super) description: Description,
    /// The text that `description` was read from.
    pub(super) text: String,
    /// What is in it, where that was wanted.
    pub(super) files: Option<Namer>,
}

/// Reads the file twice: its digests have to be right before its content is interpreted.
pub(super) fn verify(path: &Path, wanted: &Wanted<'_>) -> Result<Verified, Fault> {
    let mut file = fs::open(path)?;
    let mut first = Vec::new();
    file.by_ref().take(512).read_to_end(&mut first).map_err(fs::at("read", path))?;
    file.rewind().map_err(fs::at("read", path))?;
    let (sha256, md5, n_bytes) = digests(&mut file).map_err(fs::at("read", path))?;
    // Before the digests: "an HTML page" says more than that the digest is another.
    if let Some(what) = sniff::not_gzip(&first) {
        return Err(Failure::NotGzip { what }.into());
    }
    match (wanted.digest(), wanted.md5) {
        (Some((expected, by)), _) if expected != sha256 => {
            return Err(Failure::WrongSha256 { expected, actual: sha256, by }.into());
        }
        // Where there is a digest, the weaker check has nothing to add.
        (None, Some(expected)) if !expected.eq_ignore_ascii_case(&md5) => {
            return Err(Failure::WrongMd5 { expected: expected.to_owned(), actual: md5 }.into());
        }
        _ => {}
    }
    file.rewind().map_err(fs::at("read", path))?;
    let mut files = wanted.named.then(Namer::default);
    let text = description_text(file, n_bytes, &wanted.id.name, files.as_mut())?;
    let description = described(&text, wanted.id, wanted.is_binary)?;
    Ok(Verified { sha256, n_bytes, description, text, files })
}

pub(super) fn digests(mut reader: impl Read) -> std::io::Result<(Sha256Digest, String, u64)> {
    let (mut sha256, mut md5, mut n_bytes) = (Sha256::new(), Md5::new(), 0);
    let mut buffer = vec![0; 256 << 10];
    loop {
        let n = reader.read(&mut buffer)?;
        if n == 0 {
            return Ok((Sha256Digest(sha256.finalize().into()), hex::encode(md5.finalize()), n_bytes));
        }
        sha256.update(&buffer[..n]);
        md5.update(&buffer[..n]);
        n_bytes += n as u64;
    }
}

/// Reads a whole archive, which shows that it is sane, for the text of its `DESCRIPTION`, and
/// shows all of it to a namer besides.
pub(super) fn description_text(
    compressed: impl Read,
    n_bytes: u64,
    package: &PackageName,
    namer: Option<&mut Namer>,
) -> Result<String, Failure> {
    let path = format!("{package}/DESCRIPTION");
    let mut collector = Collector { path, bytes: None, is_open: false, namer };
    let mut judge = Judge::new(package.as_str(), Limits::of(n_bytes));
    walk(compressed, &mut judge, &mut collector).map_err(|error| match error {
        WalkError::Violation(violation) => Failure::Violation(violation),
        WalkError::Path(source) => Failure::Unreadable { source },
    })?;
    let bytes = collector.bytes.ok_or_else(|| Failure::NoDescription { package: package.to_string() })?;
    // Old packages are in Latin-1, of which every byte is a character. What we read of a
    // DESCRIPTION is ASCII in any case.
    Ok(String::from_utf8(bytes)
        .unwrap_or_else(|error| error.as_bytes().iter().map(|byte| char::from(*byte)).collect()))
}

/// The `DESCRIPTION`, if it is that of the right package, in the right form.
pub(super) fn described(text: &str, id: &PackageId, is_binary: bool) -> Result<Description, Failure> {
    let description = Description::parse(text).map_err(|source| Failure::Description { source })?;
    if description.id != *id {
        return Err(Failure::OtherPackage { actual: description.id });
    }
    match (description.is_binary, is_binary) {
        (true, false) => Err(Failure::Binary),
        (false, true) => Err(Failure::NotBinary),
        (true, true) | (false, false) => Ok(description),
    }
}

/// Keeps one file of an archive, and lets the others pass.
struct Collector<'a> {
    path: String,
    bytes: Option<Vec<u8>>,
    is_open: bool,
    namer: Option<&'a mut Namer>,
}

impl Visitor for Collector<'_> {
    fn folder(&mut self, path: &str) -> Result<(), PathError> {
        self.namer.as_mut().map_or(Ok(()), |namer| namer.folder(path))
    }

    fn file(&mut self, path: &str, is_executable: bool) -> Result<(), PathError> {
        self.is_open = path == self.path;
        if self.is_open {
            self.bytes = Some(Vec::new());
        }
        self.namer.as_mut().map_or(Ok(()), |namer| namer.file(path, is_executable))
    }

    fn bytes(&mut self, bytes: &[u8]) -> Result<(), PathError> {
        /// A DESCRIPTION has a few kilobytes; what is beyond this is not one, and does not
        /// parse, or is a comment that nobody reads.
        const LONGEST: usize = 1 << 20;
        if let (true, Some(kept)) = (self.is_open, &mut self.bytes) {
            let room = LONGEST.saturating_sub(kept.len());
            kept.extend_from_slice(&bytes[..bytes.len().min(room)]);
        }
        self.namer.as_mut().map_or(Ok(()), |namer| namer.bytes(bytes))
    }

    fn end(&mut self) -> Result<(), PathError> {
        self.is_open = false;
        self.namer.as_mut().map_or(Ok(()), |namer| namer.end())
    }
}
