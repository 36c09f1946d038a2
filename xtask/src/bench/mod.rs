//! `lockfiles/typical.lock` to times: layr beside what people use otherwise, on the same
//! machine in the same run, since times of other days and machines say nothing.

pub mod audit;
pub mod cache;
pub mod check;
pub mod farm;
pub mod inspect;
mod measure;
pub mod packages;
mod part;
pub mod plan;
mod report;
mod rivals;
pub mod runtime;

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use serde_json::Value;

use crate::base::{self, Base};
use crate::layr::{Layr, Profile, cargo};
use crate::serve::Server;
use crate::steps::{shown, step};
use crate::testbed::{self, Testbed, wanted};
use crate::{paths, tools};
use measure::{Measured, Spread, fixed_work, measure, n_cores};
use report::Results;
use rivals::Ground;

/// A warm build is quick, so a single one says little.
const N_WARM_RUNS: usize = 10;

/// layr, and what it is called with.
struct Contestant<'a> {
    layr: &'a Layr,
    base: &'a Base,
    ground: &'a Ground<'a>,
}

/// What was measured, run by run.
#[derive(Default)]
struct Runs {
    layr_cold: Vec<Measured>,
    layr_warm: Vec<Measured>,
    install_packages: Vec<Measured>,
    restore_cold: Vec<Measured>,
    restore_warm: Vec<Measured>,
    /// A fixed piece of work, before each of the others.
    noise: Vec<Duration>,
}

/// Measures each way `n_runs` times, in turn, and writes docs/benchmarks.md.
pub fn bench(n_runs: usize) -> Result<()> {
    let cache = paths::cache()?;
    let lockfile = paths::workspace().join("lockfiles/typical.lock");
    step("tools", || tools::provide(tools::FOR_BUILDS))?;
    let testbed = step("testbed", || testbed::make(&paths::workspace().join("lockfiles"), &cache))?;
    let layr = step("cargo build --release", || Layr::build(Profile::Release, None))?;
    let base = step("base", || base::provide(&layr, &cache))?;
    // On the disk that the testbed is on: a temporary folder may be in memory.
    let work = tempfile::Builder::new().prefix("bench-").tempdir_in(&cache)?;
    let server = step("repository", || serve_exact(&testbed, &lockfile, work.path()))?;
    let locked = wanted::from_file(&lockfile)?;
    let ground = Ground {
        rootfs: &base.rootfs(),
        repository_url: &server.url(),
        lockfile: &lockfile,
        locked: &locked,
        work: work.path(),
    };
    step("renv", || ground.prepare_renv())?;
    let contestant = Contestant { layr: &layr, base: &base, ground: &ground };
    let runs = race(&contestant, n_runs)?;
    let page = report::page(&results(&runs, &contestant).context("no runs: ask for at least one")?);
    let path = paths::workspace().join("docs/benchmarks.md");
    fs::create_dir_all(path.with_file_name(""))?;
    let heads = [cache::HEAD, check::HEAD, farm::HEAD, farm::MEASURED_HEAD, inspect::HEAD, plan::HEAD];
    let others = heads.map(|head| part::kept(&path, head));
    fs::write(&path, format!("{page}{}", others.concat()))?;
    eprintln!("\n{page}\nbench: written to {}", path.display());
    Ok(())
}

/// All ways take turns, so that a slow minute of the machine does not hit one alone.
fn race(contestant: &Contestant<'_>, n_runs: usize) -> Result<Runs> {
    let mut runs = Runs::default();
    for n in 1..=n_runs {
        let ground = contestant.ground;
        runs.noise.push(fixed_work());
        runs.layr_cold.push(run(&format!("layr build, cold ({n})"), || contestant.cold())?);
        runs.noise.push(fixed_work());
        runs.install_packages.push(run(&format!("install.packages ({n})"), || ground.install_packages())?);
        runs.noise.push(fixed_work());
        runs.restore_cold.push(run(&format!("renv::restore, cold ({n})"), || ground.restore_cold())?);
        runs.restore_warm.push(run(&format!("renv::restore, warm ({n})"), || ground.restore_warm())?);
    }
    for n in 1..=N_WARM_RUNS {
        runs.layr_warm.push(run(&format!("layr build, warm ({n})"), || contestant.warm())?);
    }
    Ok(runs)
}

/// What a bench of layr's library prints of a file or folder.
fn cargo_bench(name: &str, path: &Path) -> Result<String> {
    let mut command = cargo();
    command.args(["bench", "--quiet", "--package", "layr", "--bench", name, "--"]);
    let output = command.arg(path).stderr(Stdio::inherit()).output()?;
    ensure!(output.status.success(), "cargo bench: {}", output.status);
    Ok(String::from_utf8(output.stdout)?)
}

