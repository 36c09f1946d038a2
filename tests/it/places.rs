//! Repositories that are not CRAN's, and what a project brings itself: by HTTP, git and
//! path, as they come.

use std::fs;

use xtask::serve::Server;

use crate::host::{Host, Repository, git_http};
use crate::sources::{commit, lock, record};
use crate::world::{Ran, SourcePackage, World, gzip};

const REPOSITORY: (&str, &str) = ("Source", "Repository");

/// A repository of one package on loopback.
fn repository(world: &World, folder: &str, package: &SourcePackage) -> Server {
    let contrib = format!("{folder}/src/contrib");
    let index = format!("Package: {}\nVersion: {}\n", package.name, package.version);
    world.write(&format!("{contrib}/PACKAGES"), &index);
    world.write(&format!("{contrib}/PACKAGES.gz"), gzip(index.as_bytes()));
    world.write(&format!("{contrib}/{}_{}.tar.gz", package.name, package.version), package.tarball());
    Server::start(world.path(folder)).unwrap()
}

/// Gets all sources; `beginning` is where the lockfile's URLs are exchanged.
fn vendored(world: &World, beginning: &str, url: &str) -> Ran {
    world.layr(&["vendor", "vendored", "--repository", &format!("{beginning}={url}")])
}

/// Where the vendored folder's index says the one package is from.
fn origin(world: &World) -> String {
    let index = world.read("project/vendored/src/contrib/PACKAGES");
    let line = index.lines().find_map(|line| line.strip_prefix("Layr-Url: "));
    line.unwrap_or_default().to_owned()
}

#[test]
fn r_forge_is_known_without_being_declared() {
    let world = World::new();
    let server = repository(&world, "forge", &SourcePackage::new("one1", &[]));
    for name in ["R-Forge", "RForge"] {
        world.write("project/renv.lock", lock(&[record("one1", &[REPOSITORY, ("Repository", name)])]));
        vendored(&world, "https://R-Forge.R-project.org", &server.url()).succeeded();
        assert_eq!(origin(&world), "https://R-Forge.R-project.org/src/contrib/one1_1.0.tar.gz");
    }
}

#[test]
fn a_version_that_is_gone_from_r_universe_comes_from_the_commit_it_was_built_of() {
    let world = World::new();
    let root = world.path("git");
    let path = root.join("one1.git");
    let sha = commit(&Repository(&path), "", "one1");
    let description = "Package: one1\nVersion: 2.0\nTitle: T\nLicense: MIT\n";
    Repository(&path).commit(&[("DESCRIPTION", description)]);
    let host = Host::start(move |asked| git_http(&root, asked));
    let mut newer = SourcePackage::new("one1", &[]).file("DESCRIPTION", description);
    newer.version = "2.0".to_owned();
    let server = repository(&world, "universe", &newer);
    let url = format!("{}/one1.git/.git", host.url);
    let from = ("Repository", "https://team.r-universe.dev");
    let fields = [REPOSITORY, from, ("RemoteUrl", &url), ("RemoteSha", &sha)];
    world.write("project/renv.lock", lock(&[record("one1", &fields)]));
    vendored(&world, "https://team.r-universe.dev", &server.url()).succeeded();
    assert_eq!(origin(&world), format!("git+{url}"));
    let index = world.read("project/vendored/src/contrib/PACKAGES");
    assert!(index.contains(&format!("Layr-Commit: {sha}\n")), "{index}");

    // The version is asked for first, as long as it is there.
    let fields = [REPOSITORY, from, ("RemoteUrl", "https://nowhere.example/x"), ("RemoteSha", &sha)];
    let text = lock(&[record("one1", &fields)]).replace("\"Version\": \"1.0\"", "\"Version\": \"2.0\"");
    world.write("project/renv.lock", text);
    vendored(&world, "https://team.r-universe.dev", &server.url()).succeeded();
    assert_eq!(origin(&world), "https://team.r-universe.dev/src/contrib/one1_2.0.tar.gz");
}

#[test]
fn a_project_s_own_packrat_sources_are_all_that_it_takes() {
    let world = World::new();
    let packrat = "PackratFormat: 1.4\nPackratVersion: 0.5.0\nRVersion: 4.5.0\nRepos: CRAN=https://gone.example\n\n\
                   Package: one1\nSource: CRAN\nVersion: 1.0\nHash: 0123456789abcdef0123456789abcdef\n\n\
                   Package: two1\nSource: github\nVersion: 1.0\nHash: 0123456789abcdef0123456789abcdef\n\
                   GithubRepo: two1\nGithubUsername: team\nGithubRef: main\n\
                   GithubSha1: 3f03b11491ce3d6fc5601e210927eff73bf8e350\n";
    world.write("project/packrat/packrat.lock", packrat);
    let one = SourcePackage::new("one1", &[]).tarball();
    world.write("project/packrat/src/one1/one1_1.0.tar.gz", one);
    // What packrat got from GitHub lies in a folder of GitHub's making.
    let path = world.path("two1");
    let sha = commit(&Repository(&path), "", "two1");
    let archive = Repository(&path).archive(&sha, "team-two1-3f03b11");
    world.write("project/packrat/src/two1/3f03b11491ce3d6fc5601e210927eff73bf8e350.tar.gz", archive);
    let got = world.layr(&["vendor", "vendored", "packrat/packrat.lock", "--verify-hashes", "off"]);
    assert!(got.succeeded().stdout.starts_with("2 source tarballs, "), "{got:?}");
    assert!(origin(&world).ends_with("packrat/src/one1/one1_1.0.tar.gz"), "{}", origin(&world));
    assert!(world.server.requests().iter().all(|path| path.contains("/PACKAGES")), "nothing but the index");
}

#[test]
fn a_tarball_is_found_where_the_record_says_on_this_machine() {
    let world = World::new();
    let tarball = SourcePackage::new("one1", &[]).tarball();
    world.write("project/pkgs/one1_1.0.tar.gz", &tarball);
    world.write("elsewhere/one1.tar.gz", &tarball);
    let absolute = world.path("elsewhere/one1.tar.gz").display().to_string();
    for path in ["pkgs/one1_1.0.tar.gz", "./pkgs/one1_1.0.tar.gz", "~/elsewhere/one1.tar.gz", &absolute] {
        let fields = [("Source", "Local"), ("RemoteType", "local"), ("RemoteUrl", path)];
        world.write("project/renv.lock", lock(&[record("one1", &fields)]));
        world.layr(&["vendor", "vendored"]).succeeded();
        let kept = fs::read(world.path("project/vendored/src/contrib/one1_1.0.tar.gz")).unwrap();
        assert!(!kept.is_empty(), "{path}");
        fs::remove_dir_all(world.path("project/vendored")).unwrap();
    }
    let fields = [("Source", "Local"), ("RemoteType", "local"), ("RemoteUrl", "pkgs/gone1_1.0.tar.gz")];
    world.write("project/renv.lock", lock(&[record("one1", &fields)]));
    world.layr(&["vendor", "vendored"]).failed(12, &["pkgs/gone1_1.0.tar.gz", "no such file"]);
}
