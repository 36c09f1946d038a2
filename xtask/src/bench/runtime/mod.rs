//! R on Lambda in three ways, under AWS's own emulator, side by side: the time of the
//! first answer and of those after it.

mod page;
mod ways;

use std::fs;
use std::path::PathBuf;
use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};

use super::measure::{Spread, measure};
use crate::base::{self, Base};
use crate::layr::{Layr, Profile, cargo, target};
use crate::rie::Emulator;
use crate::sandbox::{self, Network};
use crate::steps::step;
use crate::{library, paths, rie, run, testbed, tools};
use page::Results;
use ways::Way;

/// Answers after the first one that count, of each sandbox.
const N_WARM: usize = 200;
/// Of the slow way, fewer are as good.
const N_WARM_SLOW: usize = 10;

const EVENT: &str = r#"{"wt":2.5,"hp":110}"#;
/// The first digits of what every way must answer.
const ANSWER: &str = "0.9337";

/// What every sandbox has.
struct Ground {
    rootfs: PathBuf,
    /// jsonlite and httr, for the ways that need them.
    library: PathBuf,
    rie: PathBuf,
    /// `task` with the function's code, and a `bootstrap` for each way.
    work: tempfile::TempDir,
}

/// Measures each way in `n_runs` sandboxes, in turn, and writes docs/benchmarks-runtime.md.
pub fn bench(n_runs: usize) -> Result<()> {
    let ground = step("ground", Ground::prepare)?;
    let mut results = Results::default();
    for n in 1..=n_runs {
        eprintln!("run {n} of {n_runs}");
        results.bare.push(ground.bare()?);
        for way in Way::ALL {
            let (cold, warm) = ground.serve(way)?;
            eprintln!(
                "{way:?}: first {cold:.2?}, then {:.2?}",
                Spread::of(warm.clone()).map(|spread| spread.median)
            );
            let times = results.of(way);
            times.cold.push(cold);
            times.warm.extend(warm);
        }
        results.inside.push(ground.inside()?);
    }
    let page = results.page(&super::machine(), n_runs).context("no runs: ask for at least one")?;
    let path = paths::workspace().join("docs/benchmarks-runtime.md");
    fs::write(&path, &page)?;
    eprintln!("\n{page}\nbench: written to {}", path.display());
    Ok(())
}

impl Ground {
    fn prepare() -> Result<Self> {
        let cache = paths::cache()?;
        tools::provide(tools::FOR_BUILDS)?;
        let testbed = testbed::make(&paths::workspace().join("lockfiles"), &cache)?;
        let layr = Layr::build(Profile::Debug, None)?;
        let base: Base = base::provide(&layr, &cache)?;
        let library = library::make(&layr, &base, &testbed, "demo")?;
        let rie = rie::provide(&cache).context("nothing to measure under")?;
        let work = tempfile::tempdir()?;
        fs::create_dir(work.path().join("task"))?;
        fs::write(work.path().join("task/score.R"), ways::FUNCTION)?;
        for way in Way::ALL {
            way.write(work.path(), &bootstrap()?)?;
        }
        Ok(Self { rootfs: base.rootfs(), library, rie, work })
    }

    /// The first answer of a sandbox, and those after it.
    fn serve(&self, way: Way) -> Result<(Duration, Vec<Duration>)> {
        let mut sandbox = self.sandbox()?;
        sandbox.arg("--ro-bind").arg(self.work.path().join(way.name())).arg("/opt/bootstrap");
        sandbox.arg("--ro-bind").arg(&self.rie).arg("/opt/rie");
        let emulator = Emulator::start(sandbox, "/opt/rie", "score.run")?;
        let ask = || -> Result<Duration> {
            let start = Instant::now();
            let answer = emulator.invoke(EVENT)?;
            let time = start.elapsed();
            if !answer.contains(ANSWER) {
                bail!("{way:?} answers {answer}");
            }
            Ok(time)
        };
        let cold = ask()?;
        let n_warm = if way == Way::ProcessPerEvent { N_WARM_SLOW } else { N_WARM };
        let warm: Result<Vec<Duration>> = (0..n_warm).map(|_| ask()).collect();
        Ok((cold, warm?))
    }

    /// R that runs the function's file and ends, without the time that the sandbox takes.
    fn bare(&self) -> Result<Duration> {
        let sandbox = measure(self.sandbox()?.arg("true"))?.time;
        let mut r = self.sandbox()?;
        r.args(["/usr/lib/R/bin/R", "--no-echo", "--no-restore", "--no-save", "--file=/var/task/score.R"]);
        Ok(measure(&mut r)?.time.saturating_sub(sandbox))
    }

    /// One call of the function inside R.
    fn inside(&self) -> Result<Duration> {
        let mut r = self.sandbox()?;
        r.args(["/usr/lib/R/bin/Rscript", "--vanilla", "-e", ways::INSIDE]);
        let seconds: f64 = run::stdout(&mut r)?.trim().parse()?;
        Ok(Duration::from_secs_f64(seconds))
    }

    fn sandbox(&self) -> Result<Command> {
        let mut command = sandbox::command(&self.rootfs, Network::Host)?;
        command.args(["--symlink", "/usr/lib/R", "/opt/R", "--tmpfs", "/var", "--ro-bind"]);
        command.arg(self.work.path().join("task")).arg("/var/task");
        command.arg("--ro-bind").arg(&self.library).arg("/opt/layers");
        command.arg("--ro-bind").arg(self.work.path()).arg("/opt/ways");
        command.arg("--ro-bind").arg(tools::find("curl").context("there is no curl")?).arg("/opt/bin/curl");
        sandbox::set(&mut command, "R_LIBS", "/opt/layers/R/library");
        sandbox::set(&mut command, "LAMBDA_TASK_ROOT", "/var/task");
        sandbox::set(&mut command, "PATH", "/usr/bin:/bin:/opt/bin");
        command.args(["--chdir", "/var/task"]);
        Ok(command)
    }
}

/// bootstrap as layr carries it.
fn bootstrap() -> Result<PathBuf> {
    let triple = format!("{}-unknown-linux-gnu", std::env::consts::ARCH);
    let mut command = cargo();
    command.args([
        "build",
        "--quiet",
        "--package",
        "bootstrap",
        "--profile",
        "bootstrap",
        "--target",
        &triple,
    ]);
    run::check(command.env("RUSTFLAGS", "-Ctarget-feature=+crt-static"))?;
    Ok(target().join(triple).join("bootstrap/bootstrap"))
}
