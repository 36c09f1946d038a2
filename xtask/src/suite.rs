//! Everything that must hold before a change goes in, on a machine that has nothing but
//! Rust and a network.

use std::ffi::OsString;
use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Result, bail};

use crate::docker::{self, Docker};
use crate::layr::{Layr, Profile, cargo};
use crate::steps::{beside, shown, step};
use crate::testbed::{self, Testbed};
use crate::{base, caches, dockerfiles, library, paths, peers, registry, rie, root, run, tools};

/// Runs it all. What cargo checks is checked to the end, so that one run tells everything
/// that is wrong.
pub fn test() -> Result<()> {
    let start = Instant::now();
    let cache = paths::cache()?;
    // Compiling takes processors, what is fetched meanwhile takes the network.
    let build = || Layr::build(Profile::Debug, None);
    let (layr, peers) = beside("cargo build", build, || Peers::provide(&cache))?;
    // What does not compile is told below, with the rest.
    let compile = || Ok(run::check(cargo().args(["test", "--workspace", "--no-run"])).ok());
    let (_, made) = beside("cargo test --no-run", compile, || made_with(layr, &peers, &cache))?;
    let for_tests = [peers.for_tests, made].concat();
    let for_docs = [("RUSTDOCFLAGS", "-D warnings".into())];
    let checks: [(&str, &[(&str, OsString)]); 4] = [
        ("fmt --all --check", &[]),
        ("clippy --workspace --all-targets -- -D warnings", &[]),
        ("test --workspace --no-fail-fast", &for_tests),
        ("doc --workspace --no-deps", &for_docs),
    ];
    let mut failed: Vec<&str> = checks
        .into_iter()
        .filter(|(words, environment)| !holds(words, environment))
        .map(|(words, _)| words)
        .collect();
    if !peers.are_dockerfiles_fine {
        failed.push("xtask test, of which dockerfiles");
    }
    let time = shown(start.elapsed());
    if !failed.is_empty() {
        bail!("after {time}: failed: cargo {}", failed.join("; cargo "));
    }
    eprintln!("\ntest: all is well after {time}");
    Ok(())
}

/// Variables that tests read.
type ForTests = Vec<(&'static str, OsString)>;

/// What tests need beside layr, to be had without it.
struct Peers {
    testbed: Testbed,
    docker: Option<Docker>,
    are_dockerfiles_fine: bool,
    for_tests: ForTests,
}

impl Peers {
    fn provide(cache: &Path) -> Result<Self> {
        step("tools", || tools::provide(TOOLS.concat().as_slice()))?;
        let python = step("python", || peers::python(cache))?;
        let bom_readers = step("readers of bills", || peers::bom_readers(cache))?;
        let kubernetes = step("Kubernetes' schemas", || peers::kubernetes(cache))?;
        let node = step("node", || peers::node(cache))?;
        let testbed = step("testbed", || testbed::make(&paths::workspace().join("lockfiles"), cache))?;
        let are_dockerfiles_fine = step("dockerfiles", || dockerfiles::lint(cache)).is_ok();
        let docker = step("docker", || Ok(docker::provide(cache)))?;
        let root = step("a root without R", || root::provide(cache))?;
        let rie = step("emulator", || Ok(rie::provide(cache)))?;
        let registry = step("registry", || Ok(registry::provide(cache)))?;
        let buildbox = step("buildbox", || Ok(caches::buildbox(cache)))?;
        let buildgrid = step("BuildGrid", || Ok(peers::buildgrid(cache)))?;
        let mut for_tests: ForTests = vec![
            ("LAYR_TEST_REPOSITORY", testbed.repository().into()),
            ("LAYR_TEST_ROOT", root.into()),
            ("LAYR_TEST_PYTHON", python.into()),
            ("LAYR_TEST_BOM_READERS", bom_readers.into()),
            ("LAYR_TEST_KUBERNETES", kubernetes.into()),
        ];
        let browser = tools::find(tools::CHROMIUM.program);
        for_tests.extend(browser.map(|browser| ("LAYR_TEST_BROWSER", browser.into())));
        for_tests.extend(rie.map(|rie| ("LAYR_TEST_RIE", rie.into())));
        for_tests.extend(registry.map(|registry| ("LAYR_TEST_REGISTRY", registry.into())));
        for_tests.extend(buildbox.map(|programs| ("LAYR_TEST_BUILDBOX", programs.into())));
        for_tests.extend(buildgrid.map(|environment| ("LAYR_TEST_BUILDGRID", environment.into())));
        for_tests.extend(node.map(|node| ("LAYR_TEST_NODE", node.into())));
        for_tests.extend(docker.as_ref().map(|docker| ("DOCKER_HOST", docker.host().into())));
        Ok(Self { testbed, docker, are_dockerfiles_fine, for_tests })
    }
}

/// What tests need that layr makes.
fn made_with(layr: Layr, peers: &Peers, cache: &Path) -> Result<ForTests> {
    let layr = match &peers.docker {
        Some(docker) => layr.with("DOCKER_HOST", docker.host()),
        None => layr,
    };
    let base = step("base", || base::provide(&layr, cache))?;
    let library = step("library", || library::make(&layr, &base, &peers.testbed, "tiny"))?;
    Ok(vec![("LAYR_TEST_BASE", base.path.into()), ("LAYR_TEST_LIBRARY", library.into())])
}

const TOOLS: [&[tools::Tool]; 4] = [tools::FOR_BUILDS, tools::FOR_TESTS, tools::FOR_PEERS, tools::FOR_JOBS];

/// For one call of cargo, compiling included: a test that hangs is a failure, and not the
/// end of everything after it.
const LIMIT: Duration = Duration::from_mins(40);

/// One call of cargo, which writes to the terminal itself.
fn holds(words: &str, environment: &[(&str, OsString)]) -> bool {
    let name = format!("cargo {words}");
    let run = || run::check_within(LIMIT, cargo().args(words.split(' ')).envs(environment.iter().cloned()));
    step(&name, run).is_ok()
}
