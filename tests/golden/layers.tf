# Made by `layr emit terraform`. Use it as
#   layers = local.layr_layers["FUNCTION"][data.aws_region.current.name]
locals {
  layr_layers = {
    "report" = {
      "eu-central-1" = [
        "arn:aws:lambda:eu-central-1:123456789012:layer:layr-r4-5-x86-64-12a523c9d44303e1:1",
        "arn:aws:lambda:eu-central-1:123456789012:layer:layr-r4-5-x86-64-77ab0f3c5d61e208:1",
      ]
      "us-east-1" = [
        "arn:aws:lambda:us-east-1:123456789012:layer:layr-r4-5-x86-64-12a523c9d44303e1:3",
        "arn:aws:lambda:us-east-1:123456789012:layer:layr-r4-5-x86-64-77ab0f3c5d61e208:1",
      ]
    }
    "score" = {
      "eu-central-1" = [
        "arn:aws:lambda:eu-central-1:123456789012:layer:layr-r4-5-x86-64-12a523c9d44303e1:1",
      ]
      "us-east-1" = [
        "arn:aws:lambda:us-east-1:123456789012:layer:layr-r4-5-x86-64-12a523c9d44303e1:3",
      ]
    }
  }
}

output "layr_layers" {
  description = "ARNs of the layers of each function in each region, in attach order"
  value       = local.layr_layers
}
