//! The libraries of a root file system, found as its own loader would find them.
//!
//! Links are followed inside the root: an absolute one begins there, and none leads out.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use super::TargetError;
use super::policy::{Policy, highest_of_each_family, is_glibc};
use crate::elf::{self, Elf};
use crate::model::{Architecture, Sha256Digest};
use crate::sys::fs;
use crate::sys::hash::sha256;

/// Folders that loaders search without being told, and Debian's by architecture.
const FOLDERS: [&str; 8] = [
    "usr/lib/x86_64-linux-gnu",
    "usr/lib/aarch64-linux-gnu",
    "lib/x86_64-linux-gnu",
    "lib/aarch64-linux-gnu",
    "lib64",
    "usr/lib64",
    "lib",
    "usr/lib",
];

/// Links that lead on from one to another; Linux follows as many.
const MAX_LINKS: usize = 40;

/// A root file system, as far as its libraries go.
#[derive(Debug)]
pub struct RootFs {
    root: PathBuf,
    arch: Architecture,
    /// Searched in this order; relative to the root.
    folders: Vec<String>,
    /// Those that were read, by path: many packages need the same few.
    read: Mutex<BTreeMap<PathBuf, Option<Arc<SystemLibrary>>>>,
    /// What `rpm` said of who owns what, where that lies elsewhere.
    rpm_list: Option<PathBuf>,
}

/// A library of a root file system.
#[derive(Debug, Clone)]
pub struct SystemLibrary {
    /// Where it lies, without links, relative to the root.
    pub path: String,
    pub bytes: Vec<u8>,
    pub elf: Elf,
    sha256: OnceLock<Sha256Digest>,
}

impl SystemLibrary {
    pub fn sha256(&self) -> Sha256Digest {
        *self.sha256.get_or_init(|| sha256(&self.bytes))
    }
}

impl RootFs {
    /// # Errors
    ///
    /// Where the folder is none, or its loader's configuration cannot be read.
    pub fn open(root: &Path, arch: Architecture) -> Result<Self, TargetError> {
        if !fs::is_dir(root) {
            return Err(TargetError::NoRootFs { path: root.to_owned() });
        }
        let (folders, read) = (Vec::new(), Mutex::default());
        let mut rootfs = Self { root: root.to_owned(), arch, folders, read, rpm_list: None };
        let mut folders = rootfs.configured("etc/ld.so.conf", 0)?;
        folders.extend(FOLDERS.map(str::to_owned));
        rootfs.folders = folders;
        Ok(rootfs)
    }

    /// With a list of who owns what.
    #[must_use]
    pub fn with_rpm_list(self, rpm_list: Option<PathBuf>) -> Self {
        Self { rpm_list, ..self }
    }

    pub fn rpm_list(&self) -> Option<&Path> {
        self.rpm_list.as_deref()
    }

    pub fn architecture(&self) -> Architecture {
        self.arch
    }

    pub fn path(&self) -> &Path {
        &self.root
    }

    /// The folders that `ld.so.conf` and the files it includes name.
    fn configured(&self, file: &str, depth: usize) -> Result<Vec<String>, TargetError> {
        let Some(path) = self.resolve(file)?.filter(|_| depth < 4) else { return Ok(Vec::new()) };
        let text = fs::read(&path)?;
        let mut folders = Vec::new();
        for line in String::from_utf8_lossy(&text).lines() {
            let line = line.split('#').next().unwrap_or_default().trim();
            if let Some(pattern) = line.strip_prefix("include ") {
                for included in self.matching(pattern.trim())? {
                    folders.extend(self.configured(&included, depth + 1)?);
                }
            } else if let Some(folder) = line.strip_prefix('/') {
                folders.push(folder.trim_end_matches('/').to_owned());
            }
        }
        Ok(folders)
    }

    /// The files of an `include` line: a path whose last part may be `*.conf`.
    fn matching(&self, pattern: &str) -> Result<Vec<String>, TargetError> {
        // A relative pattern is relative to where the including file lies.
        let pattern = match pattern.strip_prefix('/') {
            Some(absolute) => absolute.to_owned(),
            None => format!("etc/{pattern}"),
        };
        let (folder, name) = pattern.rsplit_once('/').unwrap_or(("", &pattern));
        let Some((start, end)) = name.split_once('*') else { return Ok(vec![pattern]) };
        let Some(path) = self.resolve(folder)?.filter(|path| fs::is_dir(path)) else { return Ok(Vec::new()) };
        let names =
            fs::sorted_entries(&path)?.into_iter().filter_map(|entry| entry.file_name().into_string().ok());
        let matching = names.filter(|name| name.starts_with(start) && name.ends_with(end));
        Ok(matching.map(|name| format!("{folder}/{name}")).collect())
    }

