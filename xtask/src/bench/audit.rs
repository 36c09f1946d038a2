//! `cargo xtask bench audit`: a lockfile of 466 packages against 50,000 advisories that are
//! made here, by time and by processor time. Writes docs/benchmarks-audit.md.

use std::fs;
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};

use super::machine;
use super::measure::{Measured, Spread, measure, seconds};
use crate::layr::{Layr, Profile};
use crate::paths;
use crate::steps::step;

const N_ADVISORIES: usize = 50_000;
const N_RUNS: usize = 20;
const LOCKFILE: &str = "tests/fixtures/lockfiles/hiplot__hiplotlib.renv.lock";

/// Where an audit happens: a project of its own, with a store of its own.
struct Ground<'a> {
    layr: &'a Layr,
    project: &'a Path,
}

/// Makes the advisories, imports them, and audits.
pub fn bench() -> Result<()> {
    let layr = step("cargo build --release", || Layr::build(Profile::Release, None))?;
    let work = tempfile::Builder::new().prefix("bench-audit-").tempdir_in(paths::cache()?)?;
    let lockfile = work.path().join("renv.lock");
    fs::copy(paths::workspace().join(LOCKFILE), &lockfile)?;
    let packages = packages(&lockfile)?;
    let records = work.path().join("records");
    step("advisories", || write_records(&records, &packages))?;
    // What is found is told and does not fail the run: what is measured ends well.
    fs::write(
        work.path().join("layr.toml"),
        "[audit.levels]\nvulnerable = \"warn\"\n[audit.sources]\nbench = \"file:///nowhere\"\n",
    )?;
    let ground = Ground { layr: &layr, project: work.path() };
    let import = ground.layr(&["audit", "update", "--source", "bench", "--from", "records"])?;
    let mut audits = Vec::new();
    for _ in 0..N_RUNS {
        audits.push(ground.layr(&["audit", "renv.lock"])?);
    }
    let folder = ground.layr(&["audit", "renv.lock", "--db", "records"])?;
    let page = page(packages.len(), &audits, &import, &folder).context("no runs")?;
    let path = paths::workspace().join("docs/benchmarks-audit.md");
    fs::write(&path, &page)?;
    eprintln!("\n{page}\nbench: written to {}", path.display());
    Ok(())
}

impl Ground<'_> {
    fn layr(&self, args: &[&str]) -> Result<Measured> {
        let mut command = self.layr.with("LAYR_CACHE_DIR", self.project.join("store")).command();
        command.current_dir(self.project).args(args).stdout(Stdio::null()).stderr(Stdio::null());
        measure(&mut command)
    }
}

/// Names and versions of what is locked.
fn packages(lockfile: &Path) -> Result<Vec<(String, String)>> {
    let lock: Value = serde_json::from_str(&fs::read_to_string(lockfile)?)?;
    let records = lock["Packages"].as_object().context("no packages")?.values();
    let text = |record: &Value, field: &str| record[field].as_str().unwrap_or_default().to_owned();
    Ok(records.map(|record| (text(record, "Package"), text(record, "Version"))).collect())
}

/// Ten advisories for each locked package, which affect every other one, and the rest of
/// packages that nobody locked.
fn write_records(folder: &Path, packages: &[(String, String)]) -> Result<()> {
    fs::create_dir_all(folder)?;
    for at in 0..N_ADVISORIES {
        let (package, fixed) = match packages.get(at % 5000) {
            Some((name, version)) if at % 2 == 0 => (name.clone(), format!("{version}.1")),
            Some((name, _)) => (name.clone(), "0.0.1".to_owned()),
            None => (format!("other{}", at % 5000), "1.0.1".to_owned()),
        };
        let id = format!("BENCH-2026-{at}");
        let record = json!({
            "schema_version": "1.7.0", "id": id, "modified": "2026-01-01T00:00:00Z",
            "summary": format!("Advisory {at} of {package}, with a sentence that is as long as such sentences are"),
            "details": "A paragraph that says in more words what the sentence above says. ".repeat(8),
            "aliases": [format!("CVE-2026-{at}")],
            "affected": [{
                "package": { "ecosystem": "CRAN", "name": package },
                "ranges": [{ "type": "ECOSYSTEM", "events": [{ "introduced": "0" }, { "fixed": fixed }] }],
            }],
            "references": [{ "type": "WEB", "url": format!("https://advisories.example/{id}") }],
        });
        fs::write(folder.join(format!("{id}.json")), record.to_string())?;
    }
    let n_files = fs::read_dir(folder)?.count();
    ensure!(n_files == N_ADVISORIES, "{n_files} records");
    Ok(())
}

/// Of the last minute.
fn load() -> String {
    let text = fs::read_to_string("/proc/loadavg").unwrap_or_default();
    text.split_whitespace().next().unwrap_or("unknown").to_owned()
}

fn page(n_packages: usize, audits: &[Measured], import: &Measured, folder: &Measured) -> Option<String> {
    let times = Spread::of(audits.iter().map(|run| run.time).collect::<Vec<Duration>>())?;
    let cpu = Spread::of(audits.iter().map(|run| run.cpu).collect::<Vec<Duration>>())?;
    let peak = audits.iter().map(|run| run.peak_kib).max().unwrap_or_default() >> 10;
    let row = |what: &str, time: String, cpu: String| format!("| {what} | {time} | {cpu} |\n");
    let of = |what: &str, run: &Measured| row(what, seconds(run.time), seconds(run.cpu));
    Some(format!(
        "# Benchmark of `layr audit`\n\n`cargo xtask bench audit` makes {N_ADVISORIES} advisories, ten for each of a lockfile's {n_packages} packages, half of which they affect, and the rest of other packages, and audits the lockfile (`{LOCKFILE}`). Machine: {}.\n\n| what | time | processor time |\n|---|---|---|\n{}{}{}\nThe first line is the median of {N_RUNS} runs, from {} to {}; each had at most {peak} MiB. An audit reads the advisories of the packages that are locked and no others; only the digest of the whole is checked each time. The machine's load was {} at the end: on a busy one, the processor time says more.\n",
        machine(),
        row("`layr audit`, advisories imported before", seconds(times.median), seconds(cpu.median)),
        of("`layr audit update`: reading the records, from a folder of files", import),
        of("`layr audit --db FOLDER`: both at once", folder),
        seconds(times.min),
        seconds(times.max),
        load(),
    ))
}
