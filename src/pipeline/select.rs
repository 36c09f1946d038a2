//! What of a lockfile, a folder or a graph the next stage is given.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use crate::build::BuiltPackage;
use crate::error::Error;
use crate::lockfile::{self, Lockfile, LockfileError};
use crate::model::PackageName;
use crate::pack::SizedPackage;
use crate::resolve::Graph;
use crate::sys::fs;

/// One function: its lockfile and its code.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FunctionRequest {
    pub name: String,
    pub lockfile: PathBuf,
    pub code: Option<PathBuf>,
}

pub(super) fn read_lockfile(request: &FunctionRequest) -> Result<Lockfile, Error> {
    let bytes = fs::read(&request.lockfile).map_err(|source| Error::ReadLockfile { source })?;
    let failed = |source| Error::Lockfile { path: request.lockfile.display().to_string(), source };
    let text = String::from_utf8(bytes)
        .map_err(|error| failed(LockfileError::NotUtf8 { at: error.utf8_error().valid_up_to() }))?;
    lockfile::parse(&text).map_err(failed)
}

/// renv and packrat lock themselves, but a function has no use for them.
pub(super) fn without_managers(mut lockfile: Lockfile, keep: &BTreeSet<PackageName>) -> Lockfile {
    lockfile.packages.retain(|name, _| !matches!(name.as_str(), "renv" | "packrat") || keep.contains(name));
    lockfile
}

/// The sum of the sizes of all files in a folder.
pub(super) fn folder_bytes(folder: &Path) -> Result<u64, Error> {
    let mut total = 0;
    for entry in fs::sorted_entries(folder)? {
        let path = entry.path();
        total += match fs::file_size(&path) {
            Some(n_bytes) => n_bytes,
            None if fs::metadata(&path)?.is_dir() => folder_bytes(&path)?,
            None => 0,
        };
    }
    Ok(total)
}

/// What goes into layers, each with the packages that need it.
pub(super) fn sized_packages(graph: &Graph, built: &BTreeMap<usize, BuiltPackage>) -> Vec<SizedPackage> {
    let shipped = graph.nodes.iter().enumerate().filter(|(_, node)| node.shipped);
    shipped
        .filter_map(|(at, node)| {
            let needing = graph.nodes.iter().filter(|other| other.shipped && other.direct.contains(&at));
            let package = built.get(&at)?;
            Some(SizedPackage {
                id: node.id.clone(),
                tree: package.tree,
                unzipped_bytes: package.unzipped_bytes,
                needed_by: needing.map(|other| other.id.clone()).collect(),
            })
        })
        .collect()
}
