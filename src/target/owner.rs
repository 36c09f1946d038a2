//! Which system package a file of a root file system belongs to, for the list of what is
//! in a layer: by Debian's own records, which every Debian system has.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use super::{RootFs, TargetError};
use crate::sys::fs;

/// The system package that a library was part of.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Owner {
    pub package: String,
    pub version: String,
    /// As its copyright file has them, each once; empty where it has none that a program
    /// can read.
    pub licenses: Vec<String>,
}

/// The owners of files, by path relative to the root. What nobody owns is left out, and so
/// is everything on systems that are not Debian's.
///
/// # Errors
///
/// Where the records are there and cannot be read.
pub fn owners(paths: &BTreeSet<String>, rootfs: &RootFs) -> Result<BTreeMap<String, Owner>, TargetError> {
    let info = rootfs.path().join("var/lib/dpkg/info");
    if paths.is_empty() || !fs::is_dir(&info) {
        return Ok(BTreeMap::new());
    }
    let mut packages = BTreeMap::new();
    for entry in fs::sorted_entries(&info)? {
        let name = entry.file_name().to_string_lossy().into_owned();
        let Some(package) = name.strip_suffix(".list") else { continue };
        let listed = fs::read(&entry.path())?;
        for line in String::from_utf8_lossy(&listed).lines().filter(|line| line.contains(".so")) {
            // Lists name folders as they were before /lib became a link to /usr/lib.
            let path = line.trim_start_matches('/');
            for path in [path.to_owned(), format!("usr/{path}")] {
                if paths.contains(&path) {
                    packages.insert(path, package.split(':').next().unwrap_or(package).to_owned());
                }
            }
        }
    }
    let versions = versions(rootfs.path())?;
    let owned = packages.into_iter().map(|(path, package)| {
        let version = versions.get(&package).cloned().unwrap_or_default();
        let licenses = licenses(&package, rootfs)?;
        Ok((path, Owner { package, version, licenses }))
    });
    owned.collect()
}

/// By package, from the record of what is installed.
fn versions(root: &Path) -> Result<BTreeMap<String, String>, TargetError> {
    let Some(bytes) = fs::read_if_there(&root.join("var/lib/dpkg/status"))? else {
        return Ok(BTreeMap::new());
    };
    let text = String::from_utf8_lossy(&bytes);
    let mut versions = BTreeMap::new();
    let mut package = None;
    for line in text.lines() {
        if let Some(name) = line.strip_prefix("Package: ") {
            package = Some(name.to_owned());
        } else if let (Some(version), Some(package)) = (line.strip_prefix("Version: "), &package) {
            versions.insert(package.clone(), version.to_owned());
        }
    }
    Ok(versions)
}

/// A package's copyright file, which has to go where its libraries go.
///
/// # Errors
///
/// Where it is there and cannot be read.
pub fn copyright(package: &str, rootfs: &RootFs) -> Result<Option<Vec<u8>>, TargetError> {
    match rootfs.resolve(&format!("usr/share/doc/{package}/copyright"))? {
        Some(path) => Ok(fs::read_if_there(&path)?),
        None => Ok(None),
    }
}

/// From a copyright file in the form that programs can read (DEP-5).
fn licenses(package: &str, rootfs: &RootFs) -> Result<Vec<String>, TargetError> {
    let Some(bytes) = copyright(package, rootfs)? else { return Ok(Vec::new()) };
    let text = String::from_utf8_lossy(&bytes);
    let lines = text.lines().filter_map(|line| line.strip_prefix("License:")).map(str::trim);
    let names: BTreeSet<&str> = lines.filter(|name| !name.is_empty()).collect();
    Ok(names.into_iter().map(str::to_owned).collect())
}
