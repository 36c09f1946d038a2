//! Many packages that compile to a proof: built twice by different engines in different
//! folders, the bytes held against each other, all loaded where there is no R, and their
//! sizes beside what R itself installs.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use serde_json::{Value, json};

use super::rivals::Ground;
use crate::base::{self, Base};
use crate::layr::{Layr, Profile};
use crate::serve::Server;
use crate::steps::{shown, step};
use crate::testbed::{self, Testbed, wanted};
use crate::{docker, paths, run, tools};

const PAGE: &str = "docs/benchmarks-packages.md";
/// How those are told that `layr build` says it loads.
const LOADING: &str = "loading ";
const NOT_TRIED: &str = "the layers were not tried";

/// A package as a build shipped it.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Shipped {
    version: String,
    tree: String,
    n_bytes: u64,
}

/// One build of everything.
struct Build {
    packages: BTreeMap<String, Shipped>,
    layers: BTreeSet<String>,
    time: Duration,
}

/// A library that R installed: bytes by package, and the packages with code of their own.
#[derive(Debug, Default)]
struct Library {
    n_bytes: BTreeMap<String, u64>,
    compiled: BTreeSet<String>,
}

/// Builds all lockfiles of `benches/packages`, and writes the page.
pub fn bench() -> Result<()> {
    let cache = paths::cache()?;
    let lockfiles = paths::workspace().join("benches/packages");
    step("tools", || tools::provide(tools::FOR_BUILDS))?;
    let testbed = step("testbed", || testbed::make(&lockfiles, &cache.join("packages")))?;
    let docker = docker::provide(&cache).context("no second engine: docker does not answer")?;
    let layr = step("cargo build --release", || Layr::build(Profile::Release, Some(&docker)))?;
    let base = step("base", || base::provide(&layr, &cache))?;
    let work = tempfile::Builder::new().prefix("bench-").tempdir_in(&cache)?;
    let build = |engine: &str| {
        let folder = work.path().join(engine);
        step(&format!("layr build --engine {engine}"), || build(&layr, (&base, &testbed), (engine, &folder)))
    };
    let (first, second) = (build("bwrap")?, build("docker")?);
    let library = step("install.packages", || install(&testbed, &lockfiles, (&base, work.path())))?;
    let page = page(&first, &second, &library);
    fs::write(paths::workspace().join(PAGE), &page)?;
    eprintln!("\n{page}\nbench: written to {PAGE}");
    Ok(())
}

/// A build with a store of its own. It loads every package of every function, and fails
/// where one does not load; that it did so is looked for in what it says.
fn build(layr: &Layr, (base, testbed): (&Base, &Testbed), (engine, folder): (&str, &Path)) -> Result<Build> {
    fs::create_dir_all(folder)?;
    let start = Instant::now();
    let mut command = layr.with("LAYR_CACHE_DIR", folder.join("store")).command();
    let mut lockfiles: Vec<PathBuf> = fs::read_dir(paths::workspace().join("benches/packages"))?
        .map(|entry| Ok(entry?.path()))
        .collect::<Result<_>>()?;
    lockfiles.sort();
    command.arg("build").args(&lockfiles).arg("--base").arg(&base.path).current_dir(folder);
    command.args(["--engine", engine, "--target", "base", "--json", "--no-progress"]);
    command.args(["--repository", &format!("CRAN=file://{}", testbed.repository().display())]);
    let output =
        command.args(["--out", "dist", "--layr-lock", "layr.lock"]).stderr(Stdio::piped()).output()?;
    let said = String::from_utf8_lossy(&output.stderr);
    if !output.status.success() || !said.contains(LOADING) || said.contains(NOT_TRIED) {
        bail!("`{}` ended with {} and said\n{said}", run::shown(&command), output.status);
    }
    let (packages, layers) = read(&serde_json::from_slice(&output.stdout)?).context("no list of packages")?;
    Ok(Build { packages, layers, time: start.elapsed() })
}

/// What `layr build --json` says of packages, and the digests of its zips.
fn read(answer: &Value) -> Option<(BTreeMap<String, Shipped>, BTreeSet<String>)> {
    let mut packages = BTreeMap::new();
    for package in
        answer["functions"].as_array()?.iter().filter_map(|function| function["packages"].as_array())
    {
        for package in package {
            let text = |field: &str| package[field].as_str().map(str::to_owned);
            let n_bytes = package["unzipped_bytes"].as_u64()?;
            packages
                .insert(text("name")?, Shipped { version: text("version")?, tree: text("tree")?, n_bytes });
        }
    }
    let zips = answer["layers"].as_array()?.iter().filter_map(|layer| layer["zip_sha256"].as_str());
    Some((packages, zips.map(str::to_owned).collect()))
}

