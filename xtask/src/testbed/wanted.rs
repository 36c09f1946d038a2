//! Lockfiles to the exact versions that a repository must hold for them.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

use anyhow::{Context, Result};

use crate::dcf;

/// From a package's name to its locked versions.
pub type Wanted = BTreeMap<String, BTreeSet<String>>;

/// What all `*.lock` files of `dir` lock.
pub fn from_dir(dir: &Path) -> Result<Wanted> {
    let mut wanted = Wanted::new();
    let entries = fs::read_dir(dir).with_context(|| format!("failed to list {}", dir.display()))?;
    for entry in entries {
        let path = entry?.path();
        // A build leaves layr's own lockfile beside the others unless told otherwise.
        let is_of_r = path.file_name().is_some_and(|name| name != "layr.lock");
        if is_of_r && path.extension().is_some_and(|ending| ending == "lock") {
            for (name, version) in from_file(&path)? {
                wanted.entry(name).or_default().insert(version);
            }
        }
    }
    Ok(wanted)
}

/// What one lockfile locks: names to versions.
pub fn from_file(path: &Path) -> Result<BTreeMap<String, String>> {
    let text = fs::read_to_string(path).with_context(|| format!("failed to read {}", path.display()))?;
    let locked = if text.trim_start().starts_with('{') { renv(&text)? } else { packrat(&text) };
    Ok(locked)
}

fn renv(text: &str) -> Result<BTreeMap<String, String>> {
    let lockfile: serde_json::Value = serde_json::from_str(text)?;
    let packages = lockfile["Packages"].as_object().context("found no `Packages`")?;
    let version = |record: &serde_json::Value| record["Version"].as_str().map(str::to_owned);
    Ok(packages.iter().filter_map(|(name, record)| Some((name.clone(), version(record)?))).collect())
}

fn packrat(text: &str) -> BTreeMap<String, String> {
    let records = dcf::records(text).into_iter();
    records.filter_map(|mut record| Some((record.remove("Package")?, record.remove("Version")?))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn renv_and_packrat_lock_alike() {
        let expected = BTreeMap::from([("R6".to_owned(), "2.6.1".to_owned())]);
        let json = r#"{"R": {}, "Packages": {"R6": {"Package": "R6", "Version": "2.6.1"}}}"#;
        assert_eq!(renv(json).unwrap(), expected);
        assert_eq!(packrat("PackratFormat: 1.4\n\nPackage: R6\nVersion: 2.6.1\n"), expected);
    }
}
