//! A source tarball of the store to the tree that it unpacks to: named once, and unpacked only
//! where somebody lacks a file of it.

use std::collections::BTreeMap;
use std::path::Path;

use sha2::{Digest, Sha256};

use super::FetchError;
use super::headers::{first_include, is_cpp};
use super::policy::Limits;
use super::unpack::{Source, walk_stored};
use super::walk::Visitor;
use crate::model::{PackageId, Sha256Digest};
use crate::store::{
    Entry, EntryKind, IncomingTree, Kind, Packed, Parcel, Piece, SourceTreeRecord, Store, StoreError,
};
use crate::sys::fs::{self, PathError};

/// What is in a source tarball.
#[derive(Debug)]
pub struct Sources {
    /// Of a folder that holds the package's: what [`super::unpack`] would leave.
    pub tree: IncomingTree,
    /// By name, for C++ files in the package's `src`: the header that each begins with.
    pub headers: BTreeMap<String, String>,
}

/// What a stored tarball unpacks to. All of it is read, unless that was done before.
///
/// # Errors
///
/// Where the archive breaks a rule.
pub fn sources(tarball: Sha256Digest, id: &PackageId, store: &Store) -> Result<Sources, FetchError> {
    let record = store.record::<SourceTreeRecord>(Kind::SourceTree, &tarball.to_hex())?;
    let known = record.and_then(|SourceTreeRecord { sha256, headers }| {
        let message = sha256.parse().ok().filter(|message| store.has_blob(*message))?;
        Some((message, headers))
    });
    let (message, headers) = if let Some(known) = known {
        known
    } else {
        let mut namer = Namer::default();
        walk_stored(Limits::of(store.blob_size(tarball)?), &Source { tarball, id, store }, &mut namer)?;
        namer.keep(tarball, store)?
    };
    let tree = IncomingTree::read(&store.read_blob(message)?, None)
        .map_err(|flaw| StoreError::NotUnpacked { digest: tarball, source: Box::new(flaw) })?;
    Ok(Sources { tree, headers })
}

/// The files of a stored tarball.
pub struct Tarball<'a> {
    pub sha256: Sha256Digest,
    pub id: &'a PackageId,
    pub store: &'a Store,
}

impl Packed for Tarball<'_> {
    fn unpack(&self, parcel: &mut Parcel<'_>) -> Result<(), StoreError> {
        let Self { sha256: tarball, id, store } = *self;
        let limits = Limits::of(store.blob_size(tarball)?);
        let mut taker = Taker { parcel, open: None };
        let walked = walk_stored(limits, &Source { tarball, id, store }, &mut taker);
        walked.map_err(|error| StoreError::NotUnpacked { digest: tarball, source: Box::new(error) })
    }
}

/// Names what it is shown.
#[derive(Debug, Default)]
pub(super) struct Namer {
    entries: Vec<Entry>,
    headers: BTreeMap<String, String>,
    open: Option<Open>,
}

/// A file of which not all has come.
#[derive(Debug)]
struct Open {
    path: String,
    executable: bool,
    hasher: Sha256,
    n_bytes: u64,
    /// Of C++.
    text: Option<Vec<u8>>,
}

impl Namer {
    /// Keeps what was named as what `tarball` unpacks to; gives the tree's message, and the
    /// headers.
    pub(super) fn keep(
        self,
        tarball: Sha256Digest,
        store: &Store,
    ) -> Result<(Sha256Digest, BTreeMap<String, String>), StoreError> {
        let mut parcel = Parcel::over(store);
        let tree = parcel.put_tree(&self.entries)?;
        let message = store.put_bytes(&parcel.tree_message(tree)?)?;
        let record = SourceTreeRecord { sha256: message.to_hex(), headers: self.headers };
        store.put_record(Kind::SourceTree, &tarball.to_hex(), &record)?;
        Ok((message, record.headers))
    }
}

impl Visitor for Namer {
    fn folder(&mut self, path: &str) -> Result<(), PathError> {
        self.entries.push(Entry { path: path.to_owned(), kind: EntryKind::Directory });
        Ok(())
    }

    fn file(&mut self, path: &str, executable: bool) -> Result<(), PathError> {
        let text = own_cpp(path).map(|_| Vec::new());
        self.open = Some(Open { path: path.to_owned(), executable, hasher: Sha256::new(), n_bytes: 0, text });
        Ok(())
    }

    fn bytes(&mut self, bytes: &[u8]) -> Result<(), PathError> {
        if let Some(Open { hasher, n_bytes, text, .. }) = &mut self.open {
            hasher.update(bytes);
            *n_bytes += bytes.len() as u64;
            if let Some(text) = text {
                text.extend_from_slice(bytes);
            }
        }
        Ok(())
    }

    fn end(&mut self) -> Result<(), PathError> {
        let Some(Open { path, executable, hasher, n_bytes, text }) = self.open.take() else { return Ok(()) };
        if let (Some(name), Some(header)) = (own_cpp(&path), text.and_then(|text| first_include(&text))) {
            self.headers.insert(name.to_owned(), header);
        }
        let digest = Sha256Digest(hasher.finalize().into());
        self.entries.push(Entry { path, kind: EntryKind::File { digest, n_bytes, executable } });
        Ok(())
    }
}

/// The name of a C++ file in the package's `src`, not in a folder of it.
fn own_cpp(path: &str) -> Option<&str> {
    let name = path.split_once('/')?.1.strip_prefix("src/")?;
    (is_cpp(name) && !name.contains('/')).then_some(name)
}

/// Takes the files of an archive into a parcel, as their bytes come out of it.
struct Taker<'a, 'b> {
    parcel: &'a mut Parcel<'b>,
    open: Option<(String, Piece)>,
}

impl Visitor for Taker<'_, '_> {
    fn folder(&mut self, _path: &str) -> Result<(), PathError> {
        Ok(())
    }

    fn file(&mut self, path: &str, _executable: bool) -> Result<(), PathError> {
        self.open = Some((path.to_owned(), self.parcel.begin()));
        Ok(())
    }

    fn bytes(&mut self, bytes: &[u8]) -> Result<(), PathError> {
        let Some((path, piece)) = &mut self.open else { return Ok(()) };
        self.parcel.add(piece, bytes).map_err(fs::at("keep", Path::new(path)))
    }

    fn end(&mut self) -> Result<(), PathError> {
        if let Some((_, piece)) = self.open.take() {
            self.parcel.end(piece);
        }
        Ok(())
    }
}
