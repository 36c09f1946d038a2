//! What the store holds, whether it is right, and what of it can go.

use std::collections::BTreeSet;
use std::fs::DirEntry;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use serde::{Deserialize, Serialize};

use super::records::{BuildRecord, FinishRecord, Kind};
use super::{EntryKind, Store, StoreError, session};
use crate::model::Sha256Digest;
use crate::sys::fs;
use crate::sys::hash::sha256_of;

/// Counts and sums of file sizes in bytes.
#[derive(Debug, Default, Clone, PartialEq, Eq, Serialize)]
pub struct StoreStats {
    pub n_blobs: u64,
    pub blob_bytes: u64,
    pub n_builds: u64,
    pub n_sources: u64,
    pub n_layers: u64,
    pub n_bases: u64,
}

#[derive(Debug, Default, Clone, PartialEq, Eq, Serialize)]
pub struct VerifyReport {
    pub n_blobs: u64,
    /// Names of blobs that held other bytes, and were set aside.
    pub corrupt: Vec<String>,
    /// Packages whose tree is not complete, and will be built anew.
    pub incomplete: Vec<String>,
}

#[derive(Debug, Default, Clone, PartialEq, Eq, Serialize)]
pub struct GcReport {
    pub n_removed: u64,
    pub freed_bytes: u64,
}

impl Store {
    pub fn stats(&self) -> Result<StoreStats, StoreError> {
        let mut stats = StoreStats::default();
        self.each_blob(|_, path| {
            stats.n_blobs += 1;
            stats.blob_bytes += fs::file_size(path).unwrap_or(0);
            Ok(())
        })?;
        stats.n_builds = self.records(Kind::Build)?.len() as u64;
        stats.n_sources = self.records(Kind::Source)?.len() as u64;
        stats.n_layers = self.records(Kind::Archive)?.len() as u64;
        stats.n_bases = fs::sorted_entries(&self.bases_folder())?.len() as u64;
        Ok(stats)
    }

    /// Reads every blob and holds it against its name.
    pub fn verify(&self) -> Result<VerifyReport, StoreError> {
        let mut report = VerifyReport::default();
        self.each_blob(|digest, path| {
            report.n_blobs += 1;
            let (actual, _) = sha256_of(fs::open(path)?).map_err(fs::at("read", path))?;
            if actual != digest {
                self.set_aside(digest)?;
                report.corrupt.push(digest.to_hex());
            }
            Ok(())
        })?;
        for path in self.records(Kind::Build)? {
            let Some(record) = parse::<BuildRecord>(&path)? else { continue };
            if !record.tree.parse().is_ok_and(|tree| self.has_tree(tree)) {
                report.incomplete.push(format!("{} {}", record.package, record.version));
                fs::remove_file(&path)?;
            }
        }
        Ok(report)
    }

    /// Removes records that, at `now`, were not used for `unused_for`, and every blob, tree
    /// and log that no record needs any more. Bases stay.
    ///
    /// # Errors
    ///
    /// [`StoreError::InUse`] where any other process has the store open.
    pub fn gc(root: &Path, unused_for: Duration, now: SystemTime) -> Result<GcReport, StoreError> {
        // Opened first, so that leftovers of killed runs are swept; then for us alone.
        drop(Self::open(root)?);
        let _alone = session::lock_exclusively(root)?;
        let store = Self { root: root.to_owned(), session: session::Session::unlocked(root)? };
        let mut report = GcReport::default();
        let expired = now.checked_sub(unused_for);
        for kind in Kind::all() {
            for path in store.records(kind)? {
                if expired.is_some_and(|limit| fs::modified(&path).is_ok_and(|used| used < limit)) {
                    report.remove(&path)?;
                }
            }
        }
        let needed = store.needed()?;
        store
            .each_blob(|digest, path| if needed.contains(&digest) { Ok(()) } else { report.remove(path) })?;
        for folder in ["trees", "quarantine", "logs", "locks"] {
            fs::remove_dir_all(&root.join(folder))?;
        }
        for entry in fs::sorted_entries(&root.join("tmp"))? {
            if entry.file_name().to_string_lossy().starts_with("partial-") {
                report.remove(&entry.path())?; // a download that nobody went on with
            }
        }
        Ok(report)
    }

    /// Every blob that a record leads to.
    fn needed(&self) -> Result<BTreeSet<Sha256Digest>, StoreError> {
        let mut needed = BTreeSet::new();
        for path in self.records(Kind::Build)? {
            let Some(record) = parse::<BuildRecord>(&path)? else { continue };
            if let Ok(tree) = record.tree.parse() {
                self.mark_tree(tree, &mut needed)?;
            }
        }
        for path in self.records(Kind::Finish)? {
            let Some(record) = parse::<FinishRecord>(&path)? else { continue };
            let trees = record.libraries.iter().map(|library| &library.tree).chain([&record.tree]);
            for tree in trees.filter_map(|tree| tree.parse().ok()) {
                self.mark_tree(tree, &mut needed)?;
            }
        }
        for kind in [Kind::Runtime, Kind::BaseTree] {
            for path in self.records(kind)? {
                let tree = parse::<OfTree>(&path)?.and_then(|record| record.tree.parse().ok());
                if let Some(tree) = tree {
                    self.mark_tree(tree, &mut needed)?;
                }
            }
        }
        for kind in [Kind::Source, Kind::SourceTree, Kind::Archive, Kind::Index, Kind::Advisories] {
            for path in self.records(kind)? {
                let record = parse::<OfBlob>(&path)?;
                needed.extend(record.and_then(|record| record.sha256.parse::<Sha256Digest>().ok()));
            }
        }
        Ok(needed)
    }

