//! The page of the manifest that has one of everything.

use super::*;
use crate::inventory;

fn read() -> Inventory {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures/layers-full.json");
    inventory::read(std::path::Path::new(path), "").unwrap()
}

fn page(inventory: &Inventory) -> String {
    render(&Page { inventory, source: "dist", version: "0.1.0", diff: None, advisories: Advised::NotAsked })
}

#[test]
fn a_page_is_the_same_for_the_same_content_and_asks_for_nothing_from_elsewhere() {
    let inventory = read();
    let text = page(&inventory);
    assert_eq!(text, page(&read()));
    for asking in ["src=", "<link", "@import", "url(", "fetch(", "<iframe", "style=\""] {
        assert!(!text.contains(asking), "{asking}");
    }
}

#[test]
fn the_policy_allows_the_page_s_own_script_and_no_other() {
    let text = page(&read());
    let between =
        |start: &str, end: &str| text.split_once(start).unwrap().1.split_once(end).unwrap().0.to_owned();
    for (element, directive) in [("style", "style-src"), ("script", "script-src")] {
        let content = between(&format!("<{element}>"), &format!("</{element}>"));
        let digest = sha256(content.as_bytes()).to_base64();
        assert!(text.contains(&format!("{directive} 'sha256-{digest}'")), "{directive}");
    }
}

#[test]
fn all_is_said_without_a_script() {
    let text = page(&read());
    let rows = text.split_once("<table class=\"sortable searched\">").unwrap().1;
    for package in ["cli", "limma", "own1", "xml2"] {
        assert!(rows.contains(&format!("<th scope=\"row\">{package}</th>")), "{package}");
    }
    assert!(rows.contains("own1 → xml2 → cli"), "why cli is there");
    assert!(text.contains("cpp11 0.5.2, MIT + file LICENSE"), "what was built against");
    assert!(text.contains("<p id=\"search\" hidden>"), "a search that cannot search is not shown");
}

#[test]
fn text_of_others_is_no_markup() {
    let mut inventory = read();
    inventory.packages[0].license = Some("<script>alert(1)</script>".to_owned());
    inventory.functions[0].name = "\"><img src=x>".to_owned();
    let text = page(&inventory);
    assert!(!text.contains("<script>alert") && !text.contains("<img"), "{text}");
    assert!(text.contains("&lt;script&gt;alert(1)"));
}

#[test]
fn what_is_not_known_has_no_part_of_the_page() {
    let mut inventory = read();
    inventory.form = Form::Lockfile;
    inventory.layers.clear();
    inventory.libraries.clear();
    for package in &mut inventory.packages {
        (package.license, package.unzipped_bytes, package.dependencies) = (None, None, None);
        package.layers.clear();
    }
    let text = page(&inventory);
    for id in ["map", "sharing", "licences", "libraries"] {
        assert!(!text.contains(&format!("<section id=\"{id}\"")), "{id}");
    }
    assert!(text.contains("is not known here") && !text.contains("for its own sake"), "{text}");
}
