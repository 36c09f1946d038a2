//! Trees as one message, in which they travel between machines: REAPI's `Tree`, a root and
//! all `Directory` messages below it. What comes from elsewhere is checked as a whole
//! before any of it is kept.

use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, BTreeSet};

use prost::Message;

use super::shelf::Shelf;
use super::tree::{Digest, Directory, Tree, link_stays_inside};
use super::{Kind, Store, StoreError};
use crate::model::{Sha256Digest, TreeDigest};
use crate::sys::fs;
use crate::sys::hash::sha256;

/// Some bytes by their name, and how many they are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Blob {
    pub digest: Sha256Digest,
    pub n_bytes: u64,
}

/// A tree that came from elsewhere, complete and safe but for its files, which have yet to
/// come.
#[derive(Debug)]
pub struct IncomingTree {
    pub root: TreeDigest,
    /// Of all files, each once.
    pub files: Vec<Blob>,
    /// What Lambda counts.
    pub unzipped_bytes: u64,
    pub(super) messages: Vec<Vec<u8>>,
}

/// Why a message is not taken for a tree.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TreeFlaw {
    #[error("it is no `Tree` message")]
    NoTree,
    #[error("a folder of it is not in canonical form, or has a name such as `..`")]
    NotCanonical,
    #[error("its root has digest {0}")]
    OtherRoot(Sha256Digest),
    #[error("it lacks folder {0}")]
    Lacks(Sha256Digest),
    #[error("`{path}` in it leads to `{target}`, outside of it")]
    Escapes { path: String, target: String },
    #[error("it has more than {MOST_ENTRIES} files and folders, or is deeper than {MOST_DEEP}")]
    TooLarge,
}

/// A package has thousands at most. The same folder may be many folders of a tree, so a
/// short message can stand for more than any disk holds.
const MOST_ENTRIES: u64 = 1_000_000;
const MOST_DEEP: usize = 100;

impl Store {
    /// A tree's root and folders as one message.
    pub fn tree_message(&self, tree: TreeDigest) -> Result<Vec<u8>, StoreError> {
        tree_message(&self, tree)
    }

    /// All blobs of a tree that is here, its folders among them, each once.
    pub fn closure_of(&self, tree: TreeDigest) -> Result<Vec<Blob>, StoreError> {
        closure_beyond(&self, tree, |_| false)
    }

    /// Keeps the folders of a tree whose files are here.
    pub fn keep_tree(&self, tree: &IncomingTree) -> Result<(), StoreError> {
        for message in &tree.messages {
            self.put_bytes(message)?;
        }
        Ok(())
    }

    pub fn has(&self, blob: Blob) -> bool {
        self.has_blob_of(blob.digest, blob.n_bytes)
    }

    /// All records of a kind that can be read, by their keys.
    pub fn all_records<T: serde::de::DeserializeOwned>(
        &self,
        kind: Kind,
    ) -> Result<Vec<(String, T)>, StoreError> {
        let mut found = Vec::new();
        for path in self.records(kind)? {
            let Some(key) = path.file_stem().map(|stem| stem.to_string_lossy().into_owned()) else {
                continue;
            };
            let Some(bytes) = fs::read_if_there(&path)? else { continue };
            found.extend(serde_json::from_slice(&bytes).ok().map(|record| (key, record)));
        }
        Ok(found)
    }
}

pub(super) fn tree_message(shelf: &impl Shelf, tree: TreeDigest) -> Result<Vec<u8>, StoreError> {
    let root = shelf.folder(tree.0)?;
    let (mut children, mut left) = (BTreeMap::new(), vec![root.clone()]);
    while let Some(folder) = left.pop() {
        for node in &folder.directories {
            let not_canonical = || StoreError::NotCanonical { digest: tree.0 };
            let (digest, _) = Digest::parts(node.digest.as_ref()).ok_or_else(not_canonical)?;
            if let Entry::Vacant(place) = children.entry(digest) {
                left.push(place.insert(shelf.folder(digest)?).clone());
            }
        }
    }
    Ok(Tree { root: Some(root), children: children.into_values().collect() }.encode_to_vec())
}

pub(super) fn closure_beyond(
    shelf: &impl Shelf,
    tree: TreeDigest,
    is_known: impl Fn(&Sha256Digest) -> bool,
) -> Result<Vec<Blob>, StoreError> {
    let (mut found, mut walked) = (BTreeSet::new(), BTreeSet::new());
    let mut folders = vec![tree.0];
    while let Some(digest) = folders.pop() {
        if is_known(&digest) || !walked.insert(digest) {
            continue;
        }
        let directory = shelf.folder(digest)?;
        found.insert(Blob { digest, n_bytes: directory.encoded_len() as u64 });
        let parts = |digest: &Option<Digest>| Digest::parts(digest.as_ref());
        let not_canonical = || StoreError::NotCanonical { digest };
        for node in &directory.files {
            let (digest, n_bytes) = parts(&node.digest).ok_or_else(not_canonical)?;
            found.insert(Blob { digest, n_bytes });
        }
        for node in &directory.directories {
            folders.push(parts(&node.digest).ok_or_else(not_canonical)?.0);
        }
    }
    Ok(found.into_iter().collect())
}

