//! A cache whose server speaks zstd, and one that lies in it: however far a file unfolds, it
//! takes no more memory and no more of the disk than was said, and none of it is believed.

use std::process::{Child, Stdio};
use std::sync::atomic::Ordering;
use std::time::Duration;

use crate::compressing::{Compressing, Lie};
use crate::sharing::{Place, WRITE, command, counts, layr, machine, reapi};
use crate::world::{World, zips};

#[test]
fn what_travels_compressed_is_the_same_bytes() {
    let Some((cache, plain)) = reapi() else { return };
    let server = Compressing::before(cache.address);
    let place = Place::at(format!("grpc://{}", server.front.address));
    let (first, second, third) = (machine(), machine(), machine());
    let Some(built) = layr(&first, &["build", "--json", WRITE], &place) else { return };
    assert_eq!((counts(&built), built.stderr.contains("warning")), ([3, 0, 0], false), "{}", built.stderr);
    let stats = layr(&first, &["cache", "stats", "--remote"], &place).unwrap();
    assert!(stats.succeeded().stdout.contains("zstd"), "{}", stats.stdout);
    for (world, place) in [(&second, &place), (&third, &plain)] {
        let shared = layr(world, &["build", "--json"], place).unwrap();
        assert_eq!(counts(&shared), [0, 0, 3], "{}", shared.stderr);
        assert!(!shared.stderr.contains("warning"), "{}", shared.stderr);
        assert_eq!(zips(&first.path("project/dist")), zips(&world.path("project/dist")));
        world.layr(&["cache", "verify"]).succeeded();
    }
    let counted = &server.counted;
    let [written, read, streamed] =
        [&counted.written, &counted.read, &counted.streamed].map(|n| n.load(Ordering::SeqCst));
    assert!(written > 10 && read > 10 && streamed == 1, "{counted:?}");
}

/// More than a run takes in any case, and a small part of what a lie would unfold to.
const MOST_BYTES: u64 = 400 << 20;

#[test]
fn a_server_that_lies_in_zstd_is_found_out_and_costs_neither_memory_nor_disk() {
    let Some((cache, plain)) = reapi() else { return };
    let server = Compressing::before(cache.address);
    let place = Place::at(format!("grpc://{}", server.front.address));
    let first = machine();
    let Some(built) = layr(&first, &["build", "--json", WRITE], &plain) else { return };
    built.succeeded();
    for lie in [
        Lie::Bomb,
        Lie::Window,
        Lie::Endless,
        Lie::Longer,
        Lie::Shorter,
        Lie::Other,
        Lie::Cut,
        Lie::Plain,
        Lie::EndlessPlain,
        Lie::EndlessNothing,
    ] {
        server.set(lie);
        let second = machine();
        second.write("project/layr.lock", first.read("project/layr.lock"));
        let mut pull = command(&second, &["cache", "pull"], &place).unwrap();
        let mut child = pull.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let most = peak(&mut child, &second);
        let ended = child.wait_with_output().unwrap();
        let said = String::from_utf8(ended.stderr).unwrap();
        assert!(most < MOST_BYTES, "{lie:?}: {most} bytes");
        assert_eq!(said.matches("warning").count(), 1, "{lie:?}: {said}");
        let is_empty = lie == Lie::EndlessNothing;
        let why = if is_empty { "it went on without a byte" } else { "it gives other bytes for blob" };
        assert!(said.contains(why), "{lie:?}: {said}");
        second.layr(&["cache", "verify"]).succeeded();
        server.set(Lie::None);
        layr(&second, &["cache", "pull"], &place).unwrap().succeeded();
        assert_eq!(counts(&second.build(&["--json", "--offline"]).unwrap()), [0, 3, 0], "{lie:?}");
        assert_eq!(zips(&first.path("project/dist")), zips(&second.path("project/dist")), "{lie:?}");
    }
}

/// The most memory and disk that it had until it ended, or was ended for having too much, or
/// for going on for minutes.
fn peak(child: &mut Child, world: &World) -> u64 {
    let status = format!("/proc/{}/status", child.id());
    let mut most = 0;
    for _ in 0..6000 {
        let status = std::fs::read_to_string(&status).unwrap();
        let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
        let Some(line) = line else { return most }; // it has ended, and we have not looked yet
        let kilobytes: u64 = line.trim().trim_end_matches(" kB").parse().unwrap();
        most = most.max(kilobytes << 10).max(n_bytes_below(&world.path("store")));
        if most > MOST_BYTES {
            break;
        }
        std::thread::sleep(Duration::from_millis(10));
    }
    child.kill().unwrap();
    most
}

fn n_bytes_below(folder: &std::path::Path) -> u64 {
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
    let n_bytes = |entry: std::fs::DirEntry| match entry.metadata() {
        Ok(metadata) if metadata.is_dir() => n_bytes_below(&entry.path()),
        Ok(metadata) => metadata.len(),
        Err(_) => 0, // it has gone
    };
    entries.map(n_bytes).sum()
}
