//! `layr sbom`

use std::io::Write;
use std::path::{Path, PathBuf};

use super::Global;
use super::inventory::Inventories;
use crate::error::Error;
use crate::inventory::{Form, Inventory, Package};
use crate::model::counted;
use crate::report::{Event, Report};
use crate::sbom::{self, Bom, Format, Stamp, Subject};
use crate::sys::fs;

#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// layers.json or its folder, a layer's zip or ARN, layr.lock, a lockfile, or a function of
    /// layr.toml
    #[arg(default_value = "dist")]
    what: PathBuf,
    #[arg(long, value_enum, default_value = "cyclonedx")]
    format: FormatArg,
    /// The bill of this function
    #[arg(long, value_name = "NAME", conflicts_with = "layer")]
    function: Option<String>,
    /// The bill of this layer
    #[arg(long, value_name = "NAME")]
    layer: Option<String>,
    /// Write the bills of all functions and layers to files in DIR
    #[arg(long, value_name = "DIR", conflicts_with_all = ["function", "layer"])]
    out: Option<PathBuf>,
}

#[derive(Debug, Clone, Copy, clap::ValueEnum)]
enum FormatArg {
    /// CycloneDX 1.6
    Cyclonedx,
    /// SPDX 2.3
    Spdx,
}

impl FormatArg {
    fn format(self) -> Format {
        match self {
            Self::Cyclonedx => Format::CycloneDx,
            Self::Spdx => Format::Spdx,
        }
    }
}

pub(super) fn run(args: &Args, global: &Global, stdout: &mut dyn Write) -> Result<(), Error> {
    let inventory = Inventories::new(global).read(&args.what)?;
    if let Some(text) = unknown(&inventory) {
        global.reporter().report(&Event::Warning { text: &text });
    }
    let created = created()?;
    let stamp = Stamp { version: env!("CARGO_PKG_VERSION"), created: created.as_deref() };
    if let Some(folder) = &args.out {
        return write_all(&inventory, args.format.format(), (folder, &stamp));
    }
    let subject = subject(args, &inventory)?;
    let missing = || {
        let (Subject::Function(name) | Subject::Layer(name)) = subject;
        Error::Usage(format!("`{}` has no `{name}`: it has {}", args.what.display(), names(&inventory)))
    };
    let bom = Bom::of(&inventory, subject).ok_or_else(missing)?;
    write!(stdout, "{}", bom.render(args.format.format(), &stamp)).map_err(Error::Output)
}

/// What no bill of these packages will say.
fn unknown(inventory: &Inventory) -> Option<String> {
    let of =
        |is_unknown: fn(&Package) -> bool| inventory.packages.iter().filter(|one| is_unknown(one)).count();
    let licenses = of(|package| package.license.is_none());
    let dependencies = of(|package| package.dependencies.is_none());
    (licenses + dependencies > 0).then(|| {
        format!(
            "of {}, the licences of {licenses} and the dependencies of {dependencies} are not known here{}",
            counted(inventory.packages.len(), "package"),
            match inventory.form {
                Form::Lockfile | Form::LayrLock => "; `layr audit --online` fetches sources, which say both",
                Form::Manifest | Form::Layer => "",
            }
        )
    })
}

/// The one that was asked for, or the only one there is.
fn subject<'a>(args: &'a Args, inventory: &'a Inventory) -> Result<Subject<'a>, Error> {
    let asked = args.function.as_deref().map(Subject::Function);
    let asked = asked.or_else(|| args.layer.as_deref().map(Subject::Layer));
    let only = || match (inventory.functions.as_slice(), inventory.layers.as_slice()) {
        ([function], _) => Some(Subject::Function(&function.name)),
        ([], [layer]) => Some(Subject::Layer(&layer.name)),
        _ => None,
    };
    asked.or_else(only).ok_or_else(|| {
        Error::Usage(format!(
            "say with --function or --layer which bill, or with --out where all go: there are {}",
            names(inventory)
        ))
    })
}

fn names(inventory: &Inventory) -> String {
    let functions = inventory.functions.iter().map(|function| format!("function `{}`", function.name));
    let layers = inventory.layers.iter().map(|layer| format!("layer `{}`", layer.name));
    functions.chain(layers).collect::<Vec<_>>().join(", ")
}

fn write_all(inventory: &Inventory, format: Format, to: (&Path, &Stamp<'_>)) -> Result<(), Error> {
    let (folder, stamp) = to;
    fs::create_dir_all(folder)?;
    let functions = inventory.functions.iter().map(|function| Subject::Function(&function.name));
    let layers = inventory.layers.iter().map(|layer| Subject::Layer(&layer.name));
    for subject in functions.chain(layers) {
        if let Some(bom) = Bom::of(inventory, subject) {
            let path = folder.join(sbom::file_name(subject, format));
            fs::write_atomic(&path, bom.render(format, stamp).as_bytes())?;
        }
    }
    Ok(())
}

/// A time only where one is asked for, in the way that reproducible builds do.
fn created() -> Result<Option<String>, Error> {
    let Some(text) = std::env::var_os("SOURCE_DATE_EPOCH").filter(|text| !text.is_empty()) else {
        return Ok(None);
    };
    let seconds = text.to_str().and_then(|text| text.parse().ok());
    let time = seconds.and_then(|seconds| jiff::Timestamp::from_second(seconds).ok());
    let wrong = || {
        let text = text.to_string_lossy();
        Error::Usage(format!("SOURCE_DATE_EPOCH is `{text}`, where seconds since 1970 are wanted"))
    };
    Ok(Some(time.ok_or_else(wrong)?.to_string()))
}
