//! A layout to a CRAN-like repository on disk.
//!
//! ```text
//! src/contrib/PACKAGES, PACKAGES.gz          the current versions
//! src/contrib/<name>_<version>.tar.gz        one for each package
//! src/contrib/Archive/<name>/<name>_<version>.tar.gz
//! ```

use std::fmt::Write as _;
use std::fs::{self, File};
use std::io::Write as _;
use std::path::Path;

use anyhow::{Context, Result};
use flate2::{Compression, GzBuilder};
use md5::{Digest, Md5};

use super::layout::{self, Layout};
use super::tarball::{self, Tarball};

/// Fields that CRAN's index copies from DESCRIPTION, in its order; `MD5sum` comes
/// before the last.
const FIELDS: [&str; 7] = ["Package", "Version", "Depends", "Imports", "LinkingTo", "Suggests", "License"];

/// Writes the repository to `root`, which must not hold another.
pub(super) fn write(layout: &Layout, root: &Path) -> Result<()> {
    let contrib = root.join("src/contrib");
    fs::create_dir_all(&contrib)?;
    for versions in layout.values() {
        let mut versions = versions.iter();
        if let Some(current) = versions.next() {
            place(current, &contrib)?;
        }
        for older in versions {
            place(older, &contrib.join("Archive").join(&older.name))?;
        }
    }
    let index = index(layout)?;
    fs::write(contrib.join("PACKAGES"), &index)?;
    let file = File::create(contrib.join("PACKAGES.gz"))?;
    let mut gzip = GzBuilder::new().mtime(0).write(file, Compression::best());
    gzip.write_all(index.as_bytes())?;
    gzip.finish()?;
    Ok(())
}

/// The layout of the repository at `root`.
pub(super) fn read(root: &Path) -> Result<Layout> {
    let contrib = root.join("src/contrib");
    let mut tarballs = packages_in(&contrib)?;
    for entry in fs::read_dir(contrib.join("Archive"))? {
        tarballs.append(&mut packages_in(&entry?.path())?);
    }
    Ok(layout::arrange(tarballs))
}

fn packages_in(dir: &Path) -> Result<Vec<Tarball>> {
    let mut tarballs = Vec::new();
    for entry in fs::read_dir(dir).with_context(|| format!("failed to list {}", dir.display()))? {
        let path = entry?.path();
        if path.to_string_lossy().ends_with(".tar.gz") {
            tarballs.push(tarball::read(&path)?);
        }
    }
    Ok(tarballs)
}

/// Links the tarball, or copies it to another file system.
fn place(tarball: &Tarball, dir: &Path) -> Result<()> {
    fs::create_dir_all(dir)?;
    let target = dir.join(tarball.file_name());
    fs::hard_link(&tarball.path, &target)
        .or_else(|_| fs::copy(&tarball.path, &target).map(drop))
        .with_context(|| format!("failed to place {}", target.display()))
}

/// The text of `PACKAGES`.
fn index(layout: &Layout) -> Result<String> {
    let mut text = String::new();
    for current in layout.values().filter_map(|versions| versions.first()) {
        for field in FIELDS {
            if let Some(value) = current.description.get(field) {
                writeln!(text, "{field}: {value}")?;
            }
        }
        writeln!(text, "MD5sum: {}", hex::encode(Md5::digest(fs::read(&current.path)?)))?;
        let needs = current.description.get("NeedsCompilation").map_or("no", String::as_str);
        writeln!(text, "NeedsCompilation: {needs}\n")?;
    }
    Ok(text)
}
