//! layers.json to what its layers hold. Pure.

use std::collections::{BTreeMap, BTreeSet};

use super::locked::id;
use super::{
    Base, Form, Function, Inventory, InventoryError, Layer, Library, Origin, Package, SystemPackage,
};
use crate::manifest::{Manifest, ManifestLibrary, ManifestPackage, ManifestSource};

pub(super) fn inventory(manifest: &Manifest) -> Result<Inventory, InventoryError> {
    let mut packages: BTreeMap<_, Package> = BTreeMap::new();
    let mut libraries: BTreeMap<&str, Library> = BTreeMap::new();
    for function in &manifest.functions {
        let shipped = function.packages.iter().map(shipped);
        for package in shipped.chain(function.build_only.iter().map(built_against)) {
            let package = package?;
            let key = (package.id.clone(), package.tree, package.sha256);
            let known = packages.entry(key).or_insert(package.clone());
            known.layers.extend(package.layers);
            known.functions.insert(function.name.clone());
        }
        for found in &function.libraries {
            let known = libraries.entry(&found.name).or_insert_with(|| library(found));
            known.layers.insert(found.layer.clone());
            known.functions.insert(function.name.clone());
        }
    }
    let layers = manifest.layers.iter().map(|layer| Layer {
        name: layer.name.clone(),
        digest: Some(layer.digest),
        zip_sha256: Some(layer.zip_sha256),
        zip_bytes: Some(layer.zip_bytes),
        unzipped_bytes: Some(layer.unzipped_bytes),
    });
    let mut functions: Vec<Function> = manifest
        .functions
        .iter()
        .map(|function| Function {
            name: function.name.clone(),
            lockfile: Some(function.lockfile.clone()),
            layers: function.layers.clone(),
            code_bytes: Some(function.code_bytes),
            unzipped_bytes: Some(function.unzipped_bytes),
        })
        .collect();
    functions.sort_by(|a, b| a.name.cmp(&b.name));
    Ok(Inventory {
        r: manifest.r.parse().ok(),
        arch: Some(manifest.arch),
        base: Some(Base { recipe: manifest.base.recipe.clone(), digest: manifest.base.digest.to_hex() }),
        functions,
        layers: layers.collect(),
        packages: packages.into_values().collect(),
        libraries: libraries.into_values().collect(),
        ..Inventory::empty(Form::Manifest)
    })
}

fn shipped(package: &ManifestPackage) -> Result<Package, InventoryError> {
    let dependencies = package.dependencies.as_ref().map(|ids| ids.iter().map(|text| Ok(id(text)?.name)));
    Ok(Package {
        origin: Origin::of_url(&package.source_url, None),
        url: Some(package.source_url.clone()),
        sha256: Some(package.source_sha256),
        license: package.license.clone(),
        dependencies: dependencies.map(Iterator::collect::<Result<_, InventoryError>>).transpose()?,
        libraries: package.libraries.clone(),
        tree: Some(package.tree),
        unzipped_bytes: Some(package.unzipped_bytes),
        layers: [package.layer.clone()].into(),
        ..Package::bare(id(&format!("{} {}", package.name, package.version))?)
    })
}

fn built_against(source: &ManifestSource) -> Result<Package, InventoryError> {
    let dependencies = source.dependencies.iter().map(|text| Ok(id(text)?.name));
    Ok(Package {
        origin: Origin::of_url(&source.source_url, None),
        url: Some(source.source_url.clone()),
        sha256: Some(source.source_sha256),
        license: source.license.clone(),
        dependencies: Some(dependencies.collect::<Result<_, InventoryError>>()?),
        is_shipped: false,
        ..Package::bare(id(&format!("{} {}", source.name, source.version))?)
    })
}

fn library(found: &ManifestLibrary) -> Library {
    let owner = found.package.clone().zip(found.version.clone());
    Library {
        name: found.name.clone(),
        soname: Some(found.soname.clone()),
        owner: owner.map(|(name, version)| SystemPackage {
            system: found.system.clone(),
            source: found.source.clone().unwrap_or_else(|| name.clone()),
            source_version: found.source_version.clone().unwrap_or_else(|| version.clone()),
            name,
            version,
        }),
        licenses: found.licenses.clone(),
        tree: Some(found.tree),
        unzipped_bytes: Some(found.unzipped_bytes),
        layers: BTreeSet::new(),
        functions: BTreeSet::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = include_str!("../../tests/fixtures/layers.json");

    #[test]
    fn a_package_of_two_functions_is_one_package() {
        let inventory = inventory(&Manifest::parse(TEXT.as_bytes(), "").unwrap()).unwrap();
        let told: Vec<_> = inventory
            .packages
            .iter()
            .map(|p| (p.id.to_string(), p.functions.len(), p.layers.len()))
            .collect();
        assert_eq!(told, [("R6 2.6.1".to_owned(), 2, 1), ("mime 0.12".to_owned(), 1, 1)]);
        assert_eq!(inventory.packages[0].license.as_deref(), Some("MIT + file LICENSE"));
        assert_eq!(inventory.packages[0].dependencies, None, "written before layers.json said so");
        assert_eq!(inventory.layers.len(), 2);
    }
}
