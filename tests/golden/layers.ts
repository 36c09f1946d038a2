// Made by `layr emit cdk-typescript`. Use it as
//   new lambda.Function(this, "Score", { …, layers: layrLayers(this, "score", "eu-central-1") })
import { aws_lambda as lambda } from "aws-cdk-lib";
import { Construct } from "constructs";

export const layrArns = {
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
} as const;

export type LayrFunction = keyof typeof layrArns;
export type LayrRegion<F extends LayrFunction> = keyof (typeof layrArns)[F];

/** The layers of a function in a region, in attach order. */
export function layrLayers<F extends LayrFunction>(
  scope: Construct,
  name: F,
  region: LayrRegion<F>,
): lambda.ILayerVersion[] {
  const arns: readonly string[] = layrArns[name][region] as readonly string[];
  return arns.map((arn, at) =>
    lambda.LayerVersion.fromLayerVersionArn(scope, `Layr-${name}-${at}`, arn),
  );
}
