//! Packages from everywhere a lockfile can name, each by the protocol it really comes by.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use crate::host::{Asked, Host, Reply, Repository, git_http};
use crate::world::{Ran, SourcePackage, World, ran};

/// The files of a package as a developer has them: no `Author`, `Packaged` or `Built`.
fn files(name: &str) -> [(String, String); 3] {
    let description = format!(
        "Package: {name}\nVersion: 1.0\nTitle: T\nLicense: MIT\nAuthors@R: person(\"A\", \"B\", email = \"a@b.c\", role = c(\"aut\", \"cre\"))\n"
    );
    [
        ("DESCRIPTION".to_owned(), description),
        ("NAMESPACE".to_owned(), format!("export(f_{name})\n")),
        ("R/code.R".to_owned(), format!("f_{name} <- function() \"{name}\"\n")),
    ]
}

/// Commits a package below `folder` of a repository.
pub(crate) fn commit(repository: &Repository<'_>, folder: &str, name: &str) -> String {
    let files = files(name).map(|(path, text)| (format!("{folder}{path}"), text));
    let files: Vec<_> = files.iter().map(|(path, text)| (path.as_str(), text.as_str())).collect();
    repository.commit(&files)
}

pub(crate) fn lock(records: &[String]) -> String {
    format!(
        r#"{{ "R": {{ "Version": "4.5.0", "Repositories": [ {{ "Name": "CRAN", "URL": "https://cloud.r-project.org" }} ] }},
"Packages": {{ {} }} }}"#,
        records.join(",\n")
    )
}

