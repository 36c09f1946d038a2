//! A bill of materials to SPDX 2.3.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};

use super::{Bom, NO_ASSERTION, Stamp, Subject, expression, library_expression, purl};
use crate::inventory::{Layer, Library, Package};
use crate::sys::hash::sha256;

/// SPDX asks for a time. Where none is given it is that of the entries of our zips.
const NO_TIME: &str = "1980-01-01T00:00:00Z";

pub(super) fn document(bom: &Bom<'_>, stamp: &Stamp<'_>) -> Value {
    let mut packages = vec![subject(bom)];
    packages.extend(bom.packages.iter().map(|found| package(found)));
    packages.extend(bom.libraries.iter().map(|found| library(found, bom)));
    if let Subject::Function(_) = bom.subject {
        packages.extend(bom.layers.iter().map(|found| layer(found)));
    }
    packages.extend(r(bom));
    let mut document = json!({
        "spdxVersion": "SPDX-2.3",
        "dataLicense": "CC0-1.0",
        "SPDXID": "SPDXRef-DOCUMENT",
        "name": bom.name(),
        "creationInfo": {
            "created": stamp.created.unwrap_or(NO_TIME),
            "creators": [format!("Tool: layr-{}", stamp.version)],
        },
        "packages": packages,
        "relationships": relationships(bom),
    });
    let references = references(bom);
    if !references.is_empty() {
        document["hasExtractedLicensingInfos"] = references.into();
    }
    // Of the content, so that two documents have one name where they are the same.
    let digest = sha256(document.to_string().as_bytes()).to_hex();
    document["documentNamespace"] = format!("https://layr.invalid/spdx/{}-{digest}", id(bom.name())).into();
    document
}

fn subject(bom: &Bom<'_>) -> Value {
    match (bom.subject, bom.layers.first()) {
        (Subject::Layer(_), Some(found)) => layer(found),
        (Subject::Layer(_) | Subject::Function(_), _) => {
            let mut value = entry(&subject_id(bom), bom.name(), "APPLICATION");
            let base = bom.inventory.base.as_ref();
            let base = base.map(|base| format!("built in {}, sha256:{}", base.recipe, base.digest));
            if let Some(comment) = base {
                value["comment"] = comment.into();
            }
            value
        }
    }
}

fn package(package: &Package) -> Value {
    let mut value = entry(&package_id(package), package.id.name.as_str(), "LIBRARY");
    value["versionInfo"] = package.id.version.as_str().into();
    if let Some(url) = package.url.as_ref().filter(|url| url.contains("://")) {
        value["downloadLocation"] = url.as_str().into();
    }
    if let Some(sha256) = package.sha256 {
        value["checksums"] = json!([{ "algorithm": "SHA256", "checksumValue": sha256.to_hex() }]);
    }
    if let Some(expression) = expression(package) {
        value["licenseDeclared"] = expression.into();
    }
    with_purl(value, purl::of_package(package))
}

fn library(library: &Library, bom: &Bom<'_>) -> Value {
    let mut value = entry(&library_id(library), library.soname.as_ref().unwrap_or(&library.name), "LIBRARY");
    if let Some(expression) = library_expression(library) {
        value["licenseDeclared"] = expression.into();
    }
    let Some(owner) = &library.owner else { return value };
    value["versionInfo"] = owner.version.as_str().into();
    value["sourceInfo"] = format!("part of the system package {}", owner.name).into();
    with_purl(value, purl::of_system(owner, bom.inventory))
}

fn layer(layer: &Layer) -> Value {
    let mut value = entry(&layer_id(layer), &layer.name, "ARCHIVE");
    if let Some(sha256) = layer.zip_sha256 {
        value["packageFileName"] = format!("{}.zip", layer.name).into();
        value["checksums"] = json!([{ "algorithm": "SHA256", "checksumValue": sha256.to_hex() }]);
    }
    value
}

fn r(bom: &Bom<'_>) -> Option<Value> {
    let version = bom.inventory.r.as_ref()?;
    let mut value = entry(R_ID, "R", "FRAMEWORK");
    value["versionInfo"] = version.as_str().into();
    Some(with_purl(value, purl::of_r(version.as_str())))
}

/// What every package of a document has.
fn entry(id: &str, name: &str, purpose: &str) -> Value {
    json!({
        "SPDXID": id,
        "name": name,
        "downloadLocation": NO_ASSERTION,
        "filesAnalyzed": false,
        "licenseConcluded": NO_ASSERTION,
        "licenseDeclared": NO_ASSERTION,
        "copyrightText": NO_ASSERTION,
        "primaryPackagePurpose": purpose,
    })
}

