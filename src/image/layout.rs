//! An OCI image layout on disk: blobs by digest, and the few files that name them.

use std::collections::BTreeSet;
use std::fs::File;
use std::io::{self, BufWriter, Read, Write};
use std::path::{Path, PathBuf};

use flate2::Compression;
use flate2::write::GzEncoder;
use serde_json::{Value, json};

use super::{ImageError, ImageLayer};
use crate::model::Sha256Digest;
use crate::store::{Entry, EntryKind, Store};
use crate::sys::fs;
use crate::sys::hash::DigestWriter;

const GZIP_MAGIC: [u8; 2] = [0x1f, 0x8b];
const BLOBS: &str = "blobs/sha256";

/// What names a blob.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Descriptor {
    digest: Sha256Digest,
    n_bytes: u64,
}

/// A layout that is being written, over the one that was there, if any: that stays whole
/// until `finish`, so that a run that is killed has broken nothing.
pub(super) struct Blobs {
    folder: PathBuf,
    _lock: File,
}

impl Descriptor {
    fn json(&self, media_type: &str) -> Value {
        let media_type = format!("application/vnd.oci.image.{media_type}");
        json!({ "mediaType": media_type, "digest": format!("sha256:{}", self.digest), "size": self.n_bytes })
    }

    fn path(&self) -> String {
        format!("{BLOBS}/{}", self.digest)
    }
}

impl Blobs {
    /// For a folder that is empty, or has such a layout.
    pub(super) fn open(folder: &Path) -> Result<Self, ImageError> {
        fs::create_dir_all(folder)?;
        let lock = fs::lock_folder(folder)?;
        let is_free = fs::sorted_entries(folder)?.is_empty() || holds_one_image(folder)?;
        if !is_free {
            return Err(ImageError::OtherFiles { folder: folder.to_owned() });
        }
        // First, so that the folder is known again after a run that was killed.
        let version = json!({ "imageLayoutVersion": "1.0.0" });
        fs::write_atomic(&folder.join("oci-layout"), version.to_string().as_bytes())?;
        fs::create_dir_all(&folder.join(BLOBS))?;
        Ok(Self { folder: folder.to_owned(), _lock: lock })
    }

    /// Keeps what `write` writes.
    fn put<T>(
        &self,
        write: impl FnOnce(&mut dyn Write) -> io::Result<T>,
    ) -> Result<(Descriptor, T), ImageError> {
        let temp = fs::temp_file(&self.folder.join(BLOBS))?;
        let mut writer = DigestWriter::new(BufWriter::with_capacity(1 << 20, temp.as_file()));
        let value = write(&mut writer).map_err(ImageError::Write)?;
        let (_, digest, n_bytes) = writer.finish().map_err(ImageError::Write)?;
        let descriptor = Descriptor { digest, n_bytes };
        let path = self.folder.join(descriptor.path());
        temp.persist(&path).map_err(|error| fs::at("write", &path)(error.error))?;
        Ok((descriptor, value))
    }

    /// Keeps a layer of the base, compressed where it is not.
    pub(super) fn put_gzipped(&self, reader: &mut dyn Read) -> io::Result<Descriptor> {
        let mut head = [0; 2];
        reader.read_exact(&mut head)?;
        let mut whole = head.as_slice().chain(reader);
        let kept = self.put(|file| {
            if head == GZIP_MAGIC {
                return io::copy(&mut whole, file).map(drop);
            }
            let mut gzip = GzEncoder::new(file, Compression::default());
            io::copy(&mut whole, &mut gzip)?;
            gzip.finish().map(drop)
        });
        kept.map(|(descriptor, ())| descriptor).map_err(io::Error::other)
    }
}

/// A tree as a gzipped tar, and the digest of the tar alone. The same bytes for the same tree.
pub(super) fn layer(
    layer: &ImageLayer,
    store: &Store,
    blobs: &Blobs,
) -> Result<(Descriptor, Sha256Digest), ImageError> {
    blobs.put(|file| {
        let gzip = GzEncoder::new(file, Compression::default());
        let mut tar = tar::Builder::new(DigestWriter::new(gzip));
        for entry in &layer.entries {
            let path = format!("{}/{}", layer.path, entry.path);
            append(&mut tar, &Entry { path, kind: entry.kind.clone() }, store)?;
        }
        let (gzip, diff_id, _) = tar.into_inner()?.finish()?;
        gzip.finish()?;
        Ok(diff_id)
    })
}

fn append(tar: &mut tar::Builder<impl Write>, entry: &Entry, store: &Store) -> io::Result<()> {
    let mut header = tar::Header::new_gnu();
    header.set_mtime(0);
    header.set_mode(0o755);
    match &entry.kind {
        EntryKind::Directory => {
            header.set_entry_type(tar::EntryType::Directory);
            header.set_size(0);
            tar.append_data(&mut header, format!("{}/", entry.path), io::empty())
        }
        EntryKind::Symlink { target } => {
            header.set_entry_type(tar::EntryType::Symlink);
            header.set_size(0);
            tar.append_link(&mut header, &entry.path, target)
        }
        EntryKind::File { digest, n_bytes, executable } => {
            header.set_size(*n_bytes);
            header.set_mode(if *executable { 0o755 } else { 0o644 });
            let blob = store.open_blob(*digest).map_err(io::Error::other)?;
            tar.append_data(&mut header, &entry.path, blob)
        }
    }
}

