//! A source tarball of the store to a tree in a parcel, with no folder of files between.

use std::collections::BTreeMap;
use std::path::Path;

use super::FetchError;
use super::policy::Limits;
use super::unpack::{Source, walk_stored};
use super::walk::Visitor;
use crate::model::{PackageId, Sha256Digest, TreeDigest};
use crate::store::{Blob, Entry, EntryKind, Parcel, Piece, Store};
use crate::sys::fs::{self, PathError};

/// What is in a source tarball.
#[derive(Debug)]
pub struct Sources {
    /// Of a folder that holds the package's: what [`super::unpack`] would leave.
    pub tree: TreeDigest,
    pub paths: Vec<String>,
    /// By path: the files that were asked for.
    pub texts: BTreeMap<String, Vec<u8>>,
}

/// Takes the files of a stored tarball into a parcel, as their bytes come out of it, and
/// gives those of them that `is_wanted` says besides.
///
/// # Errors
///
/// Where the archive breaks a rule.
pub fn sources(
    tarball: Sha256Digest,
    id: &PackageId,
    (store, parcel): (&Store, &mut Parcel<'_>),
    is_wanted: &dyn Fn(&str) -> bool,
) -> Result<Sources, FetchError> {
    let limits = Limits::of(store.blob_size(tarball)?);
    let mut taker = Taker { parcel, is_wanted, entries: Vec::new(), texts: BTreeMap::new(), open: None };
    walk_stored(limits, &Source { tarball, id, store }, &mut taker)?;
    let Taker { entries, texts, .. } = taker;
    let tree = parcel.put_tree(&entries)?;
    Ok(Sources { tree, paths: entries.into_iter().map(|entry| entry.path).collect(), texts })
}

/// Makes entries of a tree of what it is shown.
struct Taker<'a, 'b> {
    parcel: &'a mut Parcel<'b>,
    is_wanted: &'a dyn Fn(&str) -> bool,
    entries: Vec<Entry>,
    texts: BTreeMap<String, Vec<u8>>,
    open: Option<Open>,
}

/// A file of which not all has come.
struct Open {
    path: String,
    executable: bool,
    piece: Piece,
    text: Option<Vec<u8>>,
}

impl Visitor for Taker<'_, '_> {
    fn folder(&mut self, path: &str) -> Result<(), PathError> {
        self.entries.push(Entry { path: path.to_owned(), kind: EntryKind::Directory });
        Ok(())
    }

    fn file(&mut self, path: &str, executable: bool) -> Result<(), PathError> {
        let text = (self.is_wanted)(path).then(Vec::new);
        self.open = Some(Open { path: path.to_owned(), executable, piece: self.parcel.begin(), text });
        Ok(())
    }

    fn bytes(&mut self, bytes: &[u8]) -> Result<(), PathError> {
        let Some(Open { path, piece, text, .. }) = &mut self.open else { return Ok(()) };
        if let Some(text) = text {
            text.extend_from_slice(bytes);
        }
        self.parcel.add(piece, bytes).map_err(fs::at("keep", Path::new(path)))
    }

    fn end(&mut self) -> Result<(), PathError> {
        let Some(Open { path, executable, piece, text }) = self.open.take() else { return Ok(()) };
        let Blob { digest, n_bytes } = self.parcel.end(piece);
        self.texts.extend(text.map(|text| (path.clone(), text)));
        self.entries.push(Entry { path, kind: EntryKind::File { digest, n_bytes, executable } });
        Ok(())
    }
}
