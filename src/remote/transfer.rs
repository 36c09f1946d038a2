//! Many blobs between a server and the store: small ones together, large ones in streams,
//! several at once.

use std::collections::BTreeMap;

use super::server::Way;
use super::{Remote, RemoteError};
use crate::model::Sha256Digest;
use crate::store::{Blob, Parcel, Store};
use crate::sys::hash::sha256;
use crate::sys::threads::try_in_parallel;

/// Requests at once, for one package.
const N_AT_ONCE: usize = 4;
/// Blobs of one request, at most.
const MOST_TOGETHER: usize = 1000;
/// Digests of one question, at most: with some 80 bytes each, well below gRPC's limit.
const MOST_ASKED: usize = 10_000;

impl Remote {
    /// Brings blobs into the store, each held against its name. Those that the server lacks
    /// stay away.
    pub(super) fn bring_blobs(&self, blobs: &[Blob], store: &Store) -> Result<(), RemoteError> {
        // Nothing is everywhere: servers need not keep it, and some do not take it.
        store.put_bytes(&[])?;
        let lacking: Vec<Blob> = blobs.iter().copied().filter(|blob| !store.has(*blob)).collect();
        if lacking.is_empty() {
            return Ok(());
        }
        let batches = self.batches(lacking)?;
        try_in_parallel(N_AT_ONCE, &batches, |batch| match batch {
            Batch::Together(blobs) => {
                for (_, bytes) in self.read(blobs)? {
                    store.put_bytes(&bytes)?;
                }
                Ok(())
            }
            Batch::Alone(blob) => self.in_turn(Way::Here, || {
                let mut writer = store.blob_writer();
                if self.server.read_large(*blob, &mut writer)?
                    && writer.finish()? != (blob.digest, blob.n_bytes)
                {
                    return Err(RemoteError::WrongBytes { digest: blob.digest });
                }
                Ok(())
            }),
        })
        .map(drop)
    }

    /// Blobs in memory, for short ones; those that the server has.
    pub(super) fn bytes_of(&self, blobs: &[Blob]) -> Result<BTreeMap<Sha256Digest, Vec<u8>>, RemoteError> {
        let batches = self.batches(blobs.to_vec())?;
        let found = try_in_parallel(N_AT_ONCE, &batches, |batch| match batch {
            Batch::Together(blobs) => self.read(blobs),
            Batch::Alone(blob) => self.in_turn(Way::Here, || {
                let mut bytes = Vec::new();
                let is_there = self.server.read_large(*blob, &mut bytes)?;
                if !is_there {
                    return Ok(Vec::new());
                }
                check(*blob, &bytes)?;
                Ok(vec![(*blob, bytes)])
            }),
        })?;
        Ok(found.into_iter().flatten().map(|(blob, bytes)| (blob.digest, bytes)).collect())
    }

    /// Sends what the server lacks of these.
    pub(super) fn send_blobs(&self, blobs: &[Blob], from: &Parcel<'_>) -> Result<(), RemoteError> {
        self.send_missing(self.missing(blobs)?, from)
    }

    /// Which of these the server lacks.
    pub(super) fn missing(&self, blobs: &[Blob]) -> Result<Vec<Blob>, RemoteError> {
        let mut missing = Vec::new();
        let blobs: Vec<Blob> = blobs.iter().copied().filter(|blob| blob.n_bytes > 0).collect();
        for asked in blobs.chunks(MOST_ASKED) {
            missing.extend(self.asking(|| self.server.missing(asked))?);
        }
        missing.sort_unstable();
        missing.dedup();
        Ok(missing)
    }

    /// Sends what the server is known to lack.
    pub(super) fn send_missing(&self, missing: Vec<Blob>, from: &Parcel<'_>) -> Result<(), RemoteError> {
        let batches = self.batches(missing)?;
        try_in_parallel(N_AT_ONCE, &batches, |batch| match batch {
            Batch::Together(blobs) => self.in_turn(Way::There, || {
                let with_bytes: Result<Vec<_>, RemoteError> =
                    blobs.iter().map(|blob| Ok((*blob, from.bytes(blob.digest)?))).collect();
                self.server.write(with_bytes?)
            }),
            Batch::Alone(blob) => self.in_turn(Way::There, || {
                let mut reader = from.reader(blob.digest)?;
                self.server.write_large(*blob, &mut *reader)
            }),
        })
        .map(drop)
    }

