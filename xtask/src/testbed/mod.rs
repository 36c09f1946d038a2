//! Lockfiles to a CRAN-like repository that holds all they lock, without CRAN: Debian's
//! archive keeps the sources of the R packages it ships.
//!
//! ```text
//! <cache>/sources/                     the suites' lists of sources, and what signs them
//! <cache>/downloads/, <cache>/absent/  see `download`
//! <cache>/tarballs/<format>/<digest>/  source packages as on CRAN
//! <cache>/repository/                  the repository
//! <cache>/repository.made-from         what it was made from; while that is the same, it stays
//! ```

pub mod download;
mod even_writer;
pub mod layout;
mod release;
mod repository;
pub mod sources;
pub mod tarball;
pub mod wanted;

use std::collections::BTreeSet;
use std::env;
use std::fmt::Write as _;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};

use crate::run;
use layout::Layout;
use sources::{SourceFile, SourceIndex};
use tarball::Tarball;
use wanted::Wanted;

/// The suites looked at. The first has most locked versions; the second brings newer
/// ones, so that locked versions lie in the Archive; the third brings older ones.
const SUITES: [&str; 3] = ["trixie", "sid", "bookworm"];

/// What no lockfile names: the benchmark restores with it.
const EXTRA: [&str; 1] = ["renv"];

/// Changes whenever the same downloads would give another repository.
const FORMAT: u32 = 2;

/// A repository on disk.
#[derive(Debug, Clone)]
pub struct Testbed {
    cache: PathBuf,
}

impl Testbed {
    /// The folder to serve, which holds `src/contrib`.
    pub fn repository(&self) -> PathBuf {
        self.cache.join("repository")
    }

    /// Writes a repository to `root` whose current versions are the ones that `lockfile`
    /// locks, for tools that can only install what is current. `EXTRA` is there too.
    pub fn write_exact(&self, lockfile: &Path, root: &Path) -> Result<()> {
        let locked = wanted::from_file(lockfile)?;
        let is_meant = |tarball: &Tarball| match locked.get(&tarball.name) {
            Some(version) => *version == tarball.version,
            None => EXTRA.contains(&tarball.name.as_str()),
        };
        let mut layout = repository::read(&self.repository())?;
        for versions in layout.values_mut() {
            versions.retain(is_meant);
        }
        layout.retain(|_, versions| !versions.is_empty());
        repository::write(&layout, root)
    }
}

/// Makes the repository for the lockfiles in `lockfiles`, or finds it made.
pub fn make(lockfiles: &Path, cache: &Path) -> Result<Testbed> {
    fs::create_dir_all(cache)?;
    // Held until the return, so that two runs do not write the same files.
    let lock = File::create(cache.join("lock"))?;
    lock.lock()?;
    let wanted = wanted::from_dir(lockfiles)?;
    let testbed = Testbed { cache: cache.to_path_buf() };
    let stamp = cache.join("repository.made-from");
    let inputs = inputs(&wanted)?;
    if fs::read_to_string(&stamp).is_ok_and(|text| text == inputs) && testbed.repository().is_dir() {
        return Ok(testbed);
    }
    let mirror = mirror()?;
    let indexes = SUITES
        .iter()
        .map(|suite| sources::read(&release::sources(&mirror, suite, cache)?))
        .collect::<Result<Vec<_>>>()?;
    let files = candidates(&wanted, &indexes);
    download::all(&mirror, files.clone(), cache)?;
    let layout = layout::arrange(normalise_all(&files, cache)?);
    check(&wanted, &layout, &indexes)?;
    replace(&layout, &testbed.repository())?;
    fs::write(stamp, inputs)?;
    report(&layout, &wanted);
    Ok(testbed)
}

/// The root of Debian's archive: `LAYR_DEBIAN_MIRROR`, or what this system installs from.
pub fn mirror() -> Result<String> {
    if let Ok(site) = env::var("LAYR_DEBIAN_MIRROR") {
        return Ok(site.trim_end_matches('/').to_owned());
    }
    let format = "$(ORIGIN) $(COMPONENT) $(RELEASE) $(SITE)";
    let targets = run::stdout(Command::new("apt-get").args(["indextargets", "--format", format]));
    let site = targets.ok().as_deref().and_then(site_of).map(str::to_owned);
    site.context("apt knows no mirror of Debian's archive: set LAYR_DEBIAN_MIRROR to the URL of one")
}

