//! One entry of a tar archive to what may be done with it. Pure: nothing is read or written.
//!
//! `R CMD build` writes plain files and folders below one folder named after the package,
//! and nothing else; so whatever else is found was not made by it, and is refused rather
//! than interpreted. Where programs read one archive in two ways, it is refused too. The
//! archive of a repository may name its folder as it likes, and hold symbolic links.

use std::collections::BTreeMap;

use crate::model::{Sha256Digest, human_bytes};
use crate::sys::hash::sha256;

/// How much an archive may hold.
#[derive(Debug, Clone, Copy)]
pub(super) struct Limits {
    /// All files together, unpacked.
    pub(super) total_bytes: u64,
    pub(super) n_entries: u64,
    /// One path.
    pub(super) path_bytes: usize,
    /// Parts of one path.
    pub(super) path_depth: usize,
    /// All paths together: they are all remembered while the archive is read.
    pub(super) names_bytes: usize,
}

impl Limits {
    /// Cargo's rule: a small archive may unpack to half a gibibyte, a large one to twenty
    /// times its size; and none to more than 4 GiB, sixteen times what Lambda can hold.
    pub(super) fn of(compressed_bytes: u64) -> Self {
        let total_bytes = compressed_bytes.saturating_mul(20).clamp(512 << 20, 4 << 30);
        Self { total_bytes, n_entries: 100_000, path_bytes: 4096, path_depth: 64, names_bytes: 16 << 20 }
    }
}

/// What is wrong with an archive, and with which of its entries.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub struct Violation {
    /// Escaped and shortened; absent where the archive as a whole is wrong.
    pub entry: Option<String>,
    pub flaw: Flaw,
}

impl std::fmt::Display for Violation {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match &self.entry {
            Some(entry) => write!(f, "its entry `{entry}` {}", self.flaw),
            None => write!(f, "the archive {}", self.flaw),
        }
    }
}

impl Violation {
    pub(super) fn of_archive(flaw: Flaw) -> Self {
        Self { entry: None, flaw }
    }

    pub(super) fn of_entry(name: &[u8], flaw: Flaw) -> Self {
        const SHOWN: usize = 120;
        let mut entry = name[..name.len().min(SHOWN)].escape_ascii().to_string();
        if name.len() > SHOWN {
            entry.push('…');
        }
        Self { entry: Some(entry), flaw }
    }

    /// Whether damage under way can be the cause.
    pub(super) fn is_damage(&self) -> bool {
        matches!(self.flaw, Flaw::Damaged { .. })
    }
}

/// What may be wrong; each completes "the entry …" or "the archive …".
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Flaw {
    #[error("is damaged: {detail}")]
    Damaged { detail: String },
    #[error("is a {kind}; only files and folders are allowed")]
    Kind { kind: &'static str },
    #[error("has an empty name")]
    EmptyName,
    #[error("has a name that is not UTF-8")]
    NotUtf8,
    #[error("has a control character in its name")]
    ControlCharacter,
    #[error("has an absolute path")]
    Absolute,
    #[error("has `..` in its path")]
    Parent,
    #[error("is outside of the package's folder, `{expected}`")]
    Outside { expected: String },
    #[error("is there twice")]
    Twice,
    #[error("is a file and a folder")]
    FileAndFolder,
    #[error("has a path of {actual} bytes; the limit is {limit}")]
    LongPath { actual: usize, limit: usize },
    #[error("lies {actual} folders deep; the limit is {limit}")]
    DeepPath { actual: usize, limit: usize },
    #[error("has more than {limit} entries")]
    ManyEntries { limit: u64 },
    #[error("has more than {} of names", human_bytes(*.limit as u64))]
    ManyNames { limit: usize },
    #[error("unpacks to more than {}", human_bytes(*.limit))]
    TooLarge { limit: u64 },
    #[error("can be read in two ways: {why}")]
    Ambiguous { why: &'static str },
    #[error("goes on after its end")]
    TrailingData,
    #[error("is a link out of the repository, to `{target}`")]
    LinkOut { target: String },
    #[error("is a link to `{target}`, which is not there")]
    LinkNowhere { target: String },
    #[error("is a link that leads in a circle")]
    LinkCircle,
}

/// One entry's header, with what long-name headers before it say.
#[derive(Debug, Clone, Copy)]
pub(super) struct Head<'a> {
    pub(super) name: &'a [u8],
    /// The header's type flag.
    pub(super) kind: u8,
    pub(super) n_bytes: u64,
}

/// What an entry is to us; paths are relative and normal, `package/R/code.R`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Verdict {
    File {
        path: String,
    },
    Folder {
        path: String,
    },
    /// A symbolic link, which only a repository may hold.
    Link {
        path: String,
    },
    /// `./`, the folder that the archive is unpacked into.
    Nothing,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Claim {
    File,
    Folder,
    Link,
}

/// The one folder that all of an archive lies in.
#[derive(Debug)]
enum Top<'a> {
    /// A source tarball's: the package's name.
    Package(&'a str),
    /// A repository's: whatever the first entry says.
    Any(Option<String>),
}

/// Judges the entries of one archive, one after the other.
pub(super) struct Judge<'a> {
    top: Top<'a>,
    limits: Limits,
    n_entries: u64,
    total_bytes: u64,
    names_bytes: usize,
    /// What each path is, by the path's digest: long names take no more room than short ones.
    claims: BTreeMap<Sha256Digest, Claim>,
}

