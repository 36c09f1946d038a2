//! Folders on disk to trees in the store, and back.

use std::collections::BTreeMap;
use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use prost::Message;

use super::shelf::Shelf;
use super::tree::{Digest, Directory, DirectoryNode, FileNode, SymlinkNode, link_stays_inside};
use super::{Entry, EntryKind, Mount, Store, StoreError};
use crate::model::{Sha256Digest, TreeDigest};
use crate::sys::fs;

/// Where the links of a folder may lead.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Links {
    Inside,
    Any,
}

impl Store {
    /// Keeps a folder: the files as blobs, each folder as a `Directory` message. Owner,
    /// times and all of the mode but the owner's execute bit are left behind.
    ///
    /// # Errors
    ///
    /// Where there is something else than folders, files and links that stay inside.
    pub fn keep_folder(&self, folder: &Path) -> Result<TreeDigest, StoreError> {
        let (digest, _) = self.keep_directory(folder, "", Links::Inside)?;
        Ok(TreeDigest(digest))
    }

    /// The same of a folder that is part of a root file system, where links lead anywhere.
    pub fn keep_part_of_root(&self, folder: &Path) -> Result<TreeDigest, StoreError> {
        let (digest, _) = self.keep_directory(folder, "", Links::Any)?;
        Ok(TreeDigest(digest))
    }

    /// The digest and size of the folder's message. `at` is its path in the tree, ending
    /// in `/` unless empty.
    fn keep_directory(
        &self,
        folder: &Path,
        at: &str,
        links: Links,
    ) -> Result<(Sha256Digest, u64), StoreError> {
        let mut directory = Directory::default();
        for entry in fs::sorted_entries(folder)? {
            let path = entry.path();
            let Ok(name) = entry.file_name().into_string() else {
                return Err(StoreError::UnsupportedFile {
                    path: path.display().to_string(),
                    kind: "name that is no UTF-8",
                });
            };
            let in_tree = format!("{at}{name}");
            let metadata = fs::metadata(&path)?;
            if metadata.is_dir() {
                let (digest, n_bytes) = self.keep_directory(&path, &format!("{in_tree}/"), links)?;
                directory
                    .directories
                    .push(DirectoryNode { name, digest: Some(Digest::new(digest, n_bytes)) });
            } else if metadata.is_file() {
                let is_executable = metadata.permissions().mode() & 0o100 != 0;
                let (digest, n_bytes) = self.put_copy(&path)?;
                directory.files.push(FileNode {
                    name,
                    digest: Some(Digest::new(digest, n_bytes)),
                    is_executable,
                });
            } else if metadata.is_symlink() {
                let target = fs::read_link(&path)?.to_string_lossy().into_owned();
                if links == Links::Inside && !link_stays_inside(&in_tree, &target) {
                    return Err(StoreError::EscapingLink { path: in_tree, target });
                }
                directory.symlinks.push(SymlinkNode { name, target });
            } else {
                return Err(StoreError::UnsupportedFile { path: in_tree, kind: "device, pipe or socket" });
            }
        }
        self.put_directory(directory)
    }

    pub(super) fn put_directory(&self, mut directory: Directory) -> Result<(Sha256Digest, u64), StoreError> {
        directory.sort();
        let bytes = directory.encode_to_vec();
        Ok((self.put_bytes(&bytes)?, bytes.len() as u64))
    }

    fn put_copy(&self, path: &Path) -> Result<(Sha256Digest, u64), StoreError> {
        let mut writer = self.blob_writer();
        io::copy(&mut fs::open(path)?, &mut writer).map_err(fs::at("copy", path))?;
        writer.finish()
    }

    pub(super) fn directory(&self, digest: Sha256Digest) -> Result<Directory, StoreError> {
        Directory::decode_canonical(&self.read_blob(digest)?).ok_or(StoreError::NotCanonical { digest })
    }

