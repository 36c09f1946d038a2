//! Layers that load on their target, slim, or an error that says why not.

use std::process::Command;

use crate::world::{SourcePackage, World, base, noise, zips};

/// A package with C code.
fn with_code(name: &str, code: &str, makevars: &str) -> SourcePackage {
    SourcePackage::new(name, &[])
        .file(
            "DESCRIPTION",
            format!("Package: {name}\nVersion: 1.0\nTitle: Test\nLicense: MIT\nNeedsCompilation: yes\n"),
        )
        .file("NAMESPACE", format!("useDynLib({name})\nexport(f_{name})\n"))
        .file("R/code.R", format!("f_{name} <- function() .Call(\"{name}_version\")\n"))
        .file("src/code.c", code)
        .file("src/Makevars", makevars)
}

const UV: &str = "#include <uv.h>\n#include <Rinternals.h>\n\
    SEXP NAME_version(void) { return Rf_mkString(uv_version_string()); }\n";

fn listing(zip: &std::path::Path) -> Vec<String> {
    let archive = zip::ZipArchive::new(std::fs::File::open(zip).unwrap()).unwrap();
    archive.file_names().map(|name| name.unwrap().into_owned()).collect()
}

#[test]
fn a_library_that_two_packages_need_is_in_the_layer_once_and_told_in_the_manifest() {
    let world = World::new();
    for name in ["uvone", "uvtwo"] {
        world.publish(&with_code(name, &UV.replace("NAME", name), "PKG_LIBS = -luv\n"));
    }
    world.lock(&["uvone", "uvtwo"]);
    let Some(built) = world.build(&["--json"]) else { return };
    let function = &built.succeeded().json()["functions"][0];
    let libraries = function["libraries"].as_array().unwrap();
    let uv = libraries.iter().find(|library| library["soname"] == "libuv.so.1").unwrap();
    assert_eq!(uv["package"], "libuv1t64", "{uv}");
    assert!(uv["licenses"].as_array().is_some_and(|licenses| !licenses.is_empty()), "{uv}");
    let zip = zips(&world.path("project/dist")).pop().unwrap().0;
    let files = listing(&world.path("project/dist").join(zip));
    let vendored: Vec<_> =
        files.iter().filter(|file| file.contains("/.libs/libuv-") && file.ends_with(".so.1")).collect();
    assert_eq!(vendored.len(), 1, "{vendored:?}");
    let name = uv["name"].as_str().unwrap();
    assert!(vendored[0].starts_with(&format!("R/library/.libs/{name}/")), "{vendored:?}");
}

#[test]
fn a_library_that_is_too_new_for_lambda_is_an_error_with_the_symbol_and_the_ways_out() {
    let world = World::new();
    let code = "#include <stdlib.h>\n#include <Rinternals.h>\n\
        SEXP newc_version(void) { return Rf_ScalarInteger((int) strtol(\"1\", 0, 10)); }\n";
    world.publish(&with_code("newc", code, ""));
    world.lock(&["newc"]);
    let Some(refused) = world.build(&["--target", "al2023"]) else { return };
    refused.failed(
        21,
        &[
            "`newc 1.0`",
            "libs/newc.so",
            "`__isoc23_strtol` of version GLIBC_2.38",
            "up to GLIBC_2.34",
            "--target base",
        ],
    );
    world.build(&[]).unwrap().succeeded();
}

#[test]
fn what_a_profile_leaves_out_is_not_in_the_layer_and_another_profile_builds_nothing() {
    let world = World::new();
    let package = SourcePackage::new("slim1", &[])
        .file("inst/include/slim1.h", "int x;\n")
        .file("inst/extdata/x.csv", "1\n")
        .file("inst/NEWS.md", "# New\n")
        .file("inst/kept/x", "1\n");
    world.publish(&package);
    world.lock(&["slim1"]);
    let files = |args: &[&str]| {
        _ = std::fs::remove_dir_all(world.path("project/dist"));
        let built = world.build(&[&["--json"], args].concat())?;
        let n_built = built.succeeded().json()["built"].as_u64().unwrap();
        let zip = zips(&world.path("project/dist")).pop().unwrap().0;
        Some((n_built, listing(&world.path("project/dist").join(zip)).join(" ")))
    };
    let Some((_, default)) = files(&[]) else { return };
    let has = |listing: &str, name: &str| listing.contains(&format!("slim1/{name}"));
    assert!(!has(&default, "include/slim1.h") && !has(&default, "NEWS.md"), "{default}");
    assert!(has(&default, "extdata/x.csv") && has(&default, "kept/x"), "{default}");
    let (n_built, none) = files(&["--slim", "none"]).unwrap();
    assert_eq!(n_built, 0, "the package is the same");
    assert!(has(&none, "include/slim1.h") && has(&none, "NEWS.md"), "{none}");
    assert!(!has(&files(&["--slim", "max"]).unwrap().1, "extdata/x.csv"));
    world.write("project/layr.toml", "[slim]\ndrop.slim1 = [\"kept/**\"]\nkeep.\"*\" = [\"NEWS.md\"]\n");
    let (_, own) = files(&["renv.lock"]).unwrap();
    assert!(!has(&own, "kept/x") && has(&own, "NEWS.md"), "{own}");
}

