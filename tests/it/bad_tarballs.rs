//! Source tarballs made to do harm: refused before anything is unpacked, and nothing
//! appears outside the store.

use crate::world::{SourcePackage, World, gzip};

const FETCH: i32 = 12;

/// An archive of the package `one1` and one more entry that the `tar` crate would not write.
fn with_entry(kind: u8, name: &[u8], link: &[u8], body: &[u8]) -> Vec<u8> {
    let mut archive = Vec::new();
    entry(&mut archive, (b'0', b"one1/DESCRIPTION", b""), b"Package: one1\nVersion: 1.0\n");
    entry(&mut archive, (kind, name, link), body);
    archive.extend([0; 1024]);
    gzip(&archive)
}

/// A ustar header by hand (POSIX.1-1988), its checksum, and the body.
fn entry(archive: &mut Vec<u8>, (kind, name, link): (u8, &[u8], &[u8]), body: &[u8]) {
    let mut header = [0_u8; 512];
    header[..name.len()].copy_from_slice(name);
    header[100..108].copy_from_slice(b"0000777\0");
    header[124..136].copy_from_slice(format!("{:011o}\0", body.len()).as_bytes());
    header[156] = kind;
    header[157..157 + link.len()].copy_from_slice(link);
    header[257..265].copy_from_slice(b"ustar\x0000");
    header[148..156].fill(b' ');
    let sum: u32 = header.iter().map(|byte| u32::from(*byte)).sum();
    header[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
    archive.extend(header);
    archive.extend(body);
    archive.resize(archive.len().next_multiple_of(512), 0);
}

#[track_caller]
fn refused(tarball: &[u8], parts: &[&str]) {
    let world = World::new();
    world.publish(&SourcePackage::new("one1", &[]));
    world.write("repository/src/contrib/one1_1.0.tar.gz", tarball);
    world.lock(&["one1"]);
    world.layr(&["plan", "--base", "debian:trixie"]).failed(FETCH, parts);
    assert!(!world.path("victim").exists() && !world.path("store/victim").exists());
    assert!(!std::path::Path::new("/tmp/layr-victim").exists());
}

#[test]
fn entries_that_lead_out_of_the_package_are_refused() {
    refused(
        &with_entry(b'0', b"one1/../../victim", b"", b"x"),
        &["`one1/../../victim`", "has `..` in its path"],
    );
    refused(&with_entry(b'0', b"/tmp/layr-victim", b"", b"x"), &["has an absolute path"]);
    refused(&with_entry(b'0', b"other/victim", b"", b"x"), &["outside of the package's folder, `one1`"]);
}

#[test]
fn links_and_devices_are_refused() {
    refused(&with_entry(b'2', b"one1/link", b"/etc", b""), &["is a symbolic link"]);
    refused(&with_entry(b'1', b"one1/link", b"/etc/passwd", b""), &["is a hard link"]);
    refused(&with_entry(b'3', b"one1/device", b"", b""), &["is a character device"]);
}

#[test]
fn a_bomb_is_refused_at_the_limit_and_not_at_the_end_of_the_disk() {
    // 600 MB of nothing, in a tarball of less than one.
    let mut archive = Vec::new();
    entry(&mut archive, (b'0', b"one1/DESCRIPTION", b""), b"Package: one1\nVersion: 1.0\n");
    entry(&mut archive, (b'0', b"one1/bomb", b""), &vec![0; 600 << 20]);
    archive.extend([0; 1024]);
    refused(&gzip(&archive), &["unpacks to more than 536.9 MB"]);
}

#[test]
fn the_wrong_description_is_refused() {
    let world = World::new();
    world.publish(&SourcePackage::new("one1", &[]).file("DESCRIPTION", "Package: two2\nVersion: 1.0\n"));
    world.lock(&["one1"]);
    world.layr(&["plan", "--base", "debian:trixie"]).failed(FETCH, &["holds `two2 1.0`"]);
}

#[test]
fn damaged_archives_are_refused() {
    let whole = SourcePackage::new("one1", &[]).tarball();
    refused(&whole[..whole.len() - 12], &["one1_1.0.tar.gz: "]);
    let mut trailing = whole.clone();
    trailing.extend(b"garbage behind the end");
    refused(&trailing, &["one1_1.0.tar.gz: "]);
    refused(b"", &["an empty file"]);
}
