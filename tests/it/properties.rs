//! What holds of any input, whatever it says.

use std::cmp::Ordering;
use std::collections::BTreeMap;
use std::path::{Component, Path};

use layr::hashes::of_record;
use layr::lockfile;
use layr::model::{
    Dependency, GitUrl, PackageName, ProjectPath, RVersion, Subfolder, compare_numeric, compare_version,
    parse_dcf,
};
use proptest::prelude::*;

fn name() -> impl Strategy<Value = String> {
    "[A-Za-z][A-Za-z0-9.]{0,12}[A-Za-z0-9]"
}

fn numbers() -> impl Strategy<Value = Vec<u64>> {
    prop::collection::vec(prop_oneof![0..3_u64, 0..20_000_u64], 2..6)
}

fn version(numbers: &[u64]) -> RVersion {
    let text: Vec<String> = numbers.iter().map(ToString::to_string).collect();
    text.join(".").parse().unwrap()
}

/// Without the zeros at the end, which do not count by value.
fn trimmed(numbers: &[u64]) -> &[u64] {
    let end = numbers.iter().rposition(|number| *number != 0).map_or(0, |at| at + 1);
    &numbers[..end]
}

/// Lines of a field's value. One that is a dot alone means an empty one.
fn value() -> impl Strategy<Value = Vec<String>> {
    let line = "[!-~]([ -~]{0,20}[!-~])?".prop_filter("a dot alone", |line| line != ".");
    prop::collection::vec(line, 1..4)
}

proptest! {
    #[test]
    fn versions_are_ordered_as_the_lists_of_their_numbers(a in numbers(), b in numbers()) {
        let (left, right) = (version(&a), version(&b));
        prop_assert_eq!(compare_version(&left, &right), a.cmp(&b));
        prop_assert_eq!(compare_numeric(&left, &right), trimmed(&a).cmp(trimmed(&b)));
        prop_assert_eq!(compare_version(&right, &left), compare_version(&left, &right).reverse());
        if compare_version(&left, &right) == Ordering::Equal {
            prop_assert_eq!(compare_numeric(&left, &right), Ordering::Equal);
        }
    }

    #[test]
    fn records_come_back_as_they_were_written(
        records in prop::collection::vec(prop::collection::btree_map("[A-Za-z][A-Za-z0-9/@._-]{0,12}", value(), 1..6), 0..5),
        eol in prop_oneof![Just("\n"), Just("\r\n")],
    ) {
        let mut text = String::new();
        for record in &records {
            for (field, lines) in record {
                text.push_str(&format!("{field}: {}{eol}", lines.join(&format!("{eol}    "))));
            }
            text.push_str(eol);
        }
        let read: Vec<BTreeMap<String, Vec<String>>> = parse_dcf(&text).unwrap().iter().map(|record| {
            record.fields().map(|(field, value)| (field.to_owned(), value.lines().map(str::to_owned).collect())).collect()
        }).collect();
        prop_assert_eq!(read, records);
    }

    #[test]
    fn dependencies_come_back_as_they_were_written(
        written in prop::collection::vec((name(), prop::option::of((prop::sample::select(vec![">=", ">", "<=", "<", "==", "!="]), numbers()))), 0..8),
    ) {
        let entries: Vec<String> = written.iter().map(|(name, requirement)| match requirement {
            Some((operator, numbers)) => format!("{name} ({operator} {})", version(numbers)),
            None => name.clone(),
        }).collect();
        let (read, r) = Dependency::parse_list(&entries.join(",\n    ")).unwrap();
        let read: Vec<String> = read.iter().map(|dependency| match &dependency.requirement {
            Some(requirement) => format!("{} ({requirement})", dependency.name),
            None => dependency.name.to_string(),
        }).collect();
        prop_assert_eq!(read, entries);
        prop_assert!(r.is_none());
    }

    #[test]
    fn the_order_of_records_changes_nothing(
        packages in prop::collection::btree_map(name(), numbers(), 1..8), seed in any::<u64>(),
    ) {
        let mut records: Vec<String> = packages.iter().map(|(name, numbers)| {
            format!("\"{name}\": {{ \"Package\": \"{name}\", \"Version\": \"{}\", \"Source\": \"Repository\", \"Repository\": \"CRAN\" }}", version(numbers))
        }).collect();
        let file = |records: &[String]| format!(
            "{{ \"R\": {{ \"Version\": \"4.5.0\", \"Repositories\": [] }}, \"Packages\": {{ {} }} }}", records.join(", ")
        );
        let mut before = lockfile::parse(&file(&records)).unwrap();
        let n_records = records.len();
        records.rotate_left(usize::try_from(seed % n_records as u64).unwrap());
        records.reverse();
        let mut after = lockfile::parse(&file(&records)).unwrap();
        for lockfile in [&mut before, &mut after] {
            lockfile.left_out.sort_by(|a, b| a.id.cmp(&b.id));
        }
        prop_assert_eq!(after, before);
    }

    #[test]
    fn blanks_and_order_are_no_part_of_a_hash(title in "[a-z]{1,9}( [a-z]{1,9}){0,5}", version in "[0-9]\\.[0-9]") {
        let broken = title.replace(' ', "\n        ");
        let one = of_record([("Package", "a1"), ("Version", &*version), ("Title", &*title), ("URL", "x")]);
        let other = of_record([("Title", &*broken), ("Version", &*version), ("Package", "a1")]);
        prop_assert_eq!(one, other);
    }

    #[test]
    fn what_is_accepted_is_never_a_way_out_or_an_option(text in "[a-z./:@~\\\\ -]{0,24}") {
        let is_inside = |text: &str| Path::new(text).components().all(|part| matches!(part, Component::Normal(_)));
        if let Ok(name) = text.parse::<PackageName>() {
            prop_assert!(is_inside(name.as_str()) && !name.as_str().contains('/'));
        }
        if let Ok(Some(folder)) = Subfolder::parse(&text) {
            prop_assert!(is_inside(folder.as_str()), "{folder}");
        }
        if let Ok(project) = text.parse::<ProjectPath>() {
            prop_assert!(is_inside(project.as_str()), "{project}");
        }
        if let Ok(url) = text.parse::<GitUrl>() {
            // git takes `word::` for a helper to run.
            let after_word = url.as_str().trim_start_matches(|c: char| c.is_ascii_alphanumeric() || "+.-".contains(c));
            prop_assert!(!url.as_str().starts_with('-') && !after_word.starts_with("::"), "{url:?}");
        }
    }
}
