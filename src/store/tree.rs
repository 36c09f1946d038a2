//! Folders as the Remote Execution API (REAPI v2) writes them: canonical `Directory`
//! messages, named by their SHA-256. Pure: messages in, messages out.
//!
//! Source: `build/bazel/remote/execution/v2/remote_execution.proto`. Canonical means:
//! each list sorted by name, no name twice, fields in the order of their tags.

use prost::Message;

use crate::model::Sha256Digest;

#[derive(Clone, PartialEq, Eq, Message)]
pub(super) struct Digest {
    /// Hexadecimal.
    #[prost(string, tag = "1")]
    pub(super) hash: String,
    #[prost(int64, tag = "2")]
    pub(super) size_bytes: i64,
}

#[derive(Clone, PartialEq, Eq, Message)]
pub(super) struct FileNode {
    #[prost(string, tag = "1")]
    pub(super) name: String,
    #[prost(message, optional, tag = "2")]
    pub(super) digest: Option<Digest>,
    #[prost(bool, tag = "4")]
    pub(super) is_executable: bool,
}

#[derive(Clone, PartialEq, Eq, Message)]
pub(super) struct DirectoryNode {
    #[prost(string, tag = "1")]
    pub(super) name: String,
    #[prost(message, optional, tag = "2")]
    pub(super) digest: Option<Digest>,
}

#[derive(Clone, PartialEq, Eq, Message)]
pub(super) struct SymlinkNode {
    #[prost(string, tag = "1")]
    pub(super) name: String,
    #[prost(string, tag = "2")]
    pub(super) target: String,
}

#[derive(Clone, PartialEq, Eq, Message)]
pub(super) struct Directory {
    #[prost(message, repeated, tag = "1")]
    pub(super) files: Vec<FileNode>,
    #[prost(message, repeated, tag = "2")]
    pub(super) directories: Vec<DirectoryNode>,
    #[prost(message, repeated, tag = "3")]
    pub(super) symlinks: Vec<SymlinkNode>,
}

/// A root and all folders below it, each once.
#[derive(Clone, PartialEq, Eq, Message)]
pub(super) struct Tree {
    #[prost(message, optional, tag = "1")]
    pub(super) root: Option<Directory>,
    #[prost(message, repeated, tag = "2")]
    pub(super) children: Vec<Directory>,
}

/// One thing in a tree, by its path from the tree's root, with `/` between the names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    pub path: String,
    pub kind: EntryKind,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum EntryKind {
    Directory,
    File { digest: Sha256Digest, n_bytes: u64, executable: bool },
    Symlink { target: String },
}

impl EntryKind {
    /// What Lambda counts.
    pub fn unzipped_bytes(&self) -> u64 {
        match self {
            Self::File { n_bytes, .. } => *n_bytes,
            Self::Symlink { target } => target.len() as u64,
            Self::Directory => 0,
        }
    }
}

/// A tree that is to lie at a path of a larger one.
#[derive(Debug, Clone)]
pub struct Mount {
    /// E.g. `R/library/cli`; never empty.
    pub path: String,
    pub tree: Sha256Digest,
}

impl Digest {
    pub(super) fn new(digest: Sha256Digest, n_bytes: u64) -> Self {
        // REAPI counts in signed numbers; no file is that large.
        Self { hash: digest.to_hex(), size_bytes: i64::try_from(n_bytes).unwrap_or(i64::MAX) }
    }

    pub(super) fn parts(digest: Option<&Self>) -> Option<(Sha256Digest, u64)> {
        let digest = digest?;
        Some((digest.hash.parse().ok()?, u64::try_from(digest.size_bytes).ok()?))
    }
}

impl Directory {
    /// Brings the lists into canonical order.
    pub(super) fn sort(&mut self) {
        self.files.sort_by(|a, b| a.name.cmp(&b.name));
        self.directories.sort_by(|a, b| a.name.cmp(&b.name));
        self.symlinks.sort_by(|a, b| a.name.cmp(&b.name));
    }

    /// Reads a message; `None` where it is none, or not one that we would have written,
    /// or where a name could leave the folder it is in.
    pub(super) fn decode_canonical(bytes: &[u8]) -> Option<Self> {
        let directory = Self::decode(bytes).ok()?;
        let names: Vec<&str> = directory.names().collect();
        let safe =
            |name: &&str| !name.is_empty() && *name != "." && *name != ".." && !name.contains(['/', '\0']);
        let canonical = directory.files.is_sorted_by(|a, b| a.name < b.name)
            && directory.directories.is_sorted_by(|a, b| a.name < b.name)
            && directory.symlinks.is_sorted_by(|a, b| a.name < b.name)
            && names.iter().all(safe)
            && directory.encode_to_vec() == bytes;
        canonical.then_some(directory)
    }

    fn names(&self) -> impl Iterator<Item = &str> {
        let files = self.files.iter().map(|node| node.name.as_str());
        let directories = self.directories.iter().map(|node| node.name.as_str());
        files.chain(directories).chain(self.symlinks.iter().map(|node| node.name.as_str()))
    }
}

/// Whether a link at `path` that points to `target` stays within the tree.
pub(super) fn link_stays_inside(path: &str, target: &str) -> bool {
    if target.starts_with('/') || target.is_empty() {
        return false;
    }
    let mut depth = path.matches('/').count();
    for part in target.split('/') {
        match part {
            "" | "." => {}
            ".." if depth == 0 => return false,
            ".." => depth -= 1,
            _ => depth += 1,
        }
    }
    true
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(name: &str) -> FileNode {
        FileNode {
            name: name.to_owned(),
            digest: Some(Digest::new(Sha256Digest([1; 32]), 3)),
            is_executable: true,
        }
    }

    /// Bytes by hand from the protobuf encoding: a `FileNode` of field 1 with name, digest
    /// and the executable flag of tag 4 (tag 3 is not in use in REAPI).
    #[test]
    fn a_directory_message_has_the_bytes_of_the_protocol() {
        let directory = Directory { files: vec![file("a")], ..Directory::default() };
        let bytes = directory.encode_to_vec();
        let mut expected = vec![0x0a, 0x4b, 0x0a, 1, b'a', 0x12, 0x44, 0x0a, 64];
        expected.extend("01".repeat(32).bytes());
        expected.extend([0x10, 3, 0x20, 1]);
        assert_eq!(bytes, expected);
        assert_eq!(Directory::decode_canonical(&bytes), Some(directory));
    }

    #[test]
    fn a_message_that_is_not_canonical_or_not_safe_is_refused() {
        for names in [["b", "a"], ["a", "a"], ["", "a"], ["..", "a"], ["a/b", "c"]] {
            let directory = Directory { files: names.map(file).to_vec(), ..Directory::default() };
            assert_eq!(Directory::decode_canonical(&directory.encode_to_vec()), None, "{names:?}");
        }
        assert_eq!(Directory::decode_canonical(b"\xff\xff"), None);
    }

    #[test]
    fn a_link_may_point_only_inside_its_tree() {
        let cases = [
            ("libs/a.so", "a.so.1", true),
            ("a/b", "../c", true),
            ("a", "../c", false),
            ("a/b", "/etc", false),
            ("a/b", "x/../../../c", false),
        ];
        for (path, target, inside) in cases {
            assert_eq!(link_stays_inside(path, target), inside, "{path} -> {target}");
        }
    }
}
