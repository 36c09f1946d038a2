//! A difference to JSON for programs; docs/diff.md has the fields. Pure.

use serde_json::{Value, json};

use super::{Advisory, Diff, Kind, Size};
use crate::inventory::{Layer, Library, Package};

const SCHEMA: u32 = 1;

pub fn json(diff: &Diff<'_>) -> Value {
    let pair = |pair: Option<(String, String)>| {
        pair.map(|(before, after)| json!({ "before": before, "after": after }))
    };
    let packages = diff.packages.iter().map(|change| {
        json!({
            "name": change.name(),
            "change": word(change.kind()),
            "before": change.before.map(package),
            "after": change.after.map(package),
            "unzipped_bytes": change.bytes(),
            "functions": change.functions,
        })
    });
    let libraries = diff
        .libraries
        .iter()
        .map(|change| json!({ "before": change.before.map(library), "after": change.after.map(library) }));
    let functions = diff.functions.iter().map(|change| {
        json!({ "name": change.name, "before": change.before.map(size), "after": change.after.map(size) })
    });
    let names = |layers: &[&Layer]| -> Value { layers.iter().map(|layer| layer.name.as_str()).collect() };
    let advisories = diff.advisories.known().map(|changes| {
        json!({
            "gained": changes.gained.iter().map(advisory).collect::<Value>(),
            "lost": changes.lost.iter().map(advisory).collect::<Value>(),
            "kept": changes.n_kept,
            "coverage": changes.coverage,
        })
    });
    json!({
        "schema": SCHEMA,
        "same": diff.is_empty(),
        "r": pair(diff.r()),
        "base": pair(diff.base()),
        "packages": packages.collect::<Value>(),
        "libraries": libraries.collect::<Value>(),
        "functions": functions.collect::<Value>(),
        "layers": {
            "added": names(&diff.layers.added),
            "removed": names(&diff.layers.removed),
            "kept": names(&diff.layers.kept),
        },
        "advisories": advisories,
    })
}

fn word(kind: Kind) -> &'static str {
    match kind {
        Kind::Added => "added",
        Kind::Removed => "removed",
        Kind::Up => "up",
        Kind::Down => "down",
        Kind::OtherSource => "source",
        Kind::OtherOrigin => "origin",
        Kind::OtherBuild => "build",
        Kind::OtherRole => "shipped",
    }
}

fn package(package: &Package) -> Value {
    json!({
        "version": package.id.version.as_str(),
        "origin": package.origin.shown(),
        "source_sha256": package.sha256,
        "tree": package.tree,
        "license": package.license,
        "shipped": package.is_shipped,
        "unzipped_bytes": package.unzipped_bytes,
    })
}

fn library(library: &Library) -> Value {
    json!({
        "name": library.name,
        "soname": library.soname,
        "package": library.owner.as_ref().map(|owner| &owner.name),
        "version": library.owner.as_ref().map(|owner| &owner.version),
        "unzipped_bytes": library.unzipped_bytes,
    })
}

fn size(size: Size) -> Value {
    json!({ "layers": size.n_layers, "unzipped_bytes": size.unzipped_bytes })
}

fn advisory(found: &Advisory) -> Value {
    json!({ "id": found.id, "package": found.package, "version": found.version, "summary": found.summary })
}
