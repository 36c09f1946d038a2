//! A base's R to the tree of a runtime layer.
//!
//! ```text
//! bootstrap                          what Lambda starts
//! R/                                 R's home, /opt/R
//!   bin/exec/R  lib/libR.so  modules/  library/base …
//!   lib/.libs/<library>/             what the target lacks, found by $ORIGIN
//!   etc/  share/                     settings, certificates, time zones, licences
//! ```

use std::collections::BTreeSet;

use super::RuntimeError;
use super::select::{front_end, is_kept, is_time_zone};
use crate::model::{LayerDigest, TreeDigest};
use crate::store::{Entry, EntryKind, Mount, Store};
use crate::sys::fs;
use crate::target::{self, Policy, Repaired, RootFs, System, Vendored};

/// Where, under `/opt`, the libraries of R itself lie.
const LIBRARIES: &str = "R/lib/.libs";
/// The folders and files of a base that R may have beside its home.
const SHARE: &str = "usr/share/R/share";
const TIME_ZONES: &str = "usr/share/zoneinfo";
const CERTIFICATES: [&str; 2] = ["etc/ssl/certs/ca-certificates.crt", "etc/pki/tls/certs/ca-bundle.crt"];

/// Files of ours, by their place from R's home on.
const OWN: [(&str, &str); 3] = [
    ("etc/Renviron", include_str!("files/Renviron")),
    ("etc/Rprofile.site", include_str!("files/Rprofile.site")),
    ("etc/ldpaths", include_str!("files/ldpaths")),
];
const RSCRIPT: &str = include_str!("files/Rscript");

/// What a runtime layer is made of.
#[derive(Clone, Copy)]
pub struct Ingredients<'a> {
    /// Where the base's R and its libraries are.
    pub rootfs: &'a RootFs,
    /// R's home in it.
    pub r_home: &'a str,
    /// What it is to run on.
    pub policy: &'a Policy,
    /// The program that Lambda starts.
    pub bootstrap: &'a [u8],
    pub store: &'a Store,
}

/// The tree of a runtime layer, in the store.
#[derive(Debug, Clone)]
pub struct RuntimeTree {
    pub digest: LayerDigest,
    pub unzipped_bytes: u64,
    /// What came along since the target lacks it.
    pub libraries: Vec<Vendored>,
}

/// All files of ours in a runtime layer, for its key.
pub fn own_files() -> String {
    OWN.iter().map(|(path, text)| format!("{path}\n{text}\n")).collect::<String>() + RSCRIPT
}

/// # Errors
///
/// Where the base has no complete R, or its R could not run on the target.
pub fn build(ingredients: Ingredients<'_>) -> Result<RuntimeTree, RuntimeError> {
    let store = ingredients.store;
    let r = store.put_tree(&Gathering { ingredients, entries: Vec::new() }.r()?)?;
    let Repaired { tree: r, libraries } = repaired(r, ingredients)?;
    let mut mounts = vec![Mount { path: "R".to_owned(), tree: r.0 }];
    let r_alone = store.compose(&mounts)?.0;
    mounts.clear();
    let mount =
        |library: &Vendored| Mount { path: format!("{LIBRARIES}/{}", library.name), tree: library.tree.0 };
    mounts.extend(libraries.iter().map(mount));
    let vendored = store.compose(&mounts)?.0;
    let bootstrap = file(ingredients.bootstrap, ("bootstrap", true), store)?;
    let bootstrap = store.put_tree(&[bootstrap])?;
    let digest = store.overlay(&[r_alone, vendored, bootstrap.0])?;
    let n_bytes = |entry: Entry| match entry.kind {
        EntryKind::File { n_bytes, .. } => n_bytes,
        EntryKind::Directory | EntryKind::Symlink { .. } => 0,
    };
    let unzipped_bytes = store.entries(digest)?.into_iter().map(n_bytes).sum();
    Ok(RuntimeTree { digest: LayerDigest(digest), unzipped_bytes, libraries })
}

/// R's tree with the libraries it needs from the base, or what stands in the way.
fn repaired(r: TreeDigest, ingredients: Ingredients<'_>) -> Result<Repaired, RuntimeError> {
    let Ingredients { rootfs, policy, store, .. } = ingredients;
    let members = target::members(r, "R", store)?;
    let system = System { policy, base: rootfs, provided: &BTreeSet::new() };
    let closure = target::closure(&members, system)?;
    if !closure.problems.is_empty() {
        return Err(RuntimeError::DoesNotLoad { target: policy.name.clone(), problems: closure.problems });
    }
    Ok(target::repair((r, "R"), (&members, &closure), LIBRARIES, store)?)
}

