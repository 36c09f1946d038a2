//! The report, used by nothing but a keyboard: keys are pressed, and what is asked of the page
//! is only where the focus is and what is shown.

use serde_json::{Value, json};

use crate::boms::built;
use crate::browser::{Browser, Key};
use crate::reports::manifest;
use crate::world::{World, renv_lock};

/// What has the focus: its kind, and what it says.
const FOCUS: &str = "(() => { const e = document.activeElement; return \
    e === document.body ? 'nothing' : `${e.tagName.toLowerCase()} ${(e.textContent || e.type || '').trim().slice(0, 40)}`; })()";

/// The names of the packages that are shown, as they stand.
const SHOWN: &str = "[...document.querySelectorAll('table.searched tbody tr')]\
    .filter((row) => row.getClientRects().length > 0).map((row) => row.cells[0].textContent)";

impl Browser {
    fn focus(&mut self) -> String {
        self.evaluate(FOCUS).as_str().unwrap().to_owned()
    }

    /// Presses the tabulator until something has the focus, and not too often.
    #[track_caller]
    fn tab_to(&mut self, wanted: &str, most: usize) {
        let mut seen = Vec::new();
        while seen.len() < most {
            self.press(Key::Tab);
            seen.push(self.focus());
            if seen.last().unwrap().starts_with(wanted) {
                return;
            }
        }
        panic!("{wanted} is not reached by {most} tabulators, but {seen:?}");
    }

    fn shown(&mut self) -> Vec<String> {
        let shown = self.evaluate(SHOWN);
        shown.as_array().unwrap().iter().map(|name| name.as_str().unwrap().to_owned()).collect()
    }

    fn hash(&mut self) -> Value {
        self.evaluate("location.hash")
    }
}

/// A report, and the names of its packages in their order.
fn use_by_keyboard(world: &World, mut names: Vec<String>, (search, found): (&str, &[&str])) {
    world.layr(&["report", "--no-vulnerabilities"]).succeeded();
    let Some(mut browser) = Browser::open(world, "layr-report.html") else { return };
    // From the top to the packages: never by way of a map with a thousand parts.
    browser.tab_to("a Packages", 8);
    browser.press(Key::Enter);
    assert_eq!(browser.hash(), "#packages");
    browser.tab_to("input search", 2);
    let outline = browser.evaluate("getComputedStyle(document.activeElement).outlineStyle");
    assert_eq!(outline, "solid", "the focus is seen");
    browser.write(search);
    let mut shown = browser.shown();
    shown.sort();
    assert_eq!(shown, found);
    let output = browser.evaluate("document.querySelector('#search output').textContent");
    assert_eq!(output, format!("{} of {} packages", found.len(), names.len()));
    for _ in search.chars() {
        browser.press(Key::Backspace);
    }
    assert_eq!(browser.shown().len(), names.len());
    // Sorting, by either of the keys that press a button; the focus stays where it is.
    browser.tab_to("button Package", 3);
    browser.press(Key::Enter);
    assert_eq!(browser.shown(), names);
    assert_eq!(browser.focus(), "button Package");
    browser.press(Key::Space);
    names.reverse();
    assert_eq!(browser.shown(), names);
    let sorted = "document.activeElement.parentElement.getAttribute('aria-sort')";
    assert_eq!(browser.evaluate(sorted), "descending");
    browser.tab_to("button Size", 2);
    browser.press(Key::BackTab);
    assert_eq!(browser.focus(), "button Version");
    browser.tab_to("button With needs", 2);
    browser.press(Key::Space);
    let sizes = browser.evaluate(
        "[...document.querySelectorAll('table.searched tbody tr')].map((row) => Number(row.cells[3].dataset.value))",
    );
    let sizes: Vec<f64> = sizes.as_array().unwrap().iter().map(|size| size.as_f64().unwrap()).collect();
    assert!(sizes.windows(2).all(|pair| pair[0] >= pair[1]), "{sizes:?}");
    // Why a package is there opens, closes, and leads on.
    browser.tab_to("summary", 12);
    let is_open = "document.activeElement.parentElement.open";
    browser.press(Key::Enter);
    assert_eq!(browser.evaluate(is_open), true);
    browser.press(Key::Space);
    assert_eq!(browser.evaluate(is_open), false);
    browser.press(Key::Space);
    browser.tab_to("a ", 1);
    let name = browser.focus();
    browser.press(Key::Enter);
    let target = format!("#package-{}-", name.strip_prefix("a ").unwrap());
    assert!(browser.hash().as_str().unwrap().starts_with(&target), "{}", browser.hash());
    assert_eq!(browser.complaints(), Vec::<String>::new());
}

