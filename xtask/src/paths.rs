//! Where things lie: the checkout, the tasks' persistent cache.

use std::env;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

/// The root of the checkout this program was built from.
pub fn workspace() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap_or(Path::new(".")).to_path_buf()
}

/// The folder that outlives a run: `LAYR_TESTBED_DIR`, or `layr-testbed` in the user's
/// cache folder.
pub fn cache() -> Result<PathBuf> {
    let set = |name| env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    if let Some(dir) = set("LAYR_TESTBED_DIR") {
        return Ok(dir);
    }
    set("XDG_CACHE_HOME")
        .or_else(|| set("HOME").map(|home| home.join(".cache")))
        .map(|dir| dir.join("layr-testbed"))
        .context("found no cache folder: set LAYR_TESTBED_DIR")
}