/// The archive that a release itself comes from; its security updates have another.
fn site_of(targets: &str) -> Option<&str> {
    targets.lines().find_map(|target| match target.split(' ').collect::<Vec<_>>()[..] {
        ["Debian", "main", release, site] if !release.contains('-') => Some(site.trim_end_matches('/')),
        _ => None,
    })
}

fn inputs(wanted: &Wanted) -> Result<String> {
    let mut text = format!("format {FORMAT}\n");
    for (name, versions) in wanted {
        writeln!(text, "{name} {}", versions.iter().cloned().collect::<Vec<_>>().join(" "))?;
    }
    Ok(text)
}

/// All files that may hold a version of a wanted package, suite by suite.
fn candidates(wanted: &Wanted, indexes: &[SourceIndex]) -> Vec<SourceFile> {
    let names: BTreeSet<String> =
        wanted.keys().map(String::as_str).chain(EXTRA).map(str::to_lowercase).collect();
    let mut files: Vec<SourceFile> = Vec::new();
    for index in indexes {
        for file in names.iter().filter_map(|name| index.get(name)) {
            if !files.contains(file) {
                files.push(file.clone());
            }
        }
    }
    files
}

fn normalise_all(files: &[SourceFile], cache: &Path) -> Result<Vec<Tarball>> {
    let made = cache.join("tarballs").join(FORMAT.to_string());
    let mut tarballs = Vec::new();
    for file in files {
        if let Some(original) = download::find(cache, file) {
            tarballs.push(tarball::normalise(&original, &made.join(&file.sha256))?);
        }
    }
    Ok(tarballs)
}

/// Fails where a lockfile's version could not be had.
fn check(wanted: &Wanted, layout: &Layout, indexes: &[SourceIndex]) -> Result<()> {
    let mut missing = String::new();
    for (name, versions) in wanted {
        let had: Vec<&str> =
            layout.get(name).into_iter().flatten().map(|found| found.version.as_str()).collect();
        for version in versions.iter().filter(|version| !had.contains(&version.as_str())) {
            let files = indexes.iter().filter_map(|index| index.get(&name.to_lowercase()));
            let listed: Vec<&str> = files.map(SourceFile::file_name).collect();
            writeln!(missing, "  `{name}` {version}: had {had:?}, listed {listed:?}")?;
        }
    }
    if !missing.is_empty() {
        bail!("Debian's archive lacks versions that the lockfiles name:\n{missing}");
    }
    Ok(())
}

/// Puts a whole repository where the old one was.
fn replace(layout: &Layout, repository: &Path) -> Result<()> {
    let new = repository.with_extension("new");
    remove(&new)?;
    repository::write(layout, &new)?;
    remove(repository)?;
    fs::rename(&new, repository)?;
    Ok(())
}

fn remove(dir: &Path) -> Result<()> {
    if dir.exists() {
        fs::remove_dir_all(dir).with_context(|| format!("failed to remove {}", dir.display()))?;
    }
    Ok(())
}

fn report(layout: &Layout, wanted: &Wanted) {
    let n_versions: usize = layout.values().map(Vec::len).sum();
    let n_several = layout.values().filter(|versions| versions.len() > 1).count();
    let is_archived = |(name, versions): &(&String, &BTreeSet<String>)| {
        let current = layout.get(*name).and_then(|found| found.first());
        current.is_some_and(|current| !versions.contains(&current.version))
    };
    let n_archived = wanted.iter().filter(is_archived).count();
    eprintln!(
        "testbed: {} packages in {n_versions} versions, {n_several} of them in several; of {} locked packages \
         {n_archived} lie in the Archive only",
        layout.len(),
        wanted.len(),
    );
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_mirror_is_not_the_one_for_security_updates() {
        let targets = "\
Debian main trixie-security http://mirror/debian-security
Other main trixie http://mirror/other
Debian contrib trixie http://mirror/contrib
Debian main trixie http://mirror/debian/
";
        assert_eq!(site_of(targets), Some("http://mirror/debian"));
        assert_eq!(site_of("Ubuntu main noble http://mirror/ubuntu\n"), None);
    }
}
