//! A root file system that stands in for Lambda's image: a minimal Debian without R and
//! without anything of R's, but with curl and certificates, as Lambda's image has them.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::Result;

use crate::{run, testbed};

/// In the name of the folder, so that a change here makes it anew.
const VERSION: u32 = 1;
const SUITE: &str = "trixie";
const PACKAGES: &str = "ca-certificates,curl";

/// Makes it, or finds it made.
pub fn provide(cache: &Path) -> Result<PathBuf> {
    let root = cache.join(format!("lambda-root-{SUITE}-{VERSION}"));
    if root.is_dir() {
        return Ok(root);
    }
    let temp = tempfile::Builder::new().prefix("lambda-root-").tempdir_in(cache)?;
    let (tar, folder) = (temp.path().join("root.tar"), temp.path().join("root"));
    let mut command = Command::new("mmdebstrap");
    command.args(["--quiet", "--variant=minbase", &format!("--include={PACKAGES}"), SUITE]).arg(&tar);
    command.arg(testbed::mirror()?);
    run::check(&mut command)?;
    fs::create_dir(&folder)?;
    let mut unpack = Command::new("tar");
    unpack.args(["--extract", "--no-same-owner", "--exclude=./dev/*", "--file"]).arg(&tar);
    run::check(unpack.arg("--directory").arg(&folder))?;
    fs::rename(&folder, &root)?;
    Ok(root)
}
