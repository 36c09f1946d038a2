//! Trees laid over one another.

use std::collections::BTreeMap;

use super::shelf::Shelf;
use super::tree::{Digest, Directory, DirectoryNode, FileNode, SymlinkNode};
use super::{Store, StoreError};
use crate::model::Sha256Digest;

impl Store {
    /// One tree of several, each laid over those before it, as Lambda unpacks layers: where
    /// two have the same path, the later one's is there.
    pub fn overlay(&self, trees: &[Sha256Digest]) -> Result<Sha256Digest, StoreError> {
        overlay(&mut &*self, trees)
    }
}

pub(super) fn overlay(shelf: &mut impl Shelf, trees: &[Sha256Digest]) -> Result<Sha256Digest, StoreError> {
    if let [tree] = trees {
        return Ok(*tree);
    }
    let mut nodes: BTreeMap<String, Overlaid> = BTreeMap::new();
    for tree in trees {
        let directory = shelf.folder(*tree)?;
        for node in directory.directories {
            let (digest, _) =
                Digest::parts(node.digest.as_ref()).ok_or(StoreError::NotCanonical { digest: *tree })?;
            match nodes.entry(node.name).or_insert_with(|| Overlaid::Directories(Vec::new())) {
                Overlaid::Directories(digests) => digests.push(digest),
                other @ (Overlaid::File(_) | Overlaid::Symlink(_)) => {
                    *other = Overlaid::Directories(vec![digest]);
                }
            }
        }
        nodes.extend(directory.files.into_iter().map(|node| (node.name.clone(), Overlaid::File(node))));
        let links = directory.symlinks.into_iter();
        nodes.extend(links.map(|node| (node.name.clone(), Overlaid::Symlink(node))));
    }
    let mut directory = Directory::default();
    for (name, node) in nodes {
        match node {
            Overlaid::File(node) => directory.files.push(node),
            Overlaid::Symlink(node) => directory.symlinks.push(node),
            Overlaid::Directories(digests) => {
                let tree = overlay(shelf, &digests)?;
                let digest = Some(Digest::new(tree, shelf.folder_size(tree)?));
                directory.directories.push(DirectoryNode { name, digest });
            }
        }
    }
    Ok(shelf.put_folder(directory)?.0)
}

/// What several trees have under one name.
enum Overlaid {
    Directories(Vec<Sha256Digest>),
    File(FileNode),
    Symlink(SymlinkNode),
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

    #[test]
    fn of_trees_laid_over_one_another_the_later_one_s_files_are_seen() {
        let (home, store) = store();
        for (path, text) in [
            ("1/R/a", "1"),
            ("1/R/b", "1"),
            ("2/R/b", "2"),
            ("2/c", "2"),
            ("3/R/b", "2"),
            ("3/R/a", "1"),
            ("3/c", "2"),
        ] {
            let path = home.path().join(path);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, text).unwrap();
        }
        let kept = |name: &str| store.keep_folder(&home.path().join(name)).unwrap().0;
        assert_eq!(store.overlay(&[kept("1"), kept("2")]).unwrap(), kept("3"));
        assert_ne!(store.overlay(&[kept("2"), kept("1")]).unwrap(), kept("3"));
    }
}