#[test]
fn a_report_is_used_by_keyboard_alone() {
    let names = ["cli", "limma", "own1", "xml2"].map(str::to_owned).to_vec();
    use_by_keyboard(&built(), names, ("mit CLI", &["cli"]));
}

#[test]
fn a_thousand_packages_are_used_by_keyboard_alone() {
    let world = World::new();
    world.write("project/dist/layers.json", manifest(1000));
    let names = (0..1000).map(|n| format!("pkg{n:04}")).collect();
    use_by_keyboard(&world, names, ("pkg099 gpl", &["pkg0991", "pkg0994", "pkg0997"]));
}

/// Of every text, the colour and what is behind it; of texts in the map, what they stand on.
const COLOURS: &str = "(() => { const found = {}; \
    for (const e of document.querySelectorAll('body, h1, th, td, a:not(svg a), .unknown, .found, footer, dd, th button, svg text, input')) { \
      const style = getComputedStyle(e); \
      const area = e.closest('svg a')?.querySelector('rect') ?? null; \
      let behind = area ? getComputedStyle(area).fill : 'rgba(0, 0, 0, 0)'; \
      for (let at = e; at && behind === 'rgba(0, 0, 0, 0)'; at = at.parentElement) behind = getComputedStyle(at).backgroundColor; \
      found[`${e.ownerSVGElement ? style.fill : style.color} on ${behind}`] = e.tagName; } \
    return found; })()";

/// How light a colour such as `rgb(255, 255, 255)` is, by WCAG 2.
fn luminance(colour: &str) -> f64 {
    let numbers = colour.trim_start_matches(|c: char| !c.is_ascii_digit()).trim_end_matches(')');
    let parts: Vec<f64> = numbers.split(", ").take(3).map(|part| part.parse().unwrap()).collect();
    let linear = |part: f64| {
        let part = part / 255.0;
        if part <= 0.04045 { part / 12.92 } else { ((part + 0.055) / 1.055).powf(2.4) }
    };
    0.2126 * linear(parts[0]) + 0.7152 * linear(parts[1]) + 0.0722 * linear(parts[2])
}

#[test]
fn all_texts_can_be_read_in_the_light_and_in_the_dark() {
    let world = built();
    let records = crate::advisories::records();
    world.write("project/renv.lock", renv_lock("4.5.0", &["jsonlite 1.8.0"]));
    for (what, page) in [("dist", "of-layers.html"), ("renv.lock", "of-a-lockfile.html")] {
        world.layr(&["report", what, "--since", "dist", "--db", &records, "--out", page]).succeeded();
        let Some(mut browser) = Browser::open(&world, page) else { return };
        for scheme in ["light", "dark"] {
            browser.prefer(scheme);
            let colours = browser.evaluate(COLOURS);
            let colours = colours.as_object().unwrap();
            assert!(colours.len() > 3, "{colours:?}");
            for (pair, element) in colours {
                let (text, behind) = pair.split_once(" on ").unwrap();
                let (one, two) = (luminance(text) + 0.05, luminance(behind) + 0.05);
                let contrast = one.max(two) / one.min(two);
                assert!(contrast >= 4.5, "{scheme}: {element} has {pair}, a contrast of {contrast:.1}");
            }
        }
        assert_eq!(json!(browser.complaints()), json!([]));
    }
}