impl<'a> Judge<'a> {
    /// For a package's source tarball.
    pub(super) fn new(package: &'a str, limits: Limits) -> Self {
        Self::with_top(Top::Package(package), limits)
    }

    /// For the archive of a repository that a package lies in.
    pub(super) fn of_repository(limits: Limits) -> Self {
        Self::with_top(Top::Any(None), limits)
    }

    fn with_top(top: Top<'a>, limits: Limits) -> Self {
        Self { top, limits, n_entries: 0, total_bytes: 0, names_bytes: 0, claims: BTreeMap::new() }
    }

    pub(super) fn limits(&self) -> Limits {
        self.limits
    }

    /// Counts an entry of any kind, before its body is read.
    pub(super) fn admit(&mut self, n_bytes: u64) -> Result<(), Flaw> {
        self.n_entries += 1;
        if self.n_entries > self.limits.n_entries {
            return Err(Flaw::ManyEntries { limit: self.limits.n_entries });
        }
        self.pad(n_bytes)
    }

    /// Counts bytes that belong to no entry.
    pub(super) fn pad(&mut self, n_bytes: u64) -> Result<(), Flaw> {
        self.total_bytes = self.total_bytes.saturating_add(n_bytes);
        if self.total_bytes > self.limits.total_bytes {
            return Err(Flaw::TooLarge { limit: self.limits.total_bytes });
        }
        Ok(())
    }

    /// Decides on a file or folder.
    pub(super) fn judge(&mut self, head: &Head<'_>) -> Result<Verdict, Flaw> {
        let claim = match (&self.top, head.kind) {
            (Top::Any(_), b'2') => Claim::Link,
            (Top::Any(_) | Top::Package(_), _) => claim_of(head)?,
        };
        let Some(path) = normal_path(head.name, self.limits)? else {
            return if claim == Claim::Folder { Ok(Verdict::Nothing) } else { Err(Flaw::EmptyName) };
        };
        let (top, below) = path.split_once('/').unwrap_or((&path, ""));
        let expected = match &mut self.top {
            Top::Package(package) => package,
            Top::Any(first) => first.get_or_insert_with(|| top.to_owned()).as_str(),
        };
        if top != expected || (below.is_empty() && claim != Claim::Folder) {
            return Err(Flaw::Outside { expected: expected.to_owned() });
        }
        self.names_bytes += path.len();
        if self.names_bytes > self.limits.names_bytes {
            return Err(Flaw::ManyNames { limit: self.limits.names_bytes });
        }
        self.claim(&path, claim)?;
        Ok(match claim {
            Claim::File => Verdict::File { path },
            Claim::Folder => Verdict::Folder { path },
            Claim::Link => Verdict::Link { path },
        })
    }

