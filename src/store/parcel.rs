//! What is put together for somebody else, over what a store has, and not kept in it: making
//! a file of its own for each would take longer than all the rest.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::io::{self, BufWriter, Read, Write};
use std::os::unix::fs::FileExt;

use prost::Message;
use sha2::{Digest, Sha256};

use super::shelf::Shelf;
use super::tree::{self, Directory};
use super::{Blob, Entry, IncomingTree, Mount, Store, StoreError, exchange, folders, overlay};
use crate::model::{Sha256Digest, TreeDigest};
use crate::sys::hash::sha256;

/// Blobs of its own, and those of the store below.
pub struct Parcel<'a> {
    store: &'a Store,
    /// `Directory` messages and others, in memory.
    messages: BTreeMap<Sha256Digest, Vec<u8>>,
    /// Files, one behind the other, in one that nobody else sees; made when it is needed.
    files: Option<BufWriter<File>>,
    n_bytes: u64,
    /// Where in it they begin, and how long they are.
    places: BTreeMap<Sha256Digest, (u64, u64)>,
    /// What is unpacked once somebody lacks a file of it.
    packed: Option<(BTreeSet<Sha256Digest>, Box<dyn Packed + 'a>)>,
}

/// Files that are named already, and have yet to be unpacked.
pub trait Packed: Sync {
    /// Puts all of them into a parcel.
    ///
    /// # Errors
    ///
    /// Where they are damaged, or cannot be kept.
    fn unpack(&self, parcel: &mut Parcel<'_>) -> Result<(), StoreError>;
}

/// A file of which not all has come.
#[derive(Debug)]
pub struct Piece {
    hasher: Sha256,
    at: u64,
}

impl<'a> Parcel<'a> {
    pub fn over(store: &'a Store) -> Self {
        let (messages, places) = (BTreeMap::new(), BTreeMap::new());
        Self { store, messages, files: None, n_bytes: 0, places, packed: None }
    }

    /// Takes a message.
    pub fn put(&mut self, bytes: Vec<u8>) -> Blob {
        let blob = Blob { digest: sha256(&bytes), n_bytes: bytes.len() as u64 };
        self.messages.insert(blob.digest, bytes);
        blob
    }

    /// Begins a file; one at a time.
    pub fn begin(&self) -> Piece {
        Piece { hasher: Sha256::new(), at: self.n_bytes }
    }

    /// More bytes of the file that was begun last.
    pub fn add(&mut self, piece: &mut Piece, bytes: &[u8]) -> io::Result<()> {
        let files = match &mut self.files {
            Some(files) => files,
            None => self.files.insert(nameless(self.store)?),
        };
        piece.hasher.update(bytes);
        self.n_bytes += bytes.len() as u64;
        files.write_all(bytes)
    }

    /// All of it has come.
    pub fn end(&mut self, Piece { hasher, at }: Piece) -> Blob {
        let digest = Sha256Digest(hasher.finalize().into());
        let n_bytes = self.n_bytes - at;
        self.places.insert(digest, (at, n_bytes));
        Blob { digest, n_bytes }
    }

    /// [`Store::put_tree`] of this.
    pub fn put_tree(&mut self, entries: &[Entry]) -> Result<TreeDigest, StoreError> {
        folders::put_tree(self, entries)
    }

    /// [`Store::tree_message`] of this.
    pub fn tree_message(&self, tree: TreeDigest) -> Result<Vec<u8>, StoreError> {
        exchange::tree_message(self, tree)
    }

    /// Takes a tree's folders; its files are in `packed`.
    pub fn add_tree(&mut self, tree: &IncomingTree, packed: impl Packed + 'a) {
        for message in &tree.messages {
            self.messages.insert(sha256(message), message.clone());
        }
        let names = tree.files.iter().map(|file| file.digest).collect();
        self.packed = Some((names, Box::new(packed)));
    }

