//! Between build and pack: installed trees to the trees that are shipped, which are slim,
//! and whose libraries find on the target what they need, with the libraries they bring.
//!
//! It is no part of a build, since other packages are built against headers that are not
//! shipped, and since another target or profile need not compile anything again. What a
//! tree became is recorded under a key over all that it depends on.

mod error;
mod profile;

use std::collections::BTreeSet;

pub use error::{FinishError, Unfit};
pub use profile::{PackageProfile, Patterns, Profile, ProfileError, Slimness};

use crate::model::{BaseDigest, PackageId, PackageName, Sha256Digest, TreeDigest};
use crate::report::{Event, Report};
use crate::store::{Entry, EntryKind, FinishRecord, Kind, LibraryRecord, Owner, Store};
use crate::sys::hash::sha256_of_list;
use crate::target::{self, LIBRARIES, Policy, RootFs, System};

/// Part of every key: another way of doing it, other trees.
const VERSION: &str = "layr finish 3";

/// What trees are finished with.
#[derive(Clone, Copy)]
pub struct Site<'a> {
    pub store: &'a Store,
    pub base: &'a RootFs,
    pub base_digest: BaseDigest,
    pub policy: &'a Policy,
    pub profile: &'a Profile,
    /// Names of the libraries that R itself has on the target.
    pub r_libraries: &'a BTreeSet<String>,
    pub report: &'a dyn Report,
}

/// A package that is to be shipped.
#[derive(Debug, Clone)]
pub struct Part<'a> {
    pub id: &'a PackageId,
    pub tree: TreeDigest,
    /// The trees of all packages it needs, whose libraries are loaded before its own.
    pub needs: Vec<TreeDigest>,
}

/// A package as it is shipped.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finished {
    pub tree: TreeDigest,
    pub unzipped_bytes: u64,
    /// What came along with it.
    pub libraries: Vec<Library>,
}

/// A library of the base that comes along with packages.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Library {
    /// Its folder, e.g. `libcurl-0123456789ab`.
    pub name: String,
    /// What it is called in the base.
    pub soname: String,
    /// Where it lies in the base.
    pub path: String,
    pub tree: TreeDigest,
    pub unzipped_bytes: u64,
    /// The names of those it needs itself.
    pub needs: Vec<String>,
    /// The system package it is part of, where the base says.
    pub owner: Option<Owner>,
}

