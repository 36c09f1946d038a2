//! `cargo xtask bench cache`: a second machine, with an empty store and what the first one
//! has built in a cache on loopback. Writes its part of docs/benchmarks.md.

use std::fs::{self, File};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};
use serde_json::Value;

use super::measure::{Measured, Spread, measure, seconds};
use super::{machine, part, serve_exact};
use crate::base::{self, Base};
use crate::caches::{self, Cache};
use crate::layr::{Layr, Profile};
use crate::serve::Server;
use crate::steps::{shown, step};
use crate::testbed::{self, wanted};
use crate::{paths, tools};

/// How the part of the page begins.
pub(super) const HEAD: &str = "## A second machine\n";

const N_RUNS: usize = 5;

/// What all machines have.
struct Ground<'a> {
    layr: &'a Layr,
    base: &'a Base,
    lockfile: PathBuf,
    repository: &'a Server,
    work: &'a Path,
}

/// What was measured.
struct Results {
    lockfile: String,
    n_packages: usize,
    cold: Measured,
    push: Measured,
    /// What the cache is, and how long the second machine took.
    warm: Vec<(&'static str, Spread)>,
    same_bytes: bool,
}

/// Builds a lockfile of `lockfiles` once, sends it to caches, and lets other machines begin
/// with those.
pub fn bench(name: &str) -> Result<()> {
    let cache = paths::cache()?;
    step("tools", || {
        tools::provide(tools::FOR_BUILDS)?;
        tools::provide(&[tools::NGINX])
    })?;
    let lockfile = paths::workspace().join("lockfiles").join(name);
    let testbed = step("testbed", || testbed::make(&paths::workspace().join("lockfiles"), &cache))?;
    let layr = step("cargo build --release", || Layr::build(Profile::Release, None))?;
    let base = step("base", || base::provide(&layr, &cache))?;
    let work = tempfile::Builder::new().prefix("bench-cache-").tempdir_in(&cache)?;
    let repository = serve_exact(&testbed, &lockfile, work.path())?;
    let n_packages = wanted::from_file(&lockfile)?.len();
    let ground = Ground { layr: &layr, base: &base, lockfile, repository: &repository, work: work.path() };
    let programs = caches::buildbox(&cache).context("buildbox cannot be had")?;
    let reapi = Cache::reapi(&programs)?;
    let http = Cache::http()?.context("there is no nginx")?;
    let places = [
        ("buildbox-casd, gRPC", format!("grpc://{}", reapi.address)),
        ("nginx, HTTP", format!("http://{}/layr", http.address)),
    ];
    let cold = step("layr build, cold", || ground.build("first", "none", "from_remote"))?;
    let mut pushes = Vec::new();
    for (_, url) in &places {
        pushes.push(step("layr cache push", || ground.push(url))?);
    }
    let mut warm = Vec::new();
    let mut same_bytes = true;
    for (name, url) in &places {
        let mut runs = Vec::new();
        for n in 0..N_RUNS {
            let run = step(name, || ground.build("second", url, "built"))?;
            eprintln!("second machine, {name} ({n}): {}", shown(run.time));
            runs.push(run.time);
            same_bytes &= ground.zips("first")? == ground.zips("second")?;
        }
        warm.push((*name, Spread::of(runs).context("no runs")?));
    }
    let results = Results { lockfile: name.to_owned(), n_packages, cold, push: pushes[0], warm, same_bytes };
    let text = page(&results, &machine());
    let path = paths::workspace().join("docs/benchmarks.md");
    part::replace(&path, HEAD, &text)?;
    eprintln!("\n{text}\nbench: written to {}", path.display());
    Ok(())
}

impl Ground<'_> {
    /// On a machine that has nothing yet. Of layr's counts `none` must be 0.
    fn build(&self, name: &str, cache: &str, none: &str) -> Result<Measured> {
        let folder = self.work.join(name);
        if folder.exists() {
            fs::remove_dir_all(&folder)?;
        }
        fs::create_dir_all(&folder)?;
        let answer = folder.join("answer.json");
        let mut command = self.layr.with("LAYR_CACHE_DIR", folder.join("store")).command();
        command.arg("build").arg(&self.lockfile).arg("--base").arg(&self.base.path);
        command.args(["--engine", "bwrap", "--jobs", "2", "--quiet", "--json", "--remote-cache", cache]);
        command.args(["--repository", &format!("CRAN={}", self.repository.url())]);
        command.arg("--layr-lock").arg(folder.join("layr.lock")).arg("--out").arg(folder.join("dist"));
        let measured = measure(command.stdout(File::create(&answer)?))?;
        let answer: Value = serde_json::from_str(&fs::read_to_string(answer)?)?;
        ensure!(answer[none] == 0, "layr should say {none} 0; it says {answer}");
        Ok(measured)
    }

