//! What a command was pointed at, to an inventory.

use std::path::{Path, PathBuf};

use super::project::{function_name, read_config};
use crate::error::Error;
use crate::inventory::{self, Inventory};
use crate::manifest;
use crate::sys::fs;

/// Reads a file, a folder with layers.json in it, or a function of layr.toml by its name.
pub(super) fn read(what: &Path) -> Result<Inventory, Error> {
    let (path, function) = find(what)?;
    let function = function.unwrap_or_else(|| function_name(&path));
    Ok(inventory::read(&path, &function)?)
}

pub(super) fn find(what: &Path) -> Result<(PathBuf, Option<String>), Error> {
    if fs::is_dir(what) {
        return Ok((what.join(manifest::FILE_NAME), None));
    }
    if !fs::exists(what) {
        let (config, _) = read_config()?;
        let function = config.functions.into_iter().find(|(name, _)| Path::new(name) == what);
        if let Some((name, function)) = function {
            return Ok((function.lockfile, Some(name)));
        }
    }
    Ok((what.to_owned(), None))
}