/// The files of R's home, as they are found.
struct Gathering<'a> {
    ingredients: Ingredients<'a>,
    entries: Vec<Entry>,
}

impl Gathering<'_> {
    fn r(mut self) -> Result<Vec<Entry>, RuntimeError> {
        let home = self.ingredients.r_home.trim_matches('/').to_owned();
        self.folder(&home, "", is_kept)?;
        for needed in ["bin/R", "bin/exec/R", "lib/libR.so", "library/base/R/base.rdb"] {
            if !self.has(needed) {
                return Err(RuntimeError::Incomplete { file: format!("/{home}/{needed}") });
            }
        }
        if !self.has("share/licenses/GPL-3") {
            self.folder(SHARE, "share", |path| is_kept(&format!("share/{path}")))?;
        }
        if !self.entries.iter().any(|entry| entry.path.starts_with("share/zoneinfo/")) {
            self.folder(TIME_ZONES, "share/zoneinfo", is_time_zone)?;
        }
        let certificates =
            CERTIFICATES.iter().find_map(|place| self.ingredients.rootfs.resolve(place).transpose());
        if let Some(certificates) = certificates {
            let bytes = fs::read(&certificates?)?;
            self.put("etc/ca-certificates.crt", &bytes, false)?;
        }
        self.front_ends()?;
        for (path, text) in OWN {
            self.put(path, text.as_bytes(), false)?;
        }
        Ok(self.entries)
    }

    fn has(&self, path: &str) -> bool {
        self.entries.iter().any(|entry| entry.path == path)
    }

    /// What starts R, told where R is.
    fn front_ends(&mut self) -> Result<(), RuntimeError> {
        let home = self.ingredients.r_home;
        let read = |path: String| match self.ingredients.rootfs.resolve(&path)? {
            Some(found) => Ok(fs::read(&found)?),
            None => Err(RuntimeError::Incomplete { file: path }),
        };
        let (r, rscript) = (read(format!("{home}/bin/R"))?, read(format!("{home}/bin/Rscript"))?);
        self.entries.retain(|entry| !matches!(entry.path.as_str(), "bin/R" | "bin/Rscript"));
        self.put("bin/R", front_end(&String::from_utf8_lossy(&r)).as_bytes(), true)?;
        self.put("bin/exec/Rscript", &rscript, true)?;
        self.put("bin/Rscript", RSCRIPT.as_bytes(), true)
    }

    /// All kept files below a folder of the base, links followed: what they lead to need not
    /// be in the layer.
    fn folder(
        &mut self,
        from: &str,
        to: &str,
        keep: impl Fn(&str) -> bool + Copy,
    ) -> Result<(), RuntimeError> {
        let mut left = vec![String::new()];
        while let Some(at) = left.pop() {
            let Some(folder) = self.ingredients.rootfs.resolve(&format!("{from}/{at}"))? else { continue };
            for entry in fs::sorted_entries(&folder)? {
                let Ok(name) = entry.file_name().into_string() else { continue };
                let path = format!("{at}{name}");
                let Some(found) = self.ingredients.rootfs.resolve(&format!("{from}/{path}"))? else {
                    continue;
                };
                let metadata = fs::metadata(&found)?;
                if metadata.is_dir() {
                    left.push(format!("{path}/"));
                } else if metadata.is_file() && keep(&path) {
                    let bytes = fs::read(&found)?;
                    let is_executable = path.starts_with("bin/") && to.is_empty();
                    let place = if to.is_empty() { path } else { format!("{to}/{path}") };
                    self.put(&place, &bytes, is_executable)?;
                }
            }
        }
        Ok(())
    }

    fn put(&mut self, path: &str, bytes: &[u8], executable: bool) -> Result<(), RuntimeError> {
        self.entries.push(file(bytes, (path, executable), self.ingredients.store)?);
        Ok(())
    }
}

fn file(bytes: &[u8], (path, executable): (&str, bool), store: &Store) -> Result<Entry, RuntimeError> {
    let kind = EntryKind::File { digest: store.put_bytes(bytes)?, n_bytes: bytes.len() as u64, executable };
    Ok(Entry { path: path.to_owned(), kind })
}
