//! The environment that packages are built in: one R, its compilers and libraries.
//!
//! ```text
//! <store>/bases/<base digest>/
//!   base.json   what it is
//!   rootfs/     its root file system; absent where the base is an image
//!   libraries/  the libraries of an image
//! ```

mod debian;
mod emulation;
mod error;
mod image;
mod libraries;
mod recipe;
mod rpm;
mod system;

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

pub use error::BaseError;
pub use image::host_architecture;
pub use recipe::{InvalidRecipe, Recipe};
pub use rpm::Asking;
pub use system::{System, system};

use crate::engine::{Container, Engine, Root};
use crate::model::{Architecture, BaseDigest, Description, RVersion};
use crate::report::{Event, Report};
use crate::store::Store;
use crate::sys::fs;
use crate::sys::interrupt::Interrupt;

/// A base that is here, ready to build in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Base {
    pub recipe: String,
    pub digest: BaseDigest,
    pub r: RVersion,
    /// R's own folder inside the base, e.g. `/usr/lib/R`.
    pub r_home: String,
    pub arch: Architecture,
    /// The folder that holds `base.json`, or the user's root file system.
    pub folder: PathBuf,
    root: Root,
}

/// `base.json`.
#[derive(Debug, Clone, Serialize, Deserialize)]
struct BaseRecord {
    schema: u32,
    recipe: String,
    digest: String,
    r: String,
    r_home: String,
    arch: String,
    /// The image's id, where the base is one.
    image: Option<String>,
}

/// What making a base may need beyond its recipe.
#[derive(Debug, Clone, Default)]
pub struct BaseOptions {
    /// Where Debian's packages come from; mmdebstrap's own choice if `None`.
    pub mirror: Option<String>,
    /// Further system packages.
    pub include: Vec<String>,
    /// The R to install, where the recipe can choose.
    pub r: Option<RVersion>,
    /// The processor it is for; this machine's if `None`.
    pub arch: Option<Architecture>,
}

impl BaseOptions {
    /// The other processor, where it is not this machine's.
    fn foreign(&self) -> Option<Architecture> {
        self.arch.filter(|arch| host_architecture().ok() != Some(*arch))
    }
}

/// What the making of a base works with.
pub struct Workshop<'a> {
    pub store: &'a Store,
    pub engine: &'a Engine,
    pub report: &'a dyn Report,
    pub interrupt: &'a Interrupt,
    /// The caller's search path, for mmdebstrap.
    pub search_path: std::ffi::OsString,
}

impl Base {
    /// What a sandbox starts from: the base's folder, or an image, which is made of the
    /// folder where a container program is to run it and has none yet.
    pub fn root_for(&self, engine: &Engine, report: &dyn Report) -> Result<Root, BaseError> {
        emulation::check(&self.recipe, self.arch)?;
        match (engine, &self.root) {
            (Engine::Container(container), Root::Folder(rootfs)) => self.import(container, rootfs, report),
            (Engine::Container(_) | Engine::Bwrap { .. }, root) => Ok(root.clone()),
        }
    }

    /// The base's root file system, where it is a folder.
    pub fn rootfs(&self) -> Option<&Path> {
        match &self.root {
            Root::Folder(rootfs) => Some(rootfs),
            Root::Image(_) => None,
        }
    }

