//! Serverless Framework: `custom` and `functions` of a serverless.yml.

use super::Layers;

pub(super) fn serverless(layers: &Layers) -> String {
    let mut text = String::from(
        "# Made by `layr emit serverless`. In serverless.yml:\n#   custom: ${file(layr.yml):custom}\n#   functions: ${file(layr.yml):functions}\ncustom:\n  layrLayers:\n",
    );
    for (function, regions) in &layers.functions {
        text.push_str(&format!("    {function}:\n"));
        for (region, arns) in regions {
            text.push_str(&format!("      {region}:\n"));
            for arn in arns {
                text.push_str(&format!("        - {arn}\n"));
            }
        }
    }
    text.push_str("functions:\n");
    for function in layers.functions.keys() {
        text.push_str(&format!(
            "  {function}:\n    handler: {function}.handler\n    runtime: provided.al2023\n    architecture: {}\n    layers: ${{self:custom.layrLayers.{function}.${{aws:region}}}}\n",
            layers.arch
        ));
    }
    text
}
