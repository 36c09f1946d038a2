//! `CloudFormation`: a template with the layers by region, and a function for each function.

use super::{EmitError, Layers, pascal};

pub(super) fn cloudformation(layers: &Layers) -> Result<String, EmitError> {
    let names = layers.renamed(pascal)?;
    let mut text = String::from(
        "AWSTemplateFormatVersion: \"2010-09-09\"\nDescription: R functions with layers made by layr\n\nParameters:\n",
    );
    for (name, _) in &names {
        text.push_str(&format!(
            "  {name}Role:\n    Type: String\n    Description: ARN of the role that {name} runs as\n  {name}Bucket:\n    Type: String\n    Description: S3 bucket with the code of {name}\n  {name}Key:\n    Type: String\n    Description: S3 key of the zip with the code of {name}\n"
        ));
    }
    text.push('\n');
    text.push_str(&mapping(layers, &names));
    text.push_str("\nResources:\n");
    for (name, function) in &names {
        text.push_str(&format!(
            "  {name}:\n    Type: AWS::Lambda::Function\n    Properties:\n      Code:\n        S3Bucket: !Ref {name}Bucket\n        S3Key: !Ref {name}Key\n      Role: !Ref {name}Role\n      Handler: {function}.handler\n      Runtime: provided.al2023\n      Architectures:\n        - {}\n      MemorySize: 1024\n      Timeout: 30\n      Layers: !FindInMap [LayrLayers, !Ref AWS::Region, {name}]\n",
            layers.arch
        ));
    }
    Ok(text)
}

/// The layers of all functions by region.
pub(super) fn mapping(layers: &Layers, names: &[(String, &String)]) -> String {
    let mut text = String::from("Mappings:\n  LayrLayers:\n");
    let regions = layers.functions.values().next().into_iter().flat_map(|regions| regions.keys());
    for region in regions {
        text.push_str(&format!("    {region}:\n"));
        for (name, function) in names {
            text.push_str(&format!("      {name}:\n"));
            for arn in layers.functions[*function].get(region).into_iter().flatten() {
                text.push_str(&format!("        - {arn}\n"));
            }
        }
    }
    text
}
