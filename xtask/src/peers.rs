//! Lists of pinned versions to environments with programs of `PyPI` and npm, below the tasks'
//! cache. An environment is named by its list, so that a changed list makes a new one.

use std::fs;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::Result;

use crate::{pypi, run, tools};

const CLOUD_TOOLS: &str = include_str!("../peers/requirements.txt");
const BOM_READERS: &str = include_str!("../peers/bom-readers.txt");
const BUILDGRID: &str = include_str!("../peers/buildgrid.txt");
const KUBERNETES: &str = include_str!("../peers/kubernetes.txt");
const PACKAGE_JSON: &str = include_str!("../peers/package.json");

/// The `bin` folder of a Python environment with moto, the AWS CLI, cfn-lint and the SAM
/// translator.
pub fn python(cache: &Path) -> Result<PathBuf> {
    environment(cache, "python", CLOUD_TOOLS)
}

/// The same of one with the libraries of CycloneDX and SPDX. What these need are other
/// versions of the same packages.
pub fn bom_readers(cache: &Path) -> Result<PathBuf> {
    environment(cache, "bom-readers", BOM_READERS)
}

/// The same of one with Kubernetes' schemas.
pub fn kubernetes(cache: &Path) -> Result<PathBuf> {
    environment(cache, "kubernetes", KUBERNETES)
}

/// PostgreSQL's programs, without which BuildGrid schedules nothing. Their package is for
/// certain Pythons; they need none.
const POSTGRES: &str =
    "pgserver==0.1.4 --hash=sha256:d595789b47624a3d963aa9aa6359da9be31beb7e61f1a45541953242068b8813\n";
const POSTGRES_WHEEL: &[&str] =
    &["--only-binary", ":all:", "--python-version", "3.11", "--platform", "manylinux_2_17_x86_64"];

/// A Python environment with BuildGrid, and in it a folder with PostgreSQL; `None`, said
/// aloud, where it cannot be had.
pub fn buildgrid(cache: &Path) -> Option<PathBuf> {
    let list = [BUILDGRID, POSTGRES].concat();
    let made = once(cache, "buildgrid", &list, |dir| {
        install(dir, BUILDGRID)?;
        pypi::unpack_wheel((POSTGRES, POSTGRES_WHEEL), "pgserver*", dir)
    });
    made.inspect_err(|error| eprintln!("BuildGrid is not there; going on without: {error:#}")).ok()
}

fn environment(cache: &Path, name: &str, requirements: &str) -> Result<PathBuf> {
    Ok(once(cache, name, requirements, |dir| install(dir, requirements))?.join("bin"))
}

fn install(dir: &Path, requirements: &str) -> Result<()> {
    run::check(Command::new("python3").args(["-m", "venv"]).arg(dir))?;
    let list = dir.join("requirements.txt");
    fs::write(&list, requirements)?;
    let mut pip = Command::new(dir.join("bin/pip"));
    pip.args(["install", "--quiet", "--disable-pip-version-check", "--no-deps", "-r"]).arg(list);
    run::check(&mut pip)
}

/// A folder whose `node_modules` has TypeScript and the CDK; `None` where there is no npm.
pub fn node(cache: &Path) -> Result<Option<PathBuf>> {
    if tools::find("npm").is_none() {
        eprintln!("found no npm: going on without TypeScript");
        return Ok(None);
    }
    once(cache, "node", PACKAGE_JSON, |dir| {
        fs::create_dir_all(dir)?;
        fs::write(dir.join("package.json"), PACKAGE_JSON)?;
        let install = ["install", "--silent", "--no-audit", "--no-fund", "--no-package-lock"];
        run::check(Command::new("npm").args(install).current_dir(dir))
    })
    .map(Some)
}

/// A folder that `make` fills, unless it was filled before. An environment knows its own
/// path, so it is made in its place, and a mark tells that it is whole.
fn once(cache: &Path, name: &str, list: &str, make: impl FnOnce(&Path) -> Result<()>) -> Result<PathBuf> {
    let mut hasher = DefaultHasher::new();
    list.hash(&mut hasher);
    let dir = cache.join(format!("{name}-{:016x}", hasher.finish()));
    let mark = dir.join("whole");
    if mark.is_file() {
        return Ok(dir);
    }
    fs::create_dir_all(cache)?;
    let lock = fs::File::create(cache.join(format!("{name}.lock")))?;
    lock.lock()?;
    if !mark.is_file() {
        if dir.exists() {
            fs::remove_dir_all(&dir)?;
        }
        make(&dir)?;
        fs::write(&mark, "")?;
    }
    Ok(dir)
}
