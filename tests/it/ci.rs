//! The files for CI: their services accept them, a linter has nothing to say about their
//! scripts, and what they run builds and publishes.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;

use crate::cloud::{Cloud, python};
use crate::world::{SourcePackage, base, ran, renv_lock};

const SCRIPTS: [&str; 3] = ["ci/build", "ci/cache-key", "ci/publish"];
const REGIONS: &str = "eu-central-1,us-east-1";

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// A YAML file of the repository, by a reader that is not ours.
fn yaml(python: &Path, file: &str) -> Value {
    let script = "import json, sys, yaml; json.dump(yaml.safe_load(open(sys.argv[1])), sys.stdout)";
    let read = ran(Command::new(python.join("python")).args(["-c", script]).arg(root().join(file)));
    read.succeeded().json()
}

/// A project with one function, whose repository, base and regions are in layr.toml.
fn cloud() -> Option<Cloud> {
    let (cloud, base) = (Cloud::new()?, base()?);
    cloud.world.publish(&SourcePackage::new("one1", &[]));
    cloud.world.write("project/score/renv.lock", renv_lock("4.5.0", &["one1"]));
    let config = format!(
        "[base]\nrootfs = \"{}\"\nengine = \"bwrap\"\n[repositories]\nCRAN = {:?}\n\
         [functions.score]\nlockfile = \"score/renv.lock\"\n",
        base.display(),
        cloud.world.server.url()
    );
    cloud.world.write("project/layr.toml", config);
    Some(cloud)
}

/// A shell with `layr` on its path, and AWS's account in its environment.
fn shell(cloud: &Cloud, script: &str, environment: &BTreeMap<String, String>) -> Command {
    let of_layr = cloud.command(&[]);
    let programs = PathBuf::from(of_layr.get_program());
    let path = std::env::var("PATH").unwrap();
    let mut command = Command::new("bash");
    command.args(["--noprofile", "--norc", "-eo", "pipefail", "-c", script]).env_clear();
    command.envs(of_layr.get_envs().filter_map(|(name, value)| Some((name, value?))));
    command.env("PATH", format!("{}:{path}", programs.parent().unwrap().display()));
    command.envs(environment).current_dir(cloud.world.path("project"));
    command
}

#[test]
fn the_services_schemas_accept_both_files() {
    let Some(python) = python() else { return };
    for (schema, file) in [("vendor.github-actions", "action.yml"), ("vendor.gitlab-ci", "ci/gitlab.yml")] {
        let mut check = Command::new(python.join("check-jsonschema"));
        ran(check.args(["--builtin-schema", schema]).arg(root().join(file))).succeeded();
    }
}

#[test]
fn the_linter_has_nothing_to_say_about_the_scripts() {
    let scripts = SCRIPTS.map(|script| root().join(script));
    let Ok(output) = Command::new("shellcheck").args(scripts).output() else {
        return eprintln!("SKIPPED: there is no shellcheck");
    };
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stdout));
}

/// The text with what `${{ … }}` stands for.
fn expanded(text: &str, values: &BTreeMap<String, String>) -> String {
    let mut text = text.to_owned();
    for (name, value) in values {
        text = text.replace(&format!("${{{{ {name} }}}}"), value);
    }
    assert!(!text.contains("${{"), "{text:?} has an expression that the test does not know");
    text
}

/// Runs the steps of action.yml as GitHub's runner does, but for those that are actions of
/// others; the outputs of each.
fn run_action(cloud: &Cloud, action: &Value, inputs: &[(&str, &str)]) -> BTreeMap<String, String> {
    let mut values: BTreeMap<String, String> = BTreeMap::new();
    values.insert("github.action_path".to_owned(), root().display().to_string());
    for (name, input) in action["inputs"].as_object().unwrap() {
        values.insert(format!("inputs.{name}"), input["default"].as_str().unwrap().to_owned());
    }
    values.extend(inputs.iter().map(|(name, value)| (format!("inputs.{name}"), (*value).to_owned())));
    for step in action["runs"]["steps"].as_array().unwrap() {
        let Some(script) = step["run"].as_str() else { continue };
        assert_eq!(step["shell"], "bash");
        cloud.world.write("output", "");
        let mut environment = BTreeMap::new();
        for (name, value) in step["env"].as_object().into_iter().flatten() {
            environment.insert(name.clone(), expanded(value.as_str().unwrap(), &values));
        }
        for (name, file) in [("GITHUB_OUTPUT", "output"), ("GITHUB_STEP_SUMMARY", "summary.md")] {
            environment.insert(name.to_owned(), cloud.world.path(file).display().to_string());
        }
        ran(&mut shell(cloud, &expanded(script, &values), &environment)).succeeded();
        let id = step["id"].as_str().unwrap_or_default();
        values.extend(
            outputs(&cloud.world.read("output"))
                .map(|(name, value)| (format!("steps.{id}.outputs.{name}"), value)),
        );
    }
    values
}

