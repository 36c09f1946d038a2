//! Bases that somebody else made: images, and root file systems.

use std::collections::BTreeSet;
use std::io::{self, Write};
use std::path::Path;

use super::{Base, BaseError, BaseOptions, Recipe, Workshop};
use crate::engine::{Container, Engine, Root};
use crate::model::{Architecture, BaseDigest, RVersion, Sha256Digest, parse_dcf};
use crate::store::Store;
use crate::sys::fs;
use crate::sys::hash::{sha256, sha256_of_list};
use crate::target::RootFs;

/// The recipe of base `al2023`, carried inside the program.
const AL2023: &str = include_str!("../../images/al2023/Dockerfile");

/// Where R's home may be below a root: Debian's, Fedora's, `/usr/local`, Posit's.
const R_HOMES: [&str; 5] =
    ["usr/lib/R", "usr/lib64/R", "usr/local/lib/R", "usr/local/lib64/R", "opt/R/lib/R"];

pub(super) fn build_al2023(options: &BaseOptions, workshop: &Workshop<'_>) -> Result<Base, BaseError> {
    let recipe = Recipe::Al2023;
    let r = options.r.as_ref().ok_or(BaseError::RNotNamed)?;
    let container = container(&recipe, workshop.engine)?;
    let name = recipe.canonical(options);
    let tag = format!(
        "layr-base:al2023-r{r}-{}",
        &sha256_of_list(&[AL2023.to_owned(), name.clone()]).to_hex()[..12]
    );
    let arguments =
        [("R_VERSION".to_owned(), r.to_string()), ("INCLUDE".to_owned(), options.include.join(" "))];
    let platform = options.foreign().map(Architecture::platform);
    let id = container
        .build(AL2023, (&tag, platform.as_deref()), &arguments)
        .map_err(|source| BaseError::BuildImage { recipe: recipe.to_string(), source })?;
    of_image(&name, &id, container, workshop.store)
}

/// What the recipe has dnf install.
pub(super) fn al2023_package_names() -> BTreeSet<String> {
    let install = AL2023.split_once("dnf install").map_or("", |(_, rest)| rest);
    let install = install.split_once("&&").map_or(install, |(names, _)| names);
    let is_name = |word: &&str| word.starts_with(|c: char| c.is_ascii_alphanumeric());
    install.split_whitespace().filter(is_name).map(str::to_owned).collect()
}

pub(super) fn of_reference(
    reference: &str,
    digest: Sha256Digest,
    options: &BaseOptions,
    workshop: &Workshop<'_>,
) -> Result<Base, BaseError> {
    let recipe = Recipe::Image { reference: reference.to_owned(), digest };
    let container = container(&recipe, workshop.engine)?;
    if container.image_id(reference).is_none() {
        let platform = options.foreign().map(Architecture::platform);
        let failed = |source| BaseError::Pull { reference: reference.to_owned(), source };
        container.pull(reference, platform.as_deref()).map_err(failed)?;
    }
    of_image(reference, reference, container, workshop.store)
}

fn container<'a>(recipe: &Recipe, engine: &'a Engine) -> Result<&'a Container, BaseError> {
    match engine {
        Engine::Container(container) => Ok(container),
        Engine::Bwrap { .. } => {
            Err(BaseError::NeedsContainer { recipe: recipe.to_string(), engine: engine.name() })
        }
    }
}

/// An image that is here, once R in it has said where and what it is.
fn of_image(recipe: &str, reference: &str, container: &Container, store: &Store) -> Result<Base, BaseError> {
    const ASK: &str = "cat(R.home(), format(getRversion()), R.version$arch, sep = '\\n')";
    let no_r = || BaseError::NoR { base: recipe.to_owned() };
    let answer =
        container.output(reference, &["R", "--vanilla", "--no-echo", "-e", ASK]).ok().ok_or_else(no_r)?;
    let mut lines = answer.lines().map(str::trim);
    let r_home = lines.next().filter(|home| home.starts_with('/')).ok_or_else(no_r)?.to_owned();
    let r = lines.next().and_then(|version| version.parse().ok()).ok_or_else(no_r)?;
    let arch = lines.next().and_then(|arch| arch.parse().ok()).ok_or_else(no_r)?;
    let id = container.image_id(reference).ok_or_else(no_r)?;
    let digest = BaseDigest(id.parse().ok().ok_or_else(no_r)?);
    let folder = store.base_folder(digest);
    fs::create_dir_all(&folder)?;
    Ok(Base { recipe: recipe.to_owned(), digest, r, r_home, arch, folder, root: Root::Image(id) })
}

/// A root file system that the user made, or the folder of a base.
pub(super) fn of_folder(folder: &Path) -> Result<Base, BaseError> {
    if let Some(base) = Base::from_folder(folder)? {
        return Ok(base);
    }
    let recipe = folder.display().to_string();
    let (r, r_home) = find_r(folder, &recipe)?;
    let digest = BaseDigest(fingerprint(folder)?);
    let arch = RootFs::architecture_of(folder).or_else(|_no_loader| host_architecture())?;
    let folder = folder.to_owned();
    Ok(Base { recipe, digest, r, r_home, arch, root: Root::Folder(folder.clone()), folder })
}

