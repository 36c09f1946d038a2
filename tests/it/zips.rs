//! The zips as others read them.

use std::io::{Cursor, Read};

use crate::world::{SourcePackage, World, zips};

#[test]
fn a_layer_is_listed_by_another_reader_as_lambda_needs_it() {
    let world = World::new();
    let script = SourcePackage::new("one1", &[]).file("inst/large", vec![7; 3_000_000]);
    world.publish(&script);
    world.lock(&["one1"]);
    let Some(built) = world.build(&["--json"]) else { return };
    let layer = &built.succeeded().json()["layers"][0];
    let (name, bytes) = &zips(&world.path("project/dist"))[0];
    assert_eq!(layer["zip"].as_str(), Some(name.as_str()));
    assert_eq!(layer["zip_bytes"].as_u64(), Some(bytes.len() as u64));

    let mut archive = zip::ZipArchive::new(Cursor::new(bytes)).unwrap();
    let mut listing = Vec::new();
    let (mut unzipped, mut list, mut line) = (0, String::new(), String::new());
    for at in 0..archive.len() {
        let mut entry = archive.by_index(at).unwrap();
        let time = entry.last_modified().unwrap();
        assert_eq!(
            (time.year(), time.month(), time.day(), time.hour()),
            (1980, 1, 1, 0),
            "{}",
            entry.name().unwrap()
        );
        listing.push(format!("{:o} {}", entry.unix_mode().unwrap(), entry.name().unwrap()));
        if let Some(name) = entry.name().ok().filter(|name| name.starts_with("layr/") && name.len() > 5) {
            list = name.into_owned();
            unzipped += entry.read_to_string(&mut line).unwrap() as u64;
        }
        // Reading to the end holds each file against its checksum.
        unzipped += std::io::copy(&mut entry.by_ref(), &mut std::io::sink()).unwrap();
    }
    assert_eq!(
        listing,
        [
            "40755 R/",
            "40755 R/library/",
            "40755 R/library/one1/",
            "100644 R/library/one1/DESCRIPTION",
            "40755 R/library/one1/Meta/",
            "100644 R/library/one1/Meta/features.rds",
            "100644 R/library/one1/Meta/nsInfo.rds",
            "100644 R/library/one1/Meta/package.rds",
            "100644 R/library/one1/NAMESPACE",
            "40755 R/library/one1/R/",
            "100644 R/library/one1/R/one1",
            "100644 R/library/one1/R/one1.rdb",
            "100644 R/library/one1/R/one1.rdx",
            "100644 R/library/one1/large",
            "40755 layr/",
            &format!("100644 {list}"),
        ]
    );
    assert_eq!(layer["unzipped_bytes"].as_u64(), Some(unzipped), "what Lambda counts");
    let tree = built.json()["functions"][0]["packages"][0]["tree"].as_str().unwrap().to_owned();
    let expected = format!(r#"{{"kind":"package","name":"one1","version":"1.0","tree":"{tree}"}}"#);
    assert_eq!(line.trim_end(), expected, "the layer says what it holds");
}

#[test]
fn umask_and_folder_do_not_change_a_byte() {
    let Some(base) = crate::world::base() else { return };
    let make = |umask: &str, out: &str| {
        let world = World::new();
        world.publish(&SourcePackage::new("one1", &[]).file("inst/run", "#!/bin/sh\n"));
        world.lock(&["one1"]);
        let inner =
            world.command(&["build", "--base", base.to_str().unwrap(), "--engine", "bwrap", "--out", out]);
        let mut command = std::process::Command::new("sh");
        command.args(["-c", &format!("umask {umask}; exec \"$@\""), "sh"]).arg(inner.get_program());
        command.args(inner.get_args()).current_dir(world.path("project")).env_clear();
        command.envs(inner.get_envs().filter_map(|(name, value)| Some((name, value?))));
        crate::world::ran(&mut command).succeeded();
        zips(&world.path("project").join(out))
    };
    assert_eq!(make("022", "dist"), make("077", "deeper/other"));
}
