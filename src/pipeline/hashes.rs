//! The lockfiles' hashes, held against what was fetched and against what was built.

use std::collections::BTreeMap;

use super::Prepared;
use super::run::Run;
use crate::build::BuiltPackage;
use crate::error::Error;
use crate::fetch::SourceTarball;
use crate::hashes::{self, HashMismatch};
use crate::model::{Description, PackageName, TreeDigest};
use crate::report::Event;
use crate::store::{EntryKind, Store, StoreError};

/// What comes of a hash that does not match.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum VerifyHashes {
    /// None is computed.
    Off,
    Warn,
    Error,
}

impl Run<'_> {
    /// Before anything is built: the hashes that the sources suffice for.
    pub(super) fn check_sources(&self, functions: &[Prepared]) -> Result<(), Error> {
        if self.request.verify_hashes == VerifyHashes::Off {
            return Ok(());
        }
        let mut mismatches: Vec<HashMismatch> = Vec::new();
        for function in functions {
            let linked = linked(&function.tarballs);
            for Description { id, record, .. } in linked.values() {
                let Some(locked) = hash(function, &id.name) else { continue };
                if hashes::needs_installed(locked, record) {
                    continue;
                }
                let result = hashes::check(locked, linked[&id.name], function.lockfile.r.as_ref(), &linked);
                mismatches.extend(result.err().filter(|mismatch| !mismatches.contains(mismatch)));
            }
        }
        match (mismatches.is_empty(), self.request.verify_hashes) {
            (true, _) => {}
            (false, VerifyHashes::Error) => return Err(Error::Hashes(mismatches)),
            (false, VerifyHashes::Warn | VerifyHashes::Off) => {
                let text = Error::Hashes(mismatches).to_string();
                self.services.report.report(&Event::Warning { text: &text });
            }
        }
        Ok(())
    }

    /// Once built: the hashes over fields that R derives when it installs. How it words them
    /// depends on its version, so a difference is told and is no error.
    pub(super) fn check_installed(
        &self,
        function: &Prepared,
        tarballs: &[SourceTarball],
        built: &BTreeMap<usize, BuiltPackage>,
    ) -> Result<(), Error> {
        if self.request.verify_hashes == VerifyHashes::Off {
            return Ok(());
        }
        for (at, package) in built {
            let source = &tarballs[*at].description;
            let Some(locked) = hash(function, &source.id.name) else { continue };
            if !hashes::needs_installed(locked, &source.record) {
                continue;
            }
            let Some(installed) = installed(package.tree, &self.services.store)? else { continue };
            let r = function.lockfile.r.as_ref();
            if let Err(mismatch) = hashes::check(locked, &installed, r, &BTreeMap::new()) {
                let text =
                    format!("{mismatch}; R words `Author` by its version, so this can be as it should");
                self.services.report.report(&Event::Note { text: &text });
            }
        }
        Ok(())
    }
}

fn hash<'a>(function: &'a Prepared, name: &PackageName) -> Option<&'a hashes::LockedHash> {
    function.lockfile.packages.get(name)?.hash.as_ref()
}

fn linked(tarballs: &[SourceTarball]) -> BTreeMap<&PackageName, &Description> {
    tarballs.iter().map(|tarball| (&tarball.id.name, &tarball.description)).collect()
}

/// The DESCRIPTION of an installed package.
fn installed(tree: TreeDigest, store: &Store) -> Result<Option<Description>, StoreError> {
    let entries = store.entries(tree.0)?;
    let digest = entries.iter().find_map(|entry| match entry.kind {
        EntryKind::File { digest, .. } if entry.path == "DESCRIPTION" => Some(digest),
        EntryKind::File { .. } | EntryKind::Directory | EntryKind::Symlink { .. } => None,
    });
    let Some(digest) = digest else { return Ok(None) };
    let text = store.read_blob(digest)?;
    Ok(Description::parse(&String::from_utf8_lossy(&text)).ok())
}