/// `name=value`, and `name<<END`, lines, `END`.
fn outputs(text: &str) -> impl Iterator<Item = (String, String)> {
    let mut lines = text.lines();
    std::iter::from_fn(move || {
        let line = lines.next()?;
        if let Some((name, end)) = line.split_once("<<") {
            let value: Vec<&str> = lines.by_ref().take_while(|line| *line != end).collect();
            return Some((name.to_owned(), value.join("\n")));
        }
        line.split_once('=').map(|(name, value)| (name.to_owned(), value.to_owned()))
    })
}

#[test]
fn the_action_builds_publishes_and_hands_over_arns() {
    let (Some(python), Some(cloud)) = (python(), cloud()) else { return };
    let action = yaml(&python, "action.yml");
    let first = run_action(&cloud, &action, &[("regions", REGIONS), ("locked", "false")]);
    let told = expanded(action["outputs"]["json"]["value"].as_str().unwrap(), &first);
    for region in REGIONS.split(',') {
        assert!(told.contains(&format!("arn:aws:lambda:{region}:123456789012:layer:layr-r4-5-")), "{told}");
    }
    assert!(serde_json::from_str::<Value>(&told).is_ok(), "{told}");
    assert!(cloud.world.read("summary.md").contains("arn:aws:lambda:us-east-1"));

    // The lock is there now, so that the key holds for it, and nothing is published again.
    cloud.proxy.forget_requests();
    let second = run_action(&cloud, &action, &[("regions", REGIONS)]);
    assert_eq!(cloud.proxy.writes(), [""; 0]);
    let key = |values: &BTreeMap<String, String>| values["steps.key.outputs.key"].clone();
    assert_ne!(key(&first), key(&second), "another layr.lock, another key");
    assert!(key(&second).starts_with(&second["steps.key.outputs.prefix"]));
}

#[test]
fn the_action_refuses_a_lockfile_that_layr_lock_is_not_of() {
    let (Some(_), Some(cloud)) = (python(), cloud()) else { return };
    let build = root().join("ci/build").display().to_string();
    let locked = ran(&mut shell(&cloud, &build, &BTreeMap::new()));
    locked.failed(19, &["there is no layr.lock", "--locked"]);
}

#[test]
fn gitlab_s_template_builds_publishes_and_leaves_variables() {
    let (Some(python), Some(cloud)) = (python(), cloud()) else { return };
    cloud.layr(&["build"]).succeeded();
    let template = yaml(&python, "ci/gitlab.yml");
    let publish = &template[".layr-publish"];
    let lines = publish["script"].as_array().unwrap().iter().map(|line| line.as_str().unwrap());
    let script = lines.collect::<Vec<_>>().join("\n");
    let environment = BTreeMap::from([("LAYR_REGIONS".to_owned(), REGIONS.to_owned())]);
    ran(&mut shell(&cloud, &script, &environment)).succeeded();
    let file = publish["artifacts"]["reports"]["dotenv"].as_str().unwrap();
    let variables = cloud.world.read(&format!("project/{file}"));
    // GitLab reads NAME=VALUE lines and nothing else.
    for line in variables.lines() {
        let (name, value) = line.split_once('=').unwrap();
        assert!(name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_'), "{name}");
        assert!(value.trim_matches(['"', '\'']).starts_with("arn:aws:lambda:"), "{value}");
    }
    assert_eq!(variables.lines().count(), 2, "{variables}");
}
