//! Archives that mean harm, each beside a canary that must live.

use std::os::unix::fs::{MetadataExt, PermissionsExt};

use super::super::policy::Limits;
use super::super::unpack::{Source, unpack_within};
use super::super::{FetchError, sources, unpack};
use super::archives::{Raw, Tar, gz, x1, x1_tarball};
use super::{World, id};
use crate::sys::hash::sha256;

/// What a tar may be made to do, and a part of what is said about it.
fn hostile() -> Vec<(&'static str, Tar, &'static str)> {
    let outside = "outside/canary";
    vec![
        ("parent", x1().file("../canary", b"dead"), "`../canary` has `..` in its path"),
        ("parent below", x1().file("x1/../../canary", b"dead"), "has `..`"),
        ("absolute", x1().file("/tmp/layr-canary", b"dead"), "absolute path"),
        ("pax parent", x1().header(b'x', b"18 path=../canary\n").file("x1/a", b"dead"), "has `..`"),
        ("gnu parent", x1().header(b'L', b"../canary\0").file("x1/a", b"dead"), "has `..`"),
        (
            "two names",
            x1().header(b'x', b"13 path=x1/b\n").header(b'L', b"x1/c\0").file("x1/a", b""),
            "two names",
        ),
        ("two sizes", x1().header(b'x', b"10 size=9\n").file("x1/a", b"dead"), "two sizes"),
        ("malformed pax", x1().header(b'x', b"11 path=../x\n").file("x1/a", b""), "malformed header"),
        ("global path", x1().header(b'g', b"13 path=x1/b\n").file("x1/a", b""), "global header"),
        (
            "two long names",
            x1().header(b'L', b"x1/b\0").header(b'L', b"x1/c\0").file("x1/a", b""),
            "two headers",
        ),
        ("name for nothing", x1().header(b'L', b"x1/b\0"), "header for no entry"),
        ("huge long name", x1().header(b'L', &[b'a'; 20_000]).file("x1/a", b""), "the limit is"),
        ("symlink", x1().link("x1/a", b'2', outside).file("x1/a/canary", b"dead"), "symbolic link"),
        ("symlink to itself", x1().link("x1/a", b'2', "."), "symbolic link"),
        ("hard link", x1().link("x1/a", b'1', outside), "hard link"),
        ("character device", x1().empty("x1/a", b'3'), "character device"),
        ("pipe", x1().empty("x1/a", b'6'), "named pipe"),
        ("sparse", x1().empty("x1/a", b'S'), "sparse file"),
        ("pax sparse", x1().header(b'x', b"22 GNU.sparse.major=1\n").file("x1/a", b""), "sparse file"),
        ("unknown", x1().empty("x1/a", b'X'), "unknown kind"),
        ("twice", x1().file("x1/DESCRIPTION", b"Package: evil\n"), "`x1/DESCRIPTION` is there twice"),
        ("file then folder", x1().file("x1/a", b"").empty("x1/a/", b'5'), "a file and a folder"),
        ("file as folder", x1().file("x1/a", b"").file("x1/a/b", b""), "a file and a folder"),
        ("other folder", x1().file("y1/a", b"dead"), "outside of the package's folder, `x1`"),
        ("newline", x1().file("x1/a\nb", b""), "`x1/a\\nb` has a control character"),
        ("terminal escape", x1().file("x1/\x1b[2J", b""), "`x1/\\x1b[2J` has a control"),
        ("not utf-8", x1().entry(&Raw::new(b"x1/\xff", b'0'), b""), "not UTF-8"),
        ("no name", x1().empty("", b'0'), "empty name"),
        (
            "claims 8 GiB",
            x1().entry(&Raw { size: (8 << 30) - 1, ..Raw::new(b"x1/a", b'0') }, b""),
            "unpacks to more",
        ),
        (
            "folder with content",
            x1().entry(&Raw { size: 4, ..Raw::new(b"x1/a/", b'5') }, b"dead"),
            "two ways",
        ),
        ("second archive", Tar([x1().end().0, x1().end().0].concat()), "goes on after its end"),
        ("cut off body", x1().entry(&Raw { size: 4000, ..Raw::new(b"x1/a", b'0') }, b"dead"), "damaged"),
        ("cut off header", Tar([x1().0, b"x1/a".to_vec()].concat()), "damaged"),
        ("bad checksum", Tar([x1().0, b"x1/a".repeat(128)].concat()), "damaged"),
    ]
}

