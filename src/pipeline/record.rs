//! What a run has made to the two files that remember it: layr.lock and dist/layers.json.

use std::collections::BTreeMap;
use std::path::{Component, Path, PathBuf};

use super::{BuildReport, FunctionReport, PackageReport, memory};
use crate::fetch::{self, SourceTarball};
use crate::layr_lock::{Form, LayrLock, LockedBase, LockedFunction, LockedLayer, LockedSource};
use crate::manifest::{
    self, Manifest, ManifestBase, ManifestCode, ManifestFunction, ManifestLayer, ManifestLibrary,
    ManifestPackage, ManifestSource,
};
use crate::pack::{self, Layer};
use crate::plan::{SizedTree, TreeId};

/// What the run has made, in the form of layers.json: the same for the same content.
pub fn manifest(report: &BuildReport) -> Manifest {
    let mut layers = BTreeMap::new();
    for layer in report.functions.iter().flat_map(|function| &function.layers) {
        layers.insert(layer.name.clone(), manifest_layer(layer));
    }
    let functions = report.functions.iter().map(|function| ManifestFunction {
        name: function.name.clone(),
        lockfile: function.lockfile.clone(),
        layers: function.layers.iter().map(|layer| layer.name.clone()).collect(),
        is_image: function.is_image,
        code_bytes: function.code_bytes,
        unzipped_bytes: function.layers.iter().map(|layer| layer.unzipped_bytes).sum(),
        packages: packages(function),
        in_code: function.in_code.as_ref().map(|code| ManifestCode {
            digest: code.digest,
            zip: pack::code_zip_name(&function.name),
            unzipped_bytes: code.unzipped_bytes,
        }),
        libraries: function.layers.iter().flat_map(|layer| libraries_of(layer, function)).collect(),
        build_only: build_only(function),
    });
    Manifest {
        schema: Manifest::SCHEMA,
        r: report.base.r.to_string(),
        arch: report.base.arch,
        target: report.target.clone(),
        base: ManifestBase { recipe: report.base.recipe.clone(), digest: report.base.digest },
        layr_lock_sha256: None,
        functions: functions.collect(),
        layers: layers.into_values().collect(),
    }
}

fn manifest_layer(layer: &Layer) -> ManifestLayer {
    ManifestLayer {
        name: layer.name.clone(),
        digest: layer.digest,
        zip: layer.file_name(),
        zip_sha256: layer.archive,
        zip_bytes: layer.zip_bytes,
        unzipped_bytes: layer.unzipped_bytes,
        packages: layer.trees.iter().map(|tree| tree.id.to_string()).collect(),
        published: BTreeMap::new(),
    }
}

fn packages(function: &FunctionReport) -> Vec<ManifestPackage> {
    let of_layers = function.layers.iter().map(|layer| (layer.name.as_str(), &layer.trees));
    let of_code = function.in_code.iter().map(|code| (manifest::IN_CODE, &code.trees));
    of_layers.chain(of_code).flat_map(|(layer, trees)| packages_of((layer, trees), function)).collect()
}

fn packages_of((layer, trees): (&str, &[SizedTree]), function: &FunctionReport) -> Vec<ManifestPackage> {
    let origin = |tree: &TreeId| match tree {
        TreeId::Package(id) => function.packages.iter().find(|package| package.built.id == *id),
        TreeId::Library(_) => None,
    };
    let packages = trees.iter().filter_map(|tree| Some((tree, origin(&tree.id)?)));
    packages
        .map(|(tree, PackageReport { built, finished, tarball, dependencies })| ManifestPackage {
            name: built.id.name.to_string(),
            version: built.id.version.to_string(),
            layer: layer.to_owned(),
            tree: tree.digest,
            unzipped_bytes: tree.unzipped_bytes,
            source_url: fetch::without_secrets(&tarball.url),
            source_sha256: tarball.sha256,
            license: tarball.description.license.clone(),
            dependencies: Some(dependencies.iter().map(ToString::to_string).collect()),
            libraries: finished
                .iter()
                .flat_map(|finished| &finished.libraries)
                .map(|l| l.name.clone())
                .collect(),
        })
        .collect()
}

fn build_only(function: &FunctionReport) -> Vec<ManifestSource> {
    let packages = function.packages.iter().filter(|package| package.finished.is_none());
    packages
        .map(|PackageReport { built, tarball, dependencies, .. }| ManifestSource {
            name: built.id.name.to_string(),
            version: built.id.version.to_string(),
            source_url: fetch::without_secrets(&tarball.url),
            source_sha256: tarball.sha256,
            license: tarball.description.license.clone(),
            dependencies: dependencies.iter().map(ToString::to_string).collect(),
        })
        .collect()
}