#[test]
fn a_root_file_system_is_described_and_the_description_is_a_target() {
    let world = World::new();
    let Some(base) = base() else { return };
    let inspected =
        world.layr(&["target", "inspect", base.join("rootfs").to_str().unwrap(), "--name", "mine"]);
    let text = &inspected.succeeded().stdout;
    assert!(text.contains("name = \"mine\"") && text.contains("\"libc.so.6\" = ["), "{text}");
    world.write("project/mine.toml", text);
    world.publish(&with_code("uvone", &UV.replace("NAME", "uvone"), "PKG_LIBS = -luv\n"));
    world.lock(&["uvone"]);
    let built = world.build(&["--json", "--target", "./mine.toml"]).unwrap();
    assert_eq!(built.succeeded().json()["target"], "mine");
    assert!(built.json()["functions"][0]["libraries"].is_null(), "that system has libuv");
    world
        .layr(&["target", "inspect", world.path("project").to_str().unwrap()])
        .failed(21, &["no dynamic loader"]);
    world.build(&["--target", "lambda"]).unwrap().failed(2, &["target `lambda` is not one of"]);
}

#[test]
fn odd_names_loops_and_broken_libraries_of_a_root_are_passed_over() {
    use std::ffi::OsStr;
    use std::os::unix::ffi::OsStrExt;
    let Some(base) = base() else { return };
    let world = World::new();
    let rootfs = base.join("rootfs");
    let real = |path: &str| std::fs::read(rootfs.join(path)).unwrap();
    let library = real("usr/lib/x86_64-linux-gnu/libz.so.1");
    world.write("root/lib64/ld-linux-x86-64.so.2", real("usr/lib64/ld-linux-x86-64.so.2"));
    let folder = world.path("root/usr/lib/x86_64-linux-gnu");
    world.write("root/usr/lib/x86_64-linux-gnu/libz.so.1", &library);
    std::fs::write(folder.join("cut.so"), &library[..100]).unwrap();
    std::fs::write(folder.join("lying.so"), [&library[..16], &noise(60_000)].concat()).unwrap();
    std::fs::write(folder.join(OsStr::from_bytes(b"bad\xff.so")), &library).unwrap();
    std::fs::create_dir(folder.join(OsStr::from_bytes(b"folder\xfe"))).unwrap();
    for (link, to) in [("own.so", "own.so"), ("one.so", "two.so"), ("two.so", "one.so"), ("none.so", "/none")]
    {
        std::os::unix::fs::symlink(to, folder.join(link)).unwrap();
    }
    let inspected = world.layr(&["target", "inspect", world.path("root").to_str().unwrap()]);
    let text = &inspected.succeeded().stdout;
    let names: Vec<&str> =
        text.lines().filter_map(|line| line.split_once(" = [")).map(|(name, _)| name).collect();
    assert_eq!(names, ["\"ld-linux-x86-64.so.2\"", "\"libz.so.1\""], "{text}");
}

#[test]
fn a_vendored_library_is_found_where_nothing_but_the_c_library_is() {
    let world = World::new();
    let Some(base) = base() else { return };
    world.publish(&with_code("uvone", &UV.replace("NAME", "uvone"), "PKG_LIBS = -luv\n"));
    world.lock(&["uvone"]);
    world.build(&[]).unwrap().succeeded();
    let opt = world.path("opt");
    let (zip, _) = zips(&world.path("project/dist")).pop().unwrap();
    let file = std::fs::File::open(world.path("project/dist").join(zip)).unwrap();
    zip::ZipArchive::new(file).unwrap().extract(&opt).unwrap();
    // The base without its libuv: what is found can only be the layer's.
    let script = "exec \"$1\" --no-echo --vanilla -e 'cat(uvone::f_uvone())'";
    let mut command = Command::new("bwrap");
    command.args(["--unshare-all", "--dev", "/dev", "--proc", "/proc", "--tmpfs", "/tmp"]);
    for folder in ["usr", "etc"] {
        command.arg("--ro-bind").arg(base.join("rootfs").join(folder)).arg(format!("/{folder}"));
    }
    for folder in ["bin", "lib", "lib64"] {
        command.args(["--symlink", &format!("usr/{folder}"), &format!("/{folder}")]);
    }
    let hidden = "/usr/lib/x86_64-linux-gnu/libuv.so.1.0.0";
    command.args(["--ro-bind", "/dev/null", hidden, "--ro-bind"]).arg(&opt).arg("/opt");
    command.args(["--setenv", "R_LIBS", "/opt/R/library", "/bin/sh", "-c", script, "sh", "/usr/bin/R"]);
    let output = command.output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    assert!(String::from_utf8_lossy(&output.stdout).starts_with("1."), "{output:?}");
}
