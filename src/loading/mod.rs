//! Packages of a function, loaded where they will be: under `/opt`, with the runtime layer's
//! R, in a root that holds what the target offers and nothing else. No R, no compiler, no
//! network, not as root.

mod diagnosis;
mod error;
mod root;
mod unpack;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

pub use error::{LoadError, LoadFailure};
pub use root::root;
pub use unpack::unpack;

use crate::engine::{Bind, Engine, EngineError, First, Limits, Network, Root, Sandbox};
use crate::model::PackageName;
use crate::store::Store;
use crate::sys::fs;
use crate::sys::interrupt::Interrupt;
use crate::sys::process::{ProcessError, signal_name};

const SCRIPT: &str = include_str!("load.R");
/// Where the script lies inside.
const SCRIPT_PLACE: &str = "/build/load.R";
/// Address space, for R and what packages map into it.
const MEMORY_BYTES: u64 = 16 << 30;
/// Under bwrap all processes of the user's count, whoever started them: few on a server, and
/// thousands on a desktop. It only has to stop a package that starts without end.
const N_PROCESSES: u32 = 1 << 15;
const TIME: Duration = Duration::from_mins(10);

/// Where packages are loaded.
#[derive(Clone, Copy)]
pub struct Site<'a> {
    pub store: &'a Store,
    pub engine: &'a Engine,
    pub interrupt: &'a Interrupt,
    /// What the target offers.
    pub root: &'a Root,
    /// The function's layers over the runtime's.
    pub opt: &'a Path,
    /// The packages that lie in its code.
    pub task: Option<&'a Path>,
}

/// Loads packages, in their order, in one R; where one ends it, the others in another.
///
/// # Errors
///
/// Where R cannot be run at all. What does not load is in the result.
pub fn load(packages: &[PackageName], site: Site<'_>) -> Result<Vec<LoadFailure>, LoadError> {
    let mut failures = Vec::new();
    let mut left = packages;
    while !left.is_empty() {
        let round = Round::run(left, site)?;
        for (package, message) in &round.failed {
            failures.push(LoadFailure::new(package.clone(), message.clone()));
        }
        let Some(at) = round.ended_at else { break };
        failures.push(LoadFailure::new(left[at].clone(), round.how_it_ended));
        left = &left[at + 1..];
    }
    Ok(failures)
}

/// What one R has loaded.
struct Round {
    failed: Vec<(PackageName, String)>,
    /// The place of the package that ended R.
    ended_at: Option<usize>,
    how_it_ended: String,
}

impl Round {
    fn run(packages: &[PackageName], site: Site<'_>) -> Result<Self, LoadError> {
        let work = site.store.temp_dir("load-")?;
        let script = work.path().join("load.R");
        fs::write_atomic(&script, SCRIPT.as_bytes())?;
        let log_path = work.path().join("log");
        let log = fs::create(&log_path)?;
        let ended = site.engine.run(&sandbox(packages, &script, site), &log, site.interrupt);
        let how_it_ended = match ended {
            Ok(status) if status.success() => String::new(),
            Ok(status) => match signal_name(status) {
                Some(signal) => format!("R was ended by {signal}"),
                None => format!("R ended with {status}"),
            },
            Err(EngineError::Process(ProcessError::TimedOut { limit, .. })) => {
                format!("it took longer than {} s", limit.as_secs())
            }
            Err(error) => return Err(error.into()),
        };
        let text = fs::read(&log_path)?;
        Self::read(packages, &String::from_utf8_lossy(&text), how_it_ended)
    }

    fn read(packages: &[PackageName], log: &str, how_it_ended: String) -> Result<Self, LoadError> {
        let mut outcomes: BTreeMap<&str, Option<&str>> = BTreeMap::new();
        for line in log.lines() {
            let mut words = line.split('\t');
            match (words.next(), words.next(), words.next(), words.next()) {
                (Some("layr-load-end"), Some(name), Some("loaded"), _) => {
                    outcomes.insert(name, None);
                }
                (Some("layr-load-end"), Some(name), Some("failed"), message) => {
                    outcomes.insert(name, message);
                }
                _ => {}
            }
        }
        let ended_at = packages.iter().position(|package| !outcomes.contains_key(package.as_str()));
        if ended_at == Some(0) && !log.contains("layr-load-begin\t") {
            let last: Vec<&str> = log.lines().rev().take(5).collect();
            let last = last.into_iter().rev().map(str::to_owned).collect();
            return Err(LoadError::NoStart { how: how_it_ended, last });
        }
        let failed = packages.iter().filter_map(|package| {
            let message = outcomes.get(package.as_str()).copied().flatten()?;
            Some((package.clone(), message.trim().to_owned()))
        });
        Ok(Self { failed: failed.collect(), ended_at, how_it_ended })
    }
}

fn sandbox(packages: &[PackageName], script: &Path, site: Site<'_>) -> Sandbox {
    let bind = |from: PathBuf, to: &str| Bind { from, to: to.to_owned(), writable: false };
    let names: Vec<&str> = packages.iter().map(PackageName::as_str).collect();
    let env = [
        ("R_HOME", "/opt/R"),
        ("R_SHARE_DIR", "/opt/R/share"),
        ("R_DEFAULT_PACKAGES", "methods,datasets,utils,grDevices,graphics,stats"),
        ("LD_LIBRARY_PATH", "/opt/R/lib"),
        ("PATH", "/opt/R/bin:/usr/bin:/bin"),
        ("HOME", "/tmp"),
        ("TMPDIR", "/tmp"),
        ("R_LIBS", if site.task.is_some() { "/var/task/R/library" } else { "" }),
        ("LANG", "C.UTF-8"),
        ("TZ", "UTC"),
        ("LAYR_LOAD", &names.join(" ")),
    ];
    let command = ["/opt/R/bin/exec/R", "--no-echo", "--no-restore", "--no-save", "--no-init-file"];
    let mut binds = vec![bind(site.opt.to_owned(), "/opt"), bind(script.to_owned(), SCRIPT_PLACE)];
    binds.extend(site.task.map(|task| bind(task.to_owned(), "/var/task")));
    Sandbox {
        root: site.root.clone(),
        binds,
        env: env.map(|(name, value)| (name.to_owned(), value.to_owned())).to_vec(),
        // Not /tmp: docker would make it before it is mounted, closed to all but root.
        working_dir: "/".to_owned(),
        command: command.map(str::to_owned).into_iter().chain([format!("--file={SCRIPT_PLACE}")]).collect(),
        limits: Limits { memory_bytes: MEMORY_BYTES, n_processes: N_PROCESSES, time: TIME },
        network: Network::None,
        first: First::Engine,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(names: &[&str]) -> Vec<PackageName> {
        names.iter().map(|name| name.parse().unwrap()).collect()
    }

    #[test]
    fn outcomes_are_read_and_the_package_that_ended_r_is_known() {
        let packages = names(&["aa", "bb", "cc"]);
        let log = "noise\nlayr-load-begin\taa\nlayr-load-end\taa\tfailed\tno way \nlayr-load-begin\tbb\n";
        let round = Round::read(&packages, log, "R was ended by SEGV".to_owned()).unwrap();
        assert_eq!(round.failed, [(packages[0].clone(), "no way".to_owned())]);
        assert_eq!(round.ended_at, Some(1));
    }

    #[test]
    fn an_r_that_does_not_start_is_an_error_of_its_own() {
        let error =
            Round::read(&names(&["aa"]), "cannot open libR.so\n", "R ended".to_owned()).err().unwrap();
        assert!(error.to_string().contains("cannot open libR.so"), "{error}");
    }
}
