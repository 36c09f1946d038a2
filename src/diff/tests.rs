//! Differences of the manifest that has one of everything.

use proptest::prelude::*;

use super::*;
use crate::inventory::{self, Form, Function};

fn read() -> Inventory {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures/layers-full.json");
    inventory::read(std::path::Path::new(path), "").unwrap()
}

fn package<'a>(inventory: &'a mut Inventory, name: &str) -> &'a mut Package {
    inventory.packages.iter_mut().find(|package| package.id.name.as_str() == name).unwrap()
}

/// The manifest after a week of work.
fn changed() -> Inventory {
    let mut after = read();
    let cli = package(&mut after, "cli");
    cli.id.version = "3.6.6".parse().unwrap();
    cli.unzipped_bytes = Some(1_300_000);
    cli.license = Some("GPL-3".to_owned());
    package(&mut after, "limma").id.version = "3.60.0".parse().unwrap();
    package(&mut after, "own1").sha256 = Some(crate::model::Sha256Digest([7; 32]));
    package(&mut after, "xml2").tree = Some(crate::model::TreeDigest(crate::model::Sha256Digest([8; 32])));
    let mut added = package(&mut after, "cpp11").clone();
    added.id.name = "glue".parse().unwrap();
    after.packages.retain(|package| package.id.name.as_str() != "cpp11");
    after.packages.push(added);
    after
}

#[test]
fn a_thing_is_no_different_from_itself() {
    let inventory = read();
    let diff = Diff::of(&inventory, &inventory);
    assert!(diff.is_empty(), "{diff:#?}");
    assert_eq!(text(&diff), "no difference\n");
    assert_eq!(json(&diff)["same"], true);
}

#[test]
fn every_kind_of_change_is_told_by_its_name() {
    let (before, after) = (read(), changed());
    let diff = Diff::of(&before, &after);
    let kinds: BTreeMap<&str, Kind> = diff.packages.iter().map(|c| (c.name(), c.kind())).collect();
    let expected = [
        ("cli", Kind::Up),
        ("cpp11", Kind::Removed),
        ("glue", Kind::Added),
        ("limma", Kind::Down),
        ("own1", Kind::OtherSource),
        ("xml2", Kind::OtherBuild),
    ];
    assert_eq!(kinds, expected.into());
    let cli = &diff.packages[0];
    assert_eq!(cli.bytes(), Some(100_000));
    assert_eq!(cli.licenses(), Some(("MIT + file LICENSE", "GPL-3")));
    let limma = diff.packages.iter().find(|change| change.name() == "limma").unwrap();
    assert_eq!(limma.functions, ["report", "score"].into(), "one change of two functions");
}

#[test]
fn the_text_says_what_changed_by_how_much() {
    let (before, after) = (read(), changed());
    let text = text(&Diff::of(&before, &after));
    let expected = "\
packages: 1 added, 1 removed, 1 up, 1 down, 1 with other source, 1 built to other bytes
  ^ cli 3.6.5 -> 3.6.6       +100.0 kB  licence MIT + file LICENSE -> GPL-3
  - cpp11 0.5.2
  + glue 0.5.2                          licence MIT + file LICENSE
  v limma 3.62.1 -> 3.60.0              in report, score
  ~ own1 1.0                            other source
  ~ xml2 1.3.6                          built to other bytes
";
    assert_eq!(text, expected);
}

#[test]
fn what_one_side_does_not_know_is_no_difference() {
    let before = read();
    let mut after = read();
    after.form = Form::Lockfile;
    // Lockfiles have what manages libraries, and do not say what is only built against.
    let mut manager = after.packages[0].clone();
    manager.id.name = "renv".parse().unwrap();
    after.packages.push(manager);
    for package in &mut after.packages {
        package.is_shipped = true;
    }
    after.layers.clear();
    after.libraries.clear();
    for package in &mut after.packages {
        (package.sha256, package.tree, package.license, package.unzipped_bytes) = (None, None, None, None);
    }
    for function in &mut after.functions {
        function.layers.clear();
        function.unzipped_bytes = None;
    }
    let diff = Diff::of(&before, &after);
    assert!(diff.packages.is_empty() && diff.libraries.is_empty(), "{diff:#?}");
    // A layer holds nothing of what it was built against.
    let mut layer = read();
    layer.form = Form::Layer;
    layer.packages.retain(|package| package.is_shipped);
    assert!(read().packages.len() > layer.packages.len());
    assert!(Diff::of(&before, &layer).packages.is_empty());
    assert!(Diff::of(&layer, &before).packages.is_empty());
}

