//! A lockfile, or layr.lock, to what it locks. Pure.

use std::collections::{BTreeMap, BTreeSet};

use super::{Base, Form, Function, Inventory, InventoryError, Layer, Origin, Package};
use crate::layr_lock::{LayrLock, LockedSource};
use crate::lockfile::Lockfile;
use crate::model::PackageId;

pub(super) fn of_lockfile(lockfile: &Lockfile, path: &str, function: &str) -> Inventory {
    let packages = lockfile.packages.values().map(|locked| Package {
        origin: Origin::of_source(&locked.source, lockfile),
        url: locked.urls.first().cloned(),
        sha256: locked.sha256,
        license: locked.stated.license.clone(),
        dependencies: locked.stated.needs.clone(),
        functions: BTreeSet::from([function.to_owned()]),
        ..Package::bare(locked.id.clone())
    });
    let function = Function {
        name: function.to_owned(),
        lockfile: Some(path.to_owned()),
        layers: Vec::new(),
        code_bytes: None,
        unzipped_bytes: None,
    };
    Inventory {
        r: lockfile.r.clone(),
        functions: vec![function],
        packages: packages.collect(),
        ..Inventory::empty(Form::Lockfile)
    }
}

pub(super) fn of_layr_lock(lock: &LayrLock) -> Result<Inventory, InventoryError> {
    let mut packages = BTreeMap::new();
    for source in &lock.packages {
        packages.insert(format!("{} {}", source.name, source.version), package(source)?);
    }
    for function in &lock.functions {
        for id in &function.packages {
            if let Some(package) = packages.get_mut(id) {
                package.functions.insert(function.name.clone());
            }
        }
    }
    for layer in &lock.layers {
        for id in &layer.packages {
            // What is no package is a library, of which layr.lock has only the name.
            if let Some(package) = packages.get_mut(id) {
                package.is_shipped = true;
                package.layers.insert(layer.digest.clone());
            }
        }
    }
    let layers = lock.layers.iter().map(|layer| Layer {
        name: layer.digest.clone(),
        digest: layer.digest.parse().ok(),
        zip_sha256: None,
        zip_bytes: None,
        unzipped_bytes: None,
    });
    let functions = lock.functions.iter().map(|function| Function {
        name: function.name.clone(),
        lockfile: Some(function.lockfile.clone()),
        layers: function.layers.clone(),
        code_bytes: None,
        unzipped_bytes: None,
    });
    let base = lock.base.as_ref();
    let mut packages: Vec<Package> = packages.into_values().collect();
    packages.sort_by(|a, b| a.id.cmp(&b.id));
    Ok(Inventory {
        r: base.and_then(|base| base.r.parse().ok()),
        arch: base.and_then(|base| base.arch.parse().ok()),
        base: base.map(|base| Base { recipe: base.recipe.clone(), digest: base.digest.clone() }),
        functions: functions.collect(),
        layers: layers.collect(),
        packages,
        ..Inventory::empty(Form::LayrLock)
    })
}

fn package(source: &LockedSource) -> Result<Package, InventoryError> {
    let dependencies = source.dependencies.iter().map(|id| Ok(self::id(id)?.name));
    Ok(Package {
        origin: Origin::of_url(&source.url, source.commit.as_deref()),
        url: Some(source.url.clone()),
        sha256: source.sha256.parse().ok(),
        dependencies: Some(dependencies.collect::<Result<_, InventoryError>>()?),
        is_shipped: false,
        ..Package::bare(id(&format!("{} {}", source.name, source.version))?)
    })
}

