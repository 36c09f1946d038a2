//! Packages that are taken out of a repository's files.

use std::io::{Cursor, Write};
use std::os::unix::fs::PermissionsExt;

use ::zip::write::SimpleFileOptions;

use super::super::{Request, SourceTarball, unpack};
use super::archives::Tar;
use super::server::{Reply, Server};
use super::{World, id};
use crate::model::Subfolder;
use crate::resolve::{Candidate, Checkout, ResolvedPackage};

const SHA: &str = "3f03b11491ce3d6fc5601e210927eff73bf8e350";
const DESCRIPTION: &[u8] = b"Package: x1\nVersion: 1.0\n";

/// `x1 1.0` in a folder of a repository at a commit.
fn x1_in(subfolder: &str, url: &str) -> Request {
    let checkout = Checkout {
        commit: Some(SHA.parse().unwrap()),
        reference: None,
        subfolder: Subfolder::parse(subfolder).unwrap(),
    };
    let candidates = vec![Candidate { checkout: Some(checkout), ..Candidate::tarball(url.to_owned()) }];
    Request {
        package: ResolvedPackage { id: id("x1", "1.0"), candidates, newest: None },
        pin: None,
        named: false,
    }
}

/// An archive as `git archive` makes it, with the commit in its first header.
fn repository() -> Tar {
    Tar::default().header(b'g', format!("52 comment={SHA}\n").as_bytes()).empty("team-x1-3f03b11/", b'5')
}

/// The files of the tarball, with their content.
fn unpacked(world: &World, tarball: &SourceTarball) -> Vec<(String, String)> {
    let folder = tempfile::tempdir().unwrap();
    unpack(tarball.sha256, &tarball.id, folder.path(), &world.store).unwrap();
    let mut files = Vec::new();
    let mut left = vec![folder.path().join("x1")];
    while let Some(path) = left.pop() {
        let metadata = crate::sys::fs::metadata(&path).unwrap();
        if metadata.is_dir() {
            left.extend(crate::sys::fs::sorted_entries(&path).unwrap().iter().map(std::fs::DirEntry::path));
        } else {
            let name = path.strip_prefix(folder.path().join("x1")).unwrap().display().to_string();
            let mark = if metadata.permissions().mode() & 0o111 == 0 { "" } else { "*" };
            files.push((
                format!("{name}{mark}"),
                String::from_utf8(crate::sys::fs::read(&path).unwrap()).unwrap(),
            ));
        }
    }
    files.sort();
    files
}

fn listed(files: &[(String, String)]) -> Vec<&str> {
    files.iter().map(|(name, _)| name.as_str()).collect()
}

#[test]
fn links_are_replaced_by_what_they_lead_to_and_the_rest_of_the_repository_is_left_out() {
    let top = "team-x1-3f03b11";
    let archive = repository()
        .file(&format!("{top}/README.md"), b"")
        .file(&format!("{top}/core/a.c"), b"int a;\n")
        .file(&format!("{top}/core/deep/b.c"), b"int b;\n")
        .file(&format!("{top}/r/DESCRIPTION"), DESCRIPTION)
        .link(&format!("{top}/r/src"), b'2', "../core")
        .link(&format!("{top}/r/again"), b'2', "src/deep/b.c")
        .file(&format!("{top}/r/.git/config"), b"[remote]")
        .end()
        .gz();
    let server = Server::start(move |_| Reply::ok(&archive));
    let world = World::new();
    let fetched = world.fetch_one(x1_in("r", &server.url)).unwrap();
    let files = unpacked(&world, &fetched);
    assert_eq!(listed(&files), ["DESCRIPTION", "again", "src/a.c", "src/deep/b.c"]);
    assert_eq!(files[1].1, "int b;\n");
    assert_eq!(fetched.checkout.unwrap().commit.unwrap().as_str(), SHA);
    assert!(world.fetch_one(x1_in("r", &server.url)).unwrap().from_store);
}