/// Unpacks beside a canary, and looks for what was touched.
fn refused(world: &World, bytes: &[u8], limits: Option<Limits>) -> String {
    let outside = world.home.path().join("outside");
    let folder = outside.join("folder");
    crate::sys::fs::create_dir_all(&folder).unwrap();
    let canary = outside.join("canary");
    crate::sys::fs::write_atomic(&canary, b"alive").unwrap();
    let tarball = world.store.put_bytes(bytes).unwrap();
    let (store, id) = (&world.store, &id("x1", "1.0"));
    let result = match limits {
        Some(limits) => unpack_within(limits, &Source { tarball, id, store }, &folder),
        None => unpack(tarball, id, &folder, store),
    };
    assert_eq!(std::fs::read(&canary).unwrap(), b"alive");
    assert_eq!(std::fs::metadata(&canary).unwrap().nlink(), 1);
    assert_eq!(std::fs::read_dir(&outside).unwrap().count(), 2, "nothing came to lie beside it");
    assert_eq!(std::fs::read_dir(&folder).unwrap().count(), 0, "nothing is left of a refused archive");
    assert!(!std::path::Path::new("/tmp/layr-canary").exists());
    let said = result.unwrap_err().to_string();
    if limits.is_none() {
        let named = sources(tarball, id, store);
        assert_eq!(named.unwrap_err().to_string(), said, "the same is found without a folder");
    }
    said
}

#[test]
fn every_hostile_archive_is_refused_with_its_reason_and_touches_nothing() {
    let world = World::new();
    for (case, tar, message) in hostile() {
        let tar = if case.starts_with("cut off") || case == "second archive" { tar } else { tar.end() };
        let bytes = tar.gz();
        let said = refused(&world, &bytes, None);
        assert!(said.starts_with("the source tarball of `x1 1.0` is refused: "), "{case}: {said}");
        assert!(said.contains(message), "{case}: {said}");
        // The same is found when it is fetched, before anything is unpacked.
        let url = world.file("x1_1.0.tar.gz", &bytes);
        let said = world.failure(super::x1_at(&[&url]));
        assert!(said.contains(message), "{case}: {said}");
        assert!(!world.news().iter().any(|news| news.starts_with("Fetched")), "{case}");
    }
}

#[test]
fn damage_to_the_compression_is_found_wherever_it_is() {
    let world = World::new();
    let good = x1().file("x1/a", b"0123456789").end().gz();
    let mut bad_checksum = good.clone();
    let at = bad_checksum.len() - 5;
    bad_checksum[at] ^= 1;
    for (case, bytes) in [
        ("cut off trailer", good[..good.len() - 4].to_vec()),
        ("cut off middle", good[..good.len() / 2].to_vec()),
        ("wrong checksum", bad_checksum),
        ("garbage after the end", [good.as_slice(), b"garbage"].concat()),
        ("zeros after the end", [good.as_slice(), &[0; 512]].concat()),
    ] {
        let said = refused(&world, &bytes, None);
        assert!(said.contains("the archive is damaged"), "{case}: {said}");
    }
}

#[test]
fn a_bomb_goes_off_within_limits_and_leaves_nothing() {
    let world = World::new();
    let limits = Limits { total_bytes: 10_000, n_entries: 10, ..Limits::of(1) };
    let cases = [
        (x1().file("x1/zeros", &vec![0; 20_000]).end().gz(), "unpacks to more than 10.0 kB"),
        ((0..20).fold(x1(), |tar, n| tar.file(&format!("x1/{n}"), b"")).end().gz(), "more than 10 entries"),
        (gz(&[x1().end().0, vec![0; 20_000]].concat()), "unpacks to more than 10.0 kB"), // padding
    ];
    for (bytes, message) in cases {
        let said = refused(&world, &bytes, Some(limits));
        assert!(said.contains(message), "{said}");
    }
}

