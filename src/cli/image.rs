//! `layr image`

use std::ffi::OsString;
use std::io::Write;
use std::path::PathBuf;

use super::cloud::read_manifest;
use super::project::EngineArg;
use super::{Global, project};
use crate::config::FunctionConfig;
use crate::engine::{Choice, Container, Engine};
use crate::error::Error;
use crate::image::{self, ImageError, ImageLayer, ImageRequest};
use crate::manifest::Manifest;
use crate::pack;
use crate::store::Store;

#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// The function of layr.toml
    function: String,
    /// Image to build upon, by digest
    #[arg(long, value_name = "NAME@sha256:DIGEST")]
    base_image: String,
    /// Where the OCI image layout goes
    #[arg(long, value_name = "DIR", default_value = "image")]
    out: PathBuf,
    /// Where `layr build` has put the layers
    #[arg(long, value_name = "DIR", default_value = "dist")]
    dist: PathBuf,
    /// docker or podman
    #[arg(long, value_enum, env = "LAYR_ENGINE")]
    engine: Option<EngineArg>,
    /// What the image is called
    #[arg(long, value_name = "NAME:TAG")]
    tag: Option<String>,
    /// Label the image for `SnapStart`
    #[arg(long)]
    snapstart: bool,
    /// Hand the image to the container program
    #[arg(long)]
    load: bool,
    /// Hand it over and push it under its name
    #[arg(long, requires = "tag")]
    push: bool,
}

pub(super) fn run(args: &Args, global: &Global, stdout: &mut dyn Write) -> Result<(), Error> {
    let (config, _) = project::read_config()?;
    let manifest = read_manifest(&args.dist)?;
    let no_function =
        |place: &str| Error::Usage(format!("there is no function `{}` in {place}", args.function));
    let function = config.functions.get(&args.function).ok_or_else(|| no_function("layr.toml"))?;
    let handler = function
        .handler
        .as_deref()
        .ok_or_else(|| Error::Usage(format!("function `{}` has no `handler` in layr.toml", args.function)))?;
    let store = Store::open(&global.absolute_store_root()?)?;
    let layers = args.layers(&manifest, function, &store)?.ok_or_else(|| no_function("layers.json"))?;
    let container = container(project::engine(args.engine, &config)?)?;
    let tag = args.tag.clone().unwrap_or_else(|| format!("layr/{}:latest", args.function.to_lowercase()));
    let request = ImageRequest {
        base: &args.base_image,
        arch: manifest.arch,
        layers: &layers,
        handler,
        tag: &tag,
        snapstart: args.snapstart,
    };
    let digest = image::write(&request, &container, &store, &args.out)?;
    if args.load || args.push {
        image::load(&args.out, &container)?;
    }
    if args.push {
        container.push(&tag).map_err(ImageError::Load)?;
    }
    writeln!(stdout, "{tag} sha256:{digest}").map_err(Error::Output)
}

/// docker or podman, as chosen.
fn container(choice: Choice) -> Result<Container, Error> {
    let search_path: OsString = std::env::var_os("PATH").unwrap_or_default();
    match Engine::find(choice, &search_path)? {
        Engine::Container(container) => Ok(container),
        engine @ Engine::Bwrap { .. } => Err(ImageError::NeedsContainer { engine: engine.name() }.into()),
    }
}

impl Args {
    /// The function's layers in attach order, and its code on top; `None` where it was not
    /// built.
    fn layers(
        &self,
        manifest: &Manifest,
        function: &FunctionConfig,
        store: &Store,
    ) -> Result<Option<Vec<ImageLayer>>, Error> {
        let Some(built) = manifest.functions.iter().find(|built| built.name == self.function) else {
            return Ok(None);
        };
        let mut layers = Vec::new();
        for layer in built.layers.iter().filter_map(|name| manifest.layer(name)) {
            if !store.has_tree(layer.digest.0) {
                return Err(ImageError::NotHere { layer: layer.name.clone() }.into());
            }
            let entries = store.entries(layer.digest.0)?;
            layers.push(ImageLayer { name: layer.name.clone(), entries, path: "opt" });
        }
        if let Some(code) = function.code.as_deref() {
            let packages = built.in_code.as_ref().map(|packages| packages.digest);
            let entries = pack::code_entries((code, packages), store)?;
            layers.push(ImageLayer { name: format!("{} code", self.function), entries, path: "var/task" });
        }
        Ok(Some(layers))
    }
}