#[test]
fn the_digest_is_that_of_the_files_whatever_the_archive_s_folder_and_order() {
    let header = format!("52 comment={SHA}\n");
    let commented = Tar::default().header(b'g', header.as_bytes());
    let archives = [
        commented.file("a/DESCRIPTION", DESCRIPTION).file("a/R/x.R", b"x").end().gz(),
        Tar::default().file("other/R/x.R", b"x").file("other/DESCRIPTION", DESCRIPTION).end().gz(),
    ];
    let [one, other] = archives.map(|archive| {
        let server = Server::start(move |_| Reply::ok(&archive));
        World::new().fetch_one(x1_in("", &server.url)).unwrap().sha256
    });
    assert_eq!(one, other);
}

#[test]
fn what_no_repository_may_hold_is_refused() {
    let with = |tar: Tar| tar.file("team-x1-3f03b11/DESCRIPTION", DESCRIPTION).end().gz();
    let link = |to: &str| with(repository().link("team-x1-3f03b11/a", b'2', to));
    let cases = [
        (link("../../etc/passwd"), "is a link out of the repository, to `../../etc/passwd`"),
        (link("/etc/passwd"), "is a link out of the repository"),
        (link("gone"), "is a link to `gone`, which is not there"),
        (link("a"), "leads in a circle"),
        (link("."), "leads in a circle"),
        (with(repository().link("team-x1-3f03b11/a", b'1', "b")), "hard link"),
        (with(repository().file("elsewhere/a", b"")), "outside of the package's folder, `team-x1-3f03b11`"),
        (
            with(repository().link("team-x1-3f03b11/a", b'2', "b").file("team-x1-3f03b11/a/c", b"")),
            "is a file and a folder",
        ),
        (
            with(Tar::default().header(b'g', format!("52 comment={}\n", "0".repeat(40)).as_bytes())),
            "is commit 0000000000000000000000000000000000000000, where 3f03b11491ce3d6fc5601e210927eff73bf8e350",
        ),
        (
            with(
                repository()
                    .file("team-x1-3f03b11/.gitmodules", b"[submodule \"l\"]\n\tpath = src/l\n\turl = x\n"),
            ),
            "without the submodules that the package needs",
        ),
        (repository().file("team-x1-3f03b11/R/x.R", b"").end().gz(), "has no folder `.` with a DESCRIPTION"),
    ];
    for (archive, part) in cases {
        let server = Server::start(move |_| Reply::ok(&archive));
        let said = World::new().failure(x1_in("", &server.url));
        assert!(said.contains(part), "{part:?} is not in {said}");
    }
}

#[test]
fn a_folder_of_the_user_s_is_read_anew_each_time() {
    let world = World::new();
    let description = world.file("own/x1/DESCRIPTION", DESCRIPTION);
    let url = description.strip_suffix("/DESCRIPTION").unwrap();
    world.file("own/x1/.git/HEAD", b"ref: refs/heads/main");
    let candidates =
        vec![Candidate { checkout: Some(Checkout::default()), ..Candidate::tarball(url.to_owned()) }];
    let package = ResolvedPackage { id: id("x1", "1.0"), candidates, newest: None };
    let request = Request { package, pin: None, named: false };
    let first = world.fetch_one(request.clone()).unwrap();
    assert_eq!(listed(&unpacked(&world, &first)), ["DESCRIPTION"]);
    world.file("own/x1/R/x.R", b"x");
    let second = world.fetch_one(request).unwrap();
    assert_eq!(listed(&unpacked(&world, &second)), ["DESCRIPTION", "R/x.R"]);
    assert_ne!(first.sha256, second.sha256);
}

/// Paths and texts as a zip; executable where a text begins like a script, a link where
/// there is `->`.
fn zipped(files: &[(&str, &str)]) -> Vec<u8> {
    let mut writer = ::zip::ZipWriter::new(Cursor::new(Vec::new()));
    for (path, text) in files {
        let plain = SimpleFileOptions::default().unix_permissions(0o644);
        if let Some(target) = text.strip_prefix("-> ") {
            writer.add_symlink(*path, target, plain).unwrap();
            continue;
        }
        let options = if text.starts_with("#!") { plain.unix_permissions(0o755) } else { plain };
        writer.start_file(*path, options).unwrap();
        writer.write_all(text.as_bytes()).unwrap();
    }
    writer.set_comment(SHA).unwrap();
    writer.finish().unwrap().into_inner()
}

