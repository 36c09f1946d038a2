//! A base to the runtime layer: R itself, and what Lambda starts.

use std::path::Path;

use super::finishing::Finishing;
use super::run::Run;
use super::{BuildRequest, Services};
use crate::base::{self, Base};
use crate::error::Error;
use crate::layr_lock::LayrLock;
use crate::model::{LayerDigest, Sha256Digest};
use crate::pack::{self, Layer, Naming, Output};
use crate::runtime::{self, BOOTSTRAP, Ingredients, RuntimeError};
use crate::store::{Kind, RuntimeLibrary, RuntimeRecord, Store};
use crate::sys::hash::sha256;
use crate::target::Policy;

/// Changes whenever the same ingredients give another layer.
const VERSION: u32 = 1;

/// A runtime layer, whose zip lies in the output folder.
#[derive(Debug)]
pub struct RuntimeReport {
    pub base: Base,
    pub target: String,
    pub layer: Layer,
    /// What came along since the target lacks it.
    pub libraries: Vec<RuntimeLibrary>,
}

/// Makes the runtime layer of the request's base, and writes its zip.
///
/// # Errors
///
/// Where there is no base, or its R cannot run on the target.
pub fn runtime(request: &BuildRequest, services: &Services) -> Result<RuntimeReport, Error> {
    let run = Run::new(request, services);
    let locked = run.read_layr_lock().unwrap_or_else(|_| LayrLock::default());
    let base = run.base(&locked)?;
    let host = base::host_architecture()?;
    if base.arch != host {
        return Err(RuntimeError::OtherBootstrap { host, base: base.arch }.into());
    }
    let (target, made) = runtime_tree(&base, &run)?;
    let layer = packed(&made, &base, &run, &request.out)?;
    Ok(RuntimeReport { base, target, layer, libraries: made.libraries })
}

/// The runtime layer, its zip in `folder`.
pub(super) fn packed(made: &Made, base: &Base, run: &Run<'_>, folder: &Path) -> Result<Layer, Error> {
    let naming = Naming { prefix: run.request.prefix.clone(), r: base.r.clone(), arch: base.arch };
    let Services { store, report, .. } = run.services;
    let output = Output { naming: &naming, folder, store, report: &**report };
    Ok(pack::pack_tree((made.digest, made.unzipped_bytes), output)?)
}

/// The runtime layer's content, without a zip.
///
/// # Errors
///
/// As [`runtime()`].
pub fn runtime_content(
    base: &Base,
    request: &BuildRequest,
    services: &Services,
) -> Result<LayerDigest, Error> {
    let run = Run::new(request, services);
    Ok(runtime_tree(base, &run)?.1.digest)
}

/// What is known of a runtime layer's tree.
pub(super) struct Made {
    pub(super) digest: LayerDigest,
    pub(super) unzipped_bytes: u64,
    libraries: Vec<RuntimeLibrary>,
}

/// From the store, where the same was made before.
pub(super) fn runtime_tree(base: &Base, run: &Run<'_>) -> Result<(String, Made), Error> {
    let store = &run.services.store;
    let Finishing { rootfs, policy, .. } = run.finishing(base)?;
    let key = key(base, &policy).to_hex();
    if let Some(made) = found(&key, store)? {
        return Ok((policy.name, made));
    }
    let ingredients =
        Ingredients { rootfs: &rootfs, r_home: &base.r_home, policy: &policy, bootstrap: BOOTSTRAP, store };
    let tree = runtime::build(ingredients)?;
    let library = |library: runtime::Vendored| RuntimeLibrary {
        name: library.name,
        path: library.path,
        unzipped_bytes: library.unzipped_bytes,
    };
    let libraries: Vec<_> = tree.libraries.into_iter().map(library).collect();
    let record = RuntimeRecord {
        tree: tree.digest.to_hex(),
        unzipped_bytes: tree.unzipped_bytes,
        libraries: libraries.clone(),
    };
    store.put_record(Kind::Runtime, &key, &record)?;
    Ok((policy.name, Made { digest: tree.digest, unzipped_bytes: tree.unzipped_bytes, libraries }))
}

fn found(key: &str, store: &Store) -> Result<Option<Made>, Error> {
    let Some(record) = store.record::<RuntimeRecord>(Kind::Runtime, key)? else { return Ok(None) };
    let digest: Option<LayerDigest> = record.tree.parse().ok();
    let made = |digest| Made { digest, unzipped_bytes: record.unzipped_bytes, libraries: record.libraries };
    Ok(digest.filter(|digest| store.has_tree(digest.0)).map(made))
}

/// All that can change the layer's bytes.
fn key(base: &Base, policy: &Policy) -> Sha256Digest {
    let parts = [
        format!("runtime layer {VERSION}, layr {}", env!("CARGO_PKG_VERSION")),
        base.digest.to_hex(),
        base.r_home.clone(),
        policy.render(),
        sha256(BOOTSTRAP).to_hex(),
        runtime::own_files(),
    ];
    sha256(parts.join("\n").as_bytes())
}