#[test]
fn a_sane_archive_is_unpacked_with_times_and_modes_of_our_own() {
    let world = World::new();
    let comment = b"52 comment=0123456789012345678901234567890123456789\n";
    let first = Tar::default().header(b'g', comment).0;
    let rest = Tar::default()
        .empty("./", b'5')
        .file("./x1/DESCRIPTION", b"Package: x1\nVersion: 1.0\n")
        .entry(&Raw { mode: 0o6755, size: 2, ..Raw::new(b"x1/configure", b'0') }, b"#!")
        .entry(&Raw { mode: 0o600, size: 1, is_ustar: false, ..Raw::new(b"x1/R/old.R", 0) }, b"1")
        .entry(&Raw { mode: 0o1700, is_ustar: false, ..Raw::new(b"x1/src/", 0) }, b"")
        .header(b'L', format!("x1/{}/long\0", "d".repeat(120)).as_bytes())
        .file("x1/cut", b"long")
        .header(b'x', "18 path=x1/pax-\u{e9}\n".as_bytes())
        .file("x1/pax", b"pax")
        .end()
        .0;
    // Two gzip members are one file, as `gunzip` has it.
    let bytes = [gz(&first), gz(&rest)].concat();
    let tarball = world.store.put_bytes(&bytes).unwrap();
    let folder = world.home.path().join("sources");
    unpack(tarball, &id("x1", "1.0"), &folder, &world.store).unwrap();
    for (path, mode, content) in [
        ("", 0o40755, None),
        ("DESCRIPTION", 0o100_644, Some("Package: x1\nVersion: 1.0\n".to_owned())),
        ("configure", 0o100_755, Some("#!".to_owned())),
        ("R", 0o40755, None),
        ("R/old.R", 0o100_644, Some("1".to_owned())),
        ("src", 0o40755, None),
        (&format!("{}/long", "d".repeat(120)), 0o100_644, Some("long".to_owned())),
        ("pax-\u{e9}", 0o100_644, Some("pax".to_owned())),
    ] {
        let path = folder.join("x1").join(path);
        let metadata = std::fs::metadata(&path).unwrap();
        assert_eq!(metadata.permissions().mode(), mode, "{}", path.display());
        assert_eq!(metadata.mtime(), 315_532_800, "{}", path.display());
        assert_eq!(content, std::fs::read_to_string(&path).ok(), "{}", path.display());
    }
    assert_eq!(std::fs::read_dir(folder.join("x1")).unwrap().count(), 6);
    let named = sources(tarball, &id("x1", "1.0"), &world.store).unwrap();
    assert_eq!(named.tree.root, world.store.keep_part_of_root(&folder).unwrap(), "the tree is the folder's");
    let again = unpack(tarball, &id("x1", "1.0"), &folder, &world.store);
    assert!(matches!(again, Err(FetchError::NotFresh { .. })));
}

#[test]
fn a_tarball_that_rots_in_the_store_is_set_aside_and_not_blamed_on_its_author() {
    let world = World::new();
    let mut bytes = x1_tarball();
    let digest = world.store.put_bytes(&bytes).unwrap();
    let at = bytes.len() / 2;
    bytes[at] ^= 1;
    let hex = digest.to_hex();
    let blob = world.home.path().join("store/blobs").join(&hex[..2]).join(&hex);
    crate::sys::fs::write_atomic(&blob, &bytes).unwrap();
    let folder = world.home.path().join("sources");
    let error = unpack(digest, &id("x1", "1.0"), &folder, &world.store).unwrap_err();
    assert!(error.to_string().contains(&sha256(&bytes).to_hex()), "{error}");
    assert!(!world.store.has_blob(digest));
    assert!(!folder.join("x1").exists());
}
