//! A bill of materials to CycloneDX 1.6.

use std::collections::BTreeSet;

use serde_json::{Map, Value, json};

use super::{Bom, Stamp, Subject, expression, library_expression, purl};
use crate::inventory::{Layer, Library, Package};
use crate::model::{LayerDigest, TreeDigest};
use crate::sys::hash::sha256;

pub(super) fn document(bom: &Bom<'_>, stamp: &Stamp<'_>) -> Value {
    let mut components = Vec::new();
    components.extend(bom.packages.iter().map(|found| package(found)));
    components.extend(bom.libraries.iter().map(|found| library(found, bom)));
    if let Subject::Function(_) = bom.subject {
        components.extend(bom.layers.iter().map(|found| layer(found)));
    }
    components.extend(r(bom));
    let mut metadata = json!({
        "tools": { "components": [{ "type": "application", "name": "layr", "version": stamp.version }] },
        "lifecycles": [{ "phase": if bom.layers.is_empty() { "pre-build" } else { "post-build" } }],
        "component": subject(bom),
    });
    if let Some(created) = stamp.created {
        metadata["timestamp"] = created.into();
    }
    let mut document = json!({
        "$schema": "http://cyclonedx.org/schema/bom-1.6.schema.json",
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        "version": 1,
        "metadata": metadata,
        "components": components,
        "dependencies": dependencies(bom),
    });
    let unknown = unknown(bom);
    if !unknown.is_empty() {
        // Silence would say that they depend on nothing.
        document["compositions"] = json!([{ "aggregate": "unknown", "dependencies": unknown }]);
    }
    document["serialNumber"] = serial_number(&document).into();
    document
}

/// Of the content: two bills have the same number where they are the same.
fn serial_number(document: &Value) -> String {
    let digest = sha256(document.to_string().as_bytes()).0;
    let mut bytes = [0; 16];
    bytes.copy_from_slice(&digest[..16]);
    format!("urn:uuid:{}", uuid::Builder::from_custom_bytes(bytes).into_uuid())
}

fn subject(bom: &Bom<'_>) -> Value {
    let mut value = match (bom.subject, bom.layers.first()) {
        (Subject::Layer(_), Some(found)) => layer(found),
        (Subject::Layer(name) | Subject::Function(name), _) => {
            json!({ "type": "application", "bom-ref": subject_ref(bom), "name": name })
        }
    };
    let inventory = bom.inventory;
    let base = inventory.base.as_ref();
    let properties = [
        ("layr:arch", inventory.arch.map(|arch| arch.to_string())),
        ("layr:base", base.map(|base| base.recipe.clone())),
        ("layr:baseDigest", base.map(|base| base.digest.clone())),
        ("layr:lockfile", inventory.function(bom.name()).and_then(|function| function.lockfile.clone())),
    ];
    let own = value["properties"].as_array().cloned().unwrap_or_default();
    let all: Vec<Value> = own.into_iter().chain(self::properties(properties)).collect();
    if !all.is_empty() {
        value["properties"] = all.into();
    }
    value
}

fn package(package: &Package) -> Value {
    let mut value = component("library", &package_ref(package), package.id.name.as_str());
    value.insert("version".to_owned(), package.id.version.as_str().into());
    value.insert("scope".to_owned(), if package.is_shipped { "required" } else { "excluded" }.into());
    if let Some(purl) = purl::of_package(package) {
        value.insert("purl".to_owned(), purl.into());
    }
    if let Some(licenses) = licenses(expression(package), package.license.iter()) {
        value.insert("licenses".to_owned(), licenses);
    }
    let hashes = package.sha256.map(|sha256| json!([{ "alg": "SHA-256", "content": sha256.to_hex() }]));
    if let Some(url) = package.url.as_ref().filter(|url| url.contains("://")) {
        let mut source = json!({ "type": "source-distribution", "url": url });
        if let Some(hashes) = &hashes {
            source["hashes"] = hashes.clone();
        }
        value.insert("externalReferences".to_owned(), json!([source]));
    }
    value.extend(hashes.map(|hashes| ("hashes".to_owned(), hashes)));
    let layers = package.layers.iter().map(|layer| ("layr:layer", Some(layer.clone())));
    let others = [
        ("layr:license", package.license.is_none().then(|| "not known".to_owned())),
        ("layr:origin", Some(package.origin.shown())),
        ("layr:tree", package.tree.map(TreeDigest::to_hex)),
        ("layr:unzippedBytes", package.unzipped_bytes.map(|bytes| bytes.to_string())),
    ];
    value.insert("properties".to_owned(), properties(layers.chain(others)).collect());
    value.into()
}

fn library(library: &Library, bom: &Bom<'_>) -> Value {
    let mut value =
        component("library", &library_ref(library), library.soname.as_ref().unwrap_or(&library.name));
    if let Some(owner) = &library.owner {
        value.insert("version".to_owned(), owner.version.as_str().into());
        value.extend(purl::of_system(owner, bom.inventory).map(|purl| ("purl".to_owned(), purl.into())));
    }
    if let Some(licenses) = licenses(library_expression(library), library.licenses.iter()) {
        value.insert("licenses".to_owned(), licenses);
    }
    let layers = library.layers.iter().map(|layer| ("layr:layer", Some(layer.clone())));
    let others = [
        ("layr:library", Some(library.name.clone())),
        ("layr:systemPackage", library.owner.as_ref().map(|owner| owner.name.clone())),
        ("layr:tree", library.tree.map(TreeDigest::to_hex)),
        ("layr:unzippedBytes", library.unzipped_bytes.map(|bytes| bytes.to_string())),
    ];
    value.insert("properties".to_owned(), properties(layers.chain(others)).collect());
    value.into()
}

