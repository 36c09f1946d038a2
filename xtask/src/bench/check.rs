//! `cargo xtask bench check`: `layr check` of one lockfile of many packages with an empty
//! store, from a repository on loopback. Writes its part of docs/benchmarks.md.

use std::fs;
use std::path::Path;
use std::process::Stdio;

use anyhow::{Context, Result};
use serde_json::{Map, Value, json};

use super::measure::{Measured, Spread, measure, seconds};
use super::{cargo_bench, machine, part};
use crate::layr::{Layr, Profile};
use crate::paths;
use crate::serve::Server;
use crate::steps::step;
use crate::testbed;

const N_RUNS: usize = 5;
pub(super) const HEAD: &str = "## Checking a lockfile\n";
/// A real lockfile of many packages, to be read alone.
const LARGE: &str = "tests/fixtures/lockfiles/hiplot__hiplotlib.renv.lock";

/// Joins the lockfiles of `benches/packages`, and checks what comes of it.
pub fn bench() -> Result<()> {
    let cache = paths::cache()?;
    let lockfiles = paths::workspace().join("benches/packages");
    let testbed = step("testbed", || testbed::make(&lockfiles, &cache.join("packages")))?;
    let layr = step("cargo build --release", || Layr::build(Profile::Release, None))?;
    let server = Server::start(testbed.repository())?;
    let work = tempfile::Builder::new().prefix("bench-check-").tempdir_in(&cache)?;
    let joined = joined(&lockfiles)?;
    let n_packages = joined["Packages"].as_object().map_or(0, Map::len);
    fs::write(work.path().join("renv.lock"), joined.to_string())?;
    let mut runs = Vec::new();
    for run in 0..N_RUNS {
        let mut command = layr.with("LAYR_CACHE_DIR", work.path().join(format!("store-{run}"))).command();
        command.current_dir(work.path()).args(["check", "renv.lock", "--no-progress", "--repository"]);
        command.arg(format!("CRAN={}", server.url())).stdout(Stdio::null()).stderr(Stdio::null());
        runs.push(measure(&mut command)?);
    }
    let text = part_of_page(
        n_packages,
        &runs,
        cargo_bench("read", &paths::workspace().join(LARGE))?.trim().parse()?,
    )
    .context("no runs")?;
    let path = paths::workspace().join("docs/benchmarks.md");
    part::replace(&path, HEAD, &text)?;
    eprintln!("\n{text}\nbench: written to {}", path.display());
    Ok(())
}

/// The packages of all lockfiles as one.
fn joined(folder: &Path) -> Result<Value> {
    let mut joined = json!({"R": {}, "Packages": {}});
    for entry in fs::read_dir(folder)? {
        let lockfile: Value = serde_json::from_str(&fs::read_to_string(entry?.path())?)?;
        let packages = lockfile["Packages"].as_object().context("no packages")?;
        for (name, record) in packages {
            joined["Packages"][name] = record.clone();
        }
        joined["R"] = lockfile["R"].clone();
    }
    Ok(joined)
}

fn part_of_page(n_packages: usize, runs: &[Measured], read_micros: u32) -> Option<String> {
    let times = Spread::of(runs.iter().map(|run| run.time).collect())?;
    let cpu = Spread::of(runs.iter().map(|run| run.cpu).collect())?;
    let peak = runs.iter().map(|run| run.peak_kib).max()? >> 10;
    Some(format!(
        "{HEAD}
`cargo xtask bench check` joins the lockfiles of `benches/packages` to one of {n_packages} packages, and runs `layr check` \
         with an empty store, which fetches the index and every tarball from a server on loopback and reads the \
         DESCRIPTION in each.

| what | median of {N_RUNS} | min | max |
|---|---|---|---|
| `layr check`, nothing in the store | {} | {} | {} |
| its processors' time | {} | {} | {} |

It had at most {peak} MiB. Reading a lockfile of 466 packages (`{LARGE}`) alone takes {:.1} ms, the median of 201 times. \
         Machine: {}.
",
        seconds(times.median),
        seconds(times.min),
        seconds(times.max),
        seconds(cpu.median),
        seconds(cpu.min),
        seconds(cpu.max),
        f64::from(read_micros) / 1000.0,
        machine(),
    ))
}