impl IncomingTree {
    /// Reads a message that is to be the tree `root`, or whichever it is.
    ///
    /// # Errors
    ///
    /// Where it is another tree, is not complete, or is none that we would have written.
    pub fn read(message: &[u8], root: Option<TreeDigest>) -> Result<Self, TreeFlaw> {
        let Tree { root: top, children } = Tree::decode(message).ok().ok_or(TreeFlaw::NoTree)?;
        let top = canonical(&top.ok_or(TreeFlaw::NoTree)?)?;
        if root.is_some_and(|root| root.0 != top.digest) {
            return Err(TreeFlaw::OtherRoot(top.digest));
        }
        let children: Result<Vec<Folder>, TreeFlaw> = children.iter().map(canonical).collect();
        let folders = children?.into_iter().map(|folder| (folder.digest, folder)).collect();
        let mut walk = Walk { folders: &folders, n_entries: 0, unzipped_bytes: 0, files: Vec::new() };
        walk.folder(&top, "", 0)?;
        let Walk { unzipped_bytes, mut files, .. } = walk;
        files.sort_unstable();
        files.dedup();
        let root = TreeDigest(top.digest);
        let messages = folders.into_values().chain([top]).map(|folder| folder.message).collect();
        Ok(Self { root, files, unzipped_bytes, messages })
    }
}

struct Folder {
    digest: Sha256Digest,
    message: Vec<u8>,
    directory: Directory,
}

fn canonical(directory: &Directory) -> Result<Folder, TreeFlaw> {
    let message = directory.encode_to_vec();
    let directory = Directory::decode_canonical(&message).ok_or(TreeFlaw::NotCanonical)?;
    Ok(Folder { digest: sha256(&message), message, directory })
}

struct Walk<'a> {
    folders: &'a BTreeMap<Sha256Digest, Folder>,
    n_entries: u64,
    unzipped_bytes: u64,
    files: Vec<Blob>,
}

impl Walk<'_> {
    fn folder(&mut self, folder: &Folder, at: &str, depth: usize) -> Result<(), TreeFlaw> {
        let Directory { files, directories, symlinks } = &folder.directory;
        self.n_entries += (files.len() + directories.len() + symlinks.len()) as u64;
        if self.n_entries > MOST_ENTRIES || depth > MOST_DEEP {
            return Err(TreeFlaw::TooLarge);
        }
        for node in files {
            let (digest, n_bytes) = Digest::parts(node.digest.as_ref()).ok_or(TreeFlaw::NotCanonical)?;
            self.unzipped_bytes = self.unzipped_bytes.saturating_add(n_bytes);
            self.files.push(Blob { digest, n_bytes });
        }
        for node in symlinks {
            let path = format!("{at}{}", node.name);
            if !link_stays_inside(&path, &node.target) {
                return Err(TreeFlaw::Escapes { path, target: node.target.clone() });
            }
            self.unzipped_bytes = self.unzipped_bytes.saturating_add(node.target.len() as u64);
        }
        for node in directories {
            let (digest, _) = Digest::parts(node.digest.as_ref()).ok_or(TreeFlaw::NotCanonical)?;
            let below = self.folders.get(&digest).ok_or(TreeFlaw::Lacks(digest))?;
            self.folder(below, &format!("{at}{}/", node.name), depth + 1)?;
        }
        Ok(())
    }
}

#[cfg(test)]
#[expect(clippy::disallowed_methods, reason = "tests set the scene on the disk")]
mod tests {
    use super::super::tree::{DirectoryNode, FileNode, SymlinkNode};
    use super::*;

    fn directory_node(name: &str, directory: &Directory) -> DirectoryNode {
        let bytes = directory.encode_to_vec();
        let digest = Some(Digest::new(sha256(&bytes), bytes.len() as u64));
        DirectoryNode { name: name.to_owned(), digest }
    }

    fn file_node(name: &str) -> FileNode {
        let digest = Some(Digest::new(sha256(name.as_bytes()), name.len() as u64));
        FileNode { name: name.to_owned(), digest, is_executable: false }
    }

    /// The message of a root and folders below it, and the root's digest.
    fn message(root: Directory, children: Vec<Directory>) -> (Vec<u8>, TreeDigest) {
        let digest = TreeDigest(sha256(&root.encode_to_vec()));
        (Tree { root: Some(root), children }.encode_to_vec(), digest)
    }

