//! A recipe to a base that layr has made, found through layr's own listing.

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
    command.args(["base", "build", RECIPE]);
    // Off Debian, layr's own choice of a mirror has to do.
    if let Ok(mirror) = testbed::mirror() {
        command.args(["--mirror", &mirror]);
    }
    run::check(&mut command)?;
    let listing = run::stdout(layr.command().args(["base", "list", "--json"]))?;
    let bases: Value = serde_json::from_str(&listing).context("`layr base list --json` wrote no JSON")?;
    find(&bases).with_context(|| format!("`layr base list --json` does not show `{RECIPE}`: {listing}"))
}

/// The newest base of the recipe; `created` sorts as text.
fn find(bases: &Value) -> Option<Base> {
    let of_recipe = bases.as_array()?.iter().filter(|base| base["recipe"] == RECIPE);
    let base = of_recipe.max_by_key(|base| base["created"].to_string())?;
    let path = base["path"].as_str()?.into();
    Some(Base { path, r: base["r"].as_str().unwrap_or_default().to_owned() })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_newest_base_of_the_recipe_is_taken() {
        let bases = serde_json::json!([
            {"recipe": "debian:trixie", "path": "/old", "r": "4.5.0", "created": "2026-01-01T00:00:00Z"},
            {"recipe": "debian:trixie", "path": "/new", "r": "4.5.0", "created": "2026-02-01T00:00:00Z"},
            {"recipe": "al2023", "path": "/other", "r": "4.5.1", "created": "2026-03-01T00:00:00Z"},
        ]);
        let base = find(&bases).unwrap();
        assert_eq!(base.rootfs(), PathBuf::from("/new/rootfs"));
        assert_eq!(base.r, "4.5.0");
    }
}