fn fetched(archive: Vec<u8>) -> (World, SourceTarball) {
    let server = Server::start(move |_| Reply::ok(&archive));
    let world = World::new();
    let fetched = world.fetch_one(x1_in("", &server.url)).unwrap();
    (world, fetched)
}

#[test]
fn a_zip_of_the_same_files_is_the_same_package() {
    let description = str::from_utf8(DESCRIPTION).unwrap();
    let files = [
        ("t/DESCRIPTION", description),
        ("t/configure", "#!/bin/sh\n"),
        ("t/R/x.R", "x"),
        ("t/l", "-> R/x.R"),
    ];
    let (world, from_zip) = fetched(zipped(&files));
    assert_eq!(listed(&unpacked(&world, &from_zip)), ["DESCRIPTION", "R/x.R", "configure*", "l"]);
    assert_eq!(from_zip.checkout.unwrap().commit.unwrap().as_str(), SHA, "the comment has the commit");
    let tar = Tar::default().file("t/DESCRIPTION", DESCRIPTION).file("t/R/x.R", b"x");
    let zip = zipped(&[("t/DESCRIPTION", description), ("t/R/x.R", "x")]);
    assert_eq!(fetched(zip).1.sha256, fetched(tar.end().gz()).1.sha256);
}

#[test]
fn a_zip_that_programs_could_read_in_two_ways_is_refused() {
    let description = str::from_utf8(DESCRIPTION).unwrap();
    let with = |path: &str, text: &str| zipped(&[("t/DESCRIPTION", description), (path, text)]);
    let replaced = |archive: Vec<u8>, from: &str, to: &str, n: usize| {
        let mut archive = archive;
        for _ in 0..n {
            let at = archive.windows(from.len()).position(|part| part == from.as_bytes()).unwrap();
            archive[at..at + from.len()].copy_from_slice(to.as_bytes());
        }
        archive
    };
    let whole = with("t/R/x.R", "stored as it is");
    let half = whole[..whole.len() / 2].to_vec();
    let cases = [
        (replaced(with("t/a", "x"), "t/a", "t/b", 1), "has two names"),
        (
            replaced(zipped(&[("t/DESCRIPTION", description), ("t/a", ""), ("t/b", "")]), "t/b", "t/a", 2),
            "two files of one name",
        ),
        (with("t/../../x", "x"), "`..`"),
        (with("elsewhere/x", "x"), "outside of the package's folder, `t`"),
        (with("t/l", "-> ../../etc/passwd"), "is a link out of the repository"),
        (half, "damaged"),
    ];
    for (archive, part) in cases {
        let server = Server::start(move |_| Reply::ok(&archive));
        let said = World::new().failure(x1_in("", &server.url));
        assert!(said.contains(part), "{part:?} is not in {said}");
    }
}

#[test]
fn a_zip_whose_checksum_is_wrong_is_damaged() {
    let mut writer = ::zip::ZipWriter::new(Cursor::new(Vec::new()));
    let stored = SimpleFileOptions::default().compression_method(::zip::CompressionMethod::Stored);
    for (path, text) in [("t/DESCRIPTION", DESCRIPTION), ("t/R/x.R", b"stored as it is")] {
        writer.start_file(path, stored).unwrap();
        writer.write_all(text).unwrap();
    }
    let mut archive = writer.finish().unwrap().into_inner();
    let at = archive.windows(6).position(|part| part == b"stored").unwrap();
    archive[at] = b'S';
    let server = Server::start(move |_| Reply::ok(&archive));
    let said = World::new().failure(x1_in("", &server.url));
    assert!(said.contains("checksum"), "{said}");
}
