//! The zip of a layer to what it holds: by the list that layr puts inside, and by the
//! DESCRIPTIONs of the packages, which every layer with R packages has.
//!
//! Of the zip no more is read than these, each up to a limit; nothing is written.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};

use serde::Deserialize;
use zip::ZipArchive;

use super::{Form, Inventory, InventoryError, Layer, Library, Origin, Package};
use crate::model::{
    ArchiveDigest, Description, PackageId, TreeDigest, is_base_package, without_base_packages,
};
use crate::sys::hash::sha256_of;

/// A DESCRIPTION is some kilobytes; the largest of CRAN's has less than 200.
const DESCRIPTION_BYTES: u64 = 1 << 20;
/// A list has some 120 bytes for each tree.
const LIST_BYTES: u64 = 16 << 20;
/// Files that one layer may hold: far more than fit into Lambda's 250 MB in practice.
const N_ENTRIES: usize = 1_000_000;

/// A line of the list: docs/provenance.md.
#[derive(Deserialize)]
#[serde(rename_all = "lowercase", tag = "kind")]
enum Line {
    Package { name: String, version: String, tree: TreeDigest },
    Library { name: String, tree: TreeDigest },
}

/// What a zip begins with.
pub(super) const MAGIC_BYTES: u64 = 4;

pub(super) fn is_zip(start: &[u8]) -> bool {
    // The second is of a zip without entries.
    start == b"PK\x03\x04" || start == b"PK\x05\x06"
}

/// `path` is for messages, `name` is the layer's.
pub(super) fn read(mut file: File, path: &str, name: &str) -> Result<Inventory, InventoryError> {
    let failed =
        |source: io::Error| InventoryError::Zip { path: path.to_owned(), source: Box::new(source.into()) };
    file.seek(SeekFrom::Start(0)).map_err(failed)?;
    let (digest, zip_bytes) = sha256_of(&mut file).map_err(failed)?;
    file.seek(SeekFrom::Start(0)).map_err(failed)?;
    let mut zip = Zip::open(file, path)?;
    let mut content = Content::default();
    for entry in zip.entries()? {
        content.take(&entry, &mut zip)?;
    }
    let layer = Layer {
        name: name.to_owned(),
        digest: None,
        zip_sha256: Some(ArchiveDigest(digest)),
        zip_bytes: Some(zip_bytes),
        unzipped_bytes: Some(content.unzipped_bytes),
    };
    content.inventory(layer, path)
}

/// An archive whose entries are read up to a limit.
struct Zip<'a> {
    archive: ZipArchive<File>,
    path: &'a str,
}

struct Entry {
    at: usize,
    name: String,
    unzipped_bytes: u64,
}

impl<'a> Zip<'a> {
    fn open(file: File, path: &'a str) -> Result<Self, InventoryError> {
        let failed = |source| InventoryError::Zip { path: path.to_owned(), source: Box::new(source) };
        let archive = ZipArchive::new(file).map_err(failed)?;
        if archive.len() > N_ENTRIES {
            let entry = format!("{} entries", archive.len());
            return Err(InventoryError::TooLarge { path: path.to_owned(), entry, limit: N_ENTRIES as u64 });
        }
        Ok(Self { archive, path })
    }

    fn failed(&self) -> impl Fn(zip::result::ZipError) -> InventoryError + use<> {
        let path = self.path.to_owned();
        move |source| InventoryError::Zip { path: path.clone(), source: Box::new(source) }
    }

    /// By name. Sizes are as the zip's directory has them.
    fn entries(&mut self) -> Result<Vec<Entry>, InventoryError> {
        let failed = self.failed();
        let mut entries = Vec::new();
        for at in 0..self.archive.len() {
            let file = self.archive.by_index_raw(at).map_err(&failed)?;
            let name = String::from_utf8_lossy(file.name_raw()).into_owned();
            if !name.ends_with('/') {
                entries.push(Entry { at, name, unzipped_bytes: file.size() });
            }
        }
        entries.sort_by(|a, b| a.name.cmp(&b.name));
        Ok(entries)
    }

    fn text(&mut self, entry: &Entry, limit: u64) -> Result<String, InventoryError> {
        let failed = self.failed();
        let file = self.archive.by_index(entry.at).map_err(&failed)?;
        let mut bytes = Vec::new();
        file.take(limit + 1).read_to_end(&mut bytes).map_err(|error| failed(error.into()))?;
        if bytes.len() as u64 > limit {
            let (path, entry) = (self.path.to_owned(), entry.name.clone());
            return Err(InventoryError::TooLarge { path, entry, limit });
        }
        // DESCRIPTIONs in other encodings differ in fields that nobody asks for here.
        Ok(String::from_utf8_lossy(&bytes).into_owned())
    }

    fn wrong(&self, entry: &Entry, detail: String) -> InventoryError {
        let (path, entry) = (self.path.to_owned(), entry.name.clone());
        InventoryError::Entry { path, entry, detail }
    }
}

#[derive(Default)]
struct Content {
    /// By their folders: a layer of several libraries may have a package more than once.
    packages: BTreeMap<String, Description>,
    package_bytes: BTreeMap<String, u64>,
    library_bytes: BTreeMap<String, u64>,
    lines: Vec<Line>,
    unzipped_bytes: u64,
}

