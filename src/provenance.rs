//! layers.json to a statement for each layer of what it was made from: in-toto Statement
//! v1 with SLSA Provenance v1. Pure; the same for the same content, so there is no time in
//! it. It is not signed: whoever signs puts it into an envelope of their own.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use crate::manifest::{Manifest, ManifestLayer, ManifestPackage};

/// How a layer came about: docs/provenance.md says what the parameters are.
const BUILD_TYPE: &str = "urn:layr:layer:1";

/// The name of a layer's statement, beside its zip.
pub fn file_name(layer: &ManifestLayer) -> String {
    format!("{}.provenance.json", layer.name)
}

/// The statement's text; `version` is this program's.
pub fn statement(manifest: &Manifest, layer: &ManifestLayer, version: &str) -> String {
    let packages: BTreeMap<&str, &ManifestPackage> = manifest
        .functions
        .iter()
        .flat_map(|function| &function.packages)
        .filter(|package| package.layer == layer.name)
        .map(|package| (package.name.as_str(), package))
        .collect();
    let mut dependencies: Vec<Value> = packages.values().map(|package| source(package)).collect();
    dependencies.push(json!({
        "name": "base",
        "uri": format!("urn:layr:base:{}", manifest.base.recipe),
        "digest": { "sha256": manifest.base.digest },
    }));
    dependencies.extend(system_packages(manifest, layer));
    let statement = json!({
        "_type": "https://in-toto.io/Statement/v1",
        "subject": [{
            "name": layer.zip,
            "digest": { "sha256": layer.zip_sha256, "layrTree": layer.digest },
        }],
        "predicateType": "https://slsa.dev/provenance/v1",
        "predicate": {
            "buildDefinition": {
                "buildType": BUILD_TYPE,
                "externalParameters": {
                    "packages": layer.packages,
                    "base": manifest.base.recipe,
                    "r": manifest.r,
                    "arch": manifest.arch,
                    "target": manifest.target,
                },
                "resolvedDependencies": dependencies,
            },
            "runDetails": { "builder": { "id": "urn:layr:builder:1", "version": { "layr": version } } },
        },
    });
    // Serializing plain strings and numbers to JSON cannot fail.
    let mut text = serde_json::to_string_pretty(&statement).unwrap_or_default();
    text.push('\n');
    text
}

fn source(package: &ManifestPackage) -> Value {
    json!({
        "name": format!("{} {}", package.name, package.version),
        "uri": package.source_url,
        "digest": { "sha256": package.source_sha256 },
        "annotations": { "license": package.license, "tree": package.tree },
    })
}

/// What the layer has of the base's libraries.
fn system_packages(manifest: &Manifest, layer: &ManifestLayer) -> Vec<Value> {
    let libraries = manifest.functions.iter().flat_map(|function| &function.libraries);
    let libraries: BTreeMap<&str, _> = libraries
        .filter(|library| library.layer == layer.name)
        .map(|library| (library.name.as_str(), library))
        .collect();
    let described = libraries.values().map(|library| {
        json!({
            "name": library.name,
            "digest": { "layrTree": library.tree },
            "annotations": {
                "soname": library.soname,
                "systemPackage": library.package,
                "version": library.version,
                "licenses": library.licenses,
            },
        })
    });
    described.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = include_str!("../tests/fixtures/layers.json");

    #[test]
    fn a_statement_names_the_zip_its_sources_and_the_base() {
        let manifest = Manifest::parse(TEXT.as_bytes(), "layers.json").unwrap();
        let layer = &manifest.layers[0];
        let text = statement(&manifest, layer, "0.1.0");
        assert_eq!(text, statement(&manifest, layer, "0.1.0"));
        let value: Value = serde_json::from_str(&text).unwrap();
        assert_eq!(value["_type"], "https://in-toto.io/Statement/v1");
        assert_eq!(value["subject"][0]["digest"]["sha256"], layer.zip_sha256.to_hex());
        let dependencies = value["predicate"]["buildDefinition"]["resolvedDependencies"].as_array().unwrap();
        assert_eq!(dependencies.len(), layer.packages.len() + 1, "each package's source, and the base");
        let sources: Vec<_> = dependencies
            .iter()
            .filter(|d| d["uri"].as_str().is_some_and(|u| u.ends_with(".tar.gz")))
            .collect();
        assert_eq!(sources.len(), layer.packages.len());
    }
}