    fn push(&self, cache: &str) -> Result<Measured> {
        let mut command = self.layr.with("LAYR_CACHE_DIR", self.work.join("first/store")).command();
        command.args(["cache", "push", "--remote-cache-mode=read-write", "--remote-cache", cache]);
        measure(command.stdout(File::create(self.work.join("pushed"))?))
    }

    /// The zips that it made, with their bytes.
    fn zips(&self, name: &str) -> Result<Vec<(PathBuf, Vec<u8>)>> {
        let folder = self.work.join(name).join("dist");
        let mut zips = Vec::new();
        for entry in fs::read_dir(&folder)? {
            let path = entry?.path();
            if path.extension().is_some_and(|ending| ending == "zip") {
                zips.push((path.strip_prefix(&folder)?.to_owned(), fs::read(&path)?));
            }
        }
        ensure!(!zips.is_empty(), "{} has no zips", folder.display());
        zips.sort();
        Ok(zips)
    }
}

fn page(results: &Results, machine: &str) -> String {
    let Results { lockfile, n_packages, cold, push, warm, same_bytes } = results;
    let rows: String = warm
        .iter()
        .map(|(name, Spread { min, median, max })| {
            let part = median.as_secs_f64() / cold.time.as_secs_f64();
            format!("| {name} | {} | {} | {} | {part:.3} |\n", seconds(*median), seconds(*min), seconds(*max))
        })
        .collect();
    let same = if *same_bytes { "the same bytes" } else { "other bytes" };
    format!(
        "{HEAD}
`cargo xtask bench cache` builds `lockfiles/{lockfile}` ({n_packages} packages) on a machine with an empty store and \
no cache, sends what it has to caches on loopback, and lets another machine with an empty store begin with each of \
them. Nothing is compiled there; what is left is to fetch the sources for their DESCRIPTIONs, to bring the packages, \
and to pack the layers, which have {same}.

Nothing built before: {} (one run). Sending all of it: {}.

| second machine, with | median of {N_RUNS} | min | max | of the first's time |
|---|---|---|---|---|
{rows}
Machine: {machine}. A network that is slower than loopback takes its own time besides.
",
        shown(cold.time),
        seconds(push.time),
    )
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn a_second_machine_is_held_against_the_first() {
        let measured = |ms| Measured {
            time: Duration::from_millis(ms),
            cpu: Duration::ZERO,
            compilers: Duration::ZERO,
            peak_kib: 0,
        };
        let warm = Spread::of(vec![Duration::from_secs(6)]).unwrap();
        let results = Results {
            lockfile: "typical.lock".to_owned(),
            n_packages: 65,
            cold: measured(240_000),
            push: measured(3_500),
            warm: vec![("nginx, HTTP", warm)],
            same_bytes: true,
        };
        let text = page(&results, "2 cores");
        assert!(text.contains("| nginx, HTTP | 6.00 s | 6.00 s | 6.00 s | 0.025 |"), "{text}");
        assert!(
            text.contains("which have the same bytes") && text.contains("Sending all of it: 3.50 s"),
            "{text}"
        );
    }
}