/// The same versions as `install.packages()` leaves them.
fn install(testbed: &Testbed, lockfiles: &Path, (base, work): (&Base, &Path)) -> Result<Library> {
    let wanted = wanted::from_dir(lockfiles)?;
    let locked: BTreeMap<String, String> = wanted
        .into_iter()
        .filter_map(|(name, versions)| Some((name, versions.into_iter().next()?)))
        .collect();
    let records: BTreeMap<&String, Value> =
        locked.iter().map(|(name, version)| (name, json!({"Package": name, "Version": version}))).collect();
    let all = work.join("all.lock");
    fs::write(&all, json!({"R": {"Version": base.r}, "Packages": records}).to_string())?;
    testbed.write_exact(&all, &work.join("repository"))?;
    let server = Server::start(work.join("repository"))?;
    let ground = Ground {
        rootfs: &base.rootfs(),
        repository_url: &server.url(),
        lockfile: &all,
        locked: &locked,
        work,
    };
    ground.install_packages()?;
    let mut library = Library::default();
    for name in locked.keys() {
        let folder = work.join("library").join(name);
        library.n_bytes.insert(name.clone(), bytes_below(&folder)?);
        if folder.join("libs").is_dir() {
            library.compiled.insert(name.clone());
        }
    }
    Ok(library)
}

fn bytes_below(folder: &Path) -> Result<u64> {
    let mut n_bytes = 0;
    for entry in fs::read_dir(folder).with_context(|| format!("failed to list {}", folder.display()))? {
        let entry = entry?;
        let metadata = entry.metadata()?;
        n_bytes += if metadata.is_dir() { bytes_below(&entry.path())? } else { metadata.len() };
    }
    Ok(n_bytes)
}

/// The page, in Markdown. Pure.
fn page(first: &Build, second: &Build, library: &Library) -> String {
    let is_other = |(name, shipped): &(&String, &Shipped)| second.packages.get(*name) != Some(*shipped);
    let others: Vec<&str> = first.packages.iter().filter(is_other).map(|(name, _)| name.as_str()).collect();
    let n_same = first.packages.len() - others.len();
    let are_zips_same = if first.layers == second.layers { "the same" } else { "not all the same" };
    let shipped: u64 = first.packages.values().map(|package| package.n_bytes).sum();
    let of_shipped = |name: &&String| first.packages.contains_key(*name);
    let installed: u64 = library.n_bytes.keys().filter(of_shipped).map(|name| library.n_bytes[name]).sum();
    let compiled = library.compiled.iter().filter(of_shipped).count();
    let mut page = format!(
        "# Many packages

The lockfiles in `benches/packages`, built by `cargo xtask bench packages`, which writes this page: first with bwrap, \
then with docker, each in a folder and with a store of its own, one after the other.

| | |
|---|---|
| packages shipped | {} |
| of these with compiled code | {compiled} |
| loaded where there is neither R nor a compiler | {} |
| the same tree digest from both engines | {n_same} |
| layer zips of both engines | {are_zips_same}: {} |
| bytes that `install.packages()` leaves | {installed} |
| bytes that `layr build` ships (`slim = \"default\"`) | {shipped}, {:.2} of it |
| built in | {} with bwrap, {} with docker |
",
        first.packages.len(),
        first.packages.len(),
        first.layers.len(),
        ratio(shipped, installed),
        shown(first.time),
        shown(second.time),
    );
    if !others.is_empty() {
        page += &format!("\nOther bytes each time: {}.\n", others.join(", "));
    }
    page + &largest(first, library)
}

/// Where most of what is shipped comes from.
fn largest(build: &Build, library: &Library) -> String {
    let mut packages: Vec<(&String, u64)> =
        build.packages.iter().map(|(name, package)| (name, package.n_bytes)).collect();
    packages.sort_by_key(|(name, n_bytes)| (std::cmp::Reverse(*n_bytes), *name));
    let mut text =
        String::from("\n## The largest\n\n| package | installed | shipped | |\n|---|---|---|---|\n");
    for (name, n_bytes) in packages.into_iter().take(15) {
        let installed = library.n_bytes.get(name).copied().unwrap_or_default();
        text += &format!("| {name} | {installed} | {n_bytes} | {:.2} |\n", ratio(n_bytes, installed));
    }
    text
}

#[expect(clippy::cast_precision_loss, reason = "two digits are shown")]
fn ratio(part: u64, whole: u64) -> f64 {
    part as f64 / whole.max(1) as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    fn build(tree: &str) -> Build {
        let package = |name: &str, tree: &str, n_bytes: u64| json!({"name": name, "version": "1", "tree": tree, "unzipped_bytes": n_bytes});
        let answer = json!({
            "functions": [{"packages": [package("a", "1", 10), package("b", tree, 40)]}],
            "layers": [{"zip_sha256": tree}],
        });
        let (packages, layers) = read(&answer).unwrap();
        Build { packages, layers, time: Duration::from_mins(1) }
    }

    #[test]
    fn what_differs_is_named_and_sizes_are_of_what_is_shipped() {
        let library = Library {
            n_bytes: [("a", 20), ("b", 80), ("only-linked-to", 900)].map(|(a, b)| (a.to_owned(), b)).into(),
            compiled: ["b".to_owned(), "only-linked-to".to_owned()].into(),
        };
        let same = page(&build("2"), &build("2"), &library);
        assert!(same.contains("compiled code | 1 |") && same.contains("from both engines | 2 |"), "{same}");
        assert!(
            same.contains("| 50, 0.50 of it |") && same.contains("both engines | the same: 1 |"),
            "{same}"
        );
        let other = page(&build("2"), &build("3"), &library);
        assert!(other.contains("from both engines | 1 |") && other.contains("each time: b."), "{other}");
        assert!(other.contains("not all the same"), "{other}");
    }
}
