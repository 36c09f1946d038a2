//! What a tree's files need, held against the target: what it has, what must come along
//! from the base with all that it needs itself, and what cannot be.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;

use super::error::{Problem, ProblemKind, TargetError};
use super::policy::{Policy, is_glibc};
use super::rootfs::{RootFs, SystemLibrary};
use crate::elf::{self, Elf, ElfError};
use crate::model::Sha256Digest;
use crate::sys::hash::sha256;

/// Symbols that a problem names at most.
const N_SYMBOLS: usize = 3;

/// Part of a library's name by content: another way of editing them, other names.
const NAMING: &str = "layr library 1\n";

/// A library or program of a tree.
#[derive(Debug, Clone)]
pub struct Member {
    /// Under `/opt`, e.g. `R/library/curl/libs/curl.so`.
    pub path: String,
    pub bytes: Vec<u8>,
    pub elf: Result<Elf, ElfError>,
}

/// What files can count on.
#[derive(Debug, Clone, Copy)]
pub struct System<'a> {
    pub policy: &'a Policy,
    /// Where libraries that the target lacks are taken from.
    pub base: &'a RootFs,
    /// Names of libraries that come from elsewhere: those of R itself, of other packages.
    pub provided: &'a BTreeSet<String>,
}

/// The outcome.
#[derive(Debug, Clone, Default)]
pub struct Closure {
    /// What must come along, by soname.
    pub libraries: BTreeMap<String, Library>,
    pub problems: BTreeSet<Problem>,
}

/// A library that comes along.
#[derive(Debug, Clone)]
pub struct Library {
    /// The folder it lies in, e.g. `libcurl-0123456789ab`.
    pub name: String,
    /// Its file and its soname, e.g. `libcurl-0123456789ab.so.4`.
    pub file: String,
    /// The sonames it needs that come along too.
    pub needs: BTreeSet<String>,
    /// Of its bytes in the base.
    pub sha256: Sha256Digest,
    pub system: Arc<SystemLibrary>,
}

/// Who asks for libraries.
struct User<'a> {
    name: String,
    bytes: &'a [u8],
    elf: &'a Elf,
    /// Folders of the base that it has searched first.
    first: Vec<String>,
}

/// # Errors
///
/// Where the base cannot be read. What does not fit the target is in the outcome.
pub fn closure(members: &[Member], system: System<'_>) -> Result<Closure, TargetError> {
    let mut search =
        Search { system, own: own_names(members), found: BTreeMap::new(), problems: BTreeSet::new() };
    for member in members {
        match &member.elf {
            Ok(elf) => {
                let user = User { name: member.path.clone(), bytes: &member.bytes, elf, first: Vec::new() };
                search.check(&user)?;
            }
            Err(error) => {
                search.problem(&member.path, ProblemKind::Unreadable { reason: error.to_string() });
            }
        }
    }
    search.follow()?;
    Ok(Closure { libraries: named(&search.found), problems: search.problems })
}

/// What members call one another: by soname, or by file where they have none.
fn own_names(members: &[Member]) -> BTreeSet<String> {
    let file = |member: &Member| member.path.rsplit('/').next().unwrap_or_default().to_owned();
    let soname = |member: &Member| member.elf.as_ref().ok().and_then(|elf| elf.soname.clone());
    members.iter().map(file).chain(members.iter().filter_map(soname)).collect()
}

struct Found {
    system: Arc<SystemLibrary>,
    needs: BTreeSet<String>,
    /// The first that asked for it.
    asked_by: String,
}

struct Search<'a> {
    system: System<'a>,
    own: BTreeSet<String>,
    found: BTreeMap<String, Found>,
    problems: BTreeSet<Problem>,
}

