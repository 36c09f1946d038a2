//! A lockfile built by a farm of four workers on loopback, buildbox's, beside the same by
//! bubblewrap and by docker: whether the bytes are the same, and what each job took besides its run. Then
//! another machine asks for the same: the farm remembers what came of each job and runs none,
//! so that what is left is what layr does itself, on cores that nobody else uses.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};

use super::part;
use crate::bench::measure::{fixed_work, seconds};
use crate::caches::{self, Cache};
use crate::layr::{Layr, Profile};
use crate::serve::Server;
use crate::steps::{shown, step};
use crate::testbed;
use crate::{base, docker, paths, tools};

/// How the part of the page begins.
pub(in crate::bench) const HEAD: &str = "## On four workers\n";

const N_WORKERS: usize = 4;

/// What a line of `layr build -v` has of a job, in milliseconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Parts {
    prepared: u64,
    sent: u64,
    waited: u64,
    ran: u64,
    brought: u64,
}

/// A build by the farm.
struct Asked {
    took: Duration,
    /// What the fixed piece of work took just before.
    load: Duration,
    jobs: Vec<Parts>,
}

/// Builds `lockfiles/LOCKFILE.lock` both ways, and writes the part of docs/benchmarks.md.
pub fn measured(lockfile: &str, profile: Profile) -> Result<()> {
    let cache = paths::cache()?;
    let path = paths::workspace().join(format!("lockfiles/{lockfile}.lock"));
    step("tools", || tools::provide(tools::FOR_BUILDS))?;
    let programs = caches::buildbox(&cache).context("there is no buildbox")?;
    let testbed = step("testbed", || testbed::make(&paths::workspace().join("lockfiles"), &cache))?;
    let docker = step("docker", || docker::provide(&cache).context("there is no docker"))?;
    let layr = step("cargo build", || Layr::build(profile, Some(&docker)))?;
    let base = step("base", || base::provide(&layr, &cache))?;
    let work = tempfile::Builder::new().prefix("farm-").tempdir_in(&cache)?;
    let server = Server::start(testbed.repository())?;
    let run = |name: &str, words: &[&str]| -> Result<(Duration, String, Vec<PathBuf>)> {
        let folder = work.path().join(name);
        fs::create_dir(&folder)?;
        fs::write(folder.join("layr.toml"), "[farm]\nbase = \"worker\"\n")?;
        let mut command = layr.command();
        command.current_dir(&folder).env("LAYR_CACHE_DIR", folder.join("store"));
        command.args(["build", "-v", "--no-load-test", "--allow-r-mismatch", "--base"]).arg(&base.path);
        command.arg("--repository").arg(format!("CRAN={}", server.url())).args(words).arg(&path);
        let start = Instant::now();
        let output = command.output()?;
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        ensure!(output.status.success(), "layr ended with {}:\n{said}", output.status);
        Ok((start.elapsed(), said, zips(&folder.join("dist"))?))
    };
    let (_, _, expected) = step("bubblewrap", || run("here", &["--engine", "bwrap"]))?;
    let (_, _, given) = step("docker", || run("docker", &["--engine", "docker"]))?;
    ensure!(expected == given, "docker gives other layers: {given:?}, not {expected:?}");
    let farm = Cache::farm(&programs, Some(&base.rootfs()), N_WORKERS)?;
    let address = format!("grpc://{}", farm.address);
    let on_farm = |name: &str, further: &[&str]| -> Result<Asked> {
        let load = fixed_work();
        let words = [&["--engine", "reapi", "--farm", &address], further].concat();
        let (took, said, given) = step(name, || run(name, &words))?;
        if expected != given {
            bail!("the farm gives other layers: {given:?}, not {expected:?}");
        }
        Ok(Asked { took, load, jobs: said.lines().filter_map(parts).collect() })
    };
    let text =
        page(lockfile, expected.len(), &[on_farm("farm", &[])?, on_farm("farm-again", &["--jobs", "1"])?]);
    eprint!("{text}");
    part::replace(&paths::workspace().join("docs/benchmarks.md"), HEAD, &text)
}

/// Names of zips, which are those of what is in them.
fn zips(folder: &Path) -> Result<Vec<PathBuf>> {
    let names = fs::read_dir(folder)?.map(|entry| Ok(PathBuf::from(entry?.file_name())));
    let mut names = names.collect::<Result<Vec<_>>>()?;
    names.retain(|name| name.extension().is_some_and(|extension| extension == "zip"));
    names.sort();
    Ok(names)
}

fn parts(line: &str) -> Option<Parts> {
    let (_, list) = line.strip_prefix("on the farm, ")?.split_once(": ")?;
    let mut found = list.split(", ").map(|part| part.split(' ').nth(1)?.parse().ok());
    let mut next = || found.next().flatten();
    Some(Parts { prepared: next()?, sent: next()?, waited: next()?, ran: next()?, brought: next()? })
}

fn page(lockfile: &str, n_layers: usize, [there, again]: &[Asked; 2]) -> String {
    let layers =
        if n_layers == 1 { "The layer has".to_owned() } else { format!("All {n_layers} layers have") };
    format!(
        "{HEAD}\n`cargo xtask bench farm --measure {lockfile}` builds `lockfiles/{lockfile}.lock` ({} packages) by \
         bubblewrap, by docker, and then by a farm on loopback of {N_WORKERS} workers, buildbox's, on the same two cores \
         ({}). {layers} the same digest by all three. What each job took beside its run:\n\n{}\n\
         Two cores that compile do everything else late. So another machine, with an empty store, asks the same \
         farm for the same, one job after the other ({} in all). The farm remembers what came of each, and runs \
         none; what is left is what layr does itself, and the transfer:\n\n{}\n\
         Files of sources are named while their tarballs are fetched, and unpacking them for a farm that lacks \
         them is part of sending. What is brought is a file of the store for each file of a package, as with a \
         build of this machine.\n\n\
         The fixed piece of work that is timed on all cores took {} before the one, and {} before the \
         other.",
        there.jobs.len(),
        shown(there.took),
        table(&there.jobs),
        shown(again.took),
        table(&again.jobs),
        seconds(there.load),
        seconds(again.load),
    )
}

fn table(jobs: &[Parts]) -> String {
    let row = |name: &str, of: &dyn Fn(&Parts) -> u64| {
        let mut all: Vec<u64> = jobs.iter().map(of).collect();
        all.sort_unstable();
        let at = |share: usize| all.get(all.len() * share / 100).or(all.last()).copied().unwrap_or(0);
        format!("| {name} | {} ms | {} ms | {} ms |\n", at(50), at(90), at(100))
    };
    [
        "| part | median | of ten, nine below | most |\n|---|---|---|---|\n".to_owned(),
        row("inputs put together", &|parts| parts.prepared),
        row("sent, as far as the farm lacked them", &|parts| parts.sent),
        row("in the queue, and made ready and kept by the worker", &|parts| parts.waited),
        row("brought and kept", &|parts| parts.brought),
    ]
    .concat()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_layr_says_of_a_job_is_read() {
        let line =
            "on the farm, cli 3.6.0: prepared 12 ms, sent 3 ms, waited 45 ms, ran 18000 ms, brought 9 ms";
        let expected = Parts { prepared: 12, sent: 3, waited: 45, ran: 18_000, brought: 9 };
        assert_eq!(parts(line), Some(expected));
        assert_eq!(parts("built cli 3.6.0 (18.0 s)"), None);
    }
}
