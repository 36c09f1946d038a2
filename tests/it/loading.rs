//! What is built is loaded before it counts as made, where nothing but the target is.

use crate::world::{Ran, SourcePackage, World, base, ran};

/// `layr build` as users have it: with the load test.
fn build(world: &World, args: &[&str]) -> Option<Ran> {
    let base = base()?;
    let mut all = vec!["build", "--base", base.to_str().unwrap(), "--engine", "bwrap"];
    all.extend(args);
    Some(ran(world.command(&all).env_remove("LAYR_NO_LOAD_TEST")))
}

#[test]
fn a_package_that_does_not_load_is_an_error_with_its_cause_and_no_manifest() {
    let world = World::new();
    let on_load = ".onLoad <- function(libname, pkgname) loadNamespace(\"suggested1\")\n";
    world.publish(&SourcePackage::new("sound1", &[]));
    world.publish(&SourcePackage::new("broken1", &[]).file("R/load.R", on_load));
    world.publish(&SourcePackage::new("fatal1", &[]).file(
        "R/load.R",
        ".onLoad <- function(libname, pkgname) if (basename(libname) == \"library\") tools::pskill(Sys.getpid(), 9L)\n",
    ));
    world.lock(&["broken1", "fatal1", "sound1"]);
    let Some(refused) = build(&world, &[]) else { return };
    refused.failed(
        21,
        &["2 packages of function", "there is no package called", "--keep suggested1", "`fatal1`: R "],
    );
    assert!(!refused.stderr.contains("`sound1`"), "{}", refused.stderr);
    assert!(!world.path("project/dist/layers.json").exists(), "what does not load is not made");
    build(&world, &["--no-load-test"]).unwrap().succeeded();
}

/// The root has neither R nor compilers nor libraries but glibc: all of R and of what the
/// package links to comes from layers.
#[test]
fn a_package_with_a_library_of_its_own_loads_and_is_not_loaded_again() {
    let world = World::new();
    let code = "#include <uv.h>\n#include <Rinternals.h>\n\
        SEXP uvone_version(void) { return Rf_mkString(uv_version_string()); }\n";
    let package = SourcePackage::new("uvone", &[])
        .file("NAMESPACE", "useDynLib(uvone)\nexport(f_uvone)\n")
        .file("R/code.R", "f_uvone <- function() .Call(\"uvone_version\")\n.onLoad <- function(...) stopifnot(nzchar(f_uvone()))\n")
        .file("src/code.c", code)
        .file("src/Makevars", "PKG_LIBS = -luv\n");
    world.publish(&package);
    world.lock(&["uvone"]);
    let Some(built) = build(&world, &[]) else { return };
    assert!(built.succeeded().stderr.contains("loading 1 package of"), "{}", built.stderr);
    assert!(!built.stderr.contains("warning:"), "{}", built.stderr);
    let again = build(&world, &[]).unwrap();
    assert!(!again.succeeded().stderr.contains("loading"), "{}", again.stderr);
}