/// Finishes packages, each by itself.
///
/// # Errors
///
/// All packages that would not load on the target, with what is wrong with each.
pub fn finish(parts: &[Part<'_>], site: Site<'_>) -> Result<Vec<Finished>, FinishError> {
    let (mut finished, mut unfit) = (Vec::new(), Vec::new());
    for part in parts {
        match one(part, site)? {
            Ok(package) => finished.push(package),
            Err(problems) => unfit.push(problems),
        }
    }
    if unfit.is_empty() {
        return Ok(finished);
    }
    let target = site.policy.name.clone();
    Err(FinishError::Unfit { packages: unfit, is_base: target == target::BASE, target })
}

fn one(part: &Part<'_>, site: Site<'_>) -> Result<Result<Finished, Unfit>, FinishError> {
    let provided = provided(part, site)?;
    let profile = site.profile.of(&part.id.name);
    let key = key(part, site, (&profile, &provided)).to_hex();
    if let Some(finished) = look_up(&key, site.store)? {
        return Ok(Ok(finished));
    }
    let slim = slim(part.tree, &profile, site.store)?;
    let at = format!("R/library/{}", part.id.name);
    let members = target::members(slim, &at, site.store)?;
    let system = System { policy: site.policy, base: site.base, provided: &provided };
    let closure = target::closure(&members, system)?;
    if !closure.problems.is_empty() {
        return Ok(Err(Unfit { package: part.id.clone(), problems: closure.problems.into_iter().collect() }));
    }
    for member in members.iter().filter(|member| member.elf.as_ref().is_ok_and(|elf| elf.executable_stack)) {
        let text =
            format!("`{}` asks for an executable stack, which glibc 2.41 and later refuse", member.path);
        site.report.report(&Event::Warning { text: &text });
    }
    let repaired = target::repair((slim, &at), (&members, &closure), LIBRARIES, site.store)?;
    let paths = repaired.libraries.iter().map(|library| library.path.clone()).collect();
    let owners = target::owners(&paths, site.base)?;
    let libraries = repaired.libraries.into_iter().map(|library| {
        let owner = owners.get(&library.path);
        library_record(library, owner, site)
    });
    let record = FinishRecord {
        package: part.id.name.to_string(),
        version: part.id.version.to_string(),
        tree: repaired.tree.to_hex(),
        unzipped_bytes: unzipped_bytes(repaired.tree, site.store)?,
        libraries: libraries.collect::<Result<_, FinishError>>()?,
    };
    site.store.put_record(Kind::Finish, &key, &record)?;
    Ok(Ok(of_record(&record).ok_or(FinishError::BrokenRecord)?))
}

/// R's own libraries, and those of the packages that this one needs.
fn provided(part: &Part<'_>, site: Site<'_>) -> Result<BTreeSet<String>, FinishError> {
    let mut provided = site.r_libraries.clone();
    for tree in &part.needs {
        for Entry { path, .. } in site.store.entries(tree.0)? {
            let name = path.rsplit('/').next().unwrap_or_default();
            if name.contains(".so") {
                provided.insert(name.to_owned());
            }
        }
    }
    Ok(provided)
}

fn key(
    part: &Part<'_>,
    site: Site<'_>,
    (profile, provided): (&PackageProfile<'_>, &BTreeSet<String>),
) -> Sha256Digest {
    let mut parts = vec![
        VERSION.to_owned(),
        part.id.name.to_string(),
        part.tree.to_hex(),
        site.base_digest.to_hex(),
        site.policy.render(),
    ];
    // Without it, who owns a library is not known, and may be the next time.
    parts.extend(site.base.rpm_list().map(|_| "owners by rpm".to_owned()));
    parts.extend(profile.parts());
    parts.extend(provided.iter().map(|name| format!("provided {name}")));
    sha256_of_list(&parts)
}

/// The tree without what the profile leaves out, and without folders that are empty then.
fn slim(tree: TreeDigest, profile: &PackageProfile<'_>, store: &Store) -> Result<TreeDigest, FinishError> {
    let mut entries = store.entries(tree.0)?;
    let n_before = entries.len();
    entries.retain(|entry| entry.kind == EntryKind::Directory || !profile.leaves_out(&entry.path));
    if entries.len() == n_before {
        return Ok(tree);
    }
    let kept: Vec<String> = entries
        .iter()
        .filter(|entry| entry.kind != EntryKind::Directory)
        .map(|entry| entry.path.clone())
        .collect();
    entries.retain(|entry| {
        let inside = format!("{}/", entry.path);
        entry.kind != EntryKind::Directory || kept.iter().any(|path| path.starts_with(&inside))
    });
    Ok(store.put_tree(&entries)?)
}

/// What a profile would leave out of a finished package.
///
/// # Errors
///
/// Where the tree cannot be read.
pub fn left_out_bytes(
    (name, tree): (&PackageName, TreeDigest),
    profile: &Profile,
    store: &Store,
) -> Result<u64, FinishError> {
    let profile = profile.of(name);
    let entries = store.entries(tree.0)?;
    let gone =
        entries.iter().filter(|entry| entry.kind != EntryKind::Directory && profile.leaves_out(&entry.path));
    Ok(gone.map(|entry| entry.kind.unzipped_bytes()).sum())
}

fn unzipped_bytes(tree: TreeDigest, store: &Store) -> Result<u64, FinishError> {
    Ok(store.entries(tree.0)?.iter().map(|entry| entry.kind.unzipped_bytes()).sum())
}

/// What is recorded under a key, where all of it is still there.
fn look_up(key: &str, store: &Store) -> Result<Option<Finished>, FinishError> {
    let Some(record) = store.record::<FinishRecord>(Kind::Finish, key)? else { return Ok(None) };
    let finished = of_record(&record);
    Ok(finished.filter(|finished| {
        store.has_tree(finished.tree.0)
            && finished.libraries.iter().all(|library| store.has_tree(library.tree.0))
    }))
}

/// A library with the copyright file of the system package it is from, which its licence
/// mostly demands.
fn library_record(
    library: target::Vendored,
    owner: Option<&Owner>,
    site: Site<'_>,
) -> Result<LibraryRecord, FinishError> {
    let target::Vendored { name, soname, path, mut tree, mut unzipped_bytes, needs } = library;
    let copyright = owner.map(|owner| target::copyright(&owner.package, site.base)).transpose()?.flatten();
    if let Some(text) = copyright {
        let mut entries = site.store.entries(tree.0)?;
        let (digest, n_bytes) = (site.store.put_bytes(&text)?, text.len() as u64);
        let kind = EntryKind::File { digest, n_bytes, executable: false };
        entries.push(Entry { path: "copyright".to_owned(), kind });
        tree = site.store.put_tree(&entries)?;
        unzipped_bytes += n_bytes;
    }
    let owner = owner.cloned();
    Ok(LibraryRecord { name, soname, path, tree: tree.to_hex(), unzipped_bytes, needs, owner })
}

fn of_record(record: &FinishRecord) -> Option<Finished> {
    let library = |record: &LibraryRecord| {
        Some(Library {
            name: record.name.clone(),
            soname: record.soname.clone(),
            path: record.path.clone(),
            tree: record.tree.parse().ok()?,
            unzipped_bytes: record.unzipped_bytes,
            needs: record.needs.clone(),
            owner: record.owner.clone(),
        })
    };
    Some(Finished {
        tree: record.tree.parse().ok()?,
        unzipped_bytes: record.unzipped_bytes,
        libraries: record.libraries.iter().map(library).collect::<Option<_>>()?,
    })
}