fn with_purl(mut value: Value, purl: Option<String>) -> Value {
    if let Some(purl) = purl {
        value["externalRefs"] = json!([{
            "referenceCategory": "PACKAGE-MANAGER", "referenceType": "purl", "referenceLocator": purl,
        }]);
    }
    value
}

fn relationships(bom: &Bom<'_>) -> Vec<Value> {
    let mut all = BTreeSet::new();
    let mut relate = |from: &str, kind: &'static str, to: &str| {
        all.insert((from.to_owned(), kind, to.to_owned()));
    };
    let subject = subject_id(bom);
    relate("SPDXRef-DOCUMENT", "DESCRIBES", &subject);
    if bom.inventory.r.is_some() {
        relate(&subject, "DEPENDS_ON", R_ID);
    }
    for layer in &bom.layers {
        if let Subject::Function(_) = bom.subject {
            relate(&subject, "CONTAINS", &layer_id(layer));
        }
        for package in bom.packages.iter().filter(|package| package.layers.contains(&layer.name)) {
            relate(&layer_id(layer), "CONTAINS", &package_id(package));
        }
        for library in bom.libraries.iter().filter(|library| library.layers.contains(&layer.name)) {
            relate(&layer_id(layer), "CONTAINS", &library_id(library));
        }
    }
    for at in bom.roots() {
        relate(&subject, "DEPENDS_ON", &package_id(bom.packages[at]));
    }
    for (package, needs) in bom.packages.iter().zip(bom.needs()) {
        if package.dependencies.is_none() {
            // Silence would say that it depends on nothing.
            relate(&package_id(package), "DEPENDS_ON", NO_ASSERTION);
        }
        for needed in needs.into_iter().map(|at| bom.packages[at]) {
            if needed.is_shipped {
                relate(&package_id(package), "DEPENDS_ON", &package_id(needed));
            } else {
                relate(&package_id(needed), "BUILD_DEPENDENCY_OF", &package_id(package));
            }
        }
        for library in bom.libraries.iter().filter(|library| package.libraries.contains(&library.name)) {
            relate(&package_id(package), "DEPENDS_ON", &library_id(library));
        }
    }
    let value = |(from, kind, to): (String, &str, String)| json!({ "spdxElementId": from, "relationshipType": kind, "relatedSpdxElement": to });
    all.into_iter().map(value).collect()
}

/// Names of licences that SPDX does not have, each with where it was found.
fn references(bom: &Bom<'_>) -> Vec<Value> {
    let mut found: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    let mut note = |expression: Option<String>, of: String| {
        for word in expression.iter().flat_map(|text| text.split(' ')) {
            if word.starts_with("LicenseRef-") {
                found.entry(word.to_owned()).or_default().insert(of.clone());
            }
        }
    };
    for package in &bom.packages {
        let field = package.license.as_deref().unwrap_or_default();
        let of = format!("{}: `{field}`, see R/library/{}", package.id, package.id.name);
        note(expression(package), of);
    }
    for library in &bom.libraries {
        let of = format!("{0}: see R/library/.libs/{0}/copyright", library.name);
        note(library_expression(library), of);
    }
    let value = |(id, of): (String, BTreeSet<String>)| {
        let text = of.into_iter().collect::<Vec<_>>().join("\n");
        json!({ "licenseId": id, "name": id.trim_start_matches("LicenseRef-"), "extractedText": text })
    };
    found.into_iter().map(value).collect()
}

const R_ID: &str = "SPDXRef-R";

fn subject_id(bom: &Bom<'_>) -> String {
    match bom.subject {
        Subject::Function(name) => format!("SPDXRef-Function-{}", id(name)),
        Subject::Layer(name) => format!("SPDXRef-Layer-{}", id(name)),
    }
}

fn package_id(package: &Package) -> String {
    format!("SPDXRef-Package-{}-{}", package.id.name, package.id.version)
}

fn library_id(library: &Library) -> String {
    format!("SPDXRef-Library-{}", id(&library.name))
}

fn layer_id(layer: &Layer) -> String {
    format!("SPDXRef-Layer-{}", id(&layer.name))
}

/// Letters, digits, `.` and `-` are all that SPDX has in such a name.
fn id(text: &str) -> String {
    text.chars().map(|c| if c.is_ascii_alphanumeric() || c == '.' { c } else { '-' }).collect()
}
