//! CDK: a module with the layers as data and a function that makes constructs of them.

use super::{Layers, quoted};

pub(super) fn typescript(layers: &Layers) -> String {
    let mut text = String::from(
        "// Made by `layr emit cdk-typescript`. Use it as\n//   new lambda.Function(this, \"Score\", { …, layers: layrLayers(this, \"score\", \"eu-central-1\") })\nimport { aws_lambda as lambda } from \"aws-cdk-lib\";\nimport { Construct } from \"constructs\";\n\nexport const layrArns = {\n",
    );
    text.push_str(&data(layers, "  "));
    text.push_str(
        "} as const;\n\nexport type LayrFunction = keyof typeof layrArns;\nexport type LayrRegion<F extends LayrFunction> = keyof (typeof layrArns)[F];\n\n/** The layers of a function in a region, in attach order. */\nexport function layrLayers<F extends LayrFunction>(\n  scope: Construct,\n  name: F,\n  region: LayrRegion<F>,\n): lambda.ILayerVersion[] {\n  const arns: readonly string[] = layrArns[name][region] as readonly string[];\n  return arns.map((arn, at) =>\n    lambda.LayerVersion.fromLayerVersionArn(scope, `Layr-${name}-${at}`, arn),\n  );\n}\n",
    );
    text
}

pub(super) fn python(layers: &Layers) -> String {
    let mut text = String::from(
        "# Made by `layr emit cdk-python`. Use it as\n#   aws_lambda.Function(self, \"Score\", ..., layers=layr_layers(self, \"score\", \"eu-central-1\"))\nfrom aws_cdk import aws_lambda\nfrom constructs import Construct\n\nLAYR_ARNS: dict[str, dict[str, list[str]]] = {\n",
    );
    text.push_str(&data(layers, "    "));
    text.push_str(
        "}\n\n\ndef layr_layers(scope: Construct, name: str, region: str) -> list[aws_lambda.ILayerVersion]:\n    \"\"\"The layers of a function in a region, in attach order.\"\"\"\n    return [\n        aws_lambda.LayerVersion.from_layer_version_arn(scope, f\"Layr-{name}-{at}\", arn)\n        for at, arn in enumerate(LAYR_ARNS[name][region])\n    ]\n",
    );
    text
}

/// The same in both languages: keys and strings in double quotes.
fn data(layers: &Layers, indent: &str) -> String {
    let mut text = String::new();
    for (function, regions) in &layers.functions {
        text.push_str(&format!("{indent}{}: {{\n", quoted(function)));
        for (region, arns) in regions {
            text.push_str(&format!("{indent}{indent}{}: [\n", quoted(region)));
            for arn in arns {
                text.push_str(&format!("{indent}{indent}{indent}{},\n", quoted(&arn.to_string())));
            }
            text.push_str(&format!("{indent}{indent}],\n"));
        }
        text.push_str(&format!("{indent}}},\n"));
    }
    text
}