    /// All that is in a tree, folders before what they hold, sorted by path: the same
    /// list for the same digest, always.
    pub fn entries(&self, tree: Sha256Digest) -> Result<Vec<Entry>, StoreError> {
        let mut entries = Vec::new();
        self.collect_entries(tree, "", &mut entries)?;
        entries.sort_by(|a, b| a.path.cmp(&b.path));
        Ok(entries)
    }

    fn collect_entries(
        &self,
        tree: Sha256Digest,
        at: &str,
        entries: &mut Vec<Entry>,
    ) -> Result<(), StoreError> {
        let not_canonical = || StoreError::NotCanonical { digest: tree };
        let directory = self.directory(tree)?;
        for node in directory.files {
            let (digest, n_bytes) = Digest::parts(node.digest.as_ref()).ok_or_else(not_canonical)?;
            let kind = EntryKind::File { digest, n_bytes, executable: node.is_executable };
            entries.push(Entry { path: format!("{at}{}", node.name), kind });
        }
        for node in directory.symlinks {
            let path = format!("{at}{}", node.name);
            entries.push(Entry { path, kind: EntryKind::Symlink { target: node.target } });
        }
        for node in directory.directories {
            let (digest, _) = Digest::parts(node.digest.as_ref()).ok_or_else(not_canonical)?;
            let path = format!("{at}{}", node.name);
            self.collect_entries(digest, &format!("{path}/"), entries)?;
            entries.push(Entry { path, kind: EntryKind::Directory });
        }
        Ok(())
    }

    /// The tree of a list as [`Store::entries`] gives it, whatever its order. The files'
    /// blobs are there already.
    pub fn put_tree(&self, entries: &[Entry]) -> Result<TreeDigest, StoreError> {
        put_tree(&mut &*self, entries)
    }

    /// The digests of all `Directory` messages below a tree's root.
    pub(super) fn directories(&self, tree: Sha256Digest) -> Result<Vec<Sha256Digest>, StoreError> {
        let mut found = Vec::new();
        for node in self.directory(tree)?.directories {
            let (digest, _) =
                Digest::parts(node.digest.as_ref()).ok_or(StoreError::NotCanonical { digest: tree })?;
            found.push(digest);
            found.extend(self.directories(digest)?);
        }
        Ok(found)
    }

    /// Whether a tree and every file of it are there, by name and size; cheap, so that a
    /// run with nothing to build stays fast. The bytes are checked when they are read.
    pub fn has_tree(&self, tree: Sha256Digest) -> bool {
        let there = |entry: &Entry| match &entry.kind {
            EntryKind::File { digest, n_bytes, .. } => self.has_blob_of(*digest, *n_bytes),
            EntryKind::Directory | EntryKind::Symlink { .. } => true,
        };
        self.has_blob(tree) && self.entries(tree).is_ok_and(|entries| entries.iter().all(there))
    }

    /// One tree that holds others at given paths: a layer. No path may hold another.
    pub fn compose(&self, mounts: &[Mount]) -> Result<(Sha256Digest, u64), StoreError> {
        compose(&mut &*self, mounts)
    }

    /// The tree as a folder, to be mounted read-only. Files are links to the blobs, and
    /// were checked when the folder was made.
    pub fn materialise(&self, tree: TreeDigest) -> Result<PathBuf, StoreError> {
        let path = self.root().join("trees").join(tree.to_hex());
        if fs::exists(&path) {
            return Ok(path);
        }
        let temp = self.temp_dir("tree-")?;
        for entry in self.entries(tree.0)? {
            let to = temp.path().join(&entry.path);
            match entry.kind {
                EntryKind::Directory => fs::create_dir_all(&to)?,
                EntryKind::Symlink { target } => fs::symlink(&target, &to)?,
                EntryKind::File { digest, executable, .. } => self.place_blob(digest, &to, executable)?,
            }
        }
        // The folder may have been made by somebody else meanwhile, with the same content.
        if let Err(error) = fs::rename(temp.path(), &path)
            && !fs::exists(&path)
        {
            return Err(error.into());
        }
        Ok(path)
    }

