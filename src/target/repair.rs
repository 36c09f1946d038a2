//! A tree to one whose libraries find what comes along, and that to trees of its own.

use std::collections::{BTreeMap, BTreeSet};

use super::closure::{Closure, Library, Member};
use super::error::TargetError;
use crate::elf::{self, Edits, Elf};
use crate::model::TreeDigest;
use crate::store::{Entry, EntryKind, Store};

/// Where libraries that come along with packages lie under `/opt`. R does not take a
/// folder that begins with a dot for a package.
pub const LIBRARIES: &str = "R/library/.libs";

/// A tree that loads on the target, and what it brings.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Repaired {
    pub tree: TreeDigest,
    pub libraries: Vec<Vendored>,
}

/// A library that comes along, as a tree.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Vendored {
    /// The folder it lies in, below [`LIBRARIES`] or where the caller has them.
    pub name: String,
    /// What it is called where it comes from.
    pub soname: String,
    /// Where that is, in the base.
    pub path: String,
    pub tree: TreeDigest,
    pub unzipped_bytes: u64,
    /// The names of those it needs itself.
    pub needs: Vec<String>,
}

/// The libraries and programs of a tree that is to lie at `at` under `/opt`.
///
/// # Errors
///
/// Where the tree cannot be read.
pub fn members(tree: TreeDigest, at: &str, store: &Store) -> Result<Vec<Member>, TargetError> {
    let mut members = Vec::new();
    for entry in store.entries(tree.0)? {
        let EntryKind::File { digest, n_bytes, .. } = entry.kind else { continue };
        if n_bytes < 64 || !store.begins_with(digest, b"\x7fELF")? {
            continue;
        }
        let bytes = store.read_blob(digest)?;
        let elf = match elf::read(&bytes) {
            Ok(None) => continue,
            Ok(Some(elf)) => Ok(elf),
            Err(error) => Err(error),
        };
        members.push(Member { path: format!("{at}/{}", entry.path), bytes, elf });
    }
    Ok(members)
}

/// Gives the tree at `at`, whose [`members`] these are, the libraries of their closure,
/// which lie at `libraries_at` under `/opt`.
///
/// # Errors
///
/// Where a file cannot be edited, or the store not be used.
pub fn repair(
    (tree, at): (TreeDigest, &str),
    (members, closure): (&[Member], &Closure),
    libraries_at: &str,
    store: &Store,
) -> Result<Repaired, TargetError> {
    let mut edited = BTreeMap::new();
    for member in members {
        let Ok(elf) = &member.elf else { continue };
        let needs = elf.needed.iter().filter(|needed| closure.libraries.contains_key(*needed));
        let needs: BTreeSet<String> = needs.cloned().collect();
        let folder = member.path.rsplit_once('/').map_or("", |(folder, _)| folder);
        let run_path = run_path(elf, &needs, (folder, libraries_at), closure);
        if needs.is_empty() && run_path == elf.run_path {
            continue;
        }
        let edits = Edits { soname: None, needed: &new_names(&needs, closure), run_path: Some(&run_path) };
        let failed = |source| TargetError::Edit { file: member.path.clone(), source };
        let bytes = elf::edit(&member.bytes, &edits).map_err(failed)?;
        let inside = member.path.strip_prefix(at).map_or("", |path| path.trim_start_matches('/'));
        edited.insert(inside.to_owned(), (store.put_bytes(&bytes)?, bytes.len() as u64));
    }
    let tree = if edited.is_empty() { tree } else { with_files(tree, &edited, store)? };
    let mut libraries = Vec::new();
    for (soname, library) in &closure.libraries {
        libraries.push(vendor(soname, library, (closure, libraries_at), store)?);
    }
    Ok(Repaired { tree, libraries })
}

/// A library of the base under its new name, as a tree of that one file.
fn vendor(
    soname: &str,
    library: &Library,
    (closure, libraries_at): (&Closure, &str),
    store: &Store,
) -> Result<Vendored, TargetError> {
    let folder = format!("{libraries_at}/{}", library.name);
    let elf = &library.system.elf;
    let run_path = run_path(elf, &library.needs, (&folder, libraries_at), closure);
    let needed = new_names(&library.needs, closure);
    let edits = Edits { soname: Some(&library.file), needed: &needed, run_path: Some(&run_path) };
    let failed = |source| TargetError::Edit { file: library.system.path.clone(), source };
    let bytes = elf::edit(&library.system.bytes, &edits).map_err(failed)?;
    let (digest, n_bytes) = (store.put_bytes(&bytes)?, bytes.len() as u64);
    let kind = EntryKind::File { digest, n_bytes, executable: false };
    Ok(Vendored {
        name: library.name.clone(),
        soname: soname.to_owned(),
        path: library.system.path.clone(),
        tree: store.put_tree(&[Entry { path: library.file.clone(), kind }])?,
        unzipped_bytes: n_bytes,
        needs: library
            .needs
            .iter()
            .filter_map(|need| Some(closure.libraries.get(need)?.name.clone()))
            .collect(),
    })
}

