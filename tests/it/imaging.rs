//! A function's layers as an image: as Lambda wants it, the same each time, and it runs.

use std::path::Path;
use std::process::{Command, Stdio};

use serde_json::Value;

use crate::world::{SourcePackage, World, ran};

/// A small image with a shell, made of this machine's own; its id.
fn base_image(world: &World) -> Option<String> {
    let root = world.path("root");
    let listed = ran(Command::new("ldd").arg("/bin/sh"));
    let libraries = listed.stdout.split_whitespace().filter(|word| word.starts_with('/'));
    for file in libraries.chain(["/bin/sh"]) {
        let to = root.join(file.trim_start_matches('/'));
        std::fs::create_dir_all(to.parent().unwrap()).unwrap();
        std::fs::copy(file, to).unwrap();
    }
    let mut tar = Command::new("tar")
        .args(["-C", root.to_str().unwrap(), "-c", "."])
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut import = docker(&["import", "--change", "ENTRYPOINT [\"/bin/sh\"]", "-"]);
    let imported = ran(import.stdin(tar.stdout.take().unwrap()));
    // It holds the pipe's other end, which `tar` would wait for where docker has gone.
    drop(import);
    tar.wait().unwrap();
    if imported.code != 0 {
        eprintln!("SKIPPED: docker does not answer: {}", imported.stderr);
        return None;
    }
    Some(imported.stdout.trim().to_owned())
}

fn docker(args: &[&str]) -> Command {
    let mut command = Command::new("docker");
    command.args(args);
    command
}

fn json(path: &Path) -> Value {
    serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap()
}

#[test]
fn an_image_is_one_manifest_of_the_same_layers_and_docker_runs_it() {
    let world = World::new();
    world.publish(&SourcePackage::new("one1", &[]));
    world.lock(&["one1"]);
    world.write("project/code/score.R", "handler <- function(x) x\n");
    let config =
        "[functions.score]\nlockfile = \"renv.lock\"\ncode = \"code\"\nhandler = \"score.handler\"\n";
    world.write("project/layr.toml", config);
    let Some(built) = world.build(&[]) else { return };
    built.succeeded();
    let Some(base) = base_image(&world) else { return };
    let image = |out: &str, more: &[&str]| {
        let args = ["image", "score", "--engine", "docker", "--base-image", &base, "--out", out];
        world.layr(&[&args[..], more].concat()).succeeded().stdout.clone()
    };
    let tag = format!("layr-test-{}:latest", std::process::id());
    let made = image("image", &["--load", "--snapstart", "--tag", &tag]);
    let again = image("again", &["--snapstart", "--tag", &tag]);
    assert_eq!(made, again, "the same manifest digest");

    let blob = |digest: &Value| {
        world.path("project/image/blobs/sha256").join(digest.as_str().unwrap().replace("sha256:", ""))
    };
    let index = json(&world.path("project/image/index.json"));
    assert_eq!(index["manifests"].as_array().unwrap().len(), 1);
    let manifest = json(&blob(&index["manifests"][0]["digest"]));
    let layers = manifest["layers"].as_array().unwrap();
    assert_eq!(layers.len(), 3, "the base, the packages, the code");
    assert!(layers.iter().all(|layer| layer["mediaType"] == "application/vnd.oci.image.layer.v1.tar+gzip"));
    let config = json(&blob(&manifest["config"]["digest"]));
    assert_eq!(config["config"]["Cmd"], serde_json::json!(["score.handler"]));
    assert_eq!(config["config"]["Labels"]["com.amazonaws.lambda.feature.snapstart"], "Allow");
    assert_eq!(config["rootfs"]["diff_ids"].as_array().unwrap().len(), 3);
    let history = config["history"].as_array().unwrap();
    assert_eq!(history.iter().filter(|entry| entry["empty_layer"] != true).count(), 3);

    world.write("project/photos/blobs/mine", "x");
    let args = ["image", "score", "--engine", "docker", "--base-image", &base, "--out", "photos"];
    world.layr(&args).failed(15, &["`photos` has other files", "--out"]);
    assert_eq!(world.read("project/photos/blobs/mine"), "x");

    let read = "read -r a < /opt/R/library/one1/DESCRIPTION; read -r b < /var/task/score.R; echo \"$a; $b\"";
    let said = ran(&mut docker(&["run", "--rm", "--network", "none", &tag, "-c", read]));
    docker(&["rmi", "--force", &tag, &base]).output().unwrap();
    assert_eq!(said.succeeded().stdout, "Package: one1; handler <- function(x) x\n");
}

#[test]
fn an_image_for_another_function_or_of_layers_from_elsewhere_is_refused() {
    let world = World::new();
    let image = ["image", "score", "--base-image", "x@sha256:00"];
    world.layr(&image).failed(15, &["there is no `dist/layers.json`", "layr build"]);
    world.write("project/dist/layers.json", include_str!("../fixtures/layers.json"));
    world.layr(&image).failed(2, &["no function `score` in layr.toml"]);
    world.write(
        "project/layr.toml",
        "[functions.score]\nlockfile = \"renv.lock\"\nhandler = \"score.handler\"\n",
    );
    world.layr(&image).failed(15, &["is not in the store", "layr build"]);
}