    /// Sees to it that these can be read.
    pub fn provide(&mut self, wanted: &[Blob]) -> Result<(), StoreError> {
        let is_packed = |names: &BTreeSet<_>| wanted.iter().any(|blob| names.contains(&blob.digest));
        if let Some((_, packed)) = self.packed.take_if(|(names, _)| is_packed(names)) {
            packed.unpack(self)?;
            self.files.as_mut().map_or(Ok(()), Write::flush).map_err(StoreError::Write)?;
        }
        Ok(())
    }

    /// The names of what is in a folder of a tree; none where there is no such folder.
    pub fn names_in(&self, tree: TreeDigest, path: &str) -> Result<Vec<String>, StoreError> {
        let mut folder = self.folder(tree.0)?;
        for name in path.split('/') {
            let node = folder.directories.iter().find(|node| node.name == name);
            let Some((digest, _)) = node.and_then(|node| tree::Digest::parts(node.digest.as_ref())) else {
                return Ok(Vec::new());
            };
            folder = self.folder(digest)?;
        }
        let Directory { files, directories, symlinks } = folder;
        let folders = directories.into_iter().map(|node| node.name);
        let others =
            files.into_iter().map(|node| node.name).chain(symlinks.into_iter().map(|node| node.name));
        Ok(folders.chain(others).collect())
    }

    /// [`Store::compose`] of this.
    pub fn compose(&mut self, mounts: &[Mount]) -> Result<(Sha256Digest, u64), StoreError> {
        folders::compose(self, mounts)
    }

    /// [`Store::overlay`] of this.
    pub fn overlay(&mut self, trees: &[Sha256Digest]) -> Result<Sha256Digest, StoreError> {
        overlay::overlay(self, trees)
    }

    /// All blobs of a tree, its folders among them, each once; without folders that are
    /// known, and all that is in them: those are not even looked at.
    pub fn closure_beyond(
        &self,
        tree: TreeDigest,
        is_known: impl Fn(&Sha256Digest) -> bool,
    ) -> Result<Vec<Blob>, StoreError> {
        exchange::closure_beyond(self, tree, is_known)
    }

    /// A blob's bytes; for short ones.
    pub fn bytes(&self, digest: Sha256Digest) -> Result<Vec<u8>, StoreError> {
        if let Some(bytes) = self.messages.get(&digest) {
            return Ok(bytes.clone());
        }
        let Some(mut slice) = self.slice(digest) else { return self.store.read_blob(digest) };
        let mut bytes = Vec::new();
        slice.read_to_end(&mut bytes).map_err(StoreError::Write)?;
        Ok(bytes)
    }

    /// A blob of any size.
    pub fn reader(&self, digest: Sha256Digest) -> Result<Box<dyn Read + Send + '_>, StoreError> {
        match (self.messages.get(&digest), self.slice(digest)) {
            (Some(bytes), _) => Ok(Box::new(&**bytes)),
            (None, Some(slice)) => Ok(Box::new(slice)),
            (None, None) => Ok(Box::new(self.store.open_blob(digest)?)),
        }
    }

    fn slice(&self, digest: Sha256Digest) -> Option<Slice<'_>> {
        let (at, n_bytes) = *self.places.get(&digest)?;
        Some(Slice { file: self.files.as_ref()?.get_ref(), at, end: at + n_bytes })
    }
}

fn nameless(store: &Store) -> io::Result<BufWriter<File>> {
    let file = store.temp_file().map_err(io::Error::other)?.into_file();
    Ok(BufWriter::with_capacity(256 << 10, file))
}

impl Shelf for Parcel<'_> {
    fn folder(&self, digest: Sha256Digest) -> Result<Directory, StoreError> {
        match self.messages.get(&digest) {
            Some(bytes) => Directory::decode_canonical(bytes).ok_or(StoreError::NotCanonical { digest }),
            None => self.store.directory(digest),
        }
    }

    fn folder_size(&self, digest: Sha256Digest) -> Result<u64, StoreError> {
        self.messages
            .get(&digest)
            .map_or_else(|| self.store.blob_size(digest), |bytes| Ok(bytes.len() as u64))
    }

    fn put_folder(&mut self, mut folder: Directory) -> Result<(Sha256Digest, u64), StoreError> {
        folder.sort();
        let Blob { digest, n_bytes } = self.put(folder.encode_to_vec());
        Ok((digest, n_bytes))
    }
}