    fn mark_tree(&self, tree: Sha256Digest, needed: &mut BTreeSet<Sha256Digest>) -> Result<(), StoreError> {
        if !self.has_blob(tree) {
            return Ok(()); // incomplete: it will be built anew
        }
        needed.insert(tree);
        needed.extend(self.directories(tree)?);
        for entry in self.entries(tree)? {
            if let EntryKind::File { digest, .. } = entry.kind {
                needed.insert(digest);
            }
        }
        Ok(())
    }

    pub(super) fn records(&self, kind: Kind) -> Result<Vec<PathBuf>, StoreError> {
        let folder = self.record_folder(kind);
        if !fs::exists(&folder) {
            return Ok(Vec::new());
        }
        let is_record = |path: &PathBuf| path.extension().is_some_and(|extension| extension == "json");
        Ok(fs::sorted_entries(&folder)?.iter().map(DirEntry::path).filter(is_record).collect())
    }

    fn each_blob(
        &self,
        mut visit: impl FnMut(Sha256Digest, &Path) -> Result<(), StoreError>,
    ) -> Result<(), StoreError> {
        for shard in fs::sorted_entries(&self.root().join("blobs"))? {
            for entry in fs::sorted_entries(&shard.path())? {
                if let Some(digest) = entry.file_name().to_str().and_then(|name| name.parse().ok()) {
                    visit(digest, &entry.path())?;
                }
            }
        }
        Ok(())
    }
}

impl GcReport {
    fn remove(&mut self, path: &Path) -> Result<(), StoreError> {
        self.freed_bytes += fs::file_size(path).unwrap_or(0);
        self.n_removed += 1;
        Ok(fs::remove_file(path)?)
    }
}

/// What all records of one blob have in common.
#[derive(Deserialize)]
struct OfBlob {
    sha256: String,
}

/// What records of one tree have in common.
#[derive(Deserialize)]
struct OfTree {
    tree: String,
}

fn parse<T: serde::de::DeserializeOwned>(path: &Path) -> Result<Option<T>, StoreError> {
    Ok(serde_json::from_slice(&fs::read(path)?).ok())
}

#[cfg(test)]
#[expect(clippy::disallowed_methods, reason = "tests set the scene on the disk")]
mod tests {
    use super::super::records::BaseTreeRecord;
    use super::*;

    fn kept(store: &Store, home: &Path, name: &str) -> BuildRecord {
        let folder = home.join(name);
        std::fs::create_dir_all(folder.join("R")).unwrap();
        std::fs::write(folder.join("R/code"), name).unwrap();
        let tree = store.keep_folder(&folder).unwrap().to_hex();
        let record = BuildRecord {
            package: name.to_owned(),
            version: "1.0".to_owned(),
            tree,
            unzipped_bytes: 2,
            build_ms: 1,
        };
        store.put_record(Kind::Build, name, &record).unwrap();
        record
    }

    #[test]
    fn gc_removes_what_no_record_needs_and_keeps_all_that_one_needs() {
        let home = tempfile::tempdir().unwrap();
        let root = home.path().join("store");
        let store = Store::open(&root).unwrap();
        let (a1, b1) = (kept(&store, home.path(), "a1"), kept(&store, home.path(), "b1"));
        let base = kept(&store, home.path(), "base1");
        store.put_record(Kind::BaseTree, "base1", &BaseTreeRecord { tree: base.tree.clone() }).unwrap();
        for name in ["b1", "base1"] {
            std::fs::remove_file(root.join(format!("records/build/{name}.json"))).unwrap();
        }
        assert!(matches!(
            Store::gc(&root, Duration::from_mins(1), SystemTime::now()),
            Err(StoreError::InUse { .. })
        ));
        drop(store);
        let report = Store::gc(&root, Duration::from_mins(1), SystemTime::now()).unwrap();
        assert_eq!(report.n_removed, 3, "the file and two directory messages of b1");
        let store = Store::open(&root).unwrap();
        for kept in [a1, base] {
            assert!(store.has_tree(kept.tree.parse().unwrap()), "{}", kept.package);
        }
        assert!(!store.has_tree(b1.tree.parse().unwrap()));
    }

    #[test]
    fn verify_finds_a_flipped_bit_and_the_package_it_is_in() {
        let home = tempfile::tempdir().unwrap();
        let root = home.path().join("store");
        let store = Store::open(&root).unwrap();
        kept(&store, home.path(), "a1");
        let blob = store.blob_path(crate::sys::hash::sha256(b"a1"));
        std::fs::remove_file(&blob).unwrap();
        std::fs::write(&blob, "a2").unwrap();
        let report = store.verify().unwrap();
        assert_eq!((report.corrupt.len(), report.incomplete), (1, vec!["a1 1.0".to_owned()]));
        assert_eq!(store.verify().unwrap().corrupt, Vec::<String>::new());
    }
}