/// Whether a folder is a layout with nothing but what such a run left there.
fn holds_one_image(folder: &Path) -> Result<bool, ImageError> {
    let index = fs::read_if_there(&folder.join("index.json"))?;
    let index: Value = index.and_then(|bytes| serde_json::from_slice(&bytes).ok()).unwrap_or_default();
    let n_images = index["manifests"].as_array().map_or(0, Vec::len);
    Ok(fs::exists(&folder.join("oci-layout")) && n_images <= 1)
}

/// Writes config, manifest and index, and lets go of what was there before; the manifest's
/// digest.
pub(super) fn finish(
    blobs: &Blobs,
    config: &Value,
    layers: &[Descriptor],
    tag: &str,
) -> Result<Sha256Digest, ImageError> {
    let put = |value: &Value| blobs.put(|file| file.write_all(value.to_string().as_bytes()));
    let (config, ()) = put(config)?;
    let layer = |descriptor: &Descriptor| descriptor.json("layer.v1.tar+gzip");
    let manifest = json!({
        "schemaVersion": 2,
        "mediaType": "application/vnd.oci.image.manifest.v1+json",
        "config": config.json("config.v1+json"),
        "layers": layers.iter().map(layer).collect::<Vec<_>>(),
    });
    let (manifest, ()) = put(&manifest)?;
    let mut entry = manifest.json("manifest.v1+json");
    entry["annotations"] = json!({ "org.opencontainers.image.ref.name": tag });
    let paths: Vec<String> = layers.iter().map(Descriptor::path).collect();
    let files = [
        ("index.json", json!({ "schemaVersion": 2, "manifests": [entry] })),
        ("manifest.json", json!([{ "Config": config.path(), "RepoTags": [tag], "Layers": paths }])),
    ];
    for (name, value) in files {
        fs::write_atomic(&blobs.folder.join(name), value.to_string().as_bytes())?;
    }
    let kept: BTreeSet<String> =
        layers.iter().chain([&config, &manifest]).map(|kept| kept.digest.to_string()).collect();
    for entry in fs::sorted_entries(&blobs.folder.join(BLOBS))? {
        if !entry.file_name().to_str().is_some_and(|name| kept.contains(name)) {
            fs::remove_file(&entry.path())?;
        }
    }
    Ok(manifest.digest)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(folder: &Path) -> Vec<String> {
        let entries = fs::sorted_entries(folder).unwrap();
        entries.iter().map(|entry| entry.file_name().to_string_lossy().into_owned()).collect()
    }

    #[test]
    fn a_folder_of_other_files_is_left_as_it_is() {
        let home = tempfile::tempdir().unwrap();
        fs::create_dir_all(&home.path().join("blobs")).unwrap();
        fs::write_atomic(&home.path().join("blobs/mine"), b"x").unwrap();
        assert!(matches!(Blobs::open(home.path()), Err(ImageError::OtherFiles { .. })));
        // Another tool's layout with more than one image.
        fs::write_atomic(&home.path().join("oci-layout"), b"{}").unwrap();
        fs::write_atomic(&home.path().join("index.json"), br#"{"manifests": [{}, {}]}"#).unwrap();
        assert!(matches!(Blobs::open(home.path()), Err(ImageError::OtherFiles { .. })));
        assert_eq!(names(&home.path().join("blobs")), ["mine"]);
    }

    #[test]
    fn the_image_before_is_whole_until_the_next_one_is() {
        let home = tempfile::tempdir().unwrap();
        let folder = home.path().join("image");
        let write = |text: &str| {
            let blobs = Blobs::open(&folder).unwrap();
            let (layer, ()) = blobs.put(|file| file.write_all(text.as_bytes())).unwrap();
            (blobs, layer)
        };
        let (blobs, layer) = write("one");
        finish(&blobs, &json!({}), &[layer], "x:1").unwrap();
        drop(blobs);
        let index = fs::read(&folder.join("index.json")).unwrap();
        let of_one = names(&folder.join(BLOBS));
        assert_eq!(of_one.len(), 3);

        drop(write("two")); // as where the run was killed
        assert_eq!(fs::read(&folder.join("index.json")).unwrap(), index);
        let there = names(&folder.join(BLOBS));
        assert!(of_one.iter().all(|name| there.contains(name)));

        let (blobs, layer) = write("three");
        finish(&blobs, &json!({}), &[layer], "x:1").unwrap();
        assert_eq!(names(&folder.join(BLOBS)).len(), 3);
        assert_ne!(fs::read(&folder.join("index.json")).unwrap(), index);
    }
}
