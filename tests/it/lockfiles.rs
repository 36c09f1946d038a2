//! Real lockfiles, read to what they hold or refused for their fault; and what a fuzzer
//! makes of them, read or refused without a panic.

use std::fs;
use std::path::{Path, PathBuf};

use layr::lockfile::{self, LockfileError};
use layr::model::{Description, parse_dcf};
use layr::resolve::PackageIndex;

use crate::world::{SourcePackage, World};

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/lockfiles")
}

/// The rows of SOURCES.md: a file, and what is read of it.
fn corpus() -> Vec<(String, String)> {
    let table = fs::read_to_string(folder().join("SOURCES.md")).unwrap();
    let rows = table.lines().filter_map(|line| line.strip_prefix("| ")?.strip_suffix(" |"));
    let cells = rows.map(|row| row.split(" | ").map(str::to_owned).collect::<Vec<_>>());
    cells.filter(|cells| cells[0] != "file").map(|cells| (cells[0].clone(), cells[3].clone())).collect()
}

/// What SOURCES.md has in its last column.
fn outcome(bytes: &[u8]) -> String {
    match lockfile::read(bytes) {
        Ok(lockfile) => {
            let n_packages = lockfile.packages.len() + lockfile.left_out.len();
            let r = lockfile.r.as_ref().map_or("-", |r| r.as_str());
            format!("{n_packages} packages, R {r}")
        }
        Err(error) => deepest(&error),
    }
}

/// The message that says where the fault is.
fn deepest(error: &LockfileError) -> String {
    let mut deepest: &dyn std::error::Error = error;
    while let Some(source) = deepest.source() {
        deepest = source;
    }
    deepest.to_string()
}

#[test]
fn every_real_lockfile_is_read_to_its_counts_or_refused_for_its_fault() {
    let corpus = corpus();
    let n_files = fs::read_dir(folder()).unwrap().count() - 1;
    assert!(corpus.len() > 40);
    assert_eq!(corpus.len(), n_files, "each file has its row in SOURCES.md");
    for (name, expected) in corpus {
        assert_eq!(outcome(&fs::read(folder().join(&name)).unwrap()), expected, "{name}");
    }
}

#[test]
fn a_byte_order_mark_and_other_line_ends_change_nothing() {
    for (name, _) in corpus() {
        let text = fs::read_to_string(folder().join(&name)).unwrap();
        let before = lockfile::parse(&text);
        let crlf = format!("\u{feff}{}", text.replace("\r\n", "\n").replace('\n', "\r\n"));
        match (before, lockfile::parse(&crlf)) {
            (Ok(before), Ok(after)) => assert_eq!(after, before, "{name}"),
            (Err(before), Err(after)) => assert_eq!(deepest(&after), deepest(&before), "{name}"),
            (before, after) => panic!("{name}: {before:?} became {after:?}"),
        }
    }
}

#[test]
fn an_error_says_file_line_what_was_found_and_what_to_do() {
    let world = World::new();
    let stray = "csbg__SplineOmics--stray-toplevel.renv.lock";
    world.write("project/renv.lock", fs::read(folder().join(stray)).unwrap());
    let ran = world.layr(&["plan", "--base", "debian:trixie"]);
    ran.failed(
        10,
        &["`renv.lock`", "line 31: the record of `textshaping` is outside", "move it into `Packages`"],
    );
}

/// Pseudo-random numbers, the same in every run.
struct Random(u64);

impl Random {
    fn below(&mut self, bound: usize) -> usize {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        usize::try_from(self.0 >> 33).unwrap() % bound.max(1)
    }

    fn of<'a, T>(&mut self, items: &'a [T]) -> &'a T {
        &items[self.below(items.len())]
    }
}