    #[test]
    fn a_tree_travels_and_is_the_same_there() {
        let home = tempfile::tempdir().unwrap();
        std::fs::create_dir_all(home.path().join("x/R")).unwrap();
        std::fs::create_dir_all(home.path().join("x/same/R")).unwrap();
        for path in ["x/R/a", "x/same/R/a", "x/DESCRIPTION"] {
            std::fs::write(home.path().join(path), "text").unwrap();
        }
        std::os::unix::fs::symlink("a", home.path().join("x/R/link")).unwrap();
        let here = Store::open(&home.path().join("here")).unwrap();
        let there = Store::open(&home.path().join("there")).unwrap();
        let tree = here.keep_folder(&home.path().join("x")).unwrap();
        let incoming = IncomingTree::read(&here.tree_message(tree).unwrap(), Some(tree)).unwrap();
        assert_eq!((incoming.files.len(), incoming.unzipped_bytes), (1, 13));
        let mut closure = here.closure_of(tree).unwrap();
        closure.retain(|blob| incoming.files.contains(blob));
        assert_eq!(incoming.files, closure);
        there.keep_tree(&incoming).unwrap();
        assert!(!there.has_tree(tree.0), "its one file is not here yet");
        there.put_bytes(b"text").unwrap();
        assert!(there.has_tree(tree.0));
        assert_eq!(there.entries(tree.0).unwrap(), here.entries(tree.0).unwrap());
    }

    #[test]
    fn a_known_folder_is_passed_by_with_all_that_is_in_it() {
        let home = tempfile::tempdir().unwrap();
        std::fs::create_dir_all(home.path().join("x/known/deep")).unwrap();
        for path in ["x/known/deep/1", "x/known/2", "x/3"] {
            std::fs::write(home.path().join(path), path).unwrap();
        }
        let store = Store::open(&home.path().join("store")).unwrap();
        let tree = store.keep_folder(&home.path().join("x")).unwrap();
        let known = store.keep_folder(&home.path().join("x/known")).unwrap().0;
        assert_eq!(store.closure_of(tree).unwrap().len(), 6);
        store.set_aside(known).unwrap(); // so that looking at it would fail
        assert!(store.closure_of(tree).is_err());
        let left = closure_beyond(&&store, tree, |digest| *digest == known).unwrap();
        let left: BTreeSet<_> = left.into_iter().map(|blob| blob.digest).collect();
        assert_eq!(left, BTreeSet::from([tree.0, sha256(b"x/3")]));
    }

    #[test]
    fn what_is_no_safe_and_complete_tree_is_refused() {
        let file = |name: &str| Directory { files: vec![file_node(name)], ..Directory::default() };
        let link = |target: &str| {
            let node = SymlinkNode { name: "link".to_owned(), target: target.to_owned() };
            Directory { symlinks: vec![node], ..Directory::default() }
        };
        let holding = |below: &Directory| Directory {
            directories: vec![directory_node("below", below)],
            ..Directory::default()
        };
        let flaw_of = |root: Directory, children: Vec<Directory>| {
            let (bytes, digest) = message(root, children);
            IncomingTree::read(&bytes, Some(digest)).unwrap_err()
        };
        assert_eq!(flaw_of(file(".."), vec![]), TreeFlaw::NotCanonical);
        assert_eq!(flaw_of(file("a/b"), vec![]), TreeFlaw::NotCanonical);
        assert_eq!(flaw_of(holding(&file("..")), vec![file("..")]), TreeFlaw::NotCanonical);
        assert!(matches!(flaw_of(link("../x"), vec![]), TreeFlaw::Escapes { .. }));
        assert!(matches!(
            flaw_of(holding(&link("../../x")), vec![link("../../x")]),
            TreeFlaw::Escapes { path, .. } if path == "below/link"
        ));
        assert!(matches!(flaw_of(holding(&file("a")), vec![]), TreeFlaw::Lacks(_)));
        let (bytes, _) = message(file("a"), vec![]);
        let other = IncomingTree::read(&bytes, Some(TreeDigest(Sha256Digest([7; 32]))));
        assert!(matches!(other.unwrap_err(), TreeFlaw::OtherRoot(_)));
        assert_eq!(IncomingTree::read(b"\xff\xff", None).unwrap_err(), TreeFlaw::NoTree);
    }

    /// Each folder holds the next twice: forty short messages, and 2^40 folders.
    #[test]
    fn a_tree_that_unfolds_beyond_all_measure_is_refused_in_no_time() {
        let mut below = Directory { files: vec![file_node("a")], ..Directory::default() };
        let mut children = Vec::new();
        for _ in 0..40 {
            let directories = ["a", "b"].map(|name| directory_node(name, &below)).to_vec();
            children.push(std::mem::replace(&mut below, Directory { directories, ..Directory::default() }));
        }
        let (bytes, digest) = message(below, children);
        assert_eq!(IncomingTree::read(&bytes, Some(digest)).unwrap_err(), TreeFlaw::TooLarge);
    }
}
