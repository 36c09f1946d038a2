//! `layr runtime build`

use std::io::Write;

use serde_json::{Value, json};

use super::project::Settings;
use super::{Global, table};
use crate::error::Error;
use crate::model::{LAMBDA, human_bytes};
use crate::pipeline::{self, RuntimeReport};
use crate::sys::fs;

/// Its description, in the output folder.
const FILE_NAME: &str = "runtime.json";
/// Libraries that the table names; the others are counted.
const N_SHOWN: usize = 5;

#[derive(Debug, clap::Subcommand)]
pub(super) enum Command {
    /// Make the layer that holds R and what Lambda starts, and runtime.json beside it
    Build(BuildArgs),
}

#[derive(Debug, clap::Args)]
pub(super) struct BuildArgs {
    #[command(flatten)]
    settings: Settings,
    /// Print what was made as JSON
    #[arg(long)]
    pub(super) json: bool,
}

pub(super) fn run(command: &Command, global: &Global, stdout: &mut dyn Write) -> Result<(), Error> {
    let Command::Build(args) = command;
    let request = args.settings.base_request()?;
    let services = global.services(Vec::new())?;
    let report = pipeline::runtime(&request, &services)?;
    let value = described(&report);
    fs::write_atomic(&request.out.join(FILE_NAME), table::to_json(&value).as_bytes())?;
    let text = if args.json { table::to_json(&value) } else { shown(&report) };
    write!(stdout, "{text}").map_err(Error::Output)
}

/// docs/runtime-layer.md has the fields.
fn described(report: &RuntimeReport) -> Value {
    let RuntimeReport { base, target, layer, libraries } = report;
    json!({
        "schema": 1,
        "r": base.r.to_string(),
        "arch": base.arch,
        "base": { "recipe": base.recipe, "digest": base.digest.to_hex() },
        "target": target,
        "layer": {
            "name": layer.name,
            "digest": layer.digest.to_hex(),
            "zip": layer.file_name(),
            "zip_sha256": layer.archive.to_hex(),
            "zip_bytes": layer.zip_bytes,
            "unzipped_bytes": layer.unzipped_bytes,
        },
        "libraries": libraries,
    })
}

fn shown(report: &RuntimeReport) -> String {
    let RuntimeReport { base, target, layer, libraries } = report;
    let mut text = format!(
        "{}  R {} for {target} on {}  {} zipped  {} unzipped of {}\n",
        layer.name,
        base.r,
        base.arch,
        human_bytes(layer.zip_bytes),
        human_bytes(layer.unzipped_bytes),
        human_bytes(LAMBDA.unzipped_bytes),
    );
    let mut largest: Vec<_> = libraries.iter().collect();
    largest.sort_by_key(|library| std::cmp::Reverse(library.unzipped_bytes));
    let total: u64 = libraries.iter().map(|library| library.unzipped_bytes).sum();
    text.push_str(&format!(
        "  {} libraries that the target lacks: {}\n",
        libraries.len(),
        human_bytes(total)
    ));
    for library in largest.iter().take(N_SHOWN) {
        text.push_str(&format!("    {}  {}\n", library.path, human_bytes(library.unzipped_bytes)));
    }
    text
}
