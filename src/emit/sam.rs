//! SAM: a template that `sam deploy` takes as it is.

use super::cloudformation::mapping;
use super::{EmitError, Layers, pascal};

pub(super) fn sam(layers: &Layers) -> Result<String, EmitError> {
    let names = layers.renamed(pascal)?;
    let mut text = String::from(
        "AWSTemplateFormatVersion: \"2010-09-09\"\nTransform: AWS::Serverless-2016-10-31\nDescription: R functions with layers made by layr\n\n",
    );
    text.push_str(&mapping(layers, &names));
    text.push_str(&format!(
        "\nGlobals:\n  Function:\n    Runtime: provided.al2023\n    Architectures:\n      - {}\n    MemorySize: 1024\n    Timeout: 30\n\nResources:\n",
        layers.arch
    ));
    for (name, function) in &names {
        text.push_str(&format!(
            "  {name}:\n    Type: AWS::Serverless::Function\n    Properties:\n      CodeUri: ./{function}\n      Handler: {function}.handler\n      Layers: !FindInMap [LayrLayers, !Ref AWS::Region, {name}]\n"
        ));
    }
    Ok(text)
}
