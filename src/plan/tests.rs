//! What a plan looks like, by example.

use std::collections::BTreeMap;

use super::*;
use crate::model::{LAMBDA, PackageId, Sha256Digest, TreeDigest};

pub(super) fn tree(name: &str, version: u8, unzipped_bytes: u64) -> SizedTree {
    let id = PackageId { name: name.parse().unwrap(), version: format!("{version}.0").parse().unwrap() };
    let mut digest = [version; 32];
    for (at, byte) in name.bytes().enumerate().take(7) {
        digest[at] = byte;
    }
    SizedTree { id: TreeId::Package(id), digest: TreeDigest(Sha256Digest(digest)), unzipped_bytes }
}

fn function(name: &str, trees: Vec<SizedTree>, code_bytes: u64) -> FunctionDemand {
    FunctionDemand {
        name: name.to_owned(),
        trees,
        needed_by: BTreeMap::new(),
        code_bytes,
        runtime_bytes: 0,
        code_room_bytes: 0,
        limit_bytes: LAMBDA.unzipped_bytes,
    }
}

fn demand(functions: Vec<FunctionDemand>) -> Demand {
    Demand { functions, limits: LAMBDA, n_reserved: 1 }
}

fn anew(functions: Vec<FunctionDemand>) -> Plan {
    plan(&demand(functions), &LastPlan::default(), &Settings::default()).unwrap()
}

/// The names in each layer of a function.
fn names(plan: &Plan, function: usize) -> Vec<Vec<&str>> {
    plan.layers_of(function).map(|layer| layer.trees.iter().map(|tree| tree.id.name()).collect()).collect()
}

#[test]
fn the_plan_is_the_same_in_whatever_order_trees_and_functions_come() {
    let [a, b, c] = [("aa", 5), ("bb", 7), ("cc", 9)].map(|(name, bytes)| tree(name, 1, bytes));
    let one = anew(vec![
        function("f", vec![a.clone(), b.clone()], 0),
        function("g", vec![b.clone(), c.clone()], 0),
    ]);
    let other = anew(vec![
        function("g", vec![c.clone(), b.clone()], 0),
        function("f", vec![b.clone(), a.clone()], 0),
    ]);
    assert_eq!(one.layers, other.layers);
    assert_eq!((&one.functions[0], &one.functions[1]), (&other.functions[1], &other.functions[0]));
}

#[test]
fn what_two_functions_need_is_stored_once() {
    let common = || (0..6).map(|n| tree(&format!("common{n}"), 1, 1 << 20));
    let f = function("f", common().chain([tree("only.f", 1, 2 << 20)]).collect(), 0);
    let g = function("g", common().chain([tree("only.g", 1, 2 << 20)]).collect(), 0);
    let plan = anew(vec![f, g]);
    let stored: u64 = plan.layers.iter().map(|layer| layer.unzipped_bytes).sum();
    assert_eq!(stored, 10 << 20);
}

#[test]
fn functions_of_the_same_trees_have_the_same_layers() {
    let trees = || vec![tree("aa", 1, 1), tree("bb", 1, 2)];
    let plan = anew(vec![function("f", trees(), 0), function("g", trees(), 9)]);
    assert_eq!(plan.functions[0], plan.functions[1]);
}

#[test]
fn what_changes_often_lies_apart_from_what_is_large() {
    // tinytex changes in every fourth change, BH hardly ever.
    let plan =
        anew(vec![function("f", vec![tree("tinytex", 1, 300_000), tree("assertthat", 1, 90_000_000)], 0)]);
    assert_eq!(names(&plan, 0).len(), 2);
}

#[test]
fn a_new_version_moves_the_layer_that_it_is_in_and_no_other() {
    let trees =
        |version| (0..40).map(move |n| tree(&format!("p{n}"), if n == 7 { version } else { 1 }, 1 << 20));
    let before = demand(vec![function("f", trees(1).collect(), 0)]);
    let first = plan(&before, &LastPlan::default(), &Settings::default()).unwrap();
    let last = LastPlan::default().next(&before, &first);
    let after = demand(vec![function("f", trees(2).collect(), 0)]);
    let second = plan(&after, &last, &Settings::default()).unwrap();
    let n_new = second.layers.iter().filter(|layer| !first.layers.contains(layer)).count();
    assert!(first.layers.len() > 1 && n_new == 1, "{n_new} of {}", second.layers.len());

    let last = last.next(&after, &second);
    assert_eq!(last.changes, [Change { functions: vec!["f".to_owned()], trees: vec!["p7".to_owned()] }]);
    let reverted = plan(&before, &last, &Settings::default()).unwrap();
    assert_eq!(reverted, first, "the old layer is still known");
}

