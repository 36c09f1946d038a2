//! For scripts: JSON, lines, and shell variables.

use serde_json::json;

use super::{EmitError, Layers, snake};
use crate::model::LayerVersionArn;

pub(super) fn json(layers: &Layers) -> String {
    format!("{:#}\n", json!({ "schema": 1, "functions": layers.functions }))
}

/// Function, region and ARN, with tabs between them; in attach order.
pub(super) fn text(layers: &Layers) -> String {
    let mut text = String::new();
    for (function, regions) in &layers.functions {
        for (region, arns) in regions {
            for arn in arns {
                text.push_str(&format!("{function}\t{region}\t{arn}\n"));
            }
        }
    }
    text
}

/// `LAYR_SCORE_EU_CENTRAL_1="ARN ARN"`, as `aws lambda … --layers` takes them.
pub(super) fn env(layers: &Layers) -> Result<String, EmitError> {
    let mut text = String::new();
    for (name, function) in layers.renamed(|function| snake(function).to_ascii_uppercase())? {
        for (region, arns) in &layers.functions[function] {
            let region = snake(region).to_ascii_uppercase();
            text.push_str(&format!("LAYR_{name}_{region}=\"{}\"\n", joined(arns, " ")));
        }
    }
    Ok(text)
}

pub(super) fn joined(arns: &[LayerVersionArn], separator: &str) -> String {
    arns.iter().map(ToString::to_string).collect::<Vec<_>>().join(separator)
}
