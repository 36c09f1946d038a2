//! `cargo xtask`: words of the command line to a task.

#![expect(
    clippy::print_stderr,
    clippy::print_stdout,
    reason = "a task for developers, which talks to the terminal"
)]

use std::process::ExitCode;
use std::thread;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use xtask::layr::Profile;
use xtask::serve::Server;
use xtask::{bench, demo, interrupt, paths, suite, testbed, tools};

const USAGE: &str = "\
Usage: cargo xtask TASK

  demo [--out DIR]          build lockfiles/demo.lock and load every package of its layers
  test                      check everything: formatting, lints, tests, documentation
  bench [--runs N]          time layr beside install.packages() and renv; writes docs/benchmarks.md
  bench runtime [--runs N]  time layr's bootstrap beside other ways to run R on Lambda
  bench audit               time layr audit against 50,000 advisories; writes docs/benchmarks-audit.md
  bench plan [--history FILE] [--json]
                            replay lockfiles' histories: layr's layers beside other rules
  bench check               time layr check of many packages; writes its part of docs/benchmarks.md
  bench inspect             time looking into 250 MB of libraries; writes its part of docs/benchmarks.md
  bench cache [LOCKFILE]    time a second machine that has what the first one built in a cache
  bench packages            build many packages twice, and hold bytes and sizes against each other
  bench farm [--record STORE]
                            simulate builds of lockfiles/typical.lock on farms of 1 to 256 workers
  bench farm --measure NAME build lockfiles/NAME.lock on four workers of a farm, and without one
  testbed [--serve [PORT]]  make a CRAN-like repository for lockfiles/; serve it on loopback
";

/// How often a server looks for a signal.
const POLL: Duration = Duration::from_millis(200);

fn main() -> ExitCode {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    match interrupt::listen().and_then(|()| run(&words)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(words: &[&str]) -> Result<()> {
    match words {
        ["demo"] => demo::demo(None),
        ["demo", "--out", dir] => demo::demo(Some(dir)),
        ["bench"] => bench::bench(1),
        ["bench", "runtime"] => bench::runtime::bench(5),
        ["bench", "runtime", "--runs", n_runs] => {
            bench::runtime::bench(n_runs.parse().context("N is not a number")?)
        }
        ["bench", "--runs", n_runs] => bench::bench(n_runs.parse().context("N is not a number")?),
        ["bench", "audit"] => bench::audit::bench(),
        ["bench", "plan"] => bench::plan::plan(None, false),
        ["bench", "plan", "--json"] => bench::plan::plan(None, true),
        ["bench", "plan", "--history", file] => bench::plan::plan(Some(file), false),
        ["bench", "plan", "--history", file, "--json"] | ["bench", "plan", "--json", "--history", file] => {
            bench::plan::plan(Some(file), true)
        }
        ["bench", "check"] => bench::check::bench(),
        ["bench", "inspect"] => bench::inspect::bench(),
        ["bench", "cache"] => bench::cache::bench("typical.lock"),
        ["bench", "cache", lockfile] => bench::cache::bench(lockfile),
        ["bench", "packages"] => bench::packages::bench(),
        ["bench", "farm"] => bench::farm::farm(None),
        ["bench", "farm", "--measure", lockfile] => bench::farm::measured(lockfile, Profile::Release),
        ["bench", "farm", "--record", store] => bench::farm::farm(Some(store)),
        ["test"] => suite::test(),
        ["testbed"] => testbed(None),
        ["testbed", "--serve"] => testbed(Some(0)),
        ["testbed", "--serve", port] => testbed(Some(port.parse().context("PORT is not a port")?)),
        ["help" | "--help" | "-h"] => {
            print!("{USAGE}");
            Ok(())
        }
        _ => bail!("not a task: `{}`\n\n{USAGE}", words.join(" ")),
    }
}

/// Makes the testbed, and serves it on `port` where one is given.
fn testbed(port: Option<u16>) -> Result<()> {
    tools::provide(tools::FOR_TESTBED)?;
    let testbed = testbed::make(&paths::workspace().join("lockfiles"), &paths::cache()?)?;
    println!("{}", testbed.repository().display());
    let Some(port) = port else { return Ok(()) };
    let server = Server::start_on(testbed.repository(), port)?;
    println!("{}", server.url());
    loop {
        interrupt::check()?;
        thread::sleep(POLL);
    }
}
