//! AWS's Runtime Interface Emulator, which Lambda's own images hold, too.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result};

use crate::{run, tools};

/// The package of AWS's command line that brings the emulator for both architectures.
/// pip holds it against this digest.
const REQUIREMENT: &str = "aws-sam-cli==1.170.0 \
    --hash=sha256:24ebaf5ecba38dc1758089968cb89ab61e124b84e92a344fc7a2771a47f4d0bf\n";

/// Where in it.
const FOLDER: &str = "samcli/local/rapid";

/// The emulator, from `cache` or from `PyPI`; `None`, said aloud, where it cannot be had.
pub fn provide(cache: &Path) -> Option<PathBuf> {
    find(&cache.join("rie"))
        .inspect_err(|error| eprintln!("AWS's emulator is not there; going on without: {error:#}"))
        .ok()
}

fn find(folder: &Path) -> Result<PathBuf> {
    let architecture = if cfg!(target_arch = "aarch64") { "arm64" } else { "x86_64" };
    let program = folder.join(FOLDER).join(format!("aws-lambda-rie-{architecture}"));
    if program.is_file() {
        return Ok(program);
    }
    tools::provide(&[tools::PIP, tools::UNZIP])?;
    let work = tempfile::tempdir()?;
    let requirements = work.path().join("requirements.txt");
    fs::write(&requirements, REQUIREMENT)?;
    let pip = tools::find(tools::PIP.program).context("there is no pip3")?;
    let mut download = Command::new(pip);
    download.args(["download", "--quiet", "--no-deps", "--disable-pip-version-check", "--dest"]);
    run::check(download.arg(work.path()).arg("--requirement").arg(&requirements))?;
    let wheel = fs::read_dir(work.path())?.flatten().map(|entry| entry.path());
    let wheel = wheel.into_iter().find(|path| path.extension().is_some_and(|ending| ending == "whl"));
    let wheel = wheel.context("pip left no wheel")?;
    fs::create_dir_all(folder)?;
    run::check(
        Command::new("unzip").args(["-q", "-o"]).arg(&wheel).arg(format!("{FOLDER}/*")).arg("-d").arg(folder),
    )?;
    Ok(program)
}