#[test]
fn an_advisory_that_still_holds_is_not_gained_again() {
    let inventory = read();
    let found = |id: &str, version: &str| Advisory {
        id: id.to_owned(),
        package: "cli".to_owned(),
        version: version.to_owned(),
        summary: "overflow".to_owned(),
    };
    let diff = Diff::of(&inventory, &inventory).with_advisories(
        &[found("RSEC-1", "3.6.5"), found("RSEC-2", "3.6.5")],
        &[found("RSEC-1", "3.6.6"), found("RSEC-3", "3.6.6")],
        "1 of 1 packages".to_owned(),
    );
    let changes = diff.advisories.known().unwrap();
    assert_eq!(changes.gained, [found("RSEC-3", "3.6.6")]);
    assert_eq!(changes.lost, [found("RSEC-2", "3.6.5")]);
    assert_eq!(changes.n_kept, 1);
    assert!(markdown(&diff).contains("### New advisories\n\n- RSEC-3 in `cli` 3.6.6: overflow\n"));
}

/// Versions of four packages that three functions have, where 0 is none.
fn fleet(versions: &[[u8; 4]; 3]) -> Inventory {
    let mut inventory = read();
    let bare = inventory.packages.remove(0);
    (inventory.packages, inventory.functions) = (Vec::new(), Vec::new());
    for (at, of_function) in versions.iter().enumerate() {
        let name = format!("function{at}");
        for (at, version) in of_function.iter().enumerate().filter(|(_, version)| **version > 0) {
            let mut package = bare.clone();
            package.id.name = format!("package{at}").parse().unwrap();
            package.id.version = format!("1.{version}").parse().unwrap();
            package.functions = [name.clone()].into();
            let known = inventory.packages.iter_mut().find(|known| known.id == package.id);
            match known {
                Some(known) => known.functions.extend(package.functions),
                None => inventory.packages.push(package),
            }
        }
        if of_function.iter().any(|version| *version > 0) {
            let function = Function { name, ..read().functions.remove(0) };
            inventory.functions.push(function);
        }
    }
    inventory
}

fn mirrored(kind: Kind) -> Kind {
    match kind {
        Kind::Added => Kind::Removed,
        Kind::Removed => Kind::Added,
        Kind::Up => Kind::Down,
        Kind::Down => Kind::Up,
        Kind::OtherSource | Kind::OtherOrigin | Kind::OtherBuild | Kind::OtherRole => kind,
    }
}

fn told<'a>(diff: &Diff<'a>) -> Vec<(&'a str, Kind, BTreeSet<&'a str>)> {
    let name = |change: &PackageChange<'a>| {
        change.before.or(change.after).map_or("", |package| package.id.name.as_str())
    };
    let mut told: Vec<_> =
        diff.packages.iter().map(|change| (name(change), change.kind(), change.functions.clone())).collect();
    told.sort();
    told
}

proptest! {
    #[test]
    fn the_way_back_is_the_way_there_backwards(one: [[u8; 4]; 3], two: [[u8; 4]; 3]) {
        let few = |all: [[u8; 4]; 3]| fleet(&all.map(|function| function.map(|version| version % 4)));
        let (one, two) = (few(one), few(two));
        prop_assert!(Diff::of(&one, &one).packages.is_empty());
        let (there, back) = (Diff::of(&one, &two), Diff::of(&two, &one));
        let mut expected: Vec<_> =
            told(&there).into_iter().map(|(name, kind, functions)| (name, mirrored(kind), functions)).collect();
        expected.sort();
        prop_assert_eq!(told(&back), expected);
        // No version comes or goes without being told.
        let ids = |inventory: &Inventory| -> BTreeSet<String> {
            inventory.packages.iter().map(|package| package.id.to_string()).collect()
        };
        for gone in ids(&one).difference(&ids(&two)) {
            let is_told = there.packages.iter().any(|c| c.before.is_some_and(|p| p.id.to_string() == *gone));
            prop_assert!(is_told, "{} is not told of", gone);
        }
    }
}
