//! GitHub Actions: a step's outputs, and its part of the job's summary.

use super::shell::joined;
use super::{EmitError, Layers, snake};

/// Lines for `$GITHUB_OUTPUT`: one output for each function and region, and all as JSON.
pub(super) fn outputs(layers: &Layers) -> Result<String, EmitError> {
    let mut text = String::new();
    for (name, function) in layers.renamed(snake)? {
        for (region, arns) in &layers.functions[function] {
            text.push_str(&format!("{name}_{}={}\n", snake(region), joined(arns, " ")));
        }
    }
    let json = serde_json::json!({ "schema": 1, "functions": layers.functions });
    text.push_str(&format!("json={json}\n"));
    Ok(text)
}

/// Markdown for `$GITHUB_STEP_SUMMARY`.
pub fn summary(layers: &Layers) -> String {
    let mut text = String::from("### Layers\n\n| function | region | layers |\n|---|---|---|\n");
    for (function, regions) in &layers.functions {
        for (region, arns) in regions {
            let arns: Vec<String> = arns.iter().map(|arn| format!("`{arn}`")).collect();
            text.push_str(&format!("| {function} | {region} | {} |\n", arns.join("<br>")));
        }
    }
    text
}