    /// Blobs that travel together, each what its name says.
    fn read(&self, blobs: &[Blob]) -> Result<Vec<(Blob, Vec<u8>)>, RemoteError> {
        let read = self.in_turn(Way::Here, || self.server.read(blobs))?;
        for (blob, bytes) in &read {
            check(*blob, bytes)?;
        }
        Ok(read)
    }

    /// [`Remote::asking`] for what moves blobs.
    fn in_turn<T>(
        &self,
        way: Way,
        mut attempt: impl FnMut() -> Result<T, RemoteError>,
    ) -> Result<T, RemoteError> {
        self.asking(|| {
            let _turn = self.network.turn(way)?;
            attempt()
        })
    }

    fn batches(&self, blobs: Vec<Blob>) -> Result<Vec<Batch>, RemoteError> {
        if blobs.is_empty() {
            return Ok(Vec::new());
        }
        let most_bytes = self.asking(|| self.server.batch_bytes())?;
        Ok(batches(blobs, most_bytes))
    }
}

fn check(blob: Blob, bytes: &[u8]) -> Result<(), RemoteError> {
    if bytes.len() as u64 == blob.n_bytes && sha256(bytes) == blob.digest {
        return Ok(());
    }
    Err(RemoteError::WrongBytes { digest: blob.digest })
}

/// What one request is for.
#[derive(Debug, PartialEq, Eq)]
enum Batch {
    Together(Vec<Blob>),
    Alone(Blob),
}

/// What an entry of a batch has around its bytes: a digest, a status, lengths.
const AROUND_BYTES: u64 = 128;

fn batches(mut blobs: Vec<Blob>, most_bytes: u64) -> Vec<Batch> {
    // The large ones first, since they take longest.
    blobs.sort_unstable_by_key(|blob| (std::cmp::Reverse(blob.n_bytes), blob.digest));
    let mut batches = Vec::new();
    let (mut together, mut n_bytes) = (Vec::new(), 0);
    for blob in blobs {
        let with_head = blob.n_bytes.saturating_add(AROUND_BYTES);
        if with_head > most_bytes {
            batches.push(Batch::Alone(blob));
            continue;
        }
        if n_bytes + with_head > most_bytes || together.len() == MOST_TOGETHER {
            batches.push(Batch::Together(std::mem::take(&mut together)));
            n_bytes = 0;
        }
        together.push(blob);
        n_bytes += with_head;
    }
    if !together.is_empty() {
        batches.push(Batch::Together(together));
    }
    batches
}

#[cfg(test)]
mod tests {
    use super::*;

    fn blob(byte: u8, n_bytes: u64) -> Blob {
        Blob { digest: Sha256Digest([byte; 32]), n_bytes }
    }

    #[test]
    fn small_blobs_travel_together_and_large_ones_alone() {
        let together = |blobs: &[Blob]| Batch::Together(blobs.to_vec());
        let (a, b, c, d) = (blob(1, 700), blob(2, 200), blob(3, 100), blob(4, 5000));
        assert_eq!(batches(vec![a, b, c, d], 1200), [Batch::Alone(d), together(&[a, b]), together(&[c])]);
        assert_eq!(batches(vec![], 1000), []);
        assert_eq!(batches(vec![blob(5, u64::MAX)], 1000), [Batch::Alone(blob(5, u64::MAX))]);
        let many: Vec<Blob> = (0..2500).map(|_| blob(6, 0)).collect();
        assert_eq!(batches(many, 1 << 20).len(), 3);
    }

    #[test]
    fn bytes_are_held_against_digest_and_length() {
        let right = Blob { digest: sha256(b"text"), n_bytes: 4 };
        assert!(check(right, b"text").is_ok());
        assert!(check(right, b"texT").is_err());
        assert!(check(Blob { n_bytes: 5, ..right }, b"text").is_err());
    }
}
