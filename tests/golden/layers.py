# Made by `layr emit cdk-python`. Use it as
#   aws_lambda.Function(self, "Score", ..., layers=layr_layers(self, "score", "eu-central-1"))
from aws_cdk import aws_lambda
from constructs import Construct

LAYR_ARNS: dict[str, dict[str, list[str]]] = {
    "report": {
        "eu-central-1": [
            "arn:aws:lambda:eu-central-1:123456789012:layer:layr-r4-5-x86-64-12a523c9d44303e1:1",
            "arn:aws:lambda:eu-central-1:123456789012:layer:layr-r4-5-x86-64-77ab0f3c5d61e208:1",
        ],
        "us-east-1": [
            "arn:aws:lambda:us-east-1:123456789012:layer:layr-r4-5-x86-64-12a523c9d44303e1:3",
            "arn:aws:lambda:us-east-1:123456789012:layer:layr-r4-5-x86-64-77ab0f3c5d61e208:1",
        ],
    },
    "score": {
        "eu-central-1": [
            "arn:aws:lambda:eu-central-1:123456789012:layer:layr-r4-5-x86-64-12a523c9d44303e1:1",
        ],
        "us-east-1": [
            "arn:aws:lambda:us-east-1:123456789012:layer:layr-r4-5-x86-64-12a523c9d44303e1:3",
        ],
    },
}


def layr_layers(scope: Construct, name: str, region: str) -> list[aws_lambda.ILayerVersion]:
    """The layers of a function in a region, in attach order."""
    return [
        aws_lambda.LayerVersion.from_layer_version_arn(scope, f"Layr-{name}-{at}", arn)
        for at, arn in enumerate(LAYR_ARNS[name][region])
    ]
