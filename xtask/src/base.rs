//! A recipe to a base that layr has made, as layr itself describes it.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use serde_json::Value;

use crate::layr::Layr;
use crate::testbed::{self, download};
use crate::{paths, run};

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

/// The base of [`RECIPE`] that layr made of today's list of packages, else a new one.
pub fn provide(layr: &Layr, cache: &Path) -> Result<Base> {
    let packages = download::digest_of(&paths::workspace().join("images/debian/packages.txt"))?;
    let record = cache.join(format!("base-{}.json", &packages[..16]));
    let made = fs::read_to_string(&record).unwrap_or_default();
    let bases = run::stdout(layr.command().args(["base", "list", "--json"]))?;
    if let Some(base) = find(&made, &bases) {
        return Ok(base);
    }
    let text = build(layr)?;
    let base = serde_json::from_str(&text).ok().and_then(|base| read(&base));
    let base = base.with_context(|| format!("`layr base build --json` describes no base: {text}"))?;
    fs::write(&record, text)?;
    Ok(base)
}

/// The base that was made, if layr still lists it.
fn find(made: &str, listed: &str) -> Option<Base> {
    let made: Value = serde_json::from_str(made).ok()?;
    let listed: Vec<Value> = serde_json::from_str(listed).ok()?;
    listed.iter().find(|base| base["path"] == made["path"]).and_then(read)
}

/// What layr says of the base that it makes.
fn build(layr: &Layr) -> Result<String> {
    let mut command = layr.command();
    command.args(["base", "build", RECIPE, "--json"]);
    // Off Debian, layr's own choice of a mirror has to do.
    if let Ok(mirror) = testbed::mirror() {
        command.args(["--mirror", &mirror]);
    }
    run::stdout(&mut command)
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

    #[test]
    fn a_base_is_taken_again_as_long_as_layr_has_it() {
        let made = r#"{"path": "/base", "r": "4.5.0"}"#;
        assert_eq!(find(made, &format!("[{made}]")).unwrap().path, PathBuf::from("/base"));
        assert!(find(made, "[]").is_none());
        assert!(find("", &format!("[{made}]")).is_none());
    }
}
