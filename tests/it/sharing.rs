//! Machines that share a cache: real servers on loopback, each machine with a store of its
//! own. `xtask::caches` starts buildbox-casd (REAPI) and nginx (HTTP), `cloud` moto (S3).

use std::path::PathBuf;
use std::process::Command;

use xtask::caches::{Cache, Faulty, Trouble};

use crate::cloud::Cloud;
use crate::world::{Ran, SourcePackage, World, base, from_environment, noise, ran, zips};

/// A cache, as a machine is told of it.
pub(crate) struct Place {
    pub(crate) url: String,
    pub(crate) environment: Vec<(&'static str, String)>,
}

impl Place {
    pub(crate) fn at(url: String) -> Self {
        Self { url, environment: Vec::new() }
    }

    pub(crate) fn with(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.environment.push((name, value.into()));
        self
    }
}

/// A machine with a project of three packages, one of which has files of every size.
pub(crate) fn machine() -> World {
    let world = World::new();
    let large = SourcePackage::new("large1", &[])
        .file("inst/large.bin", noise(5 << 20))
        .file("inst/empty", "")
        .file("inst/deep/er/same", "DESCRIPTION")
        .file("inst/deep/same", "DESCRIPTION");
    for package in [SourcePackage::new("one1", &["two2"]), SourcePackage::new("two2", &[]), large] {
        world.publish(&package);
    }
    world.lock(&["one1", "two2", "large1"]);
    world
}

/// `layr …` on a machine that has a base and knows the cache; `None` where there is no base.
pub(crate) fn command(world: &World, words: &[&str], place: &Place) -> Option<Command> {
    let base = base()?;
    let mut command = world.command(words);
    command.args(["--remote-cache", &place.url]).envs(place.environment.clone());
    if matches!(words, ["build" | "verify", ..] | ["cache", "pull", ..]) {
        command.arg("--base").arg(base).args(["--engine", "bwrap"]);
    }
    if let ["cache", "pull", ..] = words {
        command.args(["--repository", &format!("CRAN={}", world.server.url())]);
    }
    Some(command)
}

pub(crate) fn layr(world: &World, words: &[&str], place: &Place) -> Option<Ran> {
    Some(ran(&mut command(world, words, place)?))
}

pub(crate) const WRITE: &str = "--remote-cache-mode=read-write";

pub(crate) fn buildbox() -> Option<PathBuf> {
    from_environment("LAYR_TEST_BUILDBOX")
}

pub(crate) fn reapi() -> Option<(Cache, Place)> {
    let cache = Cache::reapi(&buildbox()?).unwrap();
    let place = Place::at(format!("grpc://{}", cache.address));
    Some((cache, place))
}

pub(crate) fn http() -> Option<(Cache, Place)> {
    let Some(cache) = Cache::http().unwrap() else {
        eprintln!("SKIPPED: there is no nginx");
        return None;
    };
    let place = Place::at(format!("http://{}/layr", cache.address));
    Some((cache, place))
}

/// A place of this name in a bucket that all have.
pub(crate) fn s3(prefix: &str) -> Option<(Cloud, Place)> {
    let cloud = Cloud::new()?;
    cloud.aws_script("aws s3api create-bucket --bucket shared --region us-east-1").succeeded();
    let place = Place::at(format!("s3://shared/{prefix}"))
        .with("AWS_ENDPOINT_URL", cloud.proxy.url())
        .with("AWS_ACCESS_KEY_ID", "AKIAIOSFODNN7EXAMPLE")
        .with("AWS_SECRET_ACCESS_KEY", "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY")
        .with("AWS_REGION", "us-east-1");
    Some((cloud, place))
}

/// `built`, `from_store` and `from_remote` of a build's answer.
#[track_caller]
pub(crate) fn counts(ran: &Ran) -> [u64; 3] {
    let answer = ran.succeeded().json();
    ["built", "from_store", "from_remote"].map(|name| answer[name].as_u64().unwrap())
}

/// A second machine builds nothing of what the first has built, and gives the same bytes.
#[track_caller]
fn second_machine_builds_nothing(place: &Place) {
    let (first, second) = (machine(), machine());
    let Some(built) = layr(&first, &["build", "--json", WRITE], place) else { return };
    assert_eq!((counts(&built), built.stderr.contains("warning")), ([3, 0, 0], false), "{}", built.stderr);
    let shared = layr(&second, &["build", "--json"], place).unwrap();
    assert_eq!((counts(&shared), shared.stderr.contains("warning")), ([0, 0, 3], false), "{}", shared.stderr);
    assert!(!zips(&first.path("project/dist")).is_empty());
    assert_eq!(zips(&first.path("project/dist")), zips(&second.path("project/dist")));
    second.layr(&["cache", "verify"]).succeeded();
    let again = layr(&second, &["build", "--json"], place).unwrap();
    assert_eq!(counts(&again), [0, 3, 0]);
}

#[test]
fn what_one_machine_built_another_need_not_build_by_reapi() {
    let Some((_cache, place)) = reapi() else { return };
    second_machine_builds_nothing(&place);
}

#[test]
fn what_one_machine_built_another_need_not_build_by_http() {
    let Some((_cache, place)) = http() else { return };
    second_machine_builds_nothing(&place);
}

#[test]
fn what_one_machine_built_another_need_not_build_by_s3() {
    let Some((_cloud, place)) = s3("second") else { return };
    second_machine_builds_nothing(&place);
}

#[test]
fn a_machine_that_only_reads_leaves_nothing_behind() {
    let Some((cache, place)) = http() else { return };
    let world = machine();
    let Some(built) = layr(&world, &["build", "--json"], &place) else { return };
    assert_eq!(counts(&built), [3, 0, 0]);
    assert_eq!(std::fs::read_dir(cache.files()).unwrap().count(), 0);
    layr(&world, &["cache", "push"], &place).unwrap().failed(2, &["--remote-cache-mode=read-write"]);
}

#[test]
fn a_store_is_pushed_and_pulled_and_counted() {
    let Some((_cache, place)) = reapi() else { return };
    let (first, second) = (machine(), machine());
    let Some(built) = first.build(&["--json"]) else { return };
    assert_eq!(counts(&built), [3, 0, 0]);
    let stats = |world: &World| layr(world, &["cache", "stats", "--remote"], &place).unwrap().stdout;
    assert!(stats(&first).contains("0 of the store's 3"), "{}", stats(&first));
    let pushed = layr(&first, &["cache", "push", WRITE], &place).unwrap();
    assert_eq!(pushed.succeeded().stdout, "sent 3 packages\n");
    let said = stats(&first);
    assert!(said.contains("3 of the store's 3") && said.contains("REAPI 2"), "{said}");
    assert_eq!(layr(&first, &["cache", "push", WRITE], &place).unwrap().stdout, "sent 0 packages\n");
    let pulled = layr(&second, &["cache", "pull"], &place).unwrap();
    assert!(pulled.succeeded().stdout.starts_with("3 packages brought, 0 found"), "{}", pulled.stdout);
    // All is here now, and no cache is needed.
    assert_eq!(counts(&second.build(&["--json", "--offline"]).unwrap()), [0, 3, 0]);
    assert_eq!(zips(&first.path("project/dist")), zips(&second.path("project/dist")));
}

#[test]
fn what_a_mirror_has_lost_comes_from_the_cache() {
    let Some((_cache, place)) = reapi() else { return };
    let (first, second) = (machine(), machine());
    let Some(built) = layr(&first, &["build", "--json", WRITE], &place) else { return };
    built.succeeded();
    second.write("project/layr.lock", first.read("project/layr.lock"));
    std::fs::remove_dir_all(second.path("repository/src/contrib")).unwrap();
    let shared = layr(&second, &["build", "--json", "--locked"], &place).unwrap();
    assert_eq!(counts(&shared), [0, 0, 3], "{}", shared.stderr);
    assert!(second.server.requests().is_empty(), "{:?}", second.server.requests());
}

/// A package that must be built changes the keys of those that need it only where its bytes
/// change: what needs it is looked for once more when it is built.
#[test]
fn what_needs_a_package_that_is_built_here_is_found_all_the_same() {
    let Some((cache, place)) = http() else { return };
    let (first, second) = (machine(), machine());
    let Some(built) = layr(&first, &["build", "--json", WRITE], &place) else { return };
    built.succeeded();
    // The cache has lost the results of two of three packages, as it may at any time.
    let results = std::fs::read_dir(cache.files().join("layr/ac")).unwrap();
    for result in results.map(|entry| entry.unwrap().path()) {
        if !String::from_utf8_lossy(&std::fs::read(&result).unwrap()).contains("one1") {
            std::fs::remove_file(result).unwrap();
        }
    }
    let shared = layr(&second, &["build", "--json"], &place).unwrap();
    assert_eq!(counts(&shared), [2, 0, 1], "{}", shared.stderr);
    assert_eq!(zips(&first.path("project/dist")), zips(&second.path("project/dist")));
}

#[test]
fn many_machines_at_once_build_the_same_bytes() {
    let Some((_cache, place)) = reapi() else { return };
    let machines: Vec<World> = (0..6).map(|_| machine()).collect();
    if base().is_none() {
        return;
    }
    std::thread::scope(|scope| {
        let builds: Vec<_> = machines
            .iter()
            .map(|world| scope.spawn(|| layr(world, &["build", "--json", WRITE], &place).unwrap()))
            .collect();
        for build in builds {
            assert_eq!(counts(&build.join().unwrap()).iter().sum::<u64>(), 3);
        }
    });
    let made = zips(&machines[0].path("project/dist"));
    assert!(machines.iter().all(|world| zips(&world.path("project/dist")) == made));
}

#[test]
fn an_address_that_is_none_is_an_error_and_a_cache_that_is_not_there_a_warning() {
    let world = machine();
    let no_scheme = Place::at("localhost:8980".to_owned());
    let Some(ran) = layr(&world, &["build"], &no_scheme) else { return };
    ran.failed(2, &["remote cache `localhost:8980` has no scheme"]);
    let nobody = Place::at("grpc://127.0.0.1:1".to_owned());
    let built = layr(&world, &["build", "--json"], &nobody).unwrap();
    assert_eq!(counts(&built), [3, 0, 0]);
    assert_eq!(built.stderr.matches("warning").count(), 1, "{}", built.stderr);
    assert!(built.stderr.contains("grpc://127.0.0.1:1 is not used any more"), "{}", built.stderr);
    layr(&world, &["cache", "stats", "--remote"], &nobody)
        .unwrap()
        .ended(25, "failed to use grpc://127.0.0.1:1");
    let off = Place::at("none".to_owned());
    assert!(layr(&world, &["build"], &off).unwrap().succeeded().stderr.is_empty());
}

#[test]
fn a_server_that_refuses_is_done_without_and_the_warning_says_why() {
    let Some((cache, _)) = http() else { return };
    let faulty = Faulty::start(cache.address).unwrap();
    let place = Place::at(format!("http://{}", faulty.address));
    for (status, n_asked) in [(401, 1), (403, 1), (507, 1), (429, 2), (503, 2)] {
        let world = World::new();
        world.publish(&SourcePackage::new("two2", &[]));
        world.lock(&["two2"]);
        faulty.set(Trouble::Status(status));
        let Some(built) = layr(&world, &["build", "--json", WRITE], &place) else { return };
        assert_eq!(counts(&built), [1, 0, 0]);
        assert_eq!(built.stderr.matches("warning").count(), 1, "{}", built.stderr);
        assert!(built.stderr.contains(&format!("it answers {status}")), "{}", built.stderr);
        assert_eq!(faulty.n_connections(), n_asked, "{status}");
    }
}