    /// A path is one thing, and what it lies in are folders.
    fn claim(&mut self, path: &str, claim: Claim) -> Result<(), Flaw> {
        match self.claims.insert(sha256(path.as_bytes()), claim) {
            None => {}
            Some(Claim::Folder) if claim == Claim::Folder => return Ok(()),
            Some(earlier) if earlier == claim => return Err(Flaw::Twice),
            Some(_) => return Err(Flaw::FileAndFolder),
        }
        match path.rsplit_once('/') {
            Some((parent, _)) => self.claim(parent, Claim::Folder),
            None => Ok(()),
        }
    }
}

/// Files and folders only. The old tar of Version 7 Unix marks a folder by the `/` at the
/// end of its name alone.
fn claim_of(head: &Head<'_>) -> Result<Claim, Flaw> {
    let kind = match head.kind {
        b'0' | 0 if !head.name.ends_with(b"/") => return Ok(Claim::File),
        b'5' | b'0' | 0 if head.n_bytes == 0 => return Ok(Claim::Folder),
        b'5' | b'0' | 0 => return Err(Flaw::Ambiguous { why: "a folder with content" }),
        b'1' => "hard link",
        b'2' => "symbolic link",
        b'3' => "character device",
        b'4' => "block device",
        b'6' => "named pipe",
        b'7' => "contiguous file",
        b'S' => "sparse file",
        _ => "thing of unknown kind",
    };
    Err(Flaw::Kind { kind })
}

/// The path without `.` and empty parts; `None` where nothing is left.
fn normal_path(name: &[u8], limits: Limits) -> Result<Option<String>, Flaw> {
    if name.is_empty() {
        return Err(Flaw::EmptyName);
    }
    if name.len() > limits.path_bytes {
        return Err(Flaw::LongPath { actual: name.len(), limit: limits.path_bytes });
    }
    let Ok(text) = std::str::from_utf8(name) else { return Err(Flaw::NotUtf8) };
    if text.chars().any(|c| c.is_control() || is_direction_mark(c)) {
        return Err(Flaw::ControlCharacter);
    }
    if text.starts_with('/') {
        return Err(Flaw::Absolute);
    }
    let parts: Vec<&str> = text.split('/').filter(|part| !part.is_empty() && *part != ".").collect();
    if parts.contains(&"..") {
        return Err(Flaw::Parent);
    }
    if parts.len() > limits.path_depth {
        return Err(Flaw::DeepPath { actual: parts.len(), limit: limits.path_depth });
    }
    Ok(Some(parts.join("/")).filter(|path| !path.is_empty()))
}