    fn place_blob(&self, digest: Sha256Digest, to: &Path, executable: bool) -> Result<(), StoreError> {
        let mut reader = self.open_blob(digest)?;
        io::copy(&mut reader, &mut io::sink()).map_err(|error| self.read_error(digest, error))?;
        if executable {
            // A copy: the mode belongs to the file, and the blob has other users.
            fs::copy_atomic(&self.blob_path(digest), to)?;
            Ok(fs::set_mode(to, 0o555)?)
        } else {
            Ok(fs::link_or_copy(&self.blob_path(digest), to)?)
        }
    }
}

pub(super) fn put_tree(shelf: &mut impl Shelf, entries: &[Entry]) -> Result<TreeDigest, StoreError> {
    let mut folders: BTreeMap<&str, Directory> = BTreeMap::from([("", Directory::default())]);
    for entry in entries {
        let (folder, name) = split(&entry.path);
        let name = name.to_owned();
        match &entry.kind {
            EntryKind::Directory => _ = folders.entry(&entry.path).or_default(),
            EntryKind::File { digest, n_bytes, executable } => {
                let digest = Some(Digest::new(*digest, *n_bytes));
                let node = FileNode { name, digest, is_executable: *executable };
                folders.entry(folder).or_default().files.push(node);
            }
            EntryKind::Symlink { target } => {
                let node = SymlinkNode { name, target: target.clone() };
                folders.entry(folder).or_default().symlinks.push(node);
            }
        }
    }
    // Backwards, so that a folder comes after all that it holds, and its parent later.
    while let Some((path, directory)) = folders.pop_last() {
        let (digest, n_bytes) = shelf.put_folder(directory)?;
        if path.is_empty() {
            return Ok(TreeDigest(digest));
        }
        let (parent, name) = split(path);
        let node = DirectoryNode { name: name.to_owned(), digest: Some(Digest::new(digest, n_bytes)) };
        folders.entry(parent).or_default().directories.push(node);
    }
    Ok(TreeDigest(shelf.put_folder(Directory::default())?.0))
}

pub(super) fn compose(shelf: &mut impl Shelf, mounts: &[Mount]) -> Result<(Sha256Digest, u64), StoreError> {
    let mut directory = Directory::default();
    let mut below: BTreeMap<&str, Vec<Mount>> = BTreeMap::new();
    for mount in mounts {
        if let Some((first, rest)) = mount.path.split_once('/') {
            below.entry(first).or_default().push(Mount { path: rest.to_owned(), tree: mount.tree });
        } else {
            let digest = Some(Digest::new(mount.tree, shelf.folder_size(mount.tree)?));
            directory.directories.push(DirectoryNode { name: mount.path.clone(), digest });
        }
    }
    for (name, mounts) in below {
        let (digest, n_bytes) = compose(shelf, &mounts)?;
        directory
            .directories
            .push(DirectoryNode { name: name.to_owned(), digest: Some(Digest::new(digest, n_bytes)) });
    }
    shelf.put_folder(directory)
}

/// The folder of a path, and the name in it.
fn split(path: &str) -> (&str, &str) {
    path.rsplit_once('/').unwrap_or(("", path))
}

#[cfg(test)]
#[expect(clippy::disallowed_methods, reason = "tests set the scene on the disk")]
mod tests {
    use super::*;

    fn store() -> (tempfile::TempDir, Store) {
        let home = tempfile::tempdir().unwrap();
        let store = Store::open(&home.path().join("store")).unwrap();
        (home, store)
    }

