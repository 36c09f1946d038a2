#!/bin/sh
# Made by `layr emit ssm`: the layers of each function as a StringList, in attach order.
set -eu
aws ssm put-parameter --region eu-central-1 --overwrite --type StringList --name /layr/report/layers --value arn:aws:lambda:eu-central-1:123456789012:layer:layr-r4-5-x86-64-12a523c9d44303e1:1,arn:aws:lambda:eu-central-1:123456789012:layer:layr-r4-5-x86-64-77ab0f3c5d61e208:1
aws ssm put-parameter --region us-east-1 --overwrite --type StringList --name /layr/report/layers --value arn:aws:lambda:us-east-1:123456789012:layer:layr-r4-5-x86-64-12a523c9d44303e1:3,arn:aws:lambda:us-east-1:123456789012:layer:layr-r4-5-x86-64-77ab0f3c5d61e208:1
aws ssm put-parameter --region eu-central-1 --overwrite --type StringList --name /layr/score/layers --value arn:aws:lambda:eu-central-1:123456789012:layer:layr-r4-5-x86-64-12a523c9d44303e1:1
aws ssm put-parameter --region us-east-1 --overwrite --type StringList --name /layr/score/layers --value arn:aws:lambda:us-east-1:123456789012:layer:layr-r4-5-x86-64-12a523c9d44303e1:3
