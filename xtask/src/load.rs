//! Layer zips to the proof that R can load each package in them: unpacked as Lambda
//! does, and loaded by a base's R that has no other library and no network.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, Result};

use crate::sandbox::{self, Network};
use crate::{interrupt, run};

/// Loads one package and fails unless it is the locked version from the layers.
const SCRIPT: &str = r#"
words <- commandArgs(trailingOnly = TRUE)
name <- words[1]
others <- setdiff(.libPaths(), c("/opt/R/library", normalizePath(.Library)))
if (length(others)) stop("there are other libraries: ", toString(others))
loadNamespace(name)
path <- getNamespaceInfo(name, "path")
if (path != file.path("/opt/R/library", name)) stop("it came from ", path)
version <- read.dcf(file.path(path, "DESCRIPTION"), "Version")[1]
if (version != words[2]) stop("its version is ", version, ", locked is ", words[2])
"#;

/// Unpacks `zips` over one `opt`, in their order.
pub fn unpack(zips: &[PathBuf], opt: &Path) -> Result<()> {
    fs::create_dir_all(opt)?;
    for zip in zips {
        run::check(Command::new("unzip").args(["-q", "-o"]).arg(zip).arg("-d").arg(opt))?;
    }
    Ok(())
}

/// Loads every package of `locked` in a process of its own, so that none can lean on
/// what another has loaded; the failures by name.
pub fn failures(
    rootfs: &Path,
    opt: &Path,
    locked: &BTreeMap<String, String>,
) -> Result<BTreeMap<String, String>> {
    let mut failures = BTreeMap::new();
    for (name, version) in locked {
        interrupt::check()?;
        let output = in_base(rootfs, opt)?
            .args(["Rscript", "--vanilla", "-e", SCRIPT, name, version])
            .stdin(Stdio::null())
            .output()
            .context("failed to start `bwrap`")?;
        if !output.status.success() {
            let said = String::from_utf8_lossy(&output.stderr).trim().to_owned();
            failures.insert(name.clone(), said);
        }
    }
    Ok(failures)
}

/// A command in the base, with `opt` for `/opt`.
fn in_base(rootfs: &Path, opt: &Path) -> Result<Command> {
    let mut command = sandbox::command(rootfs, Network::None)?;
    command.arg("--ro-bind").arg(opt).arg("/opt");
    sandbox::set(&mut command, "R_LIBS", "/opt/R/library");
    // Debian's R looks into these too unless told otherwise.
    sandbox::set(&mut command, "R_LIBS_SITE", "/nonexistent");
    sandbox::set(&mut command, "R_LIBS_USER", "/nonexistent");
    Ok(command)
}
