//! A recipe to a base that layr has made, as layr itself describes it.

use std::path::PathBuf;

use anyhow::{Context, Result};
use serde_json::Value;

use crate::layr::Layr;
use crate::{run, testbed};

/// The recipe whose packages come from Debian's archive alone.
pub const RECIPE: &str = "debian:trixie";

/// A base in layr's store.
#[derive(Debug, Clone)]
pub struct Base {
    /// Holds `base.json` and `rootfs`.
    pub path: PathBuf,
    /// The version of its R.
    pub r: String,
}

impl Base {
    pub fn rootfs(&self) -> PathBuf {
        self.path.join("rootfs")
    }
}

/// Has layr make the base of [`RECIPE`], or find it made.
pub fn build(layr: &Layr) -> Result<Base> {
    let mut command = layr.command();
    command.args(["base", "build", RECIPE, "--json"]);
    // Off Debian, layr's own choice of a mirror has to do.
    if let Ok(mirror) = testbed::mirror() {
        command.args(["--mirror", &mirror]);
    }
    let text = run::stdout(&mut command)?;
    let base = serde_json::from_str(&text).ok().and_then(|base| read(&base));
    base.with_context(|| format!("`layr base build --json` describes no base: {text}"))
}

fn read(base: &Value) -> Option<Base> {
    let field = |name: &str| base[name].as_str().map(str::to_owned);
    Some(Base { path: field("path")?.into(), r: field("r")? })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_base_is_a_folder_with_a_root_file_system() {
        let base = read(&serde_json::json!({"recipe": RECIPE, "path": "/base", "r": "4.5.0"})).unwrap();
        assert_eq!(base.rootfs(), PathBuf::from("/base/rootfs"));
        assert!(read(&serde_json::json!([])).is_none());
    }
}