pub(crate) fn record(name: &str, fields: &[(&str, &str)]) -> String {
    let fields: String = fields.iter().map(|(key, value)| format!(r#", "{key}": "{value}""#)).collect();
    format!(r#""{name}": {{ "Package": "{name}", "Version": "1.0"{fields} }}"#)
}

pub(crate) fn forge(name: &str, source: &str, host: &str, commit: &str) -> String {
    let kind = source.to_ascii_lowercase();
    record(
        name,
        &[
            ("Source", source),
            ("RemoteType", &kind),
            ("RemoteHost", host),
            ("RemoteUsername", "team"),
            ("RemoteRepo", name),
            ("RemoteSha", commit),
        ],
    )
}

/// A server that asks for `token`, and gives a forge's archives and git itself.
fn guarded(root: PathBuf, token: &'static str) -> Host {
    Host::start(move |asked| answer(&root, token, asked))
}

fn answer(root: &Path, token: &str, asked: &Asked) -> Reply {
    let is_git = asked.target.contains(".git/");
    let is_known = asked.authorization() == format!("Bearer {token}");
    if is_git && asked.authorization().is_empty() {
        return Reply::with("401 Unauthorized", &["WWW-Authenticate: Basic realm=\"x\"".to_owned()], b"");
    } else if is_git {
        return git_http(root, asked);
    }
    let path = asked.target.split('?').next().unwrap();
    let parts: Vec<&str> = path.trim_matches('/').split('/').collect();
    let archive = |name: &str, commit: &str, top: &str| {
        Repository(&root.join(format!("team/{name}.git"))).archive(commit, top)
    };
    match parts.as_slice() {
        // GitHub says nothing of what one may not see, and leads on to another server.
        ["api", "v3", "repos", "team", _, "tarball", _] if !is_known => Reply::status("404 Not Found"),
        ["api", "v3", "repos", "team", name, "tarball", commit] => {
            let port = asked_port(asked);
            let to = format!("Location: http://localhost:{port}/codeload/{name}/{commit}");
            Reply::with("302 Found", &[to], b"")
        }
        ["codeload", name, commit] if asked.authorization().is_empty() => {
            Reply::ok(&archive(name, commit, &format!("team-{name}-{}", &commit[..7])))
        }
        // GitLab and Bitbucket do.
        ["api", "v4", "projects", _, "repository", "archive.tar.gz"]
        | ["rest", "api", "latest", "projects", "team", "repos", _, "archive"]
            if !is_known =>
        {
            Reply::status("401 Unauthorized")
        }
        ["api", "v4", "projects", id, "repository", "archive.tar.gz"] => {
            let name = id.strip_prefix("team%2F").unwrap();
            let commit = asked.target.split_once("sha=").unwrap().1;
            Reply::ok(&archive(name, commit, &format!("{name}-{commit}-{commit}")))
        }
        ["rest", "api", "latest", "projects", "team", "repos", name, "archive"] => {
            assert!(asked.target.contains(&format!("format=tar.gz&prefix={name}&at=")), "{}", asked.target);
            Reply::ok(&archive(name, asked.target.split_once("&at=").unwrap().1, name))
        }
        _ => Reply::status("404 Not Found"),
    }
}

fn asked_port(asked: &Asked) -> String {
    asked.host().rsplit(':').next().unwrap().to_owned()
}

/// `git daemon` on a port of its own; ends with the test.
struct Daemon {
    child: Child,
    url: String,
}

impl Daemon {
    fn start(root: &Path) -> Self {
        let port = free_port();
        let mut command = Command::new("git");
        command.args(["daemon", "--reuseaddr", "--export-all", "--listen=127.0.0.1"]);
        command.arg(format!("--port={port}")).arg(format!("--base-path={}", root.display()));
        let child = command.stdin(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
        wait_for(port);
        Self { child, url: format!("git://127.0.0.1:{port}") }
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        // The daemon is a child of `git`, and ends with it by this signal, not by the other.
        _ = Command::new("kill").arg(self.child.id().to_string()).status();
        _ = self.child.wait();
    }
}

/// One that nobody listens on.
pub(crate) fn free_port() -> u16 {
    std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

pub(crate) fn wait_for(port: u16) {
    for _ in 0..200 {
        if std::net::TcpStream::connect(("127.0.0.1", port)).is_ok() {
            return;
        }
        std::thread::sleep(std::time::Duration::from_millis(50));
    }
    panic!("nobody listens on port {port} after 10 s");
}

/// A project whose lockfile has a package of each kind of source, and what serves them.
struct Everything {
    world: World,
    host: Host,
    hub_commit: String,
    deep_commit: String,
    _daemon: Daemon,
    _files: Host,
}

impl Everything {
    fn new() -> Self {
        let world = World::new();
        let root = world.path("git");
        let team = |name: &str| root.join(format!("team/{name}.git"));
        let [hub_commit, lab, bucket] =
            ["hub1", "lab1", "bucket1"].map(|name| commit(&Repository(&team(name)), "", name));
        let daemon = Daemon::start(&root);
        let deep_commit = with_submodule(&root, &daemon);
        commit(&Repository(&team("url1")), "", "url1");
        let archive = Repository(&team("url1")).archive("HEAD", "anything");
        let files_host = Host::start(move |_| Reply::ok(&archive));
        for (path, text) in files("local1") {
            world.write(&format!("project/pkgs/local1/{path}"), text);
        }
        world.write("project/renv/cellar/cellar1_1.0.tar.gz", SourcePackage::new("cellar1", &[]).tarball());
        let host = guarded(root, "token-1");
        let deep_url = format!("{}/team/deep.git/.git", daemon.url);
        let file_url = format!("{}/x.tar.gz", files_host.url);
        let git = [
            ("RemoteType", "git"),
            ("RemoteUrl", &deep_url),
            ("RemoteSha", &deep_commit),
            ("RemoteSubdir", "r"),
        ];
        let records = [
            forge("hub1", "GitHub", &format!("{}/api/v3", host.url), &hub_commit),
            forge("lab1", "GitLab", &host.url, &lab),
            forge("bucket1", "Bitbucket", &host.url, &bucket),
            record("deep1", &[&[("Source", "Git")], &git[..]].concat()),
            record("url1", &[("Source", "URL"), ("RemoteType", "url"), ("RemoteUrl", &file_url)]),
            record("local1", &[("Source", "Local"), ("RemoteUrl", "pkgs/local1")]),
            record("cellar1", &[("Source", "Local")]),
        ];
        world.write("project/renv.lock", lock(&records));
        Self { world, host, hub_commit, deep_commit, _daemon: daemon, _files: files_host }
    }

    fn build(&self, base: &Path, more: &[&str]) -> Ran {
        let args = ["build", "--base", base.to_str().unwrap(), "--engine", "bwrap", "--json"];
        let mut command = self.world.command(&[&args, more].concat());
        command.env("GITHUB_PAT_127_0_0_1", "token-1").env("LAYR_HTTP_TIMEOUT", "10");
        ran(&mut command)
    }
}

/// A repository with `deep1` in its folder `r`, and a submodule below that.
fn with_submodule(root: &Path, daemon: &Daemon) -> String {
    Repository(&root.join("team/header.git")).commit(&[("h.h", "#define H 1\n")]);
    let path = root.join("team/deep.git");
    let parent = Repository(&path);
    commit(&parent, "r/", "deep1");
    let header = format!("{}/team/header.git/.git", daemon.url);
    parent.git(&["-c", "protocol.git.allow=always", "submodule", "--quiet", "add", &header, "r/inst/header"]);
    parent.commit(&[("README.md", "x\n")])
}

#[test]
fn packages_of_every_kind_of_source_become_a_layer_and_the_same_one_from_layr_lock() {
    let Some(base) = crate::world::base() else { return };
    let all = Everything::new();
    let (world, address) = (&all.world, all.host.address());
    let built = all.build(&base, &[]);
    assert_eq!(built.succeeded().json()["built"], 7, "{built:?}");
    let locked = world.read("project/layr.lock");
    let hub = &all.hub_commit;
    for part in [
        &format!("url = \"http://{address}/api/v3/repos/team/hub1/tarball/{hub}\""),
        &format!("commit = \"{hub}\""),
        &format!("commit = \"{}\"", all.deep_commit),
        "subfolder = \"r\"",
        "url = \"file:./pkgs/local1\"",
        "url = \"file:./renv/cellar/cellar1_1.0.tar.gz\"",
        "version = 2",
    ] {
        assert!(locked.contains(part), "{part} is not in {locked}");
    }
    assert!(!all.host.asked().iter().any(|asked| asked.target.contains(".git/")), "archives are enough");
    let layers = crate::world::zips(&world.path("project/dist"));
    let mut archive = zip::ZipArchive::new(std::io::Cursor::new(&layers[0].1)).unwrap();
    let submodule = archive.by_name("R/library/deep1/header/h.h").unwrap();
    assert_eq!(std::io::read_to_string(submodule).unwrap(), "#define H 1\n");
    fs::remove_dir_all(world.path("store")).unwrap();
    all.build(&base, &["--locked"]).succeeded();
    assert_eq!(crate::world::zips(&world.path("project/dist")), layers);
    all.build(&base, &["--locked", "--offline"]).succeeded();
}

#[test]
fn another_commit_under_the_same_version_makes_layr_lock_s_entry_void() {
    let Some(base) = crate::world::base() else { return };
    let all = Everything::new();
    all.build(&base, &[]).succeeded();
    let path = all.world.path("git/team/hub1.git");
    let newer = Repository(&path).commit(&[("R/more.R", "more <- 1\n")]);
    let text = all.world.read("project/renv.lock").replace(&all.hub_commit, &newer);
    all.world.write("project/renv.lock", text);
    all.build(&base, &["--locked"]).failed(19, &["package `hub1 1.0` is new"]);
    assert_eq!(all.build(&base, &[]).succeeded().json()["built"], 1);
    assert!(all.world.read("project/layr.lock").contains(&newer));
}