/// A digest over all paths, modes, sizes and times of a root file system. Not over the
/// bytes: reading a gigabyte before each run would cost more than the run, and whoever
/// changes a file in place changes its time.
fn fingerprint(folder: &Path) -> Result<Sha256Digest, BaseError> {
    use std::os::unix::fs::MetadataExt;
    fn visit(folder: &Path, at: &str, listing: &mut Vec<u8>) -> Result<(), BaseError> {
        for entry in fs::sorted_entries(folder)? {
            let (path, inside) = (entry.path(), format!("{at}/{}", entry.file_name().to_string_lossy()));
            if matches!(inside.as_str(), "/dev" | "/proc" | "/sys" | "/run" | "/tmp") {
                continue;
            }
            let metadata = fs::metadata(&path)?;
            let (mode, size) = (metadata.mode(), if metadata.is_dir() { 0 } else { metadata.size() });
            let time = if metadata.is_dir() { 0 } else { metadata.mtime() };
            writeln!(listing, "{inside}\0{mode:o} {size} {time}").map_err(BaseError::Write)?;
            if metadata.is_dir() {
                visit(&path, &inside, listing)?;
            }
        }
        Ok(())
    }
    let mut listing = Vec::new();
    visit(folder, "", &mut listing)?;
    Ok(sha256(&listing))
}

/// R's version and its home as seen from inside, by the files that every R has.
pub(super) fn find_r(rootfs: &Path, base: &str) -> Result<(RVersion, String), BaseError> {
    let mut homes: Vec<String> = R_HOMES.iter().map(|home| (*home).to_owned()).collect();
    let versions = rootfs.join("opt/R");
    if fs::is_dir(&versions) {
        for entry in fs::sorted_entries(&versions)? {
            homes.push(format!("opt/R/{}/lib/R", entry.file_name().to_string_lossy()));
        }
    }
    homes.push("opt/R".to_owned());
    for home in homes {
        let description = rootfs.join(&home).join("library/base/DESCRIPTION");
        let Some(bytes) = fs::read_if_there(&description)? else { continue };
        let records = parse_dcf(&String::from_utf8_lossy(&bytes)).unwrap_or_default();
        let version = records.first().and_then(|record| record.get("Version")?.parse().ok());
        let r_home = format!("/{home}");
        if r_home == "/opt/R" {
            return Err(BaseError::RInTheWay { base: base.to_owned(), r_home });
        }
        if let Some(version) = version {
            return Ok((version, r_home));
        }
    }
    Err(BaseError::NoR { base: base.to_owned() })
}

/// The architecture this program was compiled for: the machine's.
pub fn host_architecture() -> Result<Architecture, BaseError> {
    std::env::consts::ARCH.parse().map_err(|error| BaseError::Write(io::Error::other(error)))
}

/// A root file system as a tar stream, for a container program to import.
pub(super) fn write_tar(rootfs: &Path, stream: &mut dyn Write) -> io::Result<()> {
    let mut builder = tar::Builder::new(io::BufWriter::with_capacity(1 << 20, stream));
    builder.follow_symlinks(false);
    builder.append_dir_all(".", rootfs)?;
    builder.into_inner()?.flush()
}

#[cfg(test)]
#[expect(clippy::disallowed_methods, reason = "tests set the scene on the disk")]
mod tests {
    use super::*;

    fn with_r(home: &str) -> tempfile::TempDir {
        let folder = tempfile::tempdir().unwrap();
        let base = folder.path().join(home).join("library/base");
        std::fs::create_dir_all(&base).unwrap();
        std::fs::write(base.join("DESCRIPTION"), "Package: base\nVersion: 4.5.0\n").unwrap();
        folder
    }

    #[test]
    fn r_is_found_where_distributions_put_it() {
        for home in ["usr/lib/R", "opt/R/4.5.0/lib/R", "usr/local/lib/R"] {
            let (r, r_home) = find_r(with_r(home).path(), "test").unwrap();
            assert_eq!((r.as_str(), r_home), ("4.5.0", format!("/{home}")));
        }
    }

    #[test]
    fn a_base_without_r_or_with_r_where_layers_go_is_refused() {
        let empty = tempfile::tempdir().unwrap();
        assert!(matches!(find_r(empty.path(), "x"), Err(BaseError::NoR { .. })));
        assert!(matches!(find_r(with_r("opt/R").path(), "x"), Err(BaseError::RInTheWay { .. })));
    }

    #[test]
    fn a_root_file_system_that_changed_is_another_base() {
        let folder = with_r("usr/lib/R");
        let before = fingerprint(folder.path()).unwrap();
        assert_eq!(before, fingerprint(folder.path()).unwrap());
        std::fs::write(folder.path().join("usr/new"), "x").unwrap();
        assert_ne!(before, fingerprint(folder.path()).unwrap());
    }

    /// A change to the recipe changes every al2023 base: it is to be meant, and noted in
    /// the changelog.
    #[test]
    fn the_embedded_recipe_is_the_one_that_was_reviewed() {
        assert_eq!(
            sha256(AL2023.as_bytes()).to_hex(),
            "9df6e86a2a41b52c546349f943f1ff9d1316c4aa73efa603bbf21328ab1f5f39"
        );
    }
}
