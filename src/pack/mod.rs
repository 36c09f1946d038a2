//! Stage 6: planned layers to zips.
//!
//! In a layer, packages lie where an R whose home is `/opt/R` looks for them:
//!
//! ```text
//! R/                      Lambda unpacks each layer to /opt
//!   library/
//!     cli/DESCRIPTION …
//!     rlang/…
//!     .libs/libcurl-…/…     libraries that come along
//! layr/<digest>.jsonl       the list of all this
//! ```

mod chunks;
mod code;
mod error;
mod list;
mod zip;

use std::io::Write;
use std::path::Path;

pub use code::{CodePackages, CodeZip, code_entries, code_zip, code_zip_name, in_code, write_code_zip};
pub use error::PackError;
pub use list::line_bytes;

use crate::model::{Architecture, ArchiveDigest, LayerDigest, RVersion};
use crate::plan::{LayerPlan, SizedTree};
use crate::report::{Event, Report, Stage};
use crate::store::{ArchiveRecord, Entry, EntryKind, Kind, Mount, Store};
use crate::sys::fs;

/// A layer whose zip lies in the output folder.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Layer {
    pub name: String,
    pub digest: LayerDigest,
    pub archive: ArchiveDigest,
    pub zip_bytes: u64,
    pub unzipped_bytes: u64,
    pub trees: Vec<SizedTree>,
}

impl Layer {
    /// Its zip's, in the output folder.
    pub fn file_name(&self) -> String {
        format!("{}.zip", self.name)
    }
}

/// What names a layer beside its content.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Naming {
    pub prefix: String,
    pub r: RVersion,
    pub arch: Architecture,
}

impl Naming {
    /// `<prefix>-r4-5-x86-64-<16 hexadecimal digits>`: the same content has the same name.
    pub fn layer_name(&self, digest: LayerDigest) -> String {
        let r = self.r.minor_series().replace('.', "-");
        let arch = self.arch.as_str().replace('_', "-");
        format!("{}-r{r}-{arch}-{}", self.prefix, &digest.to_hex()[..16])
    }
}

/// The digest of a planned layer: of its content, so known before it is zipped.
pub fn layer_digest(plan: &LayerPlan, store: &Store) -> Result<LayerDigest, PackError> {
    let mount = |tree: &SizedTree| Mount { path: tree.id.path(), tree: tree.digest.0 };
    let mut mounts: Vec<Mount> = plan.trees.iter().map(mount).collect();
    if let Some((name, text)) = list::list(&plan.trees) {
        let (digest, n_bytes) = (store.put_bytes(text.as_bytes())?, text.len() as u64);
        let kind = EntryKind::File { digest, n_bytes, executable: false };
        let tree = store.put_tree(&[Entry { path: name, kind }])?;
        mounts.push(Mount { path: list::FOLDER.to_owned(), tree: tree.0 });
    }
    Ok(LayerDigest(store.compose(&mounts)?.0))
}

/// Where zips go, and what tells of them.
#[derive(Clone, Copy)]
pub struct Output<'a> {
    pub naming: &'a Naming,
    pub folder: &'a Path,
    pub store: &'a Store,
    pub report: &'a dyn Report,
}

/// Writes the planned layers' zips into the output folder. A zip that is in the store, or lies
/// there already, is not made again.
pub fn pack(plans: &[LayerPlan], output: Output<'_>) -> Result<Vec<Layer>, PackError> {
    fs::create_dir_all(output.folder)?;
    let total: u64 = plans.iter().map(|plan| plan.unzipped_bytes).sum();
    let n_items = usize::try_from(total).unwrap_or(usize::MAX);
    output.report.report(&Event::Started { stage: Stage::Pack, n_items });
    let layers = plans.iter().map(|plan| pack_one(plan, output)).collect();
    output.report.report(&Event::Finished { stage: Stage::Pack });
    layers
}

/// Writes the zip of one tree that is a layer as it is.
pub fn pack_tree(
    (digest, unzipped_bytes): (LayerDigest, u64),
    output: Output<'_>,
) -> Result<Layer, PackError> {
    fs::create_dir_all(output.folder)?;
    write_zip(digest, LayerPlan { trees: Vec::new(), unzipped_bytes }, output)
}

fn pack_one(plan: &LayerPlan, output: Output<'_>) -> Result<Layer, PackError> {
    write_zip(layer_digest(plan, output.store)?, plan.clone(), output)
}

fn write_zip(digest: LayerDigest, plan: LayerPlan, output: Output<'_>) -> Result<Layer, PackError> {
    let Output { naming, folder, store, report } = output;
    let record = match store.record::<ArchiveRecord>(Kind::Archive, &digest.to_hex())? {
        Some(record) if is_there(&record, store) => record,
        _ => archive(digest, store, report)?,
    };
    let broken = || PackError::BrokenRecord { digest };
    let archive: ArchiveDigest = record.sha256.parse().ok().ok_or_else(broken)?;
    let layer = Layer {
        name: naming.layer_name(digest),
        digest,
        archive,
        zip_bytes: record.n_bytes,
        unzipped_bytes: plan.unzipped_bytes,
        trees: plan.trees,
    };
    let path = folder.join(layer.file_name());
    if !has_bytes(&path, archive, record.n_bytes)? {
        store.export_blob(archive.0, &path)?;
    }
    Ok(layer)
}

fn is_there(record: &ArchiveRecord, store: &Store) -> bool {
    record.sha256.parse().is_ok_and(|digest| store.has_blob_of(digest, record.n_bytes))
}

fn has_bytes(path: &Path, archive: ArchiveDigest, n_bytes: u64) -> Result<bool, PackError> {
    if fs::file_size(path) != Some(n_bytes) {
        return Ok(false);
    }
    let (digest, _) = crate::sys::hash::sha256_of(fs::open(path)?).map_err(PackError::Zip)?;
    Ok(ArchiveDigest(digest) == archive)
}

/// Zips a layer into the store.
fn archive(digest: LayerDigest, store: &Store, report: &dyn Report) -> Result<ArchiveRecord, PackError> {
    let entries = store.entries(digest.0)?;
    let temp = store.temp_file()?;
    zip::write(&entries, temp.as_file(), store, report)?;
    temp.as_file().flush().map_err(PackError::Zip)?;
    let (sha256, n_bytes) = crate::sys::hash::sha256_of(fs::open(temp.path())?).map_err(PackError::Zip)?;
    store.keep_file(temp, sha256)?;
    let record = ArchiveRecord { sha256: sha256.to_hex(), n_bytes };
    store.put_record(Kind::Archive, &digest.to_hex(), &record)?;
    Ok(record)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sys::hash::sha256;

    #[test]
    fn a_layer_s_name_fits_into_an_arn_and_says_what_it_runs_with() {
        let naming =
            Naming { prefix: "acme".to_owned(), r: "4.5.0".parse().unwrap(), arch: Architecture::X86_64 };
        let name = naming.layer_name(LayerDigest(sha256(b"x")));
        assert_eq!(name, "acme-r4-5-x86-64-2d711642b726b044");
    }
}
