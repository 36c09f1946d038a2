//! The libraries of a base that is an image, as a folder: layers bring along those that
//! the target lacks.

use std::io::{self, Read};
use std::path::{Path, PathBuf};

use super::{Base, BaseError};
use crate::engine::{Engine, Root};
use crate::store::Store;
use crate::sys::fs;
use crate::sys::interrupt::Interrupt;
use crate::target::{RPM_LIST, RPM_QUERY};

/// What is copied beside libraries and R: where the loader looks, who owns what, and what the
/// runtime layer takes from elsewhere.
const RECORDS: [&str; 11] = [
    "etc/ld.so.conf",
    "etc/alternatives/",
    "etc/R/",
    "etc/pki/",
    "etc/ssl/certs/ca-certificates.crt",
    "usr/share/R/share/",
    "usr/share/common-licenses/",
    "usr/share/doc/",
    "usr/share/licenses/",
    "usr/share/zoneinfo/",
    "var/lib/dpkg/",
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
        store: &Store,
        interrupt: &Interrupt,
    ) -> Result<PathBuf, BaseError> {
        let place = store.base_folder(self.digest).join("system-3");
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
        if !fs::exists(&temp.path().join("var/lib/dpkg/status"))
            && let Ok(list) = container.output(image, &RPM_QUERY)
        {
            let libraries: String =
                list.lines().filter(|line| line.contains(".so")).flat_map(|line| [line, "\n"]).collect();
            fs::write_atomic(&temp.path().join(RPM_LIST), libraries.as_bytes())?;
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