fn layer(layer: &Layer) -> Value {
    let mut value = component("file", &layer_ref(layer), &layer.name);
    let zip = layer.zip_sha256.map(|sha256| json!([{ "alg": "SHA-256", "content": sha256.to_hex() }]));
    value.extend(zip.map(|hashes| ("hashes".to_owned(), hashes)));
    let known = [
        ("layr:digest", layer.digest.map(LayerDigest::to_hex)),
        ("layr:unzippedBytes", layer.unzipped_bytes.map(|bytes| bytes.to_string())),
        ("layr:zipBytes", layer.zip_bytes.map(|bytes| bytes.to_string())),
    ];
    let known: Vec<Value> = properties(known).collect();
    if !known.is_empty() {
        value.insert("properties".to_owned(), known.into());
    }
    value.into()
}

/// R is no part of a layer of packages, and they are nothing without it.
fn r(bom: &Bom<'_>) -> Option<Value> {
    let version = bom.inventory.r.as_ref()?;
    let mut value = component("platform", R_REF, "R");
    value.insert("version".to_owned(), version.as_str().into());
    value.extend(purl::of_r(version.as_str()).map(|purl| ("purl".to_owned(), purl.into())));
    Some(value.into())
}

fn component(kind: &str, reference: &str, name: &str) -> Map<String, Value> {
    let fields = [("type", kind), ("bom-ref", reference), ("name", name)];
    fields.into_iter().map(|(key, value)| (key.to_owned(), value.into())).collect()
}

/// One expression where there is one, else the names as they are.
fn licenses<'a>(expression: Option<String>, names: impl Iterator<Item = &'a String>) -> Option<Value> {
    if let Some(expression) = expression {
        return Some(json!([{ "expression": expression, "acknowledgement": "declared" }]));
    }
    let names: Vec<Value> =
        names.map(|name| json!({ "license": { "name": name, "acknowledgement": "declared" } })).collect();
    (!names.is_empty()).then(|| names.into())
}

fn properties<'a>(known: impl IntoIterator<Item = (&'a str, Option<String>)>) -> impl Iterator<Item = Value> {
    known.into_iter().filter_map(|(name, value)| Some(json!({ "name": name, "value": value? })))
}

/// The subject depends on its layers, on R, and on what nothing else here needs; a layer on
/// what it holds.
fn dependencies(bom: &Bom<'_>) -> Value {
    let package_ref = |at: &usize| package_ref(bom.packages[*at]);
    let mut all = Vec::new();
    let mut own: Vec<String> = bom.roots().iter().map(package_ref).collect();
    if let Subject::Function(_) = bom.subject {
        own.extend(bom.layers.iter().map(|layer| layer_ref(layer)));
        all.extend(bom.layers.iter().map(|layer| (layer_ref(layer), held(layer, bom))));
    } else {
        own = bom.layers.iter().flat_map(|layer| held(layer, bom)).collect();
    }
    if bom.inventory.r.is_some() {
        own.push(R_REF.to_owned());
        all.push((R_REF.to_owned(), Vec::new()));
    }
    all.push((subject_ref(bom), own));
    for (package, needs) in bom.packages.iter().zip(bom.needs()) {
        let here = |name: &&String| bom.libraries.iter().any(|library| library.name == **name);
        let libraries = package.libraries.iter().filter(here).map(|name| format!("library:{name}"));
        all.push((self::package_ref(package), needs.iter().map(package_ref).chain(libraries).collect()));
    }
    all.extend(bom.libraries.iter().map(|library| (library_ref(library), Vec::new())));
    for (_, needs) in &mut all {
        needs.sort();
    }
    all.sort();
    let unknown: BTreeSet<String> = unknown(bom).into_iter().collect();
    let value = |(reference, needs): (String, Vec<String>)| {
        if unknown.contains(&reference) {
            json!({ "ref": reference })
        } else {
            json!({ "ref": reference, "dependsOn": needs })
        }
    };
    all.into_iter().map(value).collect()
}

/// Packages of which nobody here knows what they need.
fn unknown(bom: &Bom<'_>) -> Vec<String> {
    let unknown = bom.packages.iter().filter(|package| package.dependencies.is_none());
    unknown.map(|package| package_ref(package)).collect()
}

fn held(layer: &Layer, bom: &Bom<'_>) -> Vec<String> {
    let packages = bom.packages.iter().filter(|package| package.layers.contains(&layer.name));
    let libraries = bom.libraries.iter().filter(|library| library.layers.contains(&layer.name));
    packages.map(|found| package_ref(found)).chain(libraries.map(|found| library_ref(found))).collect()
}

const R_REF: &str = "R";

fn subject_ref(bom: &Bom<'_>) -> String {
    match bom.subject {
        Subject::Function(name) => format!("function:{name}"),
        Subject::Layer(name) => format!("layer:{name}"),
    }
}

fn package_ref(package: &Package) -> String {
    format!("package:{}@{}", package.id.name, package.id.version)
}

fn library_ref(library: &Library) -> String {
    format!("library:{}", library.name)
}

fn layer_ref(layer: &Layer) -> String {
    format!("layer:{}", layer.name)
}