/// What readers look for, and what trips them.
const TOKENS: [&str; 24] = [
    "{",
    "}",
    "[",
    "]",
    "\"",
    ":",
    ",",
    "\\",
    "\\u",
    "\\ud800",
    "NA",
    "null",
    "\n",
    "\r\n",
    "\n ",
    "\u{feff}",
    "\0",
    "<<<<<<< ",
    "Package: ",
    "\"Packages\": ",
    "1e999",
    "..",
    "\u{85}",
    "[[package]]\n",
];

/// One to three changes of a seed: a piece left out, doubled, or taken from another seed; a
/// token put in; a byte exchanged.
fn mutated(seeds: &[Vec<u8>], random: &mut Random) -> Vec<u8> {
    let mut bytes = random.of(seeds).clone();
    for _ in 0..=random.below(3) {
        let at = random.below(bytes.len() + 1);
        let end = (at + random.below(60)).min(bytes.len());
        match random.below(5) {
            0 => _ = bytes.drain(at..end),
            1 => _ = bytes.splice(at..at, bytes[at..end].to_vec()),
            2 => {
                let other = random.of(seeds);
                let from = random.below(other.len() + 1);
                let to = (from + random.below(200)).min(other.len());
                bytes.splice(at..end, other[from..to].iter().copied());
            }
            3 => _ = bytes.splice(at..at, random.of(&TOKENS).bytes()),
            _ => {
                if let Some(byte) = bytes.get_mut(at) {
                    *byte = u8::try_from(random.below(256)).unwrap();
                }
            }
        }
    }
    bytes
}

/// Rounds for each reader; `FUZZ_ROUNDS` has more of them done.
fn n_rounds() -> usize {
    std::env::var("FUZZ_ROUNDS").map_or(3_000, |rounds| rounds.parse().unwrap())
}