#[test]
fn a_function_takes_more_than_it_needs_where_that_is_allowed() {
    let large = || vec![tree("large", 1, 50 << 20), tree("small", 1, 1 << 20)];
    let both = demand(vec![function("f", large(), 0)]);
    let first = plan(&both, &LastPlan::default(), &Settings::default()).unwrap();
    let mut last = LastPlan::default().next(&both, &first);
    // As if they had been put together.
    let together = LastLayer { trees: large().iter().map(SizedTree::mark).collect() };
    last.layers = vec![together];
    last.functions.insert("f".to_owned(), vec![0]);
    let wanted = demand(vec![function("f", large(), 0), function("g", vec![tree("large", 1, 50 << 20)], 0)]);
    let exact = plan(&wanted, &last, &Settings::default()).unwrap();
    assert_eq!(names(&exact, 1), [["large"]]);
    let allowed = Settings { allow_extra_bytes: 2 << 20, ..Settings::default() };
    let loose = plan(&wanted, &last, &allowed).unwrap();
    assert_eq!(names(&loose, 1), [["large", "small"]]);
    let other_version = function("g", vec![tree("large", 1, 50 << 20), tree("small", 2, 1 << 20)], 0);
    let apart = plan(&demand(vec![function("f", large(), 0), other_version]), &last, &allowed).unwrap();
    assert!(apart.layers_of(1).all(|layer| !layer.trees.contains(&tree("small", 1, 1 << 20))));
}

#[test]
fn a_layer_of_a_catalogue_is_taken_rather_than_made() {
    let trees: Vec<SizedTree> = (0..10).map(|n| tree(&format!("p{n}"), 1, 1 << 20)).collect();
    let theirs = LastLayer { trees: trees[..9].iter().map(SizedTree::mark).collect() };
    let settings = Settings { catalogue: vec![theirs], ..Settings::default() };
    let plan = plan(&demand(vec![function("f", trees, 0)]), &LastPlan::default(), &settings).unwrap();
    assert!(plan.layers.iter().any(|layer| layer.trees.len() == 9));
}

#[test]
fn the_limit_itself_fits_and_one_byte_more_does_not() {
    let at_limit = LAMBDA.unzipped_bytes - 10;
    assert_eq!(anew(vec![function("f", vec![tree("aa", 1, at_limit)], 10)]).layers.len(), 1);
    let two = demand(vec![function("f", vec![tree("aa", 1, at_limit), tree("bb", 1, 1)], 10)]);
    let text = plan(&two, &LastPlan::default(), &Settings::default()).unwrap_err().to_string();
    for part in ["`f`", "262144001", "262144000", "`aa 1.0`"] {
        assert!(text.contains(part), "{part} in {text}");
    }
}

#[test]
fn a_small_function_has_one_layer_whatever_changes_how_often() {
    let small = || vec![tree("rlang", 1, 2_600_000), tree("cli", 1, 2_300_000), tree("xml2", 1, 2_700_000)];
    assert_eq!(anew(vec![function("f", small(), 0)]).layers.len(), 1);
    let shared = anew(vec![function("f", small(), 0), function("g", small()[..2].to_vec(), 0)]);
    let stored: u64 = shared.layers.iter().map(|layer| layer.unzipped_bytes).sum();
    assert_eq!(stored, 7_600_000, "what is shared is worth a layer of its own");
}

#[test]
fn a_library_of_the_base_is_taken_to_change_less_often_than_packages() {
    let library = |n: u8| {
        let mut library = tree("libx", n, 10 << 20);
        library.id = TreeId::Library(format!("libx-{n:012x}"));
        library
    };
    let own = tree("own", 1, 10 << 20);
    let demand = demand(vec![function("f", vec![own, library(1), library(2)], 0)]);
    let rates = rates::rates(&demand.functions, &[]);
    assert!(rates["own"] > 5.0 * rates["libx-000000000001"]);
    let made = plan(&demand, &LastPlan::default(), &Settings::default()).unwrap();
    assert_eq!(made.layers.len(), 2, "both libraries are in one layer: {made:?}");
}

#[test]
fn a_function_that_is_too_large_is_told_what_would_make_it_fit() {
    let sized = [("app", 1), ("huge", 200), ("part", 40), ("both", 30), ("plain", 9)];
    let trees: Vec<SizedTree> = sized.iter().map(|(name, mib)| tree(name, 1, mib << 20)).collect();
    let [app, huge, part, both, _] = [0, 1, 2, 3, 4].map(|at| trees[at].id.clone());
    let mut function = function("f", trees, 1 << 20);
    // app and huge are asked for by the lockfile alone; part is huge's, both is of both.
    function.needed_by = BTreeMap::from([(part, vec![huge.clone()]), (both, vec![huge.clone(), app])]);
    let error = plan(&demand(vec![function]), &LastPlan::default(), &Settings::default()).unwrap_err();
    let PlanError::TooLarge(mut too_large) = error else { panic!("{error}") };
    let drop = &too_large.drops[0];
    assert_eq!((drop.package.clone(), drop.n_others, drop.bytes), (huge, 1, 240 << 20));
    assert!(!too_large.to_string().contains("--slim max"), "it is not known here");
    too_large.slim_bytes = Some(30 << 20);
    let text = too_large.to_string();
    for part in [
        "32.5 MB more than Lambda's limit",
        "41.9 MB  `part 1.0`, needed by `huge`",
        "31.5 MB  by --slim max: not enough",
        "251.7 MB  without `huge` and 1 that it alone needs: enough",
        "9.4 MB  without `plain`: not enough",
    ] {
        assert!(text.contains(part), "{part:?} is not in {text}");
    }
}

