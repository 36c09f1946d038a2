//! What a run has made to text for people, and to JSON for programs.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use serde::Serialize;
use serde_json::json;

use crate::base::Base;
use crate::error::Error;
use crate::model::{LAMBDA, counted, human_bytes, human_duration};
use crate::pack::Layer;
use crate::pipeline::{BuildReport, manifest};
use crate::plan::{SizedTree, TreeId};

pub(super) fn to_json(value: &impl Serialize) -> String {
    // Serializing plain strings and numbers to JSON cannot fail.
    let mut text = serde_json::to_string_pretty(value).unwrap_or_default();
    text.push('\n');
    text
}

pub(super) fn error_json(error: &Error) -> String {
    let rendered = error.render();
    let message = rendered.trim_start_matches("error: ").split("\n\nhint:").next().unwrap_or_default();
    to_json(&json!({
        "schema": 1,
        "error": { "exit_code": error.exit_code() as u8, "message": message.trim_end(), "hint": error.hint() },
    }))
}

/// docs/build-json.md has the fields.
pub(super) fn build_json(report: &BuildReport) -> String {
    let mut value = serde_json::to_value(manifest(report)).unwrap_or_default();
    if let Some(object) = value.as_object_mut() {
        object.insert("fetched".to_owned(), report.n_fetched.into());
        object.insert("built".to_owned(), report.n_built.into());
        object.insert("from_store".to_owned(), report.n_from_store.into());
        object.insert("from_remote".to_owned(), report.n_from_remote.into());
        object.insert("seconds".to_owned(), report.elapsed.as_secs_f64().into());
    }
    to_json(&value)
}

/// The closing table: what was done, and each function's layers against the limits.
pub(super) fn build_text(report: &BuildReport, out: &Path) -> String {
    let from_remote = match report.n_from_remote {
        0 => String::new(),
        n => format!(", {n} from the remote cache"),
    };
    let mut text = format!(
        "{} fetched, {} built, {} found in the store{from_remote}, in {}\n",
        packages(report.n_fetched),
        packages(report.n_built),
        report.n_from_store,
        human_duration(report.elapsed),
    );
    text.push_str(&left_out(report));
    for function in &report.functions {
        text.push_str(&format!("\nfunction {} ({})\n", function.name, function.lockfile));
        for layer in &function.layers {
            text.push_str(&layer_line(layer));
        }
        let in_code = function.in_code.as_ref().map_or(0, |packages| packages.unzipped_bytes);
        if let Some(code) = &function.in_code {
            let (n_packages, size) = (packages(code.trees.len()), human_bytes(in_code));
            text.push_str(&format!("  in its code  {n_packages:>12}  {size} unzipped\n"));
        }
        let layers: u64 = function.layers.iter().map(|layer| layer.unzipped_bytes).sum();
        text.push_str(&usage(function.layers.len(), layers, function.code_bytes + in_code));
    }
    let zips: BTreeSet<&str> = report
        .functions
        .iter()
        .flat_map(|function| &function.layers)
        .map(|layer| layer.name.as_str())
        .collect();
    text.push_str(&format!("\n{} and layers.json are in {}\n", counted(zips.len(), "zip"), out.display()));
    text
}

fn layer_line(layer: &Layer) -> String {
    format!(
        "  {}  {:>12}  {:>9} zipped  {:>9} unzipped\n",
        layer.name,
        trees(&layer.trees),
        human_bytes(layer.zip_bytes),
        human_bytes(layer.unzipped_bytes),
    )
}

/// `12 packages`, `12 packages, 3 libraries`.
pub(super) fn trees(trees: &[SizedTree]) -> String {
    let is_package = |tree: &&SizedTree| matches!(tree.id, TreeId::Package(_));
    let n_packages = trees.iter().filter(is_package).count();
    match trees.len() - n_packages {
        0 => packages(n_packages),
        1 => format!("{}, 1 library", packages(n_packages)),
        n => format!("{}, {n} libraries", packages(n_packages)),
    }
}

/// What the profile saved of what was built, each package counted once.
fn left_out(report: &BuildReport) -> String {
    let all = report.functions.iter().flat_map(|function| &function.packages);
    let shipped: BTreeMap<_, _> = all
        .filter_map(|package| Some((package.built.key, (&package.built, package.finished.as_ref()?))))
        .collect();
    let built: u64 = shipped.values().map(|(built, _)| built.unzipped_bytes).sum();
    let kept: u64 = shipped.values().map(|(_, finished)| finished.unzipped_bytes).sum();
    match built.checked_sub(kept).filter(|saved| *saved > 0) {
        Some(saved) => format!(
            "{} of {} left out: what nothing needs at run time\n",
            human_bytes(saved),
            human_bytes(built)
        ),
        None => String::new(),
    }
}

pub(super) fn usage(n_layers: usize, layer_bytes: u64, code_bytes: u64) -> String {
    let used = layer_bytes + code_bytes;
    format!(
        "  {n_layers} of {} layers, {} of {} unzipped, {} left for the runtime and more code\n",
        LAMBDA.n_layers,
        human_bytes(used),
        human_bytes(LAMBDA.unzipped_bytes),
        human_bytes(LAMBDA.unzipped_bytes.saturating_sub(used)),
    )
}

pub(super) fn packages(n: usize) -> String {
    counted(n, "package")
}

pub(super) fn base_line(base: &Base) -> String {
    let digest = &base.digest.to_hex()[..16];
    format!("{}  {digest}  R {}  {}  {}\n", base.recipe, base.r, base.arch, base.folder.display())
}
