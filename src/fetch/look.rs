//! A source tarball of the store to its files, one after the other, in memory.

use super::policy::{Judge, Limits};
use super::stored::damage;
use super::walk::{Visitor, WalkError, walk};
use super::{FetchError, SourceTarball};
use crate::store::{Store, StoreError};
use crate::sys::fs::PathError;

/// Of one file, in bytes: what goes beyond is not shown.
const MOST_BYTES: usize = 64 << 20;

/// Shows each file to `take`, by its path in the package.
///
/// # Errors
///
/// Where the archive breaks a rule, or the store has damaged it.
pub fn each_file(
    tarball: &SourceTarball,
    store: &Store,
    take: &mut dyn FnMut(&str, &[u8]),
) -> Result<(), FetchError> {
    let SourceTarball { id, sha256, .. } = tarball;
    let mut judge = Judge::new(id.name.as_str(), Limits::of(store.blob_size(*sha256)?));
    let mut looker = Looker { take, path: String::new(), bytes: Vec::new() };
    match walk(store.open_blob(*sha256)?, &mut judge, &mut looker) {
        Ok(()) => Ok(()),
        Err(WalkError::Path(error)) => Err(StoreError::from(error).into()),
        Err(WalkError::Violation(violation)) => match damage(*sha256, store)? {
            Some(corrupt) => Err(corrupt.into()),
            None => Err(FetchError::Refused { package: id.clone(), violation }),
        },
    }
}

struct Looker<'a> {
    take: &'a mut dyn FnMut(&str, &[u8]),
    path: String,
    bytes: Vec<u8>,
}

impl Visitor for Looker<'_> {
    fn folder(&mut self, _path: &str) -> Result<(), PathError> {
        Ok(())
    }

    fn file(&mut self, path: &str, _is_executable: bool) -> Result<(), PathError> {
        self.bytes.clear();
        path.split_once('/').map_or(path, |(_, within)| within).clone_into(&mut self.path);
        Ok(())
    }

    fn bytes(&mut self, bytes: &[u8]) -> Result<(), PathError> {
        let room = MOST_BYTES.saturating_sub(self.bytes.len());
        self.bytes.extend_from_slice(&bytes[..bytes.len().min(room)]);
        Ok(())
    }

    fn end(&mut self) -> Result<(), PathError> {
        (self.take)(&self.path, &self.bytes);
        Ok(())
    }
}
