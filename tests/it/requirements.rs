//! What packages ask of the system: told before anything is built, and when it was missing.

use std::os::unix::fs::PermissionsExt;

use crate::world::{SourcePackage, World, ran};

/// A package in C that includes a header, and says in prose what it asks for.
fn asking(name: &str, asks: &str, header: &str) -> SourcePackage {
    let description = format!(
        "Package: {name}\nVersion: 1.0\nTitle: Test\nLicense: MIT\nNeedsCompilation: yes\n\
         SystemRequirements: {asks}\n"
    );
    SourcePackage::new(name, &[])
        .file("DESCRIPTION", description)
        .file("NAMESPACE", format!("useDynLib({name})\nexport(f_{name})\n"))
        .file("src/code.c", format!("#include <{header}>\nint f(void) {{ return 1; }}\n"))
}

fn world() -> World {
    let world = World::new();
    world.publish(&asking("units1", "udunits-2, libcurl (>= 7.0), nlopt (>= 2.7, optional)", "udunits2.h"));
    world.publish(&SourcePackage::new("plain1", &[]));
    world.lock(&["units1", "plain1"]);
    world
}

#[test]
fn a_plan_lists_what_the_base_lacks_and_the_command_that_adds_it() {
    let world = world();
    let debian = world.layr(&["plan", "--base", "debian:trixie"]);
    let text = &debian.succeeded().stdout;
    for part in [
        "libudunits2-dev, for units1 1.0\n",
        "libnlopt-dev, for units1 1.0, which can do without",
        "layr base build debian:trixie --include libudunits2-dev makes",
    ] {
        assert!(text.contains(part), "{part:?} is not in {text}");
    }

    let amazon = world.layr(&["plan", "--base", "al2023"]).succeeded().stdout.clone();
    assert!(amazon.contains("Amazon Linux 2023 has no package of it, for units1 1.0"), "{amazon}");
    assert!(!amazon.contains("layr base build"), "nothing that could be included: {amazon}");

    assert!(!text.contains("libcurl4-openssl-dev"), "the recipe has it: {text}");

    world.write("project/layr.toml", "[base]\nrecipe = \"debian:trixie\"\ninclude = [\"libudunits2-dev\"]\n");
    let included = world.layr(&["plan", "--json"]);
    let lacks = included.succeeded().json()["base_lacks"].clone();
    assert_eq!(lacks.as_array().unwrap().len(), 1, "{lacks}");
    assert_eq!((&lacks[0]["name"], &lacks[0]["optional"]), (&"nlopt".into(), &true.into()));
}

#[test]
fn a_build_warns_before_it_compiles_and_names_the_package_that_has_the_header() {
    let world = world();
    let Some(failed) = world.build(&[]) else { return };
    failed.failed(
        13,
        &[
            "units1 1.0 asks for udunits, which the base has not: libudunits2-dev",
            "the base lacks the header `udunits2.h`, which Debian has in `libudunits2-dev`",
            "layr base build --include libudunits2-dev",
        ],
    );
    assert!(!failed.stderr.contains("plain1 1.0 asks") && !failed.stderr.contains("libcurl4"), "{failed:#?}");
}

#[test]
fn a_base_for_a_lockfile_is_made_with_what_its_packages_ask_for() {
    let world = world();
    // Stands in for the real one, which takes a minute and a mirror, and says what it was told.
    world.write("bin/mmdebstrap", "#!/bin/sh\nfor word; do echo \"told $word\" >&2; done\nexit 1\n");
    let program = world.path("bin/mmdebstrap");
    std::fs::set_permissions(&program, PermissionsExt::from_mode(0o755)).unwrap();
    let path = format!("{}:{}", world.path("bin").display(), std::env::var("PATH").unwrap());
    let repository = format!("CRAN={}", world.server.url());
    let args = ["base", "build", "debian:trixie", "--engine", "bwrap", "--for", "renv.lock"];
    let mut command = world.command(&[&args[..], &["--repository", &repository]].concat());
    let ran = ran(command.env("PATH", path));
    ran.failed(16, &["mmdebstrap"]);
    let log = std::fs::read_to_string(world.path("store/logs/base-debian-trixie.log")).unwrap();
    assert!(log.contains(",libudunits2-dev\n") && !log.contains("libnlopt-dev"), "{log}");

    let folder = ["base", "build", "./root", "--for", "renv.lock", "--repository", &repository];
    world.layr(&folder).failed(2, &["root has is not known: --for is for debian: bases"]);
}
