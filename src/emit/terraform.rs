//! Terraform: a file of locals for the module that has the functions.

use super::{Layers, quoted};

pub(super) fn terraform(layers: &Layers) -> String {
    let mut text = String::from(
        "# Made by `layr emit terraform`. Use it as\n#   layers = local.layr_layers[\"FUNCTION\"][data.aws_region.current.name]\nlocals {\n  layr_layers = {\n",
    );
    for (function, regions) in &layers.functions {
        text.push_str(&format!("    {} = {{\n", quoted(function)));
        for (region, arns) in regions {
            text.push_str(&format!("      {} = [\n", quoted(region)));
            for arn in arns {
                text.push_str(&format!("        {},\n", quoted(&arn.to_string())));
            }
            text.push_str("      ]\n");
        }
        text.push_str("    }\n");
    }
    text.push_str("  }\n}\n\noutput \"layr_layers\" {\n  description = \"ARNs of the layers of each function in each region, in attach order\"\n  value       = local.layr_layers\n}\n");
    text
}