impl Search<'_> {
    /// Checks what was found in turn, until nothing new is. A circle of libraries ends by
    /// each being found once.
    fn follow(&mut self) -> Result<(), TargetError> {
        let mut left: VecDeque<String> = self.found.keys().cloned().collect();
        let mut checked: BTreeSet<String> = BTreeSet::new();
        while let Some(soname) = left.pop_front() {
            let Some(found) = self.found.get(&soname).filter(|_| checked.insert(soname.clone())) else {
                continue;
            };
            let (library, asked_by) = (Arc::clone(&found.system), found.asked_by.clone());
            let folder = library.path.rsplit_once('/').map_or("", |(folder, _)| folder);
            let first = library.elf.run_path.iter().map(|path| path.replace("$ORIGIN", folder));
            let user = User {
                name: format!("{}, which {asked_by} needs", library.path),
                bytes: &library.bytes,
                elf: &library.elf,
                first: first.map(|path| path.trim_start_matches('/').to_owned()).collect(),
            };
            let needs = self.check(&user)?;
            left.extend(needs.iter().cloned());
            if let Some(found) = self.found.get_mut(&soname) {
                found.needs = needs;
            }
        }
        Ok(())
    }

    /// Gives the sonames of those it needs that come along.
    fn check(&mut self, user: &User<'_>) -> Result<BTreeSet<String>, TargetError> {
        let mut along = BTreeSet::new();
        let wanted = self.system.policy.arch;
        if user.elf.architecture != Some(wanted) {
            self.problem(&user.name, ProblemKind::WrongArchitecture { wanted });
            return Ok(along);
        }
        let none = BTreeSet::new();
        for library in &user.elf.needed {
            let versions = user.elf.versions_needed.get(library).unwrap_or(&none);
            let elsewhere = self.own.contains(library) || self.system.provided.contains(library);
            if elsewhere || self.system.policy.offers(library, versions) {
                continue;
            }
            if is_glibc(library) || !self.take(library, user)? {
                self.cannot_have(library, versions, user);
            } else {
                along.insert(library.clone());
            }
        }
        Ok(along)
    }

    /// Takes a library from the base; `false` where it has none of that name.
    fn take(&mut self, library: &str, user: &User<'_>) -> Result<bool, TargetError> {
        if self.found.contains_key(library) {
            return Ok(true);
        }
        let Some(system) = self.system.base.find(library, &user.first)? else { return Ok(false) };
        let asked_by = user.name.clone();
        self.found.insert(library.to_owned(), Found { system, needs: BTreeSet::new(), asked_by });
        Ok(true)
    }

    fn cannot_have(&mut self, library: &str, versions: &BTreeSet<String>, user: &User<'_>) {
        let policy = self.system.policy;
        if !policy.libraries.contains_key(library) {
            self.problem(&user.name, ProblemKind::Missing { library: library.to_owned() });
            return;
        }
        for version in versions.iter().filter(|version| !policy.has_version(library, version)) {
            let symbols =
                elf::symbols_of_version(user.bytes, library, version, N_SYMBOLS).unwrap_or_default();
            let kind = ProblemKind::TooNew {
                library: library.to_owned(),
                version: version.clone(),
                symbols,
                highest: policy.highest(library, version).map(str::to_owned),
                target: policy.name.clone(),
            };
            self.problem(&user.name, kind);
        }
    }

    fn problem(&mut self, file: &str, kind: ProblemKind) {
        self.problems.insert(Problem { file: file.to_owned(), kind });
    }
}

/// Names by content: over the bytes of a library and of all that it brings.
fn named(found: &BTreeMap<String, Found>) -> BTreeMap<String, Library> {
    let named = found.iter().map(|(soname, library)| {
        let mut listing = NAMING.to_owned();
        for brought in all_needs(soname, found) {
            if let Some(other) = found.get(brought) {
                listing.push_str(&format!("{brought} {}\n", other.system.sha256()));
            }
        }
        listing.push_str(soname);
        let id = &sha256(listing.as_bytes()).to_hex()[..12];
        let (stem, ending) = soname.find(".so").map_or((soname.as_str(), ""), |at| soname.split_at(at));
        let named = Library {
            name: format!("{stem}-{id}"),
            file: format!("{stem}-{id}{ending}"),
            needs: library.needs.clone(),
            sha256: library.system.sha256(),
            system: Arc::clone(&library.system),
        };
        (soname.clone(), named)
    });
    named.collect()
}

/// A library and all that it needs, whatever the circles.
fn all_needs<'a>(soname: &'a str, found: &'a BTreeMap<String, Found>) -> BTreeSet<&'a str> {
    let mut all = BTreeSet::from([soname]);
    let mut left = vec![soname];
    while let Some(library) = left.pop().and_then(|soname| found.get(soname)) {
        left.extend(library.needs.iter().map(String::as_str).filter(|need| all.insert(need)));
    }
    all
}