/// Small seeds: what a reader does is in a few records already.
fn seeds() -> Vec<Vec<u8>> {
    let mut seeds: Vec<Vec<u8>> = corpus()
        .iter()
        .map(|(name, _)| fs::read(folder().join(name)).unwrap())
        .filter(|bytes| bytes.len() < 20_000 && lockfile::read(bytes).is_ok())
        .collect();
    seeds.push(b"version = 2\nr_version = \"4.4\"\n[[packages]]\nname = \"R6\"\nversion = \"2.5.1\"\nsource = { git = \"https://x.org/R6\", sha = \"30e39808c158d5d03e65b3e2f0511f8af6f0548b\" }\n".to_vec());
    seeds.push(b"[r]\nversion = \"4.3.2\"\n\n[[package]]\nname = \"dplyr\"\nversion = \"1.1.4\"\nsource = \"cran\"\n".to_vec());
    seeds.push(br#"{ "lockfile_version": 1, "packages": [ { "ref": "bit", "package": "bit", "version": "4.0.5", "type": "standard", "platform": "source", "sources": ["https://x.org/src/contrib/bit_4.0.5.tar.gz"], "metadata": { "RemoteRepos": "https://x.org" } } ] }"#.to_vec());
    seeds
}

#[test]
fn whatever_a_lockfile_holds_is_read_or_refused_with_a_hint() {
    let (seeds, mut random) = (seeds(), Random(1));
    let (mut n_read, mut n_refused) = (0, 0);
    for _ in 0..n_rounds() {
        let bytes = mutated(&seeds, &mut random);
        match lockfile::read(&bytes) {
            Ok(lockfile) => {
                n_read += 1;
                assert!(lockfile.packages.iter().all(|(name, package)| *name == package.id.name));
            }
            Err(error) => {
                n_refused += 1;
                let text = deepest(&error);
                assert!(error.hint().is_some() && !text.is_empty(), "{text}");
                assert!(!text.contains(|c: char| c.is_control() && c != '\n'), "{text:?}");
            }
        }
    }
    // Were all refused at the first byte, nothing would be tested.
    assert!(n_read * 10 > n_rounds() && n_refused * 10 > n_rounds(), "{n_read} read, {n_refused} refused");
}

#[test]
fn whatever_a_description_or_an_index_holds_is_read_or_refused() {
    let mut seeds: Vec<Vec<u8>> = seeds().into_iter().filter(|bytes| !bytes.starts_with(b"{")).collect();
    seeds.push(b"Package: dplyr\nVersion: 1.1.4\nDepends: R (>= 3.5.0), methods\nImports: cli (>= 3.4.0),\n        generics\nLinkingTo: cpp11\nNeedsCompilation: yes\nOS_type: unix\nBuilt: R 4.5.0\n".to_vec());
    seeds.push(b"Package: mime\nVersion: 0.13\nMD5sum: 0123456789abcdef0123456789abcdef\nPath: 4.5.0/Recommended\n\nPackage: bit\nVersion: 4.6.0\n".to_vec());
    let mut random = Random(2);
    for _ in 0..n_rounds() {
        let bytes = mutated(&seeds, &mut random);
        let text = String::from_utf8_lossy(&bytes);
        let records = parse_dcf(&text);
        if let Ok(index) = PackageIndex::parse(&text) {
            assert!(records.is_ok(), "an index is made of records: {index:?}");
        }
        if let Ok(description) = Description::parse(&text) {
            assert!(records.unwrap()[0].get("Package") == Some(description.id.name.as_str()));
        }
    }
}

/// A lockfile whose record of `one1` has this hash.
fn with_hash(world: &World, md5: &str) {
    world.lock(&["one1"]);
    let text = world
        .read("project/renv.lock")
        .replace("\"CRAN\" }\n  }", &format!("\"CRAN\", \"Hash\": \"{md5}\" }}\n  }}"));
    assert!(text.contains(md5));
    world.write("project/renv.lock", text);
}

#[test]
fn a_hash_that_the_source_does_not_have_is_a_warning_or_an_error_or_nothing() {
    let world = World::new();
    let description = "Package: one1\nVersion: 1.0\nTitle: Test\nAuthor: me\nMaintainer: me\nLicense: MIT\n";
    world.publish(&SourcePackage::new("one1", &[]).file("DESCRIPTION", description));
    let plan = |what| world.layr(&["plan", "--base", "debian:trixie", what]);
    with_hash(&world, "00000000000000000000000000000000");
    let warned = plan("--verify-hashes=warn");
    assert!(
        warned.succeeded().stderr.contains("`one1 1.0`: its DESCRIPTION digests to"),
        "{}",
        warned.stderr
    );
    assert!(!plan("--verify-hashes=off").succeeded().stderr.contains("digests to"));
    plan("--verify-hashes=error")
        .failed(12, &["00000000000000000000000000000000 (renv's `Hash`)", "lock again"]);

    // printf 'Author:meMaintainer:mePackage:one1Title:TestVersion:1.0\n' | md5sum
    with_hash(&world, "5e193821f96ab2db6e51cc843b6ad295");
    assert!(!plan("--verify-hashes=error").succeeded().stderr.contains("digests to"));
}

#[test]
fn a_hash_over_what_r_derives_is_held_against_what_was_built_and_only_told() {
    let world = World::new();
    let description = "Package: one1\nVersion: 1.0\nTitle: Test\nLicense: MIT\nAuthors@R: person(\"Ada\", \"Byron\", , \"a@b.org\", role = c(\"aut\", \"cre\"))\n";
    world.publish(&SourcePackage::new("one1", &[]).file("DESCRIPTION", description));
    let right = layr::hashes::of_record([
        ("Package", "one1"),
        ("Version", "1.0"),
        ("Title", "Test"),
        ("Author", "Ada Byron [aut, cre]"),
        ("Maintainer", "Ada Byron <a@b.org>"),
    ]);
    for (md5, is_told) in [(right.as_str(), false), ("00000000000000000000000000000000", true)] {
        with_hash(&world, md5);
        let Some(ran) = world.build(&["-v", "--verify-hashes=error"]) else { return };
        assert_eq!(ran.succeeded().stderr.contains("its DESCRIPTION digests to"), is_told, "{}", ran.stderr);
    }
}