fn new_names(needs: &BTreeSet<String>, closure: &Closure) -> BTreeMap<String, String> {
    let named =
        needs.iter().filter_map(|need| Some((need.clone(), closure.libraries.get(need)?.file.clone())));
    named.collect()
}

/// The folders of what comes along, behind those of the old run path that mean something
/// on the target. Others may be anybody's there: `/tmp` can be written to.
fn run_path(
    elf: &Elf,
    needs: &BTreeSet<String>,
    (folder, libraries_at): (&str, &str),
    closure: &Closure,
) -> Vec<String> {
    let mut paths: Vec<String> = elf.run_path.iter().filter(|path| stays(path, folder)).cloned().collect();
    for library in needs.iter().filter_map(|need| closure.libraries.get(need)) {
        paths.push(format!("$ORIGIN/{}", way(folder, &format!("{libraries_at}/{}", library.name))));
    }
    let mut seen = BTreeSet::new();
    paths.retain(|path| seen.insert(path.clone()));
    paths
}

/// Whether what a file in `folder` under `/opt` has in its run path is R's or a package's
/// on the target as well, wherever the path goes on the way.
fn stays(path: &str, folder: &str) -> bool {
    let after = ["$ORIGIN", "${ORIGIN}"].iter().find_map(|origin| path.strip_prefix(origin));
    let is_relative = after.is_some_and(|after| after.is_empty() || after.starts_with('/'));
    let whole =
        if is_relative { format!("/opt/{folder}{}", after.unwrap_or_default()) } else { path.to_owned() };
    let mut parts = Vec::new();
    for part in whole.split('/') {
        match part {
            "" | "." => {}
            ".." => _ = parts.pop(),
            part => parts.push(part),
        }
    }
    let home: &[&str] = if is_relative { &["opt", "R"] } else { &["opt", "R", "library"] };
    // What is left of the loader's other variables differs between machines.
    whole.starts_with('/') && parts.starts_with(home) && !whole.contains('$')
}

/// The way from one folder to another: `../../.libs/x`.
fn way(from: &str, to: &str) -> String {
    let (from, to): (Vec<&str>, Vec<&str>) = (from.split('/').collect(), to.split('/').collect());
    let n_shared = from.iter().zip(&to).take_while(|(a, b)| a == b).count();
    let up = std::iter::repeat_n("..", from.len() - n_shared);
    up.chain(to[n_shared..].iter().copied()).collect::<Vec<_>>().join("/")
}

/// The tree with other bytes in some of its files.
fn with_files(
    tree: TreeDigest,
    files: &BTreeMap<String, (crate::model::Sha256Digest, u64)>,
    store: &Store,
) -> Result<TreeDigest, TargetError> {
    let mut entries = store.entries(tree.0)?;
    for entry in &mut entries {
        if let (EntryKind::File { digest, n_bytes, .. }, Some(new)) =
            (&mut entry.kind, files.get(&entry.path))
        {
            (*digest, *n_bytes) = *new;
        }
    }
    Ok(store.put_tree(&entries)?)
}

#[cfg(test)]
mod tests {
    use super::{stays, way};

    #[test]
    fn of_an_old_run_path_stays_what_leads_to_r_or_a_package() {
        let cases = [
            ("$ORIGIN", true),
            ("${ORIGIN}/deps", true),
            ("$ORIGIN/../../RcppParallel/lib", true),
            ("$ORIGIN/../../../lib", true), // R's own
            ("/opt/R/library/RcppParallel/lib/", true),
            ("$ORIGINX/deps", false), // a folder named `$ORIGINX` in the working one
            ("$ORIGIN/../../../../../tmp", false),
            ("$ORIGIN/$LIB", false),
            ("/opt/R/library/../../../tmp", false),
            ("/opt/R/libraryx", false),
            ("/usr/local/lib", false),
            ("", false), // the working folder
        ];
        for (path, expected) in cases {
            assert_eq!(stays(path, "R/library/curl/libs"), expected, "{path}");
        }
    }

    #[test]
    fn the_way_between_folders_goes_up_to_what_they_share() {
        let cases = [
            ("R/library/curl/libs", "R/library/.libs/x", "../../.libs/x"),
            ("R/library/.libs/y", "R/library/.libs/x", "../x"),
            ("R/lib", "R/library/.libs/x", "../library/.libs/x"),
        ];
        for (from, to, expected) in cases {
            assert_eq!(way(from, to), expected);
        }
    }
}
