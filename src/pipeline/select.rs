//! What of a lockfile, a folder or a graph the next stage is given.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use super::BuildRequest;
use crate::error::Error;
use crate::finish::Finished;
use crate::lockfile::{self, Lockfile};
use crate::model::{DIRECT_UPLOAD_BYTES, IMAGE_BYTES, LAMBDA, PackageName, Remainder};
use crate::pack;
use crate::plan::{FunctionDemand, SizedTree, TreeId};
use crate::resolve::{Graph, Project};
use crate::sys::fs;

/// One function: its lockfile and its code.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FunctionRequest {
    pub name: String,
    pub lockfile: PathBuf,
    pub code: Option<PathBuf>,
    /// It is to be a container image, for which other limits hold.
    pub is_image: bool,
}

impl FunctionRequest {
    /// A lockfile by itself.
    pub fn of(lockfile: &Path, name: String) -> Self {
        Self { name, lockfile: lockfile.to_owned(), code: None, is_image: false }
    }
}

pub(super) fn read_lockfile(request: &FunctionRequest) -> Result<Lockfile, Error> {
    let bytes = fs::read(&request.lockfile).map_err(|source| Error::ReadLockfile { source })?;
    let failed = |source| Error::Lockfile { path: request.lockfile.display().to_string(), source };
    lockfile::read(&bytes).map_err(failed)
}

/// What of a lockfile's project can hold sources.
pub(super) fn project(
    function: &FunctionRequest,
    request: &BuildRequest,
    home: Option<&Path>,
) -> Result<Project, Error> {
    let absolute = |path: &Path| std::path::absolute(path).map_err(fs::at("find", path));
    let root = absolute(project_folder(&function.lockfile))?;
    let url = match root.strip_prefix(absolute(fs::parent(&request.layr_lock))?) {
        Ok(inside) if inside.as_os_str().is_empty() => "file:.".to_owned(),
        Ok(inside) => format!("file:./{}", encoded(inside)),
        Err(_) => file_url(&root),
    };
    let mut files = BTreeSet::new();
    for folder in ["renv/cellar", "renv/local", "packrat/src"] {
        list(&root, Path::new(folder), &mut files)?;
    }
    Ok(Project { url, files, home: home.map(encoded) })
}

/// The folder of the project whose lockfile it is.
fn project_folder(lockfile: &Path) -> &Path {
    let folder = fs::parent(lockfile);
    if folder.ends_with("packrat") {
        return fs::parent(folder);
    }
    // renv/profiles/NAME/renv.lock
    let profiles = folder.parent().filter(|profiles| profiles.ends_with("renv/profiles"));
    profiles.and_then(|profiles| profiles.parent()?.parent()).unwrap_or(folder)
}

/// The files of a store, with at most one folder between.
fn list(root: &Path, folder: &Path, files: &mut BTreeSet<String>) -> Result<(), Error> {
    if !fs::is_dir(&root.join(folder)) {
        return Ok(());
    }
    for entry in fs::sorted_entries(&root.join(folder))? {
        let path = folder.join(entry.file_name());
        if fs::file_size(&entry.path()).is_some() {
            files.insert(path.display().to_string());
        } else if path.components().count() < 4 {
            list(root, &path, files)?;
        }
    }
    Ok(())
}

/// An absolute path as a URL.
pub(super) fn file_url(path: &Path) -> String {
    format!("file://{}", encoded(path))
}

fn encoded(path: &Path) -> String {
    path.display().to_string().replace('%', "%25")
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

/// What decides what a function needs of layers.
pub(super) struct Needs<'a> {
    pub(super) name: &'a str,
    pub(super) graph: &'a Graph,
    pub(super) finished: &'a BTreeMap<usize, Finished>,
    pub(super) code_bytes: u64,
    pub(super) code_room_bytes: u64,
    pub(super) is_image: bool,
}

/// What the zip of a function's code can take beside the code, as it is sent to Lambda at
/// once: all of it counts as if nothing could be compressed, and a little for the zip itself.
pub(super) fn code_room_bytes(request: &BuildRequest, function: &FunctionRequest, code_bytes: u64) -> u64 {
    const OF_THE_ZIP: u64 = 2 << 20;
    match (request.remainder, &function.code, function.is_image) {
        (Remainder::Code, Some(_), false) => DIRECT_UPLOAD_BYTES.saturating_sub(code_bytes + OF_THE_ZIP),
        (Remainder::Layer | Remainder::Code, _, _) => 0,
    }
}

/// What goes into layers, each with what needs it.
pub(super) fn function_demand(needs: &Needs<'_>) -> FunctionDemand {
    let Needs { name, graph, finished, code_bytes, code_room_bytes, is_image } = *needs;
    let limit_bytes = if is_image { IMAGE_BYTES } else { LAMBDA.unzipped_bytes };
    let mut trees = BTreeMap::new();
    let mut needed_by: BTreeMap<TreeId, Vec<TreeId>> = BTreeMap::new();
    for (at, package) in finished {
        let node = &graph.nodes[*at];
        let id = TreeId::Package(node.id.clone());
        let needing = graph.nodes.iter().filter(|other| other.shipped && other.direct.contains(at));
        needed_by.insert(id.clone(), needing.map(|other| TreeId::Package(other.id.clone())).collect());
        trees.insert(id.clone(), (package.tree, package.unzipped_bytes));
        for library in &package.libraries {
            let library_id = TreeId::Library(library.name.clone());
            needed_by.entry(library_id.clone()).or_default().push(id.clone());
            trees.insert(library_id, (library.tree, library.unzipped_bytes));
        }
    }
    let sized = trees.into_iter().map(|(id, (digest, n_bytes))| {
        // Each has a line in its layer's list.
        let unzipped_bytes = n_bytes + pack::line_bytes(&id, digest);
        SizedTree { id, digest, unzipped_bytes }
    });
    let trees = sized.collect();
    FunctionDemand {
        name: name.to_owned(),
        trees,
        needed_by,
        code_bytes,
        runtime_bytes: 0,
        code_room_bytes,
        limit_bytes,
    }
}
