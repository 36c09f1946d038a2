//! AWS for stories: moto behind a strict proxy, a folder of layers to publish, and the AWS
//! CLI as a witness. All is reached through settings that users of AWS have.

use std::io::{Cursor, Write};
use std::path::PathBuf;
use std::process::Command;
use std::sync::OnceLock;

use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use xtask::cloud::{Moto, Proxy, Weather};

use crate::world::{Ran, World, ran};

/// A world with an account in AWS.
pub(crate) struct Cloud {
    pub(crate) world: World,
    pub(crate) proxy: Proxy,
    pub(crate) python: PathBuf,
}

pub(crate) const REGIONS: &str = "eu-central-1,us-east-1,ap-south-1";

/// The environment with moto and the AWS CLI that `cargo xtask test` made.
pub(crate) fn python() -> Option<PathBuf> {
    crate::world::from_environment("LAYR_TEST_PYTHON")
}

impl Cloud {
    /// `None`, said aloud, where there is no moto. All worlds share one: what is in it is told
    /// apart by the names of layers, which each test chooses.
    pub(crate) fn new() -> Option<Self> {
        static MOTO: OnceLock<Moto> = OnceLock::new();
        let python = python()?;
        let moto = MOTO.get_or_init(|| Moto::start(&python).unwrap());
        let proxy = Proxy::start(moto.address, Weather::FAIR).unwrap();
        Some(Self { world: World::new(), proxy, python })
    }

    fn with_account(&self, mut command: Command) -> Command {
        command
            .env("AWS_ENDPOINT_URL", self.proxy.url())
            .env("AWS_ACCESS_KEY_ID", "AKIAIOSFODNN7EXAMPLE")
            .env("AWS_SECRET_ACCESS_KEY", "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY")
            .env("AWS_EC2_METADATA_DISABLED", "true");
        command
    }

    pub(crate) fn command(&self, args: &[&str]) -> Command {
        self.with_account(self.world.command(args))
    }

    pub(crate) fn layr(&self, args: &[&str]) -> Ran {
        ran(&mut self.command(args))
    }

    /// What the AWS CLI says, in the region.
    #[track_caller]
    pub(crate) fn aws(&self, region: &str, args: &[&str]) -> Value {
        let mut command = self.with_account(Command::new(self.python.join("aws")));
        command.args(["--output", "json", "--region", region]).args(args);
        command.current_dir(self.world.path("project")).env("HOME", self.world.path(""));
        let said = ran(&mut command);
        said.succeeded();
        serde_json::from_str(&said.stdout).unwrap_or_default()
    }

    /// A role that functions may run as; there from the first call on.
    pub(crate) fn role(&self) {
        let trust = r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"Service":"lambda.amazonaws.com"},"Action":"sts:AssumeRole"}]}"#;
        self.aws_script(&format!(
            "aws iam create-role --region us-east-1 --role-name score --assume-role-policy-document '{trust}'"
        ));
    }

    /// A shell script that calls `aws`.
    pub(crate) fn aws_script(&self, script: &str) -> Ran {
        let mut command = self.with_account(Command::new("sh"));
        let path = std::env::var("PATH").unwrap_or_default();
        command.args(["-c", script]).env("PATH", format!("{}:{path}", self.python.display()));
        command.current_dir(self.world.path("project")).env("HOME", self.world.path(""));
        ran(&mut command)
    }

    /// The version numbers of a layer, by the AWS CLI.
    #[track_caller]
    pub(crate) fn versions(&self, region: &str, layer: &str) -> Vec<u64> {
        let listed = self.aws(region, &["lambda", "list-layer-versions", "--layer-name", layer]);
        let versions = listed["LayerVersions"].as_array().unwrap().iter();
        let mut versions: Vec<u64> = versions.map(|version| version["Version"].as_u64().unwrap()).collect();
        versions.sort_unstable();
        versions
    }

    /// dist/ as `layr build` leaves it, with `n` small layers; their names.
    pub(crate) fn dist(&self, prefix: &str, n: usize) -> Vec<String> {
        let layers: Vec<Value> = (0..n)
            .map(|at| {
                self.layer(prefix, zip(&[("R/library/p/DESCRIPTION", format!("{prefix} {at}").as_bytes())]))
            })
            .collect();
        self.manifest(&layers)
    }

    /// A layer's zip in dist/, and its entry of layers.json.
    pub(crate) fn layer(&self, prefix: &str, zip: Vec<u8>) -> Value {
        let sha256 = hex::encode(Sha256::digest(&zip));
        let name = format!("{prefix}-r4-5-x86-64-{}", &sha256[..16]);
        let n_bytes = zip.len();
        self.world.write(&format!("project/dist/{name}.zip"), zip);
        json!({
            "name": name, "digest": sha256, "zip": format!("{name}.zip"), "zip_sha256": sha256,
            "zip_bytes": n_bytes, "unzipped_bytes": n_bytes, "packages": [format!("{prefix} 1.0")],
        })
    }

    /// Writes layers.json: one function with the first five, the others there as well.
    pub(crate) fn manifest(&self, layers: &[Value]) -> Vec<String> {
        let names: Vec<String> =
            layers.iter().map(|layer| layer["name"].as_str().unwrap().to_owned()).collect();
        let function = json!({
            "name": "score", "lockfile": "renv.lock", "layers": &names[..names.len().min(4)],
            "code_bytes": 0, "unzipped_bytes": 0, "packages": [],
        });
        let manifest = json!({
            "schema": 1, "r": "4.5.0", "arch": "x86_64",
            "base": { "recipe": "al2023", "digest": "ab".repeat(32) },
            "layr_lock_sha256": "cd".repeat(32),
            "functions": [function], "layers": layers,
        });
        self.world.write("project/dist/layers.json", format!("{manifest:#}"));
        names
    }

    /// The ARN that layers.json has for a layer in a region.
    pub(crate) fn recorded(&self, layer: &str, region: &str) -> Option<String> {
        let manifest: Value = serde_json::from_str(&self.world.read("project/dist/layers.json")).unwrap();
        let layers = manifest["layers"].as_array().unwrap();
        let entry = layers.iter().find(|entry| entry["name"] == layer).unwrap();
        entry["published"][region].as_str().map(str::to_owned)
    }

    /// Holds that every layer is there once in each region, and that layers.json says so.
    #[track_caller]
    pub(crate) fn each_is_there_once(&self, layers: &[String]) {
        for region in REGIONS.split(',') {
            for layer in layers {
                let versions = self.versions(region, layer);
                assert_eq!(versions.len(), 1, "{layer} in {region}");
                let arn = format!("arn:aws:lambda:{region}:123456789012:layer:{layer}:{}", versions[0]);
                assert_eq!(self.recorded(layer, region), Some(arn));
            }
        }
    }
}

/// A zip of some files.
pub(crate) fn zip(files: &[(&str, &[u8])]) -> Vec<u8> {
    let mut writer = zip::ZipWriter::new(Cursor::new(Vec::new()));
    for (path, bytes) in files {
        writer.start_file(*path, zip::write::SimpleFileOptions::default()).unwrap();
        writer.write_all(bytes).unwrap();
    }
    writer.finish().unwrap().into_inner()
}