#[test]
fn the_runtime_s_layer_counts_against_a_function_s_limit() {
    let mut function = function("f", vec![tree("large", 1, 160 << 20)], 1 << 20);
    let planned = |function: &FunctionDemand| {
        plan(&demand(vec![function.clone()]), &LastPlan::default(), &Settings::default())
    };
    function.runtime_bytes = 89 << 20;
    assert!(planned(&function).is_ok(), "250 MiB are allowed");
    function.runtime_bytes = 90 << 20;
    let text = planned(&function).unwrap_err().to_string();
    assert!(text.contains("1.0 MB of code, 94.4 MB of R), 1.0 MB more than"), "{text}");
}

#[test]
fn a_new_version_that_moves_more_than_its_layer_is_told() {
    let version = |n: u8| vec![tree("aa", n, 3 << 20), tree("bb", 1, 2 << 20)];
    let before = demand(vec![function("f", version(1), 0)]);
    let first = plan(&before, &LastPlan::default(), &Settings::default()).unwrap();
    let last = LastPlan::default().next(&before, &first);
    assert_eq!(first.layers.len(), 1);
    let after = demand(vec![function("f", version(2), 0)]);
    let mut layers: Vec<LayerPlan> = version(2).into_iter().map(|tree| LayerPlan::new(vec![tree])).collect();
    layers.sort();
    let apart = Plan { layers, functions: vec![vec![0, 1]], in_code: vec![None] };
    let told = summary(&after, &last, &apart).wide_bumps;
    let expected = WideBump {
        function: "f".to_owned(),
        tree: version(2)[0].id.clone(),
        n_layers: 2,
        bytes: 5 << 20,
        own_bytes: 3 << 20,
    };
    assert_eq!(told, [expected]);
    let together = plan(&after, &last, &Settings::default()).unwrap();
    assert_eq!(summary(&after, &last, &together).wide_bumps, []);
}

#[test]
fn a_function_without_a_layer_left_is_named() {
    let mut demand = demand(vec![function("f", vec![tree("aa", 1, 1)], 0)]);
    demand.n_reserved = 5;
    let text = plan(&demand, &LastPlan::default(), &Settings::default()).unwrap_err().to_string();
    assert_eq!(text, "function `f` has no layer left: 5 of its 5 are others'");
    demand.functions[0].trees.clear();
    assert!(plan(&demand, &LastPlan::default(), &Settings::default()).unwrap().layers.is_empty());
}

#[test]
fn a_function_with_two_versions_of_a_package_is_an_error_that_names_both() {
    let demand = demand(vec![function("f", vec![tree("aa", 1, 1), tree("aa", 2, 1)], 0)]);
    let text = plan(&demand, &LastPlan::default(), &Settings::default()).unwrap_err().to_string();
    assert_eq!(text, "function `f` needs both `aa 1.0` and `aa 2.0`, which lie at the same path");
}

#[test]
fn the_summary_says_what_is_stored_shared_moved_and_skewed() {
    let common = || (0..6).map(|n| tree(&format!("common{n}"), 1, 1 << 20));
    let f = function("f", common().chain([tree("only", 1, 3 << 20)]).collect(), 0);
    let g = function("g", common().chain([tree("only", 2, 2 << 20)]).collect(), 0);
    let demand = demand(vec![f, g]);
    let settings = Settings::default();
    let made = plan(&demand, &LastPlan::default(), &settings).unwrap();
    let first = summary(&demand, &LastPlan::default(), &made);
    assert_eq!((first.stored_bytes, first.least_bytes, first.apart_bytes), (11 << 20, 11 << 20, 17 << 20));
    let all = Moves {
        n_layers: made.layers.len(),
        bytes: 11 << 20,
        functions: ["f", "g"].map(str::to_owned).to_vec(),
    };
    assert_eq!(first.moves, all);
    let only = |version: u8| tree("only", version, 1).id;
    let versions = vec![(only(1), vec!["f".to_owned()]), (only(2), vec!["g".to_owned()])];
    assert_eq!(first.skews, [Skew { versions, bytes: 2 << 20 }]);

    let last = LastPlan::default().next(&demand, &made);
    assert_eq!(summary(&demand, &last, &made).moves, Moves::default(), "it is there now");
    let then = what_if((&demand, &settings), (&LastPlan::default(), &made), &only(2)).unwrap().unwrap();
    assert_eq!((then.n_layers, then.functions), (0, vec!["f".to_owned()]), "g's layer serves f");
    assert_eq!(what_if((&demand, &settings), (&last, &made), &tree("absent", 1, 1).id).unwrap(), None);
}
