//! A lockfile to a library that R in the base can load packages from: built by layr,
//! unpacked as Lambda does.

use std::fs;
use std::path::PathBuf;

use anyhow::{Context, Result};
use serde_json::Value;

use crate::base::Base;
use crate::layr::{Layr, target};
use crate::serve::Server;
use crate::testbed::Testbed;
use crate::{load, paths, run};

/// What `/opt` would be with the layers of `lockfiles/<name>.lock`; the packages are in
/// `R/library`, and find what they link to from there.
pub fn make(layr: &Layr, base: &Base, testbed: &Testbed, name: &str) -> Result<PathBuf> {
    let out = target().join("libraries").join(name);
    if out.exists() {
        fs::remove_dir_all(&out)?;
    }
    let server = Server::start(testbed.repository())?;
    let mut command = layr.command();
    command.arg("build").arg(paths::workspace().join(format!("lockfiles/{name}.lock")));
    command.arg("--base").arg(&base.path).args(["--engine", "bwrap", "--quiet", "--json"]);
    command.args(["--repository", &format!("CRAN={}", server.url())]);
    command.arg("--out").arg(&out).arg("--layr-lock").arg(out.join("layr.lock"));
    let answer: Value = serde_json::from_str(&run::stdout(&mut command)?)?;
    let layers = answer["layers"].as_array().context("`layr build --json` names no layers")?;
    let zips: Option<Vec<PathBuf>> =
        layers.iter().map(|layer| Some(out.join(layer["zip"].as_str()?))).collect();
    let opt = out.join("opt");
    load::unpack(&zips.context("a layer has no `zip`")?, &opt)?;
    Ok(opt)
}
