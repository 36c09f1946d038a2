//! `layr deploy`

use std::io::Write;

use super::cloud::{Cloud, CloudArgs};
use super::{Global, event};
use crate::config::FunctionConfig;
use crate::error::Error;
use crate::manifest::Manifest;
use crate::pack::{self, CodeZip};
use crate::publish::{self, Answer, Code, DeployRequest, Deployed, PublishError, Settings};
use crate::store::Store;

#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Functions of layr.toml; all if none is given
    functions: Vec<String>,
    #[command(flatten)]
    cloud: CloudArgs,
    /// ARN of the role that the function runs as; layr.toml's if not given
    #[arg(long, value_name = "ARN")]
    role: Option<String>,
    /// Freeze what changed as a version
    #[arg(long)]
    publish_version: bool,
    /// Freeze it, and let this alias mean it
    #[arg(long, value_name = "NAME")]
    alias: Option<String>,
    /// Call the function afterwards: a file, `-` for standard input, or JSON
    #[arg(long, value_name = "FILE|-|JSON")]
    invoke: Option<String>,
    /// Show the end of the call's log
    #[arg(long, requires = "invoke")]
    tail: bool,
    /// Say what would change; only reads
    #[arg(long, conflicts_with = "invoke")]
    dry_run: bool,
}

pub(super) fn run(args: &Args, global: &Global, stdout: &mut dyn Write) -> Result<(), Error> {
    let manifest = args.cloud.manifest()?;
    let cloud = args.cloud.open(global)?;
    let store = Store::open(&global.absolute_store_root()?)?;
    let event = args.invoke.as_deref().map(|text| event::read("--invoke", text)).transpose()?;
    for name in args.names(&cloud)? {
        let function = cloud.config.functions.get(&name);
        let function =
            function.ok_or_else(|| PublishError::NoFunction { name: name.clone(), place: "layr.toml" })?;
        let code = function
            .code
            .as_deref()
            .ok_or_else(|| PublishError::NotConfigured { name: name.clone(), key: "code" })?;
        let built = manifest.functions.iter().find(|built| built.name == name);
        let packages = built.and_then(|built| built.in_code.as_ref()).map(|packages| packages.digest);
        let zip = pack::code_zip((code, packages), &store, &cloud.report)?;
        for region in &cloud.regions {
            let one = One { args, name: &name, function, zip: &zip, region, manifest: &manifest };
            one.deploy(&cloud, stdout)?;
            if let Some(event) = &event {
                one.invoke(event, &cloud, stdout)?;
            }
        }
    }
    Ok(())
}

/// One function in one region.
struct One<'a> {
    args: &'a Args,
    name: &'a str,
    function: &'a FunctionConfig,
    zip: &'a CodeZip,
    region: &'a str,
    manifest: &'a Manifest,
}

impl One<'_> {
    fn deploy(&self, cloud: &Cloud, stdout: &mut dyn Write) -> Result<(), Error> {
        let settings = self.settings()?;
        let request = DeployRequest {
            name: self.name,
            region: self.region,
            settings: &settings,
            code: Code { zip: &self.zip.bytes, digest: self.zip.digest, arch: self.manifest.arch },
            publish: self.args.publish_version,
            alias: self.args.alias.as_deref(),
            dry_run: self.args.dry_run,
        };
        let deployed = publish::deploy(&request, &cloud.aws)?;
        writeln!(stdout, "{} in {}: {}", self.name, self.region, shown(&deployed, self.args.dry_run))
            .map_err(Error::Output)
    }

    fn settings(&self) -> Result<Settings, PublishError> {
        let missing = |key| PublishError::NotConfigured { name: self.name.to_owned(), key };
        let FunctionConfig { handler, role, memory_mb, timeout_seconds, environment, .. } = self.function;
        Ok(Settings {
            handler: handler.clone().ok_or_else(|| missing("handler"))?,
            role: self.args.role.clone().or_else(|| role.clone()).ok_or_else(|| missing("role"))?,
            memory_mb: *memory_mb,
            timeout_seconds: *timeout_seconds,
            environment: environment.clone(),
            layers: self.layers()?,
        })
    }

    fn layers(&self) -> Result<Vec<String>, PublishError> {
        let no_function = || PublishError::NoFunction { name: self.name.to_owned(), place: "layers.json" };
        let built = self.manifest.functions.iter().find(|function| function.name == self.name);
        let names = &built.ok_or_else(no_function)?.layers;
        let arn = |name: &String| {
            let published = self.manifest.layer(name).and_then(|layer| layer.published.get(self.region));
            let region = self.region.to_owned();
            published
                .map(ToString::to_string)
                .ok_or_else(|| PublishError::NotPublished { layer: name.clone(), region })
        };
        names.iter().map(arn).collect()
    }

    /// The answer goes to stdout, the log to stderr.
    fn invoke(&self, event: &[u8], cloud: &Cloud, stdout: &mut dyn Write) -> Result<(), Error> {
        let alias = self.args.alias.as_deref();
        let answer: Answer = publish::invoke((self.region, self.name), alias, event, &cloud.aws)?;
        if self.args.tail {
            anstream::stderr().write_all(answer.log().as_bytes()).map_err(Error::Output)?;
        }
        stdout.write_all(&answer.payload).and_then(|()| stdout.write_all(b"\n")).map_err(Error::Output)?;
        match answer.function_error {
            None => Ok(()),
            Some(kind) => Err(PublishError::FunctionFailed { name: self.name.to_owned(), kind }.into()),
        }
    }
}

fn shown(deployed: &Deployed, is_dry: bool) -> String {
    let version = deployed.version.as_ref().map(|version| format!(", version {version}"));
    let what = match (deployed.is_new, is_dry, deployed.changes.is_empty()) {
        (true, true, _) => "would be created".to_owned(),
        (true, false, _) => "created".to_owned(),
        (false, _, true) => "unchanged".to_owned(),
        (false, true, false) => format!("would change: {}", deployed.changes.join(", ")),
        (false, false, false) => format!("changed: {}", deployed.changes.join(", ")),
    };
    format!("{what}{}", version.unwrap_or_default())
}

impl Args {
    fn names(&self, cloud: &Cloud) -> Result<Vec<String>, Error> {
        let is_image =
            |name: &&String| cloud.config.functions.get(*name).is_some_and(|function| function.image);
        if let Some(name) = self.functions.iter().find(is_image) {
            return Err(Error::Usage(format!(
                "function `{name}` is a container image: make it with `layr image {name}`, and deploy that"
            )));
        }
        let names: Vec<String> = if self.functions.is_empty() {
            cloud.config.functions.keys().filter(|name| !is_image(name)).cloned().collect()
        } else {
            self.functions.clone()
        };
        match names.len() {
            0 => Err(Error::Usage("layr.toml names no function".to_owned())),
            2.. if self.invoke.is_some() => {
                Err(Error::Usage("--invoke is for one function: name it".to_owned()))
            }
            _ => Ok(names),
        }
    }
}