    /// The path outside of what lies at `path` inside; `None` where nothing does.
    ///
    /// # Errors
    ///
    /// Where links lead in a circle.
    pub fn resolve(&self, path: &str) -> Result<Option<PathBuf>, TargetError> {
        let mut left: Vec<String> = path.split('/').rev().map(str::to_owned).collect();
        let mut at = PathBuf::new();
        let mut n_links = 0;
        while let Some(part) = left.pop() {
            match part.as_str() {
                "" | "." => continue,
                ".." => {
                    at.pop(); // above the root is the root
                    continue;
                }
                name => at.push(name),
            }
            let here = self.root.join(&at);
            let Some(metadata) = fs::metadata_if_there(&here)? else { return Ok(None) };
            if metadata.is_symlink() {
                n_links += 1;
                if n_links > MAX_LINKS {
                    return Err(TargetError::LinkCircle { path: path.to_owned() });
                }
                let target = fs::read_link(&here)?;
                at.pop();
                if target.is_absolute() {
                    at = PathBuf::new();
                }
                left.extend(target.to_string_lossy().split('/').rev().map(str::to_owned));
            }
        }
        Ok(Some(self.root.join(at)))
    }

    /// The library of that name for this system's processor, in the first of its folders
    /// that has it, or in one of `first`.
    pub fn find(&self, name: &str, first: &[String]) -> Result<Option<Arc<SystemLibrary>>, TargetError> {
        if name.contains('/') {
            return self.library(name);
        }
        for folder in first.iter().chain(&self.folders) {
            if let Some(library) = self.library(&format!("{folder}/{name}"))? {
                return Ok(Some(library));
            }
        }
        Ok(None)
    }

    fn library(&self, path: &str) -> Result<Option<Arc<SystemLibrary>>, TargetError> {
        let Some(real) = self.file(path)? else { return Ok(None) };
        let mut known = self.read.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(library) = known.get(&real) {
            return Ok(library.clone());
        }
        let library = self.load(&real)?.map(Arc::new);
        Ok(known.entry(real).or_insert(library).clone())
    }

    /// The same for one look: a system's libraries together are hundreds of megabytes.
    fn glance(&self, path: &str) -> Result<Option<Elf>, TargetError> {
        let Some(real) = self.file(path)? else { return Ok(None) };
        Ok(self.load(&real)?.map(|library| library.elf))
    }

    /// The file outside.
    fn file(&self, path: &str) -> Result<Option<PathBuf>, TargetError> {
        Ok(self.resolve(path)?.filter(|real| fs::file_size(real).is_some()))
    }

    fn load(&self, real: &Path) -> Result<Option<SystemLibrary>, TargetError> {
        let bytes = fs::read(real)?;
        let path = real.strip_prefix(&self.root).unwrap_or(real).to_string_lossy().into_owned();
        let elf =
            elf::read(&bytes).map_err(|source| TargetError::BaseLibrary { path: path.clone(), source })?;
        let fits = elf.filter(|elf| elf.architecture == Some(self.arch));
        Ok(fits.map(|elf| SystemLibrary { path, bytes, elf, sha256: OnceLock::new() }))
    }

    /// What the system offers: every library in its folders, with its versions.
    pub fn policy(&self, name: &str) -> Result<Policy, TargetError> {
        self.policy_of(name, |_| true)
    }

    /// What the system's glibc offers and nothing else: layers that go by it bring all
    /// other libraries with them.
    pub fn glibc_policy(&self, name: &str) -> Result<Policy, TargetError> {
        self.policy_of(name, is_glibc)
    }

    fn policy_of(&self, name: &str, counts: impl Fn(&str) -> bool) -> Result<Policy, TargetError> {
        let mut libraries = BTreeMap::new();
        for folder in &self.folders {
            let Some(path) = self.resolve(folder)?.filter(|path| fs::is_dir(path)) else { continue };
            for entry in fs::sorted_entries(&path)? {
                let Ok(file) = entry.file_name().into_string() else { continue };
                if file.contains(".so") && counts(&file) && !libraries.contains_key(&file) {
                    // A file that cannot be read offers nothing; others may.
                    let Ok(Some(elf)) = self.glance(&format!("{folder}/{file}")) else { continue };
                    if elf.soname.as_ref().is_none_or(|soname| *soname == file) {
                        libraries.insert(file, highest_of_each_family(&elf.versions_defined));
                    }
                }
            }
        }
        Ok(Policy { name: name.to_owned(), arch: self.arch, libraries })
    }

    /// The processor that the root file system's own loader is for.
    pub fn architecture_of(root: &Path) -> Result<Architecture, TargetError> {
        for (arch, loader) in [
            (Architecture::X86_64, "lib64/ld-linux-x86-64.so.2"),
            (Architecture::Arm64, "lib/ld-linux-aarch64.so.1"),
        ] {
            if Self::open(root, arch)?.library(loader)?.is_some() {
                return Ok(arch);
            }
        }
        Err(TargetError::NoLoader { path: root.to_owned() })
    }

    /// Names of all libraries in one folder, by file and by soname.
    pub fn names_in(&self, folder: &str) -> Result<BTreeSet<String>, TargetError> {
        let mut names = BTreeSet::new();
        let Some(path) = self.resolve(folder)?.filter(|path| fs::is_dir(path)) else { return Ok(names) };
        for entry in fs::sorted_entries(&path)? {
            let file = entry.file_name().to_string_lossy().into_owned();
            if let Some(elf) = self.glance(&format!("{folder}/{file}"))? {
                names.extend(elf.soname);
                names.insert(file);
            }
        }
        Ok(names)
    }
}