fn run(name: &str, work: impl FnOnce() -> Result<Measured>) -> Result<Measured> {
    let measured = step(name, work)?;
    eprintln!("{name}: {} ({} of CPU)", shown(measured.time), shown(measured.cpu));
    Ok(measured)
}

impl Contestant<'_> {
    /// With a store that has nothing.
    fn cold(&self) -> Result<Measured> {
        if self.store().exists() {
            fs::remove_dir_all(self.store())?;
        }
        if self.layr_lock().exists() {
            fs::remove_file(self.layr_lock())?;
        }
        self.build("from_store")
    }

    /// With the store as the last run left it.
    fn warm(&self) -> Result<Measured> {
        self.build("built")
    }

    /// A build into an empty folder, of whose counts (in layr's answer) `none` must be 0.
    fn build(&self, none: &str) -> Result<Measured> {
        let out = self.ground.work.join("layers");
        if out.exists() {
            fs::remove_dir_all(&out)?;
        }
        let answer = self.ground.work.join("answer.json");
        let mut command = self.layr.with("LAYR_CACHE_DIR", self.store()).command();
        command.arg("build").arg(self.ground.lockfile).arg("--base").arg(&self.base.path);
        command.args(["--engine", "bwrap", "--jobs", "2", "--quiet", "--json"]);
        command.args(["--repository", &format!("CRAN={}", self.ground.repository_url)]);
        command.arg("--layr-lock").arg(self.layr_lock()).arg("--out").arg(&out);
        let measured = measure(command.stdout(File::create(&answer)?))?;
        let answer: Value = serde_json::from_str(&fs::read_to_string(answer)?)?;
        let n_zips = answer["layers"].as_array().map_or(0, Vec::len);
        if answer[none] != 0 || n_zips == 0 || count_zips(&out)? != n_zips {
            bail!("layr should have {none} 0 and {n_zips} zips; it says {answer}");
        }
        Ok(measured)
    }

    fn store(&self) -> PathBuf {
        self.ground.work.join("store")
    }

    fn layr_lock(&self) -> PathBuf {
        self.ground.work.join("layr.lock")
    }
}

fn count_zips(out: &Path) -> Result<usize> {
    let mut n_zips = 0;
    for entry in fs::read_dir(out)? {
        n_zips += usize::from(entry?.path().extension().is_some_and(|ending| ending == "zip"));
    }
    Ok(n_zips)
}

fn serve_exact(testbed: &Testbed, lockfile: &Path, work: &Path) -> Result<Server> {
    let root = work.join("repository");
    testbed.write_exact(lockfile, &root)?;
    Ok(Server::start(root)?)
}

fn results(runs: &Runs, contestant: &Contestant<'_>) -> Option<Results> {
    let spread = |runs: &[Measured]| Spread::of(runs.iter().map(|run| run.time).collect::<Vec<Duration>>());
    let cpu = |runs: &[Measured]| Spread::of(runs.iter().map(|run| run.cpu).collect()).map(|cpu| cpu.median);
    let compilers = runs.layr_cold.iter().map(|run| run.compilers).collect();
    let peak = |runs: &[Measured]| runs.iter().map(|run| run.peak_kib).max();
    Some(Results {
        machine: machine(),
        n_cores: n_cores(),
        noise: Spread::of(runs.noise.clone())?,
        r: contestant.base.r.clone(),
        n_packages: contestant.ground.locked.len(),
        n_cold_runs: runs.layr_cold.len(),
        n_warm_runs: runs.layr_warm.len(),
        layr_cold: spread(&runs.layr_cold)?,
        layr_warm: spread(&runs.layr_warm)?,
        layr_cold_peak_kib: peak(&runs.layr_cold)?,
        layr_warm_peak_kib: peak(&runs.layr_warm)?,
        install_packages: spread(&runs.install_packages)?,
        restore_cold: spread(&runs.restore_cold)?,
        restore_warm: spread(&runs.restore_warm)?,
        layr_cpu: cpu(&runs.layr_cold)?,
        install_packages_cpu: cpu(&runs.install_packages)?,
        restore_cpu: cpu(&runs.restore_cold)?,
        compilers: Spread::of(compilers)?.median,
    })
}

/// Cores, processor and memory.
fn machine() -> String {
    let field = |file: &str, name: &str| {
        let text = fs::read_to_string(file).unwrap_or_default();
        let line = text.lines().find(|line| line.starts_with(name)).unwrap_or_default().to_owned();
        line.split_once(':').map_or_else(|| "unknown".to_owned(), |(_, value)| value.trim().to_owned())
    };
    let n_cores = n_cores();
    let memory_kib: u64 =
        field("/proc/meminfo", "MemTotal").trim_end_matches(" kB").parse().unwrap_or_default();
    format!("{n_cores} cores of {}, {} GiB", field("/proc/cpuinfo", "model name"), memory_kib >> 20)
}
