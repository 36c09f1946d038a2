//! What `docker save` and `podman save` write, to a config and layers in a layout.
//!
//! Both write a tar with a `manifest.json` that names the config and the layers, whether the
//! rest has Docker's older form or OCI's.

use std::io::{self, Read};
use std::path::Path;

use serde_json::Value;

use super::ImageError;
use super::layout::{Blobs, Descriptor};
use crate::sys::fs;

pub(super) struct Base {
    pub(super) config: Value,
    /// In order, lowest first.
    pub(super) layers: Vec<Descriptor>,
}

pub(super) fn read(tar: &Path, blobs: &Blobs) -> Result<Base, ImageError> {
    let no_archive = |reason| ImageError::NoArchive { reason };
    let manifest: Value = json(tar, "manifest.json")?;
    let image = &manifest[0];
    let config = image["Config"].as_str().ok_or_else(|| no_archive("it names no config"))?;
    let config = json(tar, config)?;
    let names = image["Layers"].as_array().ok_or_else(|| no_archive("it names no layers"))?;
    let names: Vec<&str> = names.iter().filter_map(Value::as_str).collect();
    let mut found: Vec<Option<Descriptor>> = names.iter().map(|_| None).collect();
    visit(tar, |name, reader| {
        let wanted = names.iter().enumerate().filter(|(_, wanted)| **wanted == name).map(|(at, _)| at);
        let wanted: Vec<usize> = wanted.collect();
        if let Some(first) = wanted.first() {
            let descriptor = blobs.put_gzipped(reader)?;
            for at in &wanted[1..] {
                found[*at] = Some(descriptor.clone());
            }
            found[*first] = Some(descriptor);
        }
        Ok(())
    })?;
    let layers: Option<Vec<Descriptor>> = found.into_iter().collect();
    Ok(Base { config, layers: layers.ok_or_else(|| no_archive("a layer that it names is missing"))? })
}

fn json(tar: &Path, wanted: &str) -> Result<Value, ImageError> {
    let mut bytes = Vec::new();
    visit(
        tar,
        |name, reader| {
            if name == wanted { reader.read_to_end(&mut bytes).map(drop) } else { Ok(()) }
        },
    )?;
    let reason = "its manifest.json or config cannot be read";
    serde_json::from_slice(&bytes).ok().ok_or(ImageError::NoArchive { reason })
}

/// Shows each file of the archive to `look`.
fn visit(tar: &Path, mut look: impl FnMut(&str, &mut dyn Read) -> io::Result<()>) -> Result<(), ImageError> {
    let mut archive = tar::Archive::new(fs::open(tar)?);
    let mut visit = || -> io::Result<()> {
        for entry in archive.entries()? {
            let mut entry = entry?;
            let name = entry.path()?.to_string_lossy().into_owned();
            look(&name, &mut entry)?;
        }
        Ok(())
    };
    visit().map_err(ImageError::Write)
}