impl Content {
    fn take(&mut self, entry: &Entry, zip: &mut Zip<'_>) -> Result<(), InventoryError> {
        self.unzipped_bytes = self.unzipped_bytes.saturating_add(entry.unzipped_bytes);
        if entry.name.split('/').any(|part| part == "..") {
            return Err(zip.wrong(entry, "its path leads out of the layer".to_owned()));
        }
        let list = entry.name.strip_prefix("layr/").and_then(|name| name.strip_suffix(".jsonl"));
        if list.is_some() {
            let text = zip.text(entry, LIST_BYTES)?;
            for line in text.lines() {
                let line = serde_json::from_str(line).map_err(|error| zip.wrong(entry, error.to_string()))?;
                self.lines.push(line);
            }
            return Ok(());
        }
        let Some((_, inside)) = split_at_library(&entry.name) else { return Ok(()) };
        let (folder, rest) = inside.split_once('/').unwrap_or((inside, ""));
        if folder == ".libs" {
            let library = rest.split('/').next().unwrap_or(rest);
            add(&mut self.library_bytes, library, entry.unzipped_bytes);
            return Ok(());
        }
        let place = entry.name.strip_suffix(rest).unwrap_or(&entry.name);
        add(&mut self.package_bytes, place, entry.unzipped_bytes);
        if rest == "DESCRIPTION" {
            let text = zip.text(entry, DESCRIPTION_BYTES)?;
            let description = Description::parse(&text).map_err(|error| zip.wrong(entry, chain(&error)))?;
            // R loads what the folder is called, and what it calls itself is what we would tell.
            if description.id.name.as_str() != folder {
                return Err(zip.wrong(entry, format!("it is of a package `{}`", description.id.name)));
            }
            self.packages.insert(place.to_owned(), description);
        }
        Ok(())
    }

    fn inventory(mut self, layer: Layer, path: &str) -> Result<Inventory, InventoryError> {
        let mut packages: BTreeMap<PackageId, Package> = BTreeMap::new();
        let base = self.packages.values().find(|found| found.id.name.as_str() == "base");
        let r = base.map(|base| base.id.version.clone());
        for (place, description) in &self.packages {
            if is_base_package(&description.id.name) {
                continue;
            }
            let found = || package(description, &layer.name);
            let package = packages.entry(description.id.clone()).or_insert_with(found);
            let bytes = self.package_bytes.get(place).copied().unwrap_or(0);
            package.unzipped_bytes = Some(package.unzipped_bytes.unwrap_or(0).saturating_add(bytes));
        }
        let mut libraries: BTreeMap<String, Library> = self
            .library_bytes
            .iter()
            .map(|(name, bytes)| (name.clone(), library(name, *bytes, &layer.name)))
            .collect();
        for line in std::mem::take(&mut self.lines) {
            match line {
                Line::Package { name, version, tree } => {
                    let listed = format!("{name} {version}");
                    let other = packages.keys().find(|id| id.name.as_str() == name).map(ToString::to_string);
                    match packages.values_mut().find(|package| package.id.to_string() == listed) {
                        Some(package) => package.tree = Some(tree),
                        None => return Err(disagrees(path, listed, other)),
                    }
                }
                Line::Library { name, tree } => match libraries.get_mut(&name) {
                    Some(library) => library.tree = Some(tree),
                    None => return Err(disagrees(path, name, None)),
                },
            }
        }
        if packages.is_empty() && libraries.is_empty() && r.is_none() {
            return Err(InventoryError::Nothing { path: path.to_owned() });
        }
        Ok(Inventory {
            r,
            layers: vec![layer],
            packages: packages.into_values().collect(),
            libraries: libraries.into_values().collect(),
            ..Inventory::empty(Form::Layer)
        })
    }
}

fn disagrees(path: &str, listed: String, found: Option<String>) -> InventoryError {
    let found = found.unwrap_or_else(|| "nothing of that name".to_owned());
    InventoryError::Disagrees { path: path.to_owned(), listed, found }
}

fn add(sizes: &mut BTreeMap<String, u64>, name: &str, bytes: u64) {
    let size = sizes.entry(name.to_owned()).or_default();
    *size = size.saturating_add(bytes);
}

/// Layers of other tools have their libraries elsewhere: `lib/R/site-library`, `library`.
fn split_at_library(name: &str) -> Option<(&str, &str)> {
    let at = |folder: &str| match name.strip_prefix(folder) {
        Some(inside) => Some(("", inside)),
        None => name.split_once(&format!("/{folder}")),
    };
    at("library/").or_else(|| at("site-library/"))
}

fn package(description: &Description, layer: &str) -> Package {
    let needs = description.build_dependencies().map(|dependency| dependency.name.clone());
    Package {
        origin: Origin::of_description(description),
        license: description.license.clone(),
        dependencies: Some(without_base_packages(needs)),
        layers: [layer.to_owned()].into(),
        ..Package::bare(description.id.clone())
    }
}

fn library(name: &str, unzipped_bytes: u64, layer: &str) -> Library {
    Library {
        name: name.to_owned(),
        soname: None,
        owner: None,
        licenses: Vec::new(),
        tree: None,
        unzipped_bytes: Some(unzipped_bytes),
        layers: [layer.to_owned()].into(),
        functions: BTreeSet::new(),
    }
}

fn chain(error: &dyn std::error::Error) -> String {
    match error.source() {
        Some(cause) => format!("{error}: {}", chain(cause)),
        None => error.to_string(),
    }
}