/// A part of a file.
struct Slice<'a> {
    file: &'a File,
    at: u64,
    end: u64,
}

impl Read for Slice<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let left = usize::try_from(self.end - self.at).unwrap_or(usize::MAX);
        let most = left.min(buffer.len());
        let n = self.file.read_at(&mut buffer[..most], self.at)?;
        if n == 0 && most > 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        self.at += n as u64;
        Ok(n)
    }
}

#[cfg(test)]
#[expect(clippy::disallowed_methods, reason = "tests set the scene on the disk")]
mod tests {
    use std::sync::atomic::{AtomicU32, Ordering};

    use super::super::EntryKind;
    use super::*;

    /// Files, and how often they were unpacked.
    struct Texts<'a>(&'a [&'a str], &'a AtomicU32);

    impl Packed for Texts<'_> {
        fn unpack(&self, parcel: &mut Parcel<'_>) -> Result<(), StoreError> {
            self.1.fetch_add(1, Ordering::Relaxed);
            for text in self.0 {
                let mut piece = parcel.begin();
                for bytes in text.as_bytes().chunks(1000) {
                    parcel.add(&mut piece, bytes).map_err(StoreError::Write)?;
                }
                parcel.end(piece);
            }
            Ok(())
        }
    }

    #[test]
    fn a_tree_in_a_parcel_is_that_of_the_store_and_leaves_nothing_there() {
        let home = tempfile::tempdir().unwrap();
        let store = Store::open(&home.path().join("store")).unwrap();
        let long = "long".repeat(100_000);
        let (texts, n_unpacked) = (["", "one", &long], AtomicU32::new(0));
        let mut parcel = Parcel::over(&store);
        std::fs::create_dir_all(home.path().join("x/deep")).unwrap();
        let mut entries = Vec::new();
        for (at, text) in texts.iter().enumerate() {
            std::fs::write(home.path().join(format!("x/deep/{at}")), text).unwrap();
            let (digest, n_bytes) = (sha256(text.as_bytes()), text.len() as u64);
            let kind = EntryKind::File { digest, n_bytes, executable: false };
            entries.push(Entry { path: format!("deep/{at}"), kind });
        }
        let mut other = Parcel::over(&store);
        let tree = other.put_tree(&entries).unwrap();
        let named = IncomingTree::read(&other.tree_message(tree).unwrap(), Some(tree)).unwrap();
        parcel.add_tree(&named, Texts(&texts, &n_unpacked));
        assert!(!store.has_blob(tree.0), "it is in the parcel alone");
        assert_eq!(parcel.names_in(tree, "deep").unwrap(), ["0", "1", "2"]);
        assert_eq!(parcel.names_in(tree, "deep/0").unwrap(), Vec::<String>::new());
        let mount = |tree: TreeDigest| Mount { path: "a/b".to_owned(), tree: tree.0 };
        let (composed, _) = parcel.compose(&[mount(tree)]).unwrap();
        let closure = parcel.closure_beyond(TreeDigest(composed), |_| false).unwrap();
        let kept = store.keep_folder(&home.path().join("x")).unwrap();
        assert_eq!(kept, tree);
        let (expected, _) = store.compose(&[mount(kept)]).unwrap();
        assert_eq!(composed, expected);
        assert_eq!(closure, store.closure_of(TreeDigest(expected)).unwrap());
        parcel.provide(&[Blob { digest: tree.0, n_bytes: 0 }]).unwrap();
        assert_eq!(n_unpacked.load(Ordering::Relaxed), 0, "no file is lacking");
        parcel.provide(&closure).unwrap();
        parcel.provide(&closure).unwrap();
        assert_eq!(n_unpacked.load(Ordering::Relaxed), 1);
        for Blob { digest, n_bytes } in closure {
            let (bytes, mut read) = (parcel.bytes(digest).unwrap(), Vec::new());
            parcel.reader(digest).unwrap().read_to_end(&mut read).unwrap();
            assert_eq!((sha256(&bytes), bytes.len() as u64), (digest, n_bytes));
            assert_eq!(bytes, read);
        }
    }
}