/// The libraries of the base that came along, with the system packages they are part of.
fn libraries_of(layer: &Layer, function: &FunctionReport) -> Vec<ManifestLibrary> {
    let brought = || function.packages.iter().filter_map(|package| package.finished.as_ref());
    let origin = |tree: &TreeId| match tree {
        TreeId::Library(name) => {
            brought().flat_map(|package| &package.libraries).find(|library| library.name == *name)
        }
        TreeId::Package(_) => None,
    };
    let libraries = layer.trees.iter().filter_map(|tree| origin(&tree.id));
    libraries
        .map(|library| ManifestLibrary {
            name: library.name.clone(),
            soname: library.soname.clone(),
            layer: layer.name.clone(),
            tree: library.tree,
            unzipped_bytes: library.unzipped_bytes,
            package: library.owner.as_ref().map(|owner| owner.package.clone()),
            version: library.owner.as_ref().map(|owner| owner.version.clone()),
            source: library.owner.as_ref().map(|owner| owner.source.clone()),
            source_version: library.owner.as_ref().map(|owner| owner.source_version.clone()),
            system: library.owner.as_ref().and_then(|owner| owner.system.clone()),
            licenses: library.owner.as_ref().map(|owner| owner.licenses.clone()).unwrap_or_default(),
        })
        .collect()
}

/// Lockfiles are told by their paths from the folder of layr.lock, however they were spelt.
fn from_folder(lockfile: &Path, folder: &Path) -> String {
    let inside = lockfile.strip_prefix(folder).unwrap_or(lockfile);
    inside.components().filter(|part| *part != Component::CurDir).collect::<PathBuf>().display().to_string()
}

fn form(tarball: &SourceTarball) -> Option<Form> {
    if tarball.description.is_binary {
        return Some(Form::Binary);
    }
    tarball.checkout.as_ref().map(|_| Form::Files)
}

pub(super) fn layr_lock(report: &BuildReport, folder: &Path) -> LayrLock {
    let mut sources = BTreeMap::new();
    let mut layers = BTreeMap::new();
    let mut functions = Vec::new();
    for function in &report.functions {
        for PackageReport { built, tarball, dependencies, .. } in &function.packages {
            sources.entry(built.id.clone()).or_insert_with(|| LockedSource {
                name: built.id.name.to_string(),
                version: built.id.version.to_string(),
                url: fetch::without_secrets(&tarball.url),
                form: form(tarball),
                commit: tarball
                    .checkout
                    .as_ref()
                    .and_then(|checkout| checkout.commit.as_ref().map(ToString::to_string)),
                subfolder: tarball
                    .checkout
                    .as_ref()
                    .and_then(|checkout| checkout.subfolder.as_ref().map(ToString::to_string)),
                sha256: tarball.sha256.to_hex(),
                size: tarball.n_bytes,
                dependencies: dependencies.iter().map(ToString::to_string).collect(),
            });
        }
        let of_layers = function.layers.iter().map(|layer| (layer.digest, &layer.trees));
        let of_code = function.in_code.iter().map(|code| (code.digest, &code.trees));
        for (digest, trees) in of_layers.chain(of_code) {
            let packages = trees.iter().map(|tree| tree.id.to_string()).collect();
            let trees = memory::marks(&trees.iter().map(SizedTree::mark).collect::<Vec<_>>());
            layers.insert(digest, LockedLayer { digest: digest.to_hex(), packages, trees });
        }
        functions.push(LockedFunction {
            name: function.name.clone(),
            lockfile: from_folder(Path::new(&function.lockfile), folder),
            packages: function.packages.iter().map(|package| package.built.id.to_string()).collect(),
            layers: function.layers.iter().map(|layer| layer.digest.to_hex()).collect(),
            in_code: function.in_code.as_ref().map(|code| code.digest.to_hex()),
        });
    }
    let base = &report.base;
    LayrLock {
        version: LayrLock::VERSION,
        base: Some(LockedBase {
            recipe: base.recipe.clone(),
            digest: base.digest.to_hex(),
            r: base.r.to_string(),
            arch: base.arch.to_string(),
        }),
        packages: sources.into_values().collect(),
        functions,
        layers: layers.into_values().collect(),
        retired: Vec::new(),
        changes: Vec::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lockfile_is_told_from_the_folder_of_layr_lock() {
        for (lockfile, folder) in
            [("a/renv.lock", "a"), ("./a/renv.lock", "./a"), ("renv.lock", "."), ("./renv.lock", ".")]
        {
            assert_eq!(from_folder(Path::new(lockfile), Path::new(folder)), "renv.lock", "{lockfile}");
        }
    }
}
