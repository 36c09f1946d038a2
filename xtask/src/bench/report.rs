//! Measurements to the page that shows them. Pure.

use std::time::Duration;

use super::measure::Spread;
use crate::steps::shown;

/// All that was measured in one run of the benchmark.
#[derive(Debug, Clone)]
pub(super) struct Results {
    pub(super) machine: String,
    pub(super) n_cores: u32,
    pub(super) noise: Spread,
    pub(super) r: String,
    pub(super) n_packages: usize,
    pub(super) n_cold_runs: usize,
    pub(super) n_warm_runs: usize,
    pub(super) layr_cold: Spread,
    pub(super) layr_warm: Spread,
    pub(super) layr_cold_peak_kib: u64,
    pub(super) layr_warm_peak_kib: u64,
    pub(super) install_packages: Spread,
    pub(super) restore_cold: Spread,
    pub(super) restore_warm: Spread,
    /// User and system time with nothing built before.
    pub(super) layr_cpu: Duration,
    pub(super) install_packages_cpu: Duration,
    pub(super) restore_cpu: Duration,
    /// The compilers' part of `layr_cpu`.
    pub(super) compilers: Duration,
}

/// The page, in Markdown.
pub(super) fn page(results: &Results) -> String {
    let Results { machine, r, n_packages, n_cold_runs, n_warm_runs, .. } = results;
    let (cold, warm) = (results.layr_cold, results.layr_warm);
    let head = "| way | median | min | max | layr takes |\n|---|---|---|---|---|";
    format!(
        "# Benchmarks

From `lockfiles/typical.lock` ({n_packages} packages) and a local repository to built packages, side by side in \
one run. `cargo xtask bench --runs {n_cold_runs}` repeats it and writes this page.

Machine: {machine}. All ways run in the same base (R {r}) under bubblewrap, on the same cores, and fetch \
from the same server on loopback, whose current versions are the locked ones. \
A fixed piece of work, timed on all cores before each run, took {} to {}: where these lie apart, so may the rest.

## Nothing built before

Runs: {n_cold_runs} of each way, in turn.

{head}
{}{}{}
`layr build` also takes the packages' digests, keeps them in its store and packs them into layer zips; the others \
leave a library. It builds no help pages, which the others do unless told otherwise.

{}
## Everything built before

Runs: {n_warm_runs} of layr; {n_cold_runs} of renv, which copies packages from its cache into an empty library.

{head}
{}{}
## Memory

Peak of the `layr` process itself, without the compilers it starts: {} MiB with nothing built before, {} MiB with \
everything.
",
        fine(results.noise.min),
        fine(results.noise.max),
        row("`layr build`", cold, cold),
        row("`install.packages(…, Ncpus = 2)`", results.install_packages, cold),
        row("`renv::restore()`", results.restore_cold, cold),
        floor(results),
        row("`layr build`", warm, warm),
        row("`renv::restore()`", results.restore_warm, warm),
        results.layr_cold_peak_kib / 1024,
        results.layr_warm_peak_kib / 1024,
    )
}

/// Where the time goes, and how much less it could be.
fn floor(results: &Results) -> String {
    let Results { n_cores, compilers, layr_cpu, .. } = results;
    let of_install = ratio(*compilers / *n_cores, results.install_packages.median);
    format!(
        "### The floor

| way | processors' time | busy of {n_cores} cores |
|---|---|---|
{}{}{}
Of layr's {}, at least {} went to compilers: gcc's, and R's own, which compiles R code and is itself written \
in R. On {n_cores} cores that never idle these alone take {}, {of_install:.2} of `install.packages()`. layr \
does not lower optimisation, and keeps nothing between builds that its build keys do not cover; so it cannot take \
less than that, but for work that it spares the compilers: headers read once ([reproducible-builds.md]\
(reproducible-builds.md)), and functions compiled once.
",
        busy("`layr build`", *layr_cpu, results.layr_cold, *n_cores),
        busy("`install.packages(…, Ncpus = 2)`", results.install_packages_cpu, results.install_packages, *n_cores),
        busy("`renv::restore()`", results.restore_cpu, results.restore_cold, *n_cores),
        shown(*layr_cpu),
        shown(*compilers),
        shown(*compilers / *n_cores),
    )
}

fn busy(way: &str, cpu: Duration, spread: Spread, n_cores: u32) -> String {
    format!("| {way} | {} | {:.2} |\n", shown(cpu), ratio(cpu, spread.median * n_cores) * f64::from(n_cores))
}

fn row(way: &str, spread: Spread, layr: Spread) -> String {
    let Spread { min, median, max } = spread;
    format!(
        "| {way} | {} | {} | {} | {:.2} |\n",
        fine(median),
        fine(min),
        fine(max),
        ratio(layr.median, median)
    )
}

fn ratio(part: Duration, whole: Duration) -> f64 {
    part.as_secs_f64() / whole.as_secs_f64()
}

/// Short times need more digits than those of whole builds.
fn fine(time: Duration) -> String {
    if time < Duration::from_secs(10) { format!("{:.2} s", time.as_secs_f64()) } else { shown(time) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn spread(median_ms: u64) -> Spread {
        let time = Duration::from_millis;
        Spread { min: time(median_ms - 10), median: time(median_ms), max: time(median_ms + 10) }
    }

    #[test]
    fn each_way_is_shown_with_the_part_of_it_that_layr_takes() {
        let text = page(&Results {
            machine: "2 cores".to_owned(),
            n_cores: 2,
            noise: spread(1_000),
            r: "4.5.0".to_owned(),
            n_packages: 65,
            n_cold_runs: 1,
            n_warm_runs: 10,
            layr_cold: spread(300_000),
            layr_warm: spread(250),
            layr_cold_peak_kib: 65_536,
            layr_warm_peak_kib: 32_768,
            install_packages: spread(450_000),
            restore_cold: spread(900_000),
            restore_warm: spread(5_000),
            layr_cpu: Duration::from_secs(570),
            install_packages_cpu: Duration::from_mins(12),
            restore_cpu: Duration::from_secs(950),
            compilers: Duration::from_mins(9),
        });
        assert!(text.contains("| `layr build` | 5 min 0 s | 4 min 59 s | 5 min 0 s | 1.00 |"), "{text}");
        assert!(
            text.contains("| `renv::restore()` | 15 min 0 s | 14 min 59 s | 15 min 0 s | 0.33 |"),
            "{text}"
        );
        assert!(text.contains("| `renv::restore()` | 5.00 s | 4.99 s | 5.01 s | 0.05 |"), "{text}");
        assert!(text.contains("| `layr build` | 9 min 30 s | 1.90 |"), "{text}");
        assert!(text.contains("these alone take 4 min 30 s, 0.60 of `install.packages()`"), "{text}");
        assert!(text.contains("64 MiB with nothing built before, 32 MiB"));
    }
}
