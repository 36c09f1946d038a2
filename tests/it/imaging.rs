//! A function's layers as an image: as Lambda wants it, the same each time, and it runs.

use std::io::{Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use serde_json::Value;

use crate::world::{SourcePackage, World, base, from_environment, ran};

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

/// A registry for images on loopback; it ends when its input, which we hold, does.
struct Registry {
    child: std::process::Child,
    address: SocketAddr,
}

impl Registry {
    fn start(world: &World) -> Option<Self> {
        let program = from_environment("LAYR_TEST_REGISTRY")?;
        let address = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap().local_addr().unwrap();
        let folder = world.path("registry");
        let config = format!(
            "version: 0.1\nlog: {{ level: error }}\nstorage: {{ filesystem: {{ rootdirectory: {} }} }}\n\
             http: {{ addr: \"{address}\" }}\n",
            folder.display(),
        );
        world.write("registry.yml", config);
        let script = r#""$0" serve "$1" >/dev/null 2>&1 </dev/null & read -r _; kill $!"#;
        let mut shell = Command::new("sh");
        shell.args(["-c", script]).arg(program).arg(world.path("registry.yml")).stdin(Stdio::piped());
        let registry = Self { child: shell.spawn().unwrap(), address };
        for _ in 0..300 {
            if TcpStream::connect(address).is_ok() {
                return Some(registry);
            }
            std::thread::sleep(Duration::from_millis(100));
        }
        panic!("the registry does not answer at {address}");
    }

    /// What it has at a path, as JSON.
    fn get(&self, path: &str, media_type: &str) -> Value {
        let mut stream = TcpStream::connect(self.address).unwrap();
        let head = format!(
            "GET {path} HTTP/1.1\r\nHost: {}\r\nAccept: {media_type}\r\nConnection: close\r\n\r\n",
            self.address
        );
        stream.write_all(head.as_bytes()).unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        let (head, body) = answer.split_once("\r\n\r\n").unwrap();
        assert!(head.starts_with("HTTP/1.1 200"), "{path}: {answer}");
        serde_json::from_str(body).unwrap_or_else(|error| panic!("{path}: {error}: {body}"))
    }
}

impl Drop for Registry {
    fn drop(&mut self) {
        drop(self.child.stdin.take());
        self.child.wait().ok();
    }
}

#[test]
fn an_image_is_pushed_to_a_registry_with_its_layers_and_its_handler() {
    let world = World::new();
    world.publish(&SourcePackage::new("one1", &[]));
    world.lock(&["one1"]);
    world.write("project/code/score.R", "handler <- function(x) x\n");
    let config =
        "[functions.score]\nlockfile = \"renv.lock\"\ncode = \"code\"\nhandler = \"score.handler\"\n";
    world.write("project/layr.toml", config);
    let Some(registry) = Registry::start(&world) else { return };
    let Some(built) = world.build(&[]) else { return };
    built.succeeded();
    let Some(base) = base_image(&world) else { return };
    let tag = format!("{}/score:{}", registry.address, std::process::id());
    let args = ["image", "score", "--engine", "docker", "--base-image", &base, "--push", "--tag", &tag];
    let pushed = world.layr(&args);
    docker(&["rmi", "--force", &tag, &base]).output().unwrap();
    pushed.succeeded();

    // docker tells in its own format what was loaded in OCI's.
    let docker_s = "application/vnd.docker.distribution.manifest.v2+json";
    let types = format!("{docker_s}, application/vnd.oci.image.manifest.v1+json");
    let manifest = registry.get(&format!("/v2/score/manifests/{}", std::process::id()), &types);
    assert_eq!(manifest["layers"].as_array().unwrap().len(), 3, "the base, the packages, the code");
    let digest = manifest["config"]["digest"].as_str().unwrap();
    let config = registry.get(&format!("/v2/score/blobs/{digest}"), "*/*");
    assert_eq!(config["config"]["Cmd"], serde_json::json!(["score.handler"]));
}

/// The base of the tests without its compilers, as an image that the registry has and docker
/// has not; its reference by digest.
fn pushed_base(base: &Path, registry: &Registry) -> Option<String> {
    let name = format!("{}/r", registry.address);
    let without = ["./usr/lib/gcc", "./usr/libexec", "./usr/include", "./usr/share/cmake*", "*.a"];
    let mut tar = Command::new("tar");
    tar.arg("-C").arg(base.join("rootfs")).args(without.map(|path| format!("--exclude={path}")));
    let mut tar = tar.args(["-c", "."]).stdout(Stdio::piped()).spawn().unwrap();
    let imported = ran(docker(&["import", "-", &name]).stdin(tar.stdout.take().unwrap()));
    tar.wait().unwrap();
    if imported.code != 0 {
        eprintln!("SKIPPED: docker does not answer: {}", imported.stderr);
        return None;
    }
    let pushed = ran(&mut docker(&["push", &name]));
    docker(&["rmi", "--force", &name]).output().unwrap();
    let (_, rest) = pushed.succeeded().stdout.split_once("digest: ").unwrap();
    Some(format!("{name}@{}", rest.split_whitespace().next().unwrap()))
}

#[test]
fn an_image_by_its_digest_is_pulled_and_is_a_base() {
    let world = World::new();
    world.publish(&SourcePackage::new("one1", &[]));
    world.lock(&["one1"]);
    let (Some(registry), Some(base)) = (Registry::start(&world), base()) else { return };
    let Some(reference) = pushed_base(&base, &registry) else { return };
    let build = |more: &[&str]| {
        let args = ["build", "--base", &reference, "--engine", "docker", "--json"];
        world.layr(&[&args[..], more].concat())
    };
    let first = build(&[]);
    drop(registry);
    let again = build(&["--locked"]);
    docker(&["rmi", "--force", &reference]).output().unwrap();
    assert_eq!(first.succeeded().json()["base"]["recipe"], reference.as_str());
    assert_eq!(again.succeeded().json()["layers"], first.json()["layers"]);
    assert_eq!(again.json()["built"], 0);
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