    fn sample(at: &Path) {
        std::fs::create_dir_all(at.join("R")).unwrap();
        std::fs::write(at.join("DESCRIPTION"), "Package: x1\n").unwrap();
        std::fs::write(at.join("R/x1.rdb"), [0, 1, 2]).unwrap();
        std::fs::write(at.join("run"), "#!/bin/sh\n").unwrap();
        std::fs::set_permissions(at.join("run"), std::fs::Permissions::from_mode(0o750)).unwrap();
    }

    #[test]
    fn the_same_content_has_the_same_digest_whatever_its_times_modes_and_place() {
        let (home, store) = store();
        let (one, other) = (home.path().join("one"), home.path().join("deeper/other"));
        sample(&one);
        sample(&other);
        std::fs::set_permissions(other.join("DESCRIPTION"), std::fs::Permissions::from_mode(0o600)).unwrap();
        assert_eq!(store.keep_folder(&one).unwrap(), store.keep_folder(&other).unwrap());
        std::fs::set_permissions(other.join("run"), std::fs::Permissions::from_mode(0o644)).unwrap();
        assert_ne!(
            store.keep_folder(&one).unwrap(),
            store.keep_folder(&other).unwrap(),
            "not executable any more"
        );
    }

    #[test]
    fn a_tree_comes_back_as_it_was_kept() {
        let (home, store) = store();
        sample(&home.path().join("x"));
        let tree = store.keep_folder(&home.path().join("x")).unwrap();
        let back = store.materialise(tree).unwrap();
        assert_eq!(store.keep_folder(&back).unwrap(), tree);
        let paths: Vec<_> = store.entries(tree.0).unwrap().into_iter().map(|entry| entry.path).collect();
        assert_eq!(paths, ["DESCRIPTION", "R", "R/x1.rdb", "run"]);
        assert!(store.has_tree(tree.0));
    }

    #[test]
    fn a_tree_of_its_own_list_is_itself_in_whatever_order() {
        let (home, store) = store();
        sample(&home.path().join("x/deep/er"));
        std::fs::create_dir_all(home.path().join("x/deep/empty")).unwrap();
        let tree = store.keep_folder(&home.path().join("x")).unwrap();
        let mut entries = store.entries(tree.0).unwrap();
        entries.reverse();
        assert_eq!(store.put_tree(&entries).unwrap(), tree);
    }

    #[test]
    fn a_composed_tree_is_that_of_the_folders_in_one_another() {
        let (home, store) = store();
        sample(&home.path().join("all/R/library/a1"));
        sample(&home.path().join("all/R/library/b1"));
        let whole = store.keep_folder(&home.path().join("all")).unwrap();
        let part = store.keep_folder(&home.path().join("all/R/library/a1")).unwrap().0;
        let mounts = ["R/library/b1", "R/library/a1"].map(|path| Mount { path: path.to_owned(), tree: part });
        assert_eq!(store.compose(&mounts).unwrap().0, whole.0);
    }

    #[test]
    fn a_flipped_bit_is_found_set_aside_and_then_missing() {
        let (home, store) = store();
        sample(&home.path().join("x"));
        let tree = store.keep_folder(&home.path().join("x")).unwrap();
        let entries = store.entries(tree.0).unwrap();
        let EntryKind::File { digest, .. } = entries[2].kind else { panic!("a file") };
        let path = store.blob_path(digest);
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o644)).unwrap();
        std::fs::write(&path, [0, 1, 3]).unwrap();
        assert!(matches!(store.materialise(tree), Err(StoreError::Corrupt { .. })));
        assert!(!store.has_tree(tree.0));
        assert!(store.root().join("quarantine").join(digest.to_hex()).exists());
    }

    #[test]
    fn links_out_of_the_package_and_pipes_are_refused() {
        let (home, store) = store();
        sample(&home.path().join("x"));
        std::os::unix::fs::symlink("../../etc/passwd", home.path().join("x/R/link")).unwrap();
        assert!(matches!(store.keep_folder(&home.path().join("x")), Err(StoreError::EscapingLink { .. })));
    }
}
