//! Debian's package of the registry for images, unpacked and not installed: its service would
//! start with the machine.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result};

use crate::run;

/// The program; `None`, said aloud, where it cannot be had.
pub fn provide(cache: &Path) -> Option<PathBuf> {
    let folder = cache.join("registry");
    let program = folder.join("usr/bin/docker-registry");
    if !program.is_file()
        && let Err(error) = unpack(&folder)
    {
        eprintln!("docker-registry cannot be had; going on without: {error:#}");
        return None;
    }
    Some(program)
}

fn unpack(folder: &Path) -> Result<()> {
    let work = tempfile::tempdir()?;
    run::check(
        Command::new("apt-get").args(["-qq", "download", "docker-registry"]).current_dir(work.path()),
    )?;
    let mut files = fs::read_dir(work.path())?.flatten().map(|entry| entry.path());
    let package = files.find(|path| path.extension().is_some_and(|ending| ending == "deb"));
    let package = package.context("apt-get left no package")?;
    fs::create_dir_all(folder)?;
    run::check(Command::new("dpkg-deb").arg("--extract").arg(package).arg(folder))
}
