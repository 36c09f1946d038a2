//! Emitted files: held as recorded, and accepted by the tools that they are for.
//!
//! `BLESS=1 cargo test --test it emitting` records them anew.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::cloud::{Cloud, python};
use crate::world::{World, from_environment, ran};

const FILES: [(&str, &str); 10] = [
    ("json", "emitted.json"),
    ("text", "emitted.tsv"),
    ("env", "emitted.env"),
    ("sam", "sam.yaml"),
    ("cloudformation", "cloudformation.yaml"),
    ("terraform", "layers.tf"),
    ("cdk-typescript", "layers.ts"),
    ("cdk-python", "layers.py"),
    ("serverless", "serverless.yml"),
    ("ssm", "ssm.sh"),
];

fn golden(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden").join(name)
}

/// A project whose layers are published as in the fixture.
fn world() -> World {
    let world = World::new();
    world.write("project/dist/layers.json", include_str!("../fixtures/layers.json"));
    world
}

#[test]
fn each_format_is_as_recorded() {
    let world = world();
    for (format, file) in FILES {
        let emitted = world.layr(&["emit", format]).succeeded().stdout.clone();
        if std::env::var_os("BLESS").is_some() {
            fs::write(golden(file), &emitted).unwrap();
        }
        let recorded = fs::read_to_string(golden(file)).unwrap_or_default();
        assert!(emitted == recorded, "{file} is not as recorded; if that is meant: BLESS=1\n{emitted}");
    }
}

#[test]
fn one_function_in_one_region_is_told_alone() {
    let told = world().layr(&["emit", "text", "score", "--region", "us-east-1"]).succeeded().stdout.clone();
    let arn = "arn:aws:lambda:us-east-1:123456789012:layer:layr-r4-5-x86-64-12a523c9d44303e1:3";
    assert_eq!(told, format!("score\tus-east-1\t{arn}\n"));
    world().layr(&["emit", "sam", "nobody"]).failed(15, &["no function `nobody`", "report, score"]);
    world().layr(&["emit", "sam", "--region", "sa-east-1"]).failed(15, &["not published in sa-east-1"]);
}

#[test]
fn a_shell_reads_the_variables() {
    let mut shell = Command::new("sh");
    shell.args(["-c", ". \"$0\" && printf %s \"$LAYR_REPORT_EU_CENTRAL_1\""]).arg(golden("emitted.env"));
    assert_eq!(ran(&mut shell).succeeded().stdout.split(' ').count(), 2);
}

#[test]
fn cfn_lint_accepts_the_templates() {
    let Some(python) = python() else { return };
    for file in ["cloudformation.yaml", "sam.yaml"] {
        ran(Command::new(python.join("cfn-lint")).arg(golden(file))).succeeded();
    }
}

#[test]
fn the_sam_translator_makes_functions_with_our_layers_of_the_template() {
    let Some(python) = python() else { return };
    let script = r#"
import json, sys, yaml
from samtranslator.yaml_helper import yaml_parse
from samtranslator.translator.transform import transform
class Policies:
    def load(self): return {}
text = open(sys.argv[1]).read().replace("CodeUri: ./", "CodeUri: s3://bucket/")  # as `sam package` does
template = transform(yaml_parse(text), {}, Policies())
print(json.dumps(template["Resources"]["Score"]["Properties"]["Layers"]))
"#;
    let mut command = Command::new(python.join("python"));
    command.args(["-c", script]).arg(golden("sam.yaml")).env("AWS_DEFAULT_REGION", "us-east-1");
    let layers: serde_json::Value = serde_json::from_str(&ran(&mut command).succeeded().stdout).unwrap();
    assert_eq!(layers["Fn::FindInMap"][2], "Score");
}

#[test]
fn yaml_and_python_are_what_they_say() {
    let Some(python) = python() else { return };
    let script = r#"
import ast, sys, yaml
tree = yaml.safe_load(open(sys.argv[1]))
assert list(tree["functions"]) == list(tree["custom"]["layrLayers"]) == ["report", "score"], tree
assert len(tree["custom"]["layrLayers"]["report"]["eu-central-1"]) == 2
module = ast.parse(open(sys.argv[2]).read())
arns = next(node.value for node in module.body if isinstance(node, ast.AnnAssign))
assert len(ast.literal_eval(arns)["report"]["us-east-1"]) == 2
"#;
    let mut command = Command::new(python.join("python"));
    ran(command.args(["-c", script]).arg(golden("serverless.yml")).arg(golden("layers.py"))).succeeded();
}

