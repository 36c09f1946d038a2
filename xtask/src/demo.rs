//! From a bare machine to layers whose packages R has loaded, `lockfiles/demo.lock` the
//! whole way, and to answers from R in the examples' functions.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use serde_json::Value;

use crate::base::{self, Base};
use crate::examples::{self, Call};
use crate::layr::{self, Layr, Profile};
use crate::serve::Server;
use crate::steps::{shown, step};
use crate::testbed::{self, wanted};
use crate::{docker, load, paths, root, run, tools};

const CRAN: &str = "https://cloud.r-project.org/src/contrib/PACKAGES.gz";

/// Where the packages' sources come from.
enum Repository {
    Cran,
    Testbed(Server),
}

impl Repository {
    /// Where it is, unless it is the one that lockfiles name.
    fn url(&self) -> Option<String> {
        match self {
            Self::Cran => None,
            Self::Testbed(server) => Some(server.url()),
        }
    }
}

/// The layers that a build made.
struct Layers {
    zips: Vec<PathBuf>,
    zipped_bytes: u64,
    time: Duration,
}

/// Runs the demo; the layers are left in `out`.
pub fn demo(out: Option<&str>) -> Result<()> {
    let start = Instant::now();
    let out = out.map_or_else(|| layr::target().join("demo"), PathBuf::from);
    let lockfile = paths::workspace().join("lockfiles/demo.lock");
    let cache = paths::cache()?;
    step("tools", || tools::provide(tools::FOR_BUILDS))?;
    let repository = step("repository", || repository(&cache))?;
    let docker = step("docker", || Ok(docker::provide(&cache)))?;
    let layr = step("cargo build --release", || Layr::build(Profile::Release, docker.as_ref()))?;
    let base = step(&format!("layr base build {}", base::RECIPE), || base::provide(&layr, &cache))?;
    let layers = step("layr build lockfiles/demo.lock", || build(&layr, &lockfile, &repository, &out))?;
    let locked = wanted::from_file(&lockfile)?;
    step("load every package", || load_all(&base, &layers, &locked))?;
    let root = step("a root without R", || root::provide(&cache))?;
    let call = Call { layr: &layr, base: &base, root: &root, repository: repository.url(), out: &out };
    step("layr invoke", || examples::call(&call))?;
    eprintln!(
        "\ndemo: R {} loads all {} packages of demo.lock from {} layer(s), {} zipped, built in {}; \
         {} in all. The layers are in {}",
        base.r,
        locked.len(),
        layers.zips.len(),
        megabytes(layers.zipped_bytes),
        shown(layers.time),
        shown(start.elapsed()),
        out.display(),
    );
    Ok(())
}

/// CRAN if it answers, else the testbed.
fn repository(cache: &Path) -> Result<Repository> {
    let quick = ["--silent", "--fail", "--head", "--max-time", "5", "--output", "/dev/null"];
    if run::succeeds(Command::new("curl").args(quick).arg(CRAN)) {
        eprintln!("repository: CRAN answers");
        return Ok(Repository::Cran);
    }
    eprintln!("repository: CRAN does not answer; making a testbed from Debian's archive");
    let testbed = testbed::make(&paths::workspace().join("lockfiles"), cache)?;
    let server = Server::start(testbed.repository())?;
    eprintln!("repository: {} serves {}", server.url(), testbed.repository().display());
    Ok(Repository::Testbed(server))
}

fn build(layr: &Layr, lockfile: &Path, repository: &Repository, out: &Path) -> Result<Layers> {
    let mut command = layr.command();
    command.arg("build").arg(lockfile).args(["--base", base::RECIPE, "--json", "--out"]).arg(out);
    command.arg("--layr-lock").arg(out.join("layr.lock"));
    if let Repository::Testbed(server) = repository {
        command.args(["--repository", &format!("CRAN={}", server.url())]);
    }
    let start = Instant::now();
    let answer = run::stdout(&mut command)?;
    let time = start.elapsed();
    let answer: Value = serde_json::from_str(&answer).context("`layr build --json` wrote no JSON")?;
    let layers = answer["layers"].as_array().context("`layr build --json` names no layers")?;
    let mut zips = Vec::new();
    let mut zipped_bytes = 0;
    for layer in layers {
        let zip = layer["zip"].as_str().context("a layer has no `zip`")?;
        let zip = find_zip(out, zip)?;
        let n_bytes = fs::metadata(&zip)?.len();
        eprintln!("layer: {} ({} zipped)", zip.display(), megabytes(n_bytes));
        zipped_bytes += n_bytes;
        zips.push(zip);
    }
    eprintln!("layers: {} package(s) built, {} from the store", answer["built"], answer["from_store"]);
    Ok(Layers { zips, zipped_bytes, time })
}

/// The zip by its path, or by its name in the folder of results.
fn find_zip(out: &Path, zip: &str) -> Result<PathBuf> {
    let found = [PathBuf::from(zip), out.join(zip)].into_iter().find(|path| path.is_file());
    found.with_context(|| format!("`layr build` names {zip}, which does not exist"))
}

fn load_all(base: &Base, layers: &Layers, locked: &std::collections::BTreeMap<String, String>) -> Result<()> {
    let dir = tempfile::tempdir()?;
    load::unpack(&layers.zips, dir.path())?;
    let failures = load::failures(&base.rootfs(), dir.path(), locked)?;
    for (name, said) in &failures {
        eprintln!("`{name}` does not load:\n{said}\n");
    }
    if !failures.is_empty() {
        bail!("{} of {} packages do not load", failures.len(), locked.len());
    }
    Ok(())
}

fn megabytes(n_bytes: u64) -> String {
    let tenths = n_bytes / 100_000;
    format!("{}.{} MB", tenths / 10, tenths % 10)
}
