//! Binary packages of a Posit Package Manager: taken where asked for, and only there.

use std::path::Path;
use std::process::Stdio;

use xtask::sandbox::{self, Network};

use crate::host::{Asked, Host, Reply};
use crate::sources::{lock, record};
use crate::world::{Ran, SourcePackage, World, base, ran, zips};

const BASE: i32 = 16;

/// What `R CMD INSTALL --build` makes of a package, in the base.
fn built_by_r(package: &SourcePackage, base: &Path) -> Vec<u8> {
    let folder = tempfile::tempdir().unwrap();
    let source = flate2::read::GzDecoder::new(std::io::Cursor::new(package.tarball()));
    tar::Archive::new(source).unpack(folder.path()).unwrap();
    let mut command = sandbox::command(&base.join("rootfs"), Network::None).unwrap();
    let script = format!("cd /tmp/out && mkdir lib && R CMD INSTALL --build --library=lib {}", package.name);
    command.arg("--bind").arg(folder.path()).args(["/tmp/out", "sh", "-c", &script]);
    let output = command.stdin(Stdio::null()).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let mut files = std::fs::read_dir(folder.path()).unwrap().map(|entry| entry.unwrap().path());
    std::fs::read(files.find(|path| path.extension().is_some_and(|end| end == "gz")).unwrap()).unwrap()
}

/// A package manager that has a binary package of `one1`, and of `two1` only the source: it
/// then sends that, as Posit's does.
fn manager(binary: Vec<u8>) -> Host {
    let sources = ["one1", "two1"].map(|name| SourcePackage::new(name, &[]).tarball());
    let wanted =
        "/cran/__linux__/manylinux_2_28/2025-06-02/src/contrib/one1_1.0.tar.gz?r_version=4.5&arch=x86_64";
    Host::start(move |Asked { target, .. }| match target {
        target if target == wanted => Reply::ok(&binary),
        target if target.contains("/one1_1.0.tar.gz") => Reply::ok(&sources[0]),
        target if target.contains("/two1_1.0.tar.gz") => Reply::ok(&sources[1]),
        _ => Reply::status("404 Not Found"),
    })
}

fn world() -> World {
    let world = World::new();
    let records =
        ["one1", "two1"].map(|name| record(name, &[("Source", "Repository"), ("Repository", "P3M")]));
    let text = lock(&records).replace(
        "\"CRAN\", \"URL\": \"https://cloud.r-project.org\"",
        "\"P3M\", \"URL\": \"https://packagemanager.posit.co/cran/2025-06-02\"",
    );
    world.write("project/renv.lock", text);
    world
}

fn build(world: &World, host: &Host, base: &Path, more: &[&str]) -> Ran {
    let instead = format!("https://packagemanager.posit.co={}", host.url);
    let args = ["build", "--base", base.to_str().unwrap(), "--engine", "bwrap", "--repository", &instead];
    ran(&mut world.command(&[&args, more].concat()))
}

#[test]
fn a_binary_package_is_taken_where_it_is_preferred_and_locked_as_what_it_is() {
    let Some(base) = base() else { return };
    let (world, host) = (world(), manager(built_by_r(&SourcePackage::new("one1", &[]), &base)));
    build(&world, &host, &base, &[]).succeeded();
    assert!(!host.asked().iter().any(|asked| asked.target.contains("__linux__")), "never by accident");
    assert!(world.read("project/layr.lock").contains("\nversion = 1\n"));

    std::fs::remove_file(world.path("project/layr.lock")).unwrap();
    build(&world, &host, &base, &["--binary", "prefer"]).succeeded();
    let locked = world.read("project/layr.lock");
    let url = "url = \"https://packagemanager.posit.co/cran/__linux__/manylinux_2_28/2025-06-02/src/contrib/one1_1.0.tar.gz?r_version=4.5&arch=x86_64\"\nform = \"binary\"\n";
    assert!(locked.contains(url) && locked.contains("\nversion = 3\n"), "{locked}");
    assert_eq!(locked.matches("form = ").count(), 1, "of the other there is only the source");
    let layers = zips(&world.path("project/dist"));
    let mut archive = zip::ZipArchive::new(std::io::Cursor::new(&layers[0].1)).unwrap();
    assert!(archive.by_name("R/library/one1/R/one1.rdb").is_ok());

    std::fs::remove_dir_all(world.path("store")).unwrap();
    world.write("project/layr.toml", "[build]\nbinary = \"prefer\"\n");
    build(&world, &host, &base, &["--locked"]).succeeded();
    assert_eq!(zips(&world.path("project/dist")), layers);
    build(&world, &host, &base, &["--locked", "--binary", "never"]).failed(19, &["`one1 1.0` is new"]);
}

#[test]
fn a_binary_package_for_another_r_is_refused_by_name() {
    let Some(base) = base() else { return };
    let description = "Package: one1\nVersion: 1.0\nTitle: T\nLicense: MIT\nBuilt: R 4.4.1; ; 2025-06-02 01:02:03 UTC; unix\n";
    let older = SourcePackage::new("one1", &[]).file("DESCRIPTION", description);
    let (world, host) = (world(), manager(older.tarball()));
    let refused = build(&world, &host, &base, &["--binary", "prefer"]);
    refused
        .failed(BASE, &["binary package `one1 1.0` is built for R 4.4.1", "has R 4.5.0", "--binary never"]);
}
