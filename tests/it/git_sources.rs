//! Packages by git's own protocols: what it is told, by which way, and what is not.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use crate::host::{Host, Reply, Repository, git_http};
use crate::sources::{commit, lock, record};
use crate::world::{Ran, World, ran};

/// Locks the package `one` at a commit of a repository.
fn world_with(url: impl Fn(&World) -> (String, String)) -> World {
    let world = World::new();
    let (url, commit) = url(&world);
    let git = [("Source", "Git"), ("RemoteType", "git"), ("RemoteUrl", url.as_str()), ("RemoteSha", &commit)];
    world.write("project/renv.lock", lock(&[record("one", &git)]));
    world
}

/// A program of the user's that comes before others of its name.
fn program(world: &World, name: &str, script: &str) -> String {
    let path = format!("bin/{name}");
    world.write(&path, script);
    fs::set_permissions(world.path(&path), fs::Permissions::from_mode(0o755)).unwrap();
    world.path("bin").to_str().unwrap().to_owned()
}

/// Gets all sources, with the programs in `bin/` before all others.
fn vendored(world: &World, environment: &[(&str, &str)]) -> Ran {
    let mut command = world.command(&["vendor", "vendored", "-v"]);
    let path = std::env::var("PATH").unwrap();
    command.env("PATH", format!("{}:{path}", world.path("bin").display()));
    command.env("LAYR_HTTP_TIMEOUT", "10").envs(environment.iter().copied());
    ran(&mut command)
}

#[test]
fn a_password_in_a_git_url_is_told_to_the_server_and_to_nobody_else() {
    let world = world_with(|world| {
        let root = world.path("git");
        let commit = commit(&Repository(&root.join("team/one.git")), "", "one");
        let host = Host::start(move |asked| match asked.authorization() {
            "Basic bWU6czNjcmV0" => git_http(&root, asked), // me:s3cret
            "" => Reply::with("401 Unauthorized", &["WWW-Authenticate: Basic realm=\"x\"".to_owned()], b""),
            _ => Reply::status("403 Forbidden"),
        });
        (format!("http://me:s3cret@{}/team/one.git/.git", host.address()), commit)
    });
    let log = world.path("arguments");
    let script = format!("#!/bin/sh\necho \"$@\" >> {}\nPATH=${{PATH#*:}}\nexec git \"$@\"\n", log.display());
    program(&world, "git", &script);
    vendored(&world, &[]).succeeded();
    let arguments = world.read("arguments");
    assert!(arguments.contains("fetch") && !arguments.contains("s3cret"), "{arguments}");

    let wrong = world.read("project/renv.lock").replace("s3cret", "wr0ng");
    world.write("project/renv.lock", wrong);
    let refused = vendored(&world, &[("LAYR_CACHE_DIR", world.path("other").to_str().unwrap())]);
    refused.failed(12, &["git: "]);
    let said = format!("{refused:?}{}", world.read("arguments"));
    assert!(!said.contains("wr0ng"), "{said}");
}

/// What git runs in the place of ssh: it notes what it is told, and runs the command here.
fn own_ssh(world: &World) -> String {
    let log = world.path("said").display().to_string();
    let script = format!("#!/bin/sh\necho \"$@\" >> {log}\nfor last; do :; done\nexec sh -c \"$last\"\n");
    program(world, "own-ssh", &script);
    world.path("bin/own-ssh").to_str().unwrap().to_owned()
}

/// A repository with `one`, and a submodule by ssh, as people write it who have a key.
fn with_ssh_submodule(root: &Path) -> (String, String) {
    let (header, parent) = (root.join("header.git"), root.join("one.git"));
    let header_commit = Repository(&header).commit(&[("h.h", "#define H 1\n")]);
    let repository = Repository(&parent);
    commit(&repository, "", "one");
    let url = format!("git@127.0.0.1:{}", header.display());
    let link = format!("160000,{header_commit},inst/header");
    repository.git(&["update-index", "--add", "--cacheinfo", &link]);
    let modules = format!("[submodule \"h\"]\n\tpath = inst/header\n\turl = {url}\n");
    fs::write(parent.join(".gitmodules"), modules).unwrap();
    repository.git(&["add", ".gitmodules"]);
    repository.git(&["commit", "--quiet", "--message=x"]);
    let commit = repository.git(&["rev-parse", "HEAD"]).trim().to_owned();
    (format!("ssh://git@127.0.0.1{}", parent.display()), commit)
}

#[test]
fn a_repository_and_its_submodules_come_by_the_user_s_own_ssh() {
    let world = world_with(|world| with_ssh_submodule(&world.path("git")));
    let ssh = own_ssh(&world);
    vendored(&world, &[("GIT_SSH_COMMAND", &ssh)]).succeeded();
    let said = world.read("said");
    assert!(said.contains("git@127.0.0.1 git-upload-pack"), "{said}");
    assert!(said.contains("header.git"), "{said}");
    let tarball = fs::read(world.path("project/vendored/src/contrib/one_1.0.tar.gz")).unwrap();
    let mut archive = tar::Archive::new(flate2::read::GzDecoder::new(tarball.as_slice()));
    let paths = archive.entries().unwrap().map(|entry| entry.unwrap().path().unwrap().into_owned());
    assert!(paths.into_iter().any(|path| path == Path::new("one/inst/header/h.h")));

    // By configuration as well, which is where most people have it.
    world.write(".gitconfig", format!("[core]\n\tsshCommand = {ssh}\n"));
    vendored(&world, &[("LAYR_CACHE_DIR", world.path("other").to_str().unwrap())]).succeeded();
}

#[test]
fn a_repository_with_more_submodules_than_any_package_has_is_given_up() {
    let world = world_with(|world| {
        let root = world.path("git");
        let header = Repository(&root.join("h.git")).commit(&[("h.h", "x\n")]);
        let path = root.join("one.git");
        let repository = Repository(&path);
        commit(&repository, "", "one");
        let mut modules = String::new();
        for at in 0..65 {
            repository.git(&["update-index", "--add", "--cacheinfo", &format!("160000,{header},m/{at}")]);
            modules.push_str(&format!("[submodule \"{at}\"]\n\tpath = m/{at}\n\turl = ../h.git\n"));
        }
        fs::write(path.join(".gitmodules"), modules).unwrap();
        repository.git(&["add", ".gitmodules"]);
        repository.git(&["commit", "--quiet", "--message=x"]);
        let commit = repository.git(&["rev-parse", "HEAD"]).trim().to_owned();
        (format!("ssh://git@127.0.0.1{}", path.display()), commit)
    });
    let ssh = own_ssh(&world);
    vendored(&world, &[("GIT_SSH_COMMAND", &ssh)]).failed(12, &["has more than 64 submodules"]);
}
