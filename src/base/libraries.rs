//! The libraries of a base that is an image, as a folder: layers bring along those that
//! the target lacks.

use std::io::{self, Read};
use std::path::{Path, PathBuf};

use super::rpm::{Asking, DPKG, libraries, list_of};
use super::{Base, BaseError};
use crate::engine::{Engine, Root};
use crate::sys::fs;
use crate::sys::interrupt::Interrupt;
use crate::target::{RPM_LIST, RPM_QUERY};

/// What is copied beside libraries and R: where the loader looks, who owns what, and what the
/// runtime layer takes from elsewhere.
const RECORDS: [&str; 15] = [
    "etc/ld.so.conf",
    "etc/os-release",
    "etc/alternatives/",
    "etc/R/",
    "etc/pki/",
    "etc/ssl/certs/ca-certificates.crt",
    "usr/lib/os-release",
    "usr/lib/sysimage/rpm/",
    "usr/share/R/share/",
    "usr/share/common-licenses/",
    "usr/share/doc/",
    "usr/share/licenses/",
    "usr/share/zoneinfo/",
    "var/lib/dpkg/",
    "var/lib/rpm/",
];

impl Base {
    /// A folder with an image's R and libraries, and the links that lead to them; copied once.
    ///
    /// # Errors
    ///
    /// Where the container program cannot give the image's files.
    pub fn copied_libraries(
        &self,
        engine: &Engine,
        asking: Asking<'_>,
        interrupt: &Interrupt,
    ) -> Result<PathBuf, BaseError> {
        let store = asking.store;
        let place = store.base_folder(self.digest).join("system-4");
        if fs::exists(&place) {
            return Ok(place);
        }
        let (Engine::Container(container), Root::Image(image)) = (engine, &self.root) else {
            return Err(BaseError::NeedsContainer { recipe: self.recipe.clone(), engine: engine.name() });
        };
        let (temp, log) = (store.temp_dir("libraries-")?, store.temp_file()?);
        container
            .export(image, (log.as_file(), interrupt), |stream| {
                copy(stream, (temp.path(), self.r_home.trim_matches('/')))
            })
            .map_err(|source| BaseError::Export { recipe: self.recipe.clone(), source })?;
        if !fs::exists(&temp.path().join(DPKG)) {
            // Its own `rpm` knows its records best; small images have none.
            let list = match container.output(image, &RPM_QUERY) {
                Ok(list) => Some(libraries(&list)),
                Err(_) => list_of(temp.path(), &self.recipe, asking)?,
            };
            if let Some(list) = list {
                let place = temp.path().join(RPM_LIST);
                fs::create_dir_all(fs::parent(&place))?;
                fs::write_atomic(&place, list.as_bytes())?;
            }
        }
        fs::create_dir_all(fs::parent(&place))?;
        fs::rename(temp.path(), &place)?;
        Ok(place)
    }
}

fn copy(stream: &mut dyn Read, (to, r_home): (&Path, &str)) -> io::Result<()> {
    let mut archive = tar::Archive::new(stream);
    archive.set_preserve_permissions(false);
    for entry in archive.entries()? {
        let mut entry = entry?;
        let path = entry.path()?.to_string_lossy().trim_start_matches("./").to_owned();
        let name = path.rsplit('/').next().unwrap_or_default();
        let kind = entry.header().entry_type();
        let is_record = path.starts_with(r_home) || RECORDS.iter().any(|start| path.starts_with(start));
        if kind.is_symlink() || (kind.is_file() || kind.is_hard_link()) && (name.contains(".so") || is_record)
        {
            entry.unpack_in(to)?;
        }
    }
    Ok(())
}