#[test]
fn typescript_s_compiler_accepts_the_module_and_a_stack_that_uses_it() {
    let Some(node) = from_environment("LAYR_TEST_NODE") else { return };
    let world = World::new();
    let stack = r#"
import { aws_lambda as lambda, Stack } from "aws-cdk-lib";
import { layrLayers } from "./layers";
export class Scores extends Stack {
  readonly score = new lambda.Function(this, "Score", {
    runtime: lambda.Runtime.PROVIDED_AL2023,
    handler: "score.handler",
    code: lambda.Code.fromAsset("score"),
    layers: layrLayers(this, "score", "eu-central-1"),
  });
}
"#;
    world.write("project/stack.ts", stack);
    world.write("project/layers.ts", fs::read(golden("layers.ts")).unwrap());
    std::os::unix::fs::symlink(node.join("node_modules"), world.path("project/node_modules")).unwrap();
    let check = || {
        let mut tsc = Command::new(node.join("node_modules/.bin/tsc"));
        tsc.args(["--noEmit", "--strict", "--skipLibCheck", "--target", "es2022", "--module", "node16"]);
        tsc.args(["--moduleResolution", "node16", "stack.ts"]).current_dir(world.path("project"));
        ran(&mut tsc)
    };
    let checked = check();
    assert_eq!(checked.code, 0, "{}", checked.stdout);
    // The types know which functions and regions there are.
    world.write("project/stack.ts", stack.replace("eu-central-1", "sa-east-1"));
    assert!(check().stdout.contains("sa-east-1"));
}

#[test]
fn terraform_accepts_the_locals_and_a_function_that_uses_them() {
    let terraform = |dir: &Path, args: &[&str]| ran(Command::new("terraform").args(args).current_dir(dir));
    if Command::new("terraform").arg("version").output().is_err() {
        eprintln!("SKIPPED: there is no terraform");
        return;
    }
    let world = World::new();
    let dir = world.path("project");
    world.write("project/layers.tf", fs::read(golden("layers.tf")).unwrap());
    terraform(&dir, &["fmt", "-check", "-diff"]).succeeded();
    terraform(&dir, &["init", "-input=false"]).succeeded();
    terraform(&dir, &["validate"]).succeeded();

    let Some(plugins) = from_environment("LAYR_TEST_TERRAFORM_PLUGINS") else { return };
    let function = r#"data "aws_region" "current" {}

resource "aws_lambda_function" "score" {
  function_name = "score"
  role          = "arn:aws:iam::123456789012:role/score"
  filename      = "score.zip"
  handler       = "score.handler"
  runtime       = "provided.al2023"
  layers        = local.layr_layers["score"][data.aws_region.current.name]
}
"#;
    world.write("project/function.tf", function);
    world.write(
        "project/versions.tf",
        "terraform {\n  required_providers {\n    aws = { source = \"hashicorp/aws\" }\n  }\n}\n",
    );
    let plugins = format!("-plugin-dir={}", plugins.display());
    terraform(&dir, &["init", "-input=false", &plugins]).succeeded();
    terraform(&dir, &["validate"]).succeeded();
}

#[test]
fn the_script_for_ssm_writes_parameters_that_the_aws_cli_reads() {
    let Some(cloud) = Cloud::new() else { return };
    cloud.aws_script(&fs::read_to_string(golden("ssm.sh")).unwrap()).succeeded();
    let read = cloud.aws("eu-central-1", &["ssm", "get-parameter", "--name", "/layr/report/layers"]);
    assert_eq!(read["Parameter"]["Type"], "StringList");
    assert_eq!(read["Parameter"]["Value"].as_str().unwrap().split(',').count(), 2);
}

#[test]
fn a_github_step_gets_outputs_and_a_summary() {
    let world = world();
    let mut command = world.command(&["emit", "github", "score"]);
    command.env("GITHUB_OUTPUT", world.path("output")).env("GITHUB_STEP_SUMMARY", world.path("summary.md"));
    world.write("output", "before=1\n");
    assert_eq!(ran(&mut command).succeeded().stdout, "");
    let output = world.read("output");
    assert!(output.starts_with("before=1\nscore_eu_central_1=arn:aws:lambda:"), "{output}");
    let json = output.lines().find_map(|line| line.strip_prefix("json=")).unwrap();
    assert!(serde_json::from_str::<serde_json::Value>(json).unwrap()["functions"]["score"].is_object());
    assert_eq!(world.read("summary.md").lines().count(), 6);
}