    /// Holds that binary packages are built for this R and this processor.
    ///
    /// # Errors
    ///
    /// The first that is not.
    pub fn check_binaries<'a>(
        &self,
        descriptions: impl IntoIterator<Item = &'a Description>,
    ) -> Result<(), BaseError> {
        let binary = |description: &&Description| description.is_binary;
        let mut others =
            descriptions.into_iter().filter(binary).filter(|description| !self.runs(description));
        let Some(other) = others.next() else { return Ok(()) };
        Err(BaseError::OtherBinary {
            package: other.id.clone(),
            built: other.record.get("Built").unwrap_or_default().escape_debug().take(80).collect(),
            r: self.r.clone(),
            arch: self.arch,
        })
    }

    fn runs(&self, description: &Description) -> bool {
        let is_ours = |system: &str| {
            let arch = system.split('-').next().and_then(|arch| arch.parse::<Architecture>().ok());
            arch == Some(self.arch) && system.contains("linux")
        };
        description.built().is_some_and(|(r, system)| {
            r.minor_series() == self.r.minor_series() && system.is_none_or(is_ours)
        })
    }

    fn import(&self, container: &Container, rootfs: &Path, report: &dyn Report) -> Result<Root, BaseError> {
        let tag = format!("layr-base:{}", &self.digest.to_hex()[..16]);
        if container.image_id(&tag).is_none() {
            report.report(&Event::Note { text: "importing the base as an image" });
        }
        imported(rootfs, &tag, container)
    }

    fn from_folder(folder: &Path) -> Result<Option<Self>, BaseError> {
        let Some(bytes) = fs::read_if_there(&folder.join("base.json"))? else { return Ok(None) };
        let broken = || BaseError::BrokenRecord { folder: folder.display().to_string() };
        let record: BaseRecord = serde_json::from_slice(&bytes).ok().ok_or_else(broken)?;
        let root = match &record.image {
            Some(image) => Root::Image(image.clone()),
            None => Root::Folder(folder.join("rootfs")),
        };
        Ok(Some(Self {
            digest: record.digest.parse().ok().ok_or_else(broken)?,
            r: record.r.parse().ok().ok_or_else(broken)?,
            arch: record.arch.parse().ok().ok_or_else(broken)?,
            recipe: record.recipe,
            r_home: record.r_home,
            folder: folder.to_owned(),
            root,
        }))
    }

    fn write_record(&self) -> Result<(), BaseError> {
        let record = BaseRecord {
            schema: 1,
            recipe: self.recipe.clone(),
            digest: self.digest.to_hex(),
            r: self.r.to_string(),
            r_home: self.r_home.clone(),
            arch: self.arch.to_string(),
            image: match &self.root {
                Root::Image(image) => Some(image.clone()),
                Root::Folder(_) => None,
            },
        };
        let bytes = serde_json::to_vec_pretty(&record).map_err(|error| BaseError::Write(error.into()))?;
        Ok(fs::write_atomic(&self.folder.join("base.json"), &bytes)?)
    }
}

/// A folder that never changes as what a sandbox starts from; for container programs it is
/// made an image, once, which `tag` names.
///
/// # Errors
///
/// Where the container program does not take it.
pub fn folder_as_root(folder: &Path, tag: &str, engine: &Engine) -> Result<Root, BaseError> {
    match engine {
        Engine::Container(container) => imported(folder, tag, container),
        Engine::Bwrap { .. } => Ok(Root::Folder(folder.to_owned())),
    }
}

fn imported(folder: &Path, tag: &str, container: &Container) -> Result<Root, BaseError> {
    if let Some(id) = container.image_id(tag) {
        return Ok(Root::Image(id));
    }
    let id = container.import(tag, |stream| image::write_tar(folder, stream));
    Ok(Root::Image(id.map_err(|source| BaseError::Import { source })?))
}

/// All bases of the store, the one made last first.
pub fn list(store: &Store) -> Result<Vec<Base>, BaseError> {
    let mut bases = Vec::new();
    for entry in fs::sorted_entries(&store.bases_folder())? {
        if let Some(base) = Base::from_folder(&entry.path())? {
            let made = fs::modified(&base.folder.join("base.json"))?;
            bases.push((made, base));
        }
    }
    bases.sort_by_key(|(made, _)| std::cmp::Reverse(*made));
    Ok(bases.into_iter().map(|(_, base)| base).collect())
}

/// The base of a recipe if it is here: the one with the digest that is locked, else the
/// one made last.
pub fn find(
    recipe: &Recipe,
    options: &BaseOptions,
    locked: Option<BaseDigest>,
    store: &Store,
) -> Result<Option<Base>, BaseError> {
    if let Recipe::Folder(folder) = recipe {
        return image::of_folder(folder).map(Some);
    }
    let name = recipe.canonical(options);
    let mut bases = list(store)?;
    bases.retain(|base| base.recipe == name);
    let exact = bases.iter().position(|base| Some(base.digest) == locked).unwrap_or(0);
    Ok((!bases.is_empty()).then(|| bases.swap_remove(exact)))
}

/// The base of that digest: one of the store, or the user's own in `folder`.
pub fn find_exact(digest: BaseDigest, folder: &Path, store: &Store) -> Result<Option<Base>, BaseError> {
    let mut base = Base::from_folder(&store.base_folder(digest))?;
    if base.is_none() && fs::is_dir(folder) {
        base = Some(image::of_folder(folder)?);
    }
    Ok(base.filter(|base| base.digest == digest))
}

/// Makes a base, also where there is one already.
pub fn build(recipe: &Recipe, options: &BaseOptions, workshop: &Workshop<'_>) -> Result<Base, BaseError> {
    let text = format!("making base {recipe}; this takes minutes, once");
    workshop.report.report(&Event::Note { text: &text });
    let base = match recipe {
        Recipe::Debian { suite } => debian::build(recipe, suite, options, workshop)?,
        Recipe::Al2023 => image::build_al2023(options, workshop)?,
        Recipe::Image { reference, digest } => image::of_reference(reference, *digest, options, workshop)?,
        // The user's own, where it lies: nothing is made, so nothing is recorded.
        Recipe::Folder(folder) => return image::of_folder(folder),
    };
    base.write_record()?;
    Ok(base)
}
