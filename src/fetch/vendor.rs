//! Source tarballs of the store to a folder that R and layr can install from.
//!
//! ```text
//! DIR/src/contrib/NAME_VERSION.tar.gz
//! DIR/src/contrib/Archive/NAME/NAME_VERSION.tar.gz   where functions lock other versions
//! DIR/src/contrib/PACKAGES, PACKAGES.gz              written last
//! ```

use std::collections::BTreeMap;
use std::io::Write;
use std::path::Path;

use super::even::StoredGzip;
use super::verify::{description_text, digests};
use super::{FetchError, SourceTarball, url};
use crate::model::{PackageId, PackageName, compare_version, parse_dcf};
use crate::store::{Store, StoreError};
use crate::sys::fs;

/// What was put into a folder.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct VendorReport {
    pub n_packages: usize,
    pub n_bytes: u64,
}

/// Fields of a DESCRIPTION that R looks for in an index.
const OF_DESCRIPTION: [&str; 10] = [
    "Depends",
    "Imports",
    "LinkingTo",
    "Suggests",
    "Enhances",
    "License",
    "Priority",
    "OS_type",
    "NeedsCompilation",
    "SystemRequirements",
];

/// Writes all tarballs and the index; what the folder held of other packages goes.
///
/// # Errors
///
/// Two sources of one version, or what the store or the disk say.
pub fn vendor(tarballs: &[SourceTarball], folder: &Path, store: &Store) -> Result<VendorReport, FetchError> {
    let mut by_id: BTreeMap<&PackageId, &SourceTarball> = BTreeMap::new();
    for tarball in tarballs {
        let other = by_id.insert(&tarball.id, tarball);
        if other.is_some_and(|other| other.sha256 != tarball.sha256) {
            return Err(FetchError::TwoSources { package: tarball.id.clone() });
        }
    }
    let mut newest: BTreeMap<&PackageName, &PackageId> = BTreeMap::new();
    for id in by_id.keys() {
        let current = newest.entry(&id.name).or_insert(id);
        if compare_version(&current.version, &id.version).is_lt() {
            *current = id;
        }
    }
    let contrib = folder.join("src/contrib");
    fs::create_dir_all(&contrib).map_err(StoreError::from)?;
    let (mut index, mut paths, mut n_bytes) = (String::new(), Vec::new(), 0);
    for (id, tarball) in &by_id {
        let is_current = newest.get(&id.name) == Some(id);
        let place = if is_current { String::new() } else { format!("Archive/{}", id.name) };
        let path = contrib.join(&place).join(format!("{}_{}.tar.gz", id.name, id.version));
        put(tarball, &path, store)?;
        index.push_str(&entry(tarball, &place, store)?);
        n_bytes += tarball.n_bytes;
        paths.push(path);
    }
    let old = fs::read_if_there(&contrib.join("PACKAGES")).map_err(StoreError::from)?;
    write_index(&index, &contrib).map_err(StoreError::from)?;
    for path in old.iter().flat_map(|old| listed(&String::from_utf8_lossy(old), &contrib)) {
        if !paths.contains(&path) && fs::exists(&path) {
            fs::remove_file(&path).map_err(StoreError::from)?;
        }
    }
    Ok(VendorReport { n_packages: by_id.len(), n_bytes })
}

/// A tarball that is there already is read once, to see that it is the right one.
fn put(tarball: &SourceTarball, path: &Path, store: &Store) -> Result<(), FetchError> {
    if fs::file_size(path) == Some(tarball.n_bytes) {
        let there = fs::open(path).map_err(StoreError::from)?;
        let (sha256, ..) = digests(there).map_err(fs::at("read", path)).map_err(StoreError::from)?;
        if sha256 == tarball.sha256 {
            return Ok(());
        }
    }
    fs::create_dir_all(fs::parent(path)).map_err(StoreError::from)?;
    Ok(store.export_blob(tarball.sha256, path)?)
}

/// R takes the fields that it knows, and passes over ours.
fn entry(tarball: &SourceTarball, place: &str, store: &Store) -> Result<String, FetchError> {
    let SourceTarball { id, sha256, n_bytes, checkout, .. } = tarball;
    let refused =
        |failure: super::Failure| FetchError::Unlisted { package: id.clone(), detail: failure.to_string() };
    let text = description_text(store.open_blob(*sha256)?, *n_bytes, &id.name, None).map_err(refused)?;
    let (_, md5, _) = digests(store.open_blob(*sha256)?).map_err(|error| store.read_error(*sha256, error))?;
    let records = parse_dcf(&text).unwrap_or_default();
    let of_description = records.first().into_iter().flat_map(|record| {
        OF_DESCRIPTION.iter().filter_map(|field| Some((*field, one_line(record.get(field)?))))
    });
    let (package, version) = (id.name.to_string(), id.version.to_string());
    let mut fields = vec![("Package", package), ("Version", version)];
    fields.extend(of_description);
    fields.push(("MD5sum", md5));
    if !place.is_empty() {
        fields.push(("Path", place.to_owned()));
    }
    fields.push(("Layr-SHA256", sha256.to_hex()));
    fields.push(("Layr-Url", url::without_secrets(&tarball.url)));
    if tarball.description.is_binary {
        fields.push(("Layr-Form", "binary".to_owned()));
    }
    if let Some(checkout) = checkout {
        fields.push(("Layr-Form", "files".to_owned()));
        fields.extend(checkout.commit.as_ref().map(|commit| ("Layr-Commit", commit.to_string())));
        fields.extend(checkout.subfolder.as_ref().map(|folder| ("Layr-Subfolder", folder.to_string())));
    }
    let lines: String = fields.iter().map(|(name, value)| format!("{name}: {value}\n")).collect();
    Ok(format!("{lines}\n"))
}

fn one_line(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

fn write_index(text: &str, contrib: &Path) -> Result<(), fs::PathError> {
    let path = contrib.join("PACKAGES.gz");
    let gz = || {
        let mut gz = StoredGzip::new(Vec::new())?;
        gz.write_all(text.as_bytes())?;
        gz.finish()
    };
    fs::write_atomic(&path, &gz().map_err(fs::at("write", &path))?)?;
    fs::write_atomic(&contrib.join("PACKAGES"), text.as_bytes())
}

/// The files that an index of ours names.
fn listed(index: &str, contrib: &Path) -> Vec<std::path::PathBuf> {
    let records = parse_dcf(index).unwrap_or_default();
    let ours = records.iter().filter(|record| record.get("Layr-SHA256").is_some());
    let paths = ours.filter_map(|record| {
        let name: PackageName = record.get("Package")?.parse().ok()?;
        let version: crate::model::RVersion = record.get("Version")?.parse().ok()?;
        let folder = if record.get("Path").is_some() { format!("Archive/{name}") } else { String::new() };
        Some(contrib.join(folder).join(format!("{name}_{version}.tar.gz")))
    });
    paths.collect()
}
