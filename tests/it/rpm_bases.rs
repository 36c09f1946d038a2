//! Bases whose system is of RPM packages: the real `rpm` installs a real package with a
//! library into a root file system that has R, and what is built there says whose it is.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::json;

use crate::advisories::records;
use crate::world::{Ran, SourcePackage, World, base, ran};

fn program(name: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH")?;
    let found = std::env::split_paths(&path).map(|folder| folder.join(name)).find(|path| path.exists());
    if found.is_none() {
        eprintln!("SKIPPED: there is no `{name}`; Debian's package `rpm` has it");
    }
    found
}

const SPEC: &str = "Name: tinylib\nEpoch: 1\nVersion: 1.2\nRelease: 3.test\nSummary: A library\nLicense: MIT AND Zlib\nAutoReqProv: no\n\
    %global debug_package %{nil}\n%global __os_install_post %{nil}\n%description\nA library.\n\
    %install\nmkdir -p %{buildroot}/usr/lib/x86_64-linux-gnu %{buildroot}/usr/share/licenses/tinylib\n\
    cp %{made}/libtinyrpm.so.1 %{buildroot}/usr/lib/x86_64-linux-gnu/\n\
    ln -s libtinyrpm.so.1 %{buildroot}/usr/lib/x86_64-linux-gnu/libtinyrpm.so\n\
    echo 'Permission is granted.' > %{buildroot}/usr/share/licenses/tinylib/LICENSE\n\
    %files\n/usr/lib/x86_64-linux-gnu/libtinyrpm.so*\n/usr/share/licenses/tinylib/LICENSE\n";

/// The base's root file system as if it were Rocky Linux's, with the package installed.
fn root(world: &World) -> Option<PathBuf> {
    let base = base()?;
    let rootfs = if base.join("rootfs").is_dir() { base.join("rootfs") } else { base };
    let (rpm, rpmbuild) = (program("rpm")?, program("rpmbuild")?);
    let root = world.path("root");
    // Files are shared with the base where that can be: none of them is written to.
    let copied =
        |link: &[&str]| ran(Command::new("cp").arg("-a").args(link).args([&rootfs, &root])).code == 0;
    if !copied(&["--link"]) {
        _ = fs::remove_dir_all(&root);
        assert!(copied(&[]), "{} is copied", rootfs.display());
    }
    for folder in ["var/lib/dpkg", "var/lib/apt"] {
        fs::remove_dir_all(root.join(folder)).unwrap();
    }
    fs::remove_file(root.join("etc/os-release")).unwrap();
    fs::write(root.join("etc/os-release"), "NAME=\"Rocky Linux\"\nID=\"rocky\"\nVERSION_ID=\"9.3\"\n")
        .unwrap();
    let made = world.path("made");
    fs::create_dir_all(&made).unwrap();
    fs::write(made.join("tiny.c"), "int tiny_number(void) { return 42; }\n").unwrap();
    fs::write(made.join("tinylib.spec"), SPEC).unwrap();
    let mut compile = Command::new("cc");
    compile.current_dir(&made).args(["-shared", "-fPIC", "-Wl,-soname,libtinyrpm.so.1"]);
    ran(compile.args(["-o", "libtinyrpm.so.1", "tiny.c"])).succeeded();
    let mut build = Command::new(rpmbuild);
    build.arg("-bb").arg("--define").arg(format!("_topdir {}", made.display()));
    build.arg("--define").arg(format!("made {}", made.display()));
    ran(build.arg(made.join("tinylib.spec"))).succeeded();
    let package = made.join("RPMS/x86_64/tinylib-1.2-3.test.x86_64.rpm");
    // Debian's `rpm` has its own records elsewhere than systems of such packages have theirs.
    let rpm = |args: &[&str]| {
        let mut command = Command::new(&rpm);
        ran(command.arg("--root").arg(&root).args(["--dbpath", "/var/lib/rpm"]).args(args)).succeeded();
    };
    rpm(&["--initdb"]);
    rpm(&["-i", "--nodeps", package.to_str().unwrap()]);
    assert!(root.join("var/lib/rpm/rpmdb.sqlite").exists());
    Some(root)
}

fn build(world: &World, root: &Path, path: Option<&Path>) -> Ran {
    let flags = ["--engine", "bwrap", "--target", "al2023", "--allow-r-mismatch", "--no-runtime"];
    let mut command = world.command(&["build", "--base", root.to_str().unwrap()]);
    command.args(flags).envs(path.map(|path| ("PATH", path)));
    ran(&mut command)
}

#[test]
fn a_library_says_which_rpm_package_of_which_system_it_is_of() {
    let world = World::new();
    let Some(root) = root(&world) else { return };
    let package = SourcePackage::new("tiny1", &[])
        .file("NAMESPACE", "useDynLib(tiny1, c_number)\nexport(number)\n")
        .file("R/code.R", "number <- function() .Call(c_number)\n")
        .file("src/Makevars", "PKG_LIBS = -ltinyrpm\n")
        .file(
            "src/code.c",
            "#include <Rinternals.h>\nint tiny_number(void);\nSEXP c_number(void) { return ScalarInteger(tiny_number()); }\n",
        );
    world.publish(&package);
    world.lock(&["tiny1"]);
    build(&world, &root, None).succeeded();
    let manifest: serde_json::Value = serde_json::from_str(&world.read("project/dist/layers.json")).unwrap();
    let library = &manifest["functions"][0]["libraries"][0];
    let told = ["soname", "package", "version", "source", "source_version", "system"]
        .map(|name| library[name].clone());
    let expected = ["libtinyrpm.so.1", "tinylib", "1:1.2-3.test", "tinylib", "1.2-3.test", "rpm/rocky-9.3"];
    assert_eq!(told, expected.map(|text| json!(text)));
    assert_eq!(library["licenses"], json!(["MIT", "Zlib"]));
    let bill = world.layr(&["sbom", "dist", "--function", "renv"]).succeeded().stdout.clone();
    let purl = "pkg:rpm/rocky/tinylib@1.2-3.test?arch=x86_64&distro=rocky-9.3&epoch=1";
    assert!(bill.contains(purl), "{purl} is not in {bill}");
    let audit = world.layr(&["audit", "dist", "--db", &records(), "--verbose"]);
    let message = "is of a system package of rpm/rocky-9.3 that no advisories are known of";
    assert!(audit.stdout.contains(message), "{audit:?}");
    assert!(audit.stdout.contains("0 of 1 libraries"), "{audit:?}");
    // The records are where they were, and as they were: the base is the same one.
    let again = build(&world, &root, None);
    assert!(!again.succeeded().stderr.contains("built tiny1"), "{again:?}");
    // Without the program nobody knows, and that is said.
    let path = world.path("programs");
    fs::create_dir_all(&path).unwrap();
    symlink(program("bwrap").unwrap(), path.join("bwrap")).unwrap();
    fs::remove_dir_all(world.path("store")).unwrap();
    let without = build(&world, &root, Some(&path));
    assert!(without.succeeded().stderr.contains("there is no `rpm` here to read them"), "{without:?}");
    let bill = world.layr(&["sbom", "dist", "--function", "renv"]).succeeded().stdout.clone();
    assert!(
        bill.contains("libtinyrpm.so.1") && !bill.contains("pkg:rpm") && !bill.contains("pkg:deb"),
        "{bill}"
    );
}