/// `name version`
pub(super) fn id(text: &str) -> Result<PackageId, InventoryError> {
    let (name, version) = text.split_once(' ').unwrap_or((text, ""));
    match (name.parse(), version.parse()) {
        (Ok(name), Ok(version)) => Ok(PackageId { name, version }),
        (Err(_), _) | (_, Err(_)) => {
            Err(InventoryError::Package { name: name.to_owned(), version: version.to_owned() })
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lockfile;

    const LOCK: &str = r#"# Written by layr: commit it, and let layr change it.

version = 1

[base]
recipe = "debian:trixie"
digest = "ab"
r = "4.5.0"
arch = "x86_64"

[[package]]
name = "cpp11"
version = "0.5.2"
url = "https://cloud.r-project.org/src/contrib/cpp11_0.5.2.tar.gz"
sha256 = "59c6eba8b1b912eb7e104f65053235604be853425ee67c152ac4e86a1f2073b4"
size = 3

[[package]]
name = "tidyr"
version = "1.3.1"
url = "https://cloud.r-project.org/src/contrib/tidyr_1.3.1.tar.gz"
sha256 = "59c6eba8b1b912eb7e104f65053235604be853425ee67c152ac4e86a1f2073b4"
size = 4
dependencies = ["cpp11 0.5.2"]

[[function]]
name = "score"
lockfile = "renv.lock"
packages = ["cpp11 0.5.2", "tidyr 1.3.1"]
layers = ["12a523c9d44303e12cce26d104ed19312a7c41438b60fbd85c8f2b130b2a4726"]

[[layer]]
digest = "12a523c9d44303e12cce26d104ed19312a7c41438b60fbd85c8f2b130b2a4726"
packages = ["tidyr 1.3.1", "libuv-93b3bba429f5"]
"#;

    #[test]
    fn layr_lock_tells_what_is_shipped_from_what_is_built_against() {
        let inventory = of_layr_lock(&LayrLock::parse(LOCK).unwrap()).unwrap();
        let told: Vec<_> = inventory.packages.iter().map(|p| (p.id.to_string(), p.is_shipped)).collect();
        assert_eq!(told, [("cpp11 0.5.2".to_owned(), false), ("tidyr 1.3.1".to_owned(), true)]);
        let tidyr = &inventory.packages[1];
        assert_eq!(tidyr.dependencies.as_deref().unwrap()[0].as_str(), "cpp11");
        assert_eq!(tidyr.origin, Origin::Cran);
        assert_eq!(inventory.packages_of("score").count(), 2);
    }

    /// Names that Posit's package managers stamp, and the four spellings of Bioconductor.
    #[test]
    fn a_lockfile_s_packages_are_of_cran_whatever_its_mirror_calls_itself() {
        let record = |name: &str, fields: &str| {
            format!(r#""{name}": {{ "Package": "{name}", "Version": "1.0", {fields} }}"#)
        };
        let records = [
            record("rspm1", r#""Source": "Repository", "Repository": "RSPM""#),
            record("none1", r#""Source": "Repository""#),
            record(
                "url1",
                r#""Source": "Repository", "Repository": "https://packagemanager.posit.co/cran/latest""#,
            ),
            record("own1", r#""Source": "Repository", "Repository": "https://acme.r-universe.dev""#),
            record("bioc1", r#""Source": "Bioconductor", "Repository": "Bioconductor 3.20""#),
            record(
                "hub1",
                r#""Source": "GitHub", "RemoteType": "github", "RemoteHost": "api.github.com", "RemoteUsername": "a", "RemoteRepo": "hub1", "RemoteSha": "0123456789012345678901234567890123456789""#,
            ),
        ];
        let text = format!(
            r#"{{ "R": {{ "Version": "4.5.0", "Repositories": [] }}, "Packages": {{ {} }} }}"#,
            records.join(", ")
        );
        let inventory = of_lockfile(&lockfile::parse(&text).unwrap(), "renv.lock", "score");
        let told: BTreeMap<_, _> =
            inventory.packages.iter().map(|p| (p.id.name.as_str(), p.origin.shown())).collect();
        let expected = [
            ("bioc1", "Bioconductor 3.20"),
            ("hub1", "github.com/a/hub1@012345678901"),
            ("none1", "CRAN"),
            ("own1", "https://acme.r-universe.dev"),
            ("rspm1", "CRAN"),
            ("url1", "CRAN"),
        ];
        assert_eq!(told, expected.map(|(name, shown)| (name, shown.to_owned())).into());
        assert_eq!(inventory.packages[0].license, None, "a lockfile does not say");
    }
}