/// Marks that make a name look like another one on a terminal.
fn is_direction_mark(c: char) -> bool {
    matches!(c, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{2028}' | '\u{2029}')
}

#[cfg(test)]
mod tests {
    use super::*;

    const SMALL: Limits =
        Limits { total_bytes: 100, n_entries: 3, path_bytes: 20, path_depth: 4, names_bytes: 30 };

    fn judged(name: &[u8], kind: u8, n_bytes: u64) -> Result<Verdict, Flaw> {
        Judge::new("x1", SMALL).judge(&Head { name, kind, n_bytes })
    }

    #[test]
    fn only_plain_files_and_folders_below_the_package_s_folder_are_let_through() {
        let file = |path: &str| Ok(Verdict::File { path: path.to_owned() });
        let folder = |path: &str| Ok(Verdict::Folder { path: path.to_owned() });
        let outside = Err(Flaw::Outside { expected: "x1".to_owned() });
        let kind = |kind| Err(Flaw::Kind { kind });
        let cases: [(&[u8], u8, Result<Verdict, Flaw>); 31] = [
            (b"x1/R/a.R", b'0', file("x1/R/a.R")),
            (b"x1/R/a.R", 0, file("x1/R/a.R")), // Version 7
            (b"x1/R/", 0, folder("x1/R")),      // Version 7
            (b"x1/R/", b'0', folder("x1/R")),
            (b"x1", b'5', folder("x1")),
            (b"./x1//R/./a.R", b'0', file("x1/R/a.R")),
            (b"./", b'5', Ok(Verdict::Nothing)),
            (b".", b'0', Err(Flaw::EmptyName)),
            (b"", b'0', Err(Flaw::EmptyName)),
            (b"../x", b'0', Err(Flaw::Parent)),
            (b"x1/../../x", b'0', Err(Flaw::Parent)),
            (b"x1/..", b'5', Err(Flaw::Parent)),
            (b"/x1/a", b'0', Err(Flaw::Absolute)),
            (b"x1", b'0', outside.clone()),
            (b"y1/a", b'0', outside.clone()),
            (b"X1/a", b'0', outside.clone()),
            (b"a", b'0', outside),
            (b"x1/a\nb", b'0', Err(Flaw::ControlCharacter)),
            (b"x1/a\0b", b'0', Err(Flaw::ControlCharacter)),
            (b"x1/\x1b[2J", b'0', Err(Flaw::ControlCharacter)),
            ("x1/a\u{202e}b".as_bytes(), b'0', Err(Flaw::ControlCharacter)),
            (b"x1/\xff", b'0', Err(Flaw::NotUtf8)),
            (b"x1/a", b'1', kind("hard link")),
            (b"x1/a", b'2', kind("symbolic link")),
            (b"x1/a", b'3', kind("character device")),
            (b"x1/a", b'6', kind("named pipe")),
            (b"x1/a", b'7', kind("contiguous file")),
            (b"x1/a", b'S', kind("sparse file")),
            (b"x1/a", b'Z', kind("thing of unknown kind")),
            (b"x1/a/b/c/d", b'0', Err(Flaw::DeepPath { actual: 5, limit: 4 })),
            (b"x1/aaaaaaaaaaaaaaaaaaaa", b'0', Err(Flaw::LongPath { actual: 23, limit: 20 })),
        ];
        for (name, kind, verdict) in cases {
            assert_eq!(judged(name, kind, 0), verdict, "{} {kind}", name.escape_ascii());
        }
        assert!(matches!(judged(b"x1/a", b'5', 1), Err(Flaw::Ambiguous { .. })));
    }

    #[test]
    fn one_path_is_one_thing() {
        let cases = [
            (vec![("x1/a", b'0'), ("x1/./a", b'0')], Some(Flaw::Twice)),
            (vec![("x1/a", b'0'), ("x1/a", b'5')], Some(Flaw::FileAndFolder)),
            (vec![("x1/a", b'5'), ("x1/a", b'0')], Some(Flaw::FileAndFolder)),
            (vec![("x1/a", b'0'), ("x1/a/b", b'0')], Some(Flaw::FileAndFolder)),
            (vec![("x1/a/b", b'0'), ("x1/a", b'0')], Some(Flaw::FileAndFolder)), // a folder by implication
            (vec![("x1/a/b", b'0'), ("x1/a", b'5'), ("x1/a", b'5')], None),
        ];
        for (entries, flaw) in cases {
            let mut judge = Judge::new("x1", SMALL);
            let result: Result<Vec<_>, _> = entries
                .iter()
                .map(|(name, kind)| judge.judge(&Head { name: name.as_bytes(), kind: *kind, n_bytes: 0 }))
                .collect();
            assert_eq!(result.err(), flaw, "{entries:?}");
        }
    }

    #[test]
    fn an_archive_has_limits_as_a_whole() {
        let mut judge = Judge::new("x1", SMALL);
        assert_eq!(judge.admit(60), Ok(()));
        assert_eq!(judge.admit(60), Err(Flaw::TooLarge { limit: 100 }));
        let mut judge = Judge::new("x1", SMALL);
        assert_eq!(judge.admit(u64::MAX), Err(Flaw::TooLarge { limit: 100 }));
        let mut judge = Judge::new("x1", SMALL);
        let counted: Result<Vec<_>, _> = (0..4).map(|_| judge.admit(0)).collect();
        assert_eq!(counted, Err(Flaw::ManyEntries { limit: 3 }));
        let mut judge = Judge::new("x1", SMALL);
        let name = |name| Head { name, kind: b'0', n_bytes: 0 };
        judge.judge(&name(b"x1/aaaaaaaaaaaaaaa")).unwrap();
        assert_eq!(judge.judge(&name(b"x1/bbbbbbbbbbbbbbb")), Err(Flaw::ManyNames { limit: 30 }));
        let limits =
            [Limits::of(1), Limits::of(100 << 20), Limits::of(u64::MAX)].map(|limits| limits.total_bytes);
        assert_eq!(limits, [512 << 20, 2000 << 20, 4 << 30]);
    }
}
