//! What a build may not do, and that it cannot: in each engine that is here.

use std::process::Command;

use crate::world::{SourcePackage, World, base, ran, zips};

const BUILD: i32 = 13;

/// bwrap, and docker where there is one.
fn engines() -> Vec<&'static str> {
    if std::env::var_os("DOCKER_HOST").is_some() {
        return vec!["bwrap", "docker"];
    }
    eprintln!("SKIPPED: docker, since DOCKER_HOST is not set; `cargo xtask test` sets it");
    vec!["bwrap"]
}

/// A package that cannot be installed unless `script` ends well.
fn world_with(script: &str) -> World {
    let world = World::new();
    let configure = format!("#!/bin/sh\n{script}");
    world.publish(&SourcePackage::new("probe1", &[]).file("configure", configure));
    world.lock(&["probe1"]);
    world
}

#[test]
fn a_build_that_opens_a_socket_reaches_nobody() {
    let Some(base) = base() else { return };
    let world = World::new();
    let port = world.server.url().rsplit_once(':').unwrap().1.to_owned();
    let call =
        format!(r"exec 3<>/dev/tcp/127.0.0.1/{port} && printf 'GET /called HTTP/1.0\r\n\r\n' >&3 && cat <&3");
    let out = "exec 3<>/dev/tcp/192.0.2.1/80";
    let script = format!("#!/bin/bash\n({call}) && exit 0\n({out}) && exit 0\nexit 1\n");
    world.publish(&SourcePackage::new("caller1", &[]).file("configure", script));
    world.lock(&["caller1"]);
    // From outside of a sandbox the same call arrives.
    assert!(Command::new("bash").args(["-c", &call]).output().unwrap().status.success());
    assert_eq!(world.server.count("/called"), 1);
    for engine in engines() {
        let args = ["build", "--base", base.to_str().unwrap(), "--engine", engine];
        let built = world.layr(&args);
        built.failed(
            BUILD,
            &["Connection refused", "Network is unreachable", "it tried to reach the network"],
        );
        assert_eq!(world.server.count("/called"), 1, "{engine}");
    }
}

#[test]
fn a_build_that_takes_more_memory_than_it_may_is_stopped() {
    let Some(base) = base() else { return };
    // Without end of line, `tail` has to keep all of it.
    let world = world_with("test $(head -c 600000000 /dev/zero | tail | wc -c) = 600000000\n");
    for engine in engines() {
        world.write("project/layr.toml", "[build]\nmemory = 384\n");
        let args = ["build", "--base", base.to_str().unwrap(), "--engine", engine];
        world.layr(&args).failed(BUILD, &["`probe1 1.0`"]);
        // The script itself is fine where there is room.
        world.write("project/layr.toml", "[build]\nmemory = 4096\n");
        std::fs::remove_dir_all(world.path("store/records")).unwrap();
        world.layr(&args).succeeded();
        std::fs::remove_dir_all(world.path("store/records")).unwrap();
    }
}

#[test]
fn a_build_that_starts_more_processes_than_it_may_is_stopped() {
    let Some(base) = base() else { return };
    let world = world_with("n=0\nwhile [ $n -lt 300 ]; do sleep 2 & n=$((n+1)); done\n");
    for engine in engines() {
        world.write("project/layr.toml", "[build]\nprocesses = 150\n");
        let args = ["build", "--base", base.to_str().unwrap(), "--engine", engine];
        world.layr(&args).failed(BUILD, &["`probe1 1.0`", "fork"]);
        world.write("project/layr.toml", "[build]\nprocesses = 1024\n");
        world.layr(&args).succeeded();
        std::fs::remove_dir_all(world.path("store/records")).unwrap();
    }
}

#[test]
fn a_build_sees_no_network_no_secrets_and_can_write_nowhere_else() {
    let world = World::new();
    let probe = r#"#!/bin/sh
{
  echo "interfaces:$(tail -n +3 /proc/net/dev | cut -d: -f1 | tr -d ' ' | tr '\n' ,)"
  echo "secret:$AWS_SECRET_ACCESS_KEY$GITHUB_PAT"
  echo "user:$(id -u)"
  touch /usr/written /etc/written /opt/R/written 2>/dev/null && echo "written"
  echo "processes:$(ulimit -p 2>/dev/null || ulimit -u)"
  echo "home:$(ls -A /root /home 2>/dev/null | grep -v : | tr -d '\n')"
} > inst/probe
"#;
    let package = SourcePackage::new("probe1", &[]).file("configure", probe).file("inst/empty", "");
    world.publish(&package);
    world.lock(&["probe1"]);
    let Some(base) = base() else { return };
    let mut command =
        world.command(&["build", "--base", base.to_str().unwrap(), "--engine", "bwrap", "--json"]);
    command.env("AWS_SECRET_ACCESS_KEY", "secret-1").env("GITHUB_PAT", "secret-2");
    ran(&mut command).succeeded();
    let (_, zip) = &zips(&world.path("project/dist"))[0];
    let mut archive = zip::ZipArchive::new(std::io::Cursor::new(zip)).unwrap();
    let seen = std::io::read_to_string(archive.by_name("R/library/probe1/probe").unwrap()).unwrap();
    assert_eq!(seen, "interfaces:lo,\nsecret:\nuser:65534\nprocesses:1024\nhome:\n");
}

#[test]
fn a_build_that_never_ends_is_ended() {
    let world = World::new();
    world.publish(
        &SourcePackage::new("fork1", &[]).file("configure", "#!/bin/sh\nsleep 1000 &\nsleep 1000\n"),
    );
    world.lock(&["fork1"]);
    world.write("project/layr.toml", "[build]\nseconds = 2\n");
    let Some(built) = world.build(&[]) else { return };
    built.failed(BUILD, &["it took longer than 2.0 s"]);
}
