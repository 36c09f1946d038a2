//! An OCI image layout on disk: blobs by digest, and the few files that name them.

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

/// What names a blob.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Descriptor {
    digest: Sha256Digest,
    n_bytes: u64,
}

pub(super) struct Blobs {
    folder: PathBuf,
}

impl Descriptor {
    fn json(&self, media_type: &str) -> Value {
        let media_type = format!("application/vnd.oci.image.{media_type}");
        json!({ "mediaType": media_type, "digest": format!("sha256:{}", self.digest), "size": self.n_bytes })
    }

    fn path(&self) -> String {
        format!("blobs/sha256/{}", self.digest)
    }
}

impl Blobs {
    /// An empty layout; what was in the folder before is gone.
    pub(super) fn create(folder: &Path) -> Result<Self, ImageError> {
        fs::remove_dir_all(&folder.join("blobs"))?;
        fs::create_dir_all(&folder.join("blobs/sha256"))?;
        Ok(Self { folder: folder.to_owned() })
    }

    /// Keeps what `write` writes.
    fn put<T>(
        &self,
        write: impl FnOnce(&mut dyn Write) -> io::Result<T>,
    ) -> Result<(Descriptor, T), ImageError> {
        let temp = fs::temp_file(&self.folder)?;
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

/// Writes config, manifest and index; the manifest's digest.
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
        ("oci-layout", json!({ "imageLayoutVersion": "1.0.0" })),
        ("index.json", json!({ "schemaVersion": 2, "manifests": [entry] })),
        ("manifest.json", json!([{ "Config": config.path(), "RepoTags": [tag], "Layers": paths }])),
    ];
    for (name, value) in files {
        fs::write_atomic(&blobs.folder.join(name), value.to_string().as_bytes())?;
    }
    Ok(manifest.digest)
}
