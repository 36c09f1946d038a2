//! What packages are in a thing: a lockfile of any kind, layr.lock, layers.json, or the zip
//! of a layer, each to one [`Inventory`].
//!
//! They do not all say the same. What one of them does not say is `None` here, and never a
//! guess, so that whoever asks can tell "nothing" from "not known".

mod error;
mod layer;
mod locked;
mod manifest;
mod origin;

use std::collections::BTreeSet;
use std::io::Read;
use std::path::Path;

pub use error::InventoryError;
pub use origin::Origin;

use crate::layr_lock::{self, LayrLock};
use crate::lockfile::{self, Lockfile};
use crate::manifest::Manifest;
use crate::model::{
    Architecture, ArchiveDigest, LayerDigest, PackageId, PackageName, RVersion, Sha256Digest, TreeDigest,
};
use crate::sys::fs;

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Inventory {
    pub form: Form,
    pub r: Option<RVersion>,
    pub arch: Option<Architecture>,
    pub base: Option<Base>,
    /// By name; none where a layer stands for itself.
    pub functions: Vec<Function>,
    /// By name.
    pub layers: Vec<Layer>,
    /// Each once, by name, version and what was built of it.
    pub packages: Vec<Package>,
    /// By name.
    pub libraries: Vec<Library>,
}

/// What an inventory was read from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Form {
    Lockfile,
    LayrLock,
    Manifest,
    Layer,
}

/// What packages were built in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Base {
    pub recipe: String,
    /// Hexadecimal.
    pub digest: String,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Function {
    pub name: String,
    pub lockfile: Option<String>,
    /// Names, in attach order.
    pub layers: Vec<String>,
    pub code_bytes: Option<u64>,
    /// Of its layers together.
    pub unzipped_bytes: Option<u64>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Layer {
    /// In layr.lock, which has no names, the digest.
    pub name: String,
    pub digest: Option<LayerDigest>,
    pub zip_sha256: Option<ArchiveDigest>,
    pub zip_bytes: Option<u64>,
    pub unzipped_bytes: Option<u64>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Package {
    pub id: PackageId,
    pub origin: Origin,
    /// Where its source tarball is, or the files that it was made of.
    pub url: Option<String>,
    /// Of the source tarball.
    pub sha256: Option<Sha256Digest>,
    /// `License` of its DESCRIPTION, as it stands there.
    pub license: Option<String>,
    /// What it needs of other packages, to build or to run, without those that R has.
    pub dependencies: Option<Vec<PackageName>>,
    /// Names of the libraries that came along with it.
    pub libraries: Vec<String>,
    /// Whether it is in a layer, rather than only built against.
    pub is_shipped: bool,
    pub tree: Option<TreeDigest>,
    pub unzipped_bytes: Option<u64>,
    /// Names of those it is in.
    pub layers: BTreeSet<String>,
    /// Names of those that have it.
    pub functions: BTreeSet<String>,
}

/// A shared library of the base that came along with packages.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Library {
    /// Its folder in the layer; says its content.
    pub name: String,
    /// What it is called in the base.
    pub soname: Option<String>,
    /// The system package it is part of.
    pub owner: Option<SystemPackage>,
    /// Those that the system package's copyright file names.
    pub licenses: Vec<String>,
    pub tree: Option<TreeDigest>,
    pub unzipped_bytes: Option<u64>,
    pub layers: BTreeSet<String>,
    pub functions: BTreeSet<String>,
}

/// A package of the base's system, e.g. Debian's `libxml2` 2.12.7+dfsg-3.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct SystemPackage {
    pub name: String,
    pub version: String,
    /// The source package that it was built of, which advisories name; its own name where
    /// an older layers.json does not say.
    pub source: String,
    pub source_version: String,
    /// The form of its packages and the distribution, e.g. `deb/debian-13`, where it is said.
    pub system: Option<String>,
}

impl Inventory {
    /// Nothing is in it yet.
    fn empty(form: Form) -> Self {
        Self {
            form,
            r: None,
            arch: None,
            base: None,
            functions: Vec::new(),
            layers: Vec::new(),
            packages: Vec::new(),
            libraries: Vec::new(),
        }
    }

    pub fn function(&self, name: &str) -> Option<&Function> {
        self.functions.iter().find(|function| function.name == name)
    }

    pub fn layer(&self, name: &str) -> Option<&Layer> {
        self.layers.iter().find(|layer| layer.name == name)
    }

    /// A function's packages, also those that it is only built against.
    pub fn packages_of<'a>(&'a self, function: &'a str) -> impl Iterator<Item = &'a Package> {
        self.packages.iter().filter(move |package| package.functions.contains(function))
    }
}

impl Package {
    /// A package of which no more is known than what it is.
    fn bare(id: PackageId) -> Self {
        Self {
            id,
            origin: Origin::Unknown,
            url: None,
            sha256: None,
            license: None,
            dependencies: None,
            libraries: Vec::new(),
            is_shipped: true,
            tree: None,
            unzipped_bytes: None,
            layers: BTreeSet::new(),
            functions: BTreeSet::new(),
        }
    }
}

/// Of what is no zip: lockfiles of a thousand packages have a few megabytes.
const TEXT_BYTES: u64 = 256 << 20;

/// Reads what lies at `path`, whichever of these it is; all but zips may come from a pipe.
/// `function` is what a lockfile's packages are for.
///
/// # Errors
///
/// Where it cannot be read, or is none of these.
pub fn read(path: &Path, function: &str) -> Result<Inventory, InventoryError> {
    Ok(open(path, function)?.inventory)
}

/// An inventory, and what it was read from where that is a text. A pipe gives it once.
#[derive(Debug)]
pub struct Reading {
    pub inventory: Inventory,
    /// Of a lockfile or a layr.lock.
    pub text: Option<String>,
    pub lockfile: Option<Lockfile>,
}

/// The same as [`read`], for whoever asks more of a lockfile than what packages it has.
///
/// # Errors
///
/// As [`read`].
pub fn open(path: &Path, function: &str) -> Result<Reading, InventoryError> {
    let without_text = |inventory| Reading { inventory, text: None, lockfile: None };
    let mut file = fs::open(path)?;
    let name = path.display().to_string();
    let mut bytes = Vec::new();
    Read::by_ref(&mut file).take(layer::MAGIC_BYTES).read_to_end(&mut bytes).map_err(fs::at("read", path))?;
    if layer::is_zip(&bytes) {
        let stem = path.file_stem().unwrap_or_default().to_string_lossy();
        return layer::read(file, &name, &stem).map(without_text);
    }
    file.take(TEXT_BYTES).read_to_end(&mut bytes).map_err(fs::at("read", path))?;
    if bytes.len() as u64 >= TEXT_BYTES {
        return Err(InventoryError::TooMuch { path: name, limit: TEXT_BYTES });
    }
    if Manifest::is_one(&bytes) {
        return manifest::inventory(&Manifest::parse(&bytes, &name)?).map(without_text);
    }
    let text = String::from_utf8_lossy(&bytes).into_owned();
    if layr_lock::is_one(&text) {
        let inventory = locked::of_layr_lock(&LayrLock::parse(&text)?)?;
        return Ok(Reading { inventory, text: Some(text), lockfile: None });
    }
    let lockfile = lockfile::read(&bytes)
        .map_err(|source| InventoryError::Lockfile { path: name.clone(), source: Box::new(source) })?;
    let inventory = locked::of_lockfile(&lockfile, &name, function);
    Ok(Reading { inventory, text: Some(text), lockfile: Some(lockfile) })
}
