//! The report, as a browser shows it.

use std::path::PathBuf;
use std::process::Command;

use serde_json::{Value, json};

use crate::boms::built;
use crate::world::{World, ran};

/// Debian's Chromium.
fn browser() -> Option<PathBuf> {
    crate::world::from_environment("LAYR_TEST_BROWSER")
}

/// What a page is once its scripts have run, and what the browser had to say to that.
struct Shown {
    page: String,
    console: Vec<String>,
}

fn show(world: &World, file: &str, flags: &[&str]) -> Option<Shown> {
    let mut command = Command::new(browser()?);
    // Tests run as root, where its own sandbox does not start.
    command.args(["--headless", "--no-sandbox", "--disable-gpu", "--enable-logging=stderr", "--dump-dom"]);
    command.args(["--allow-file-access-from-files", "--virtual-time-budget=20000", "--timeout=60000"]);
    command.arg(format!("--user-data-dir={}", world.path("browser").display())).args(flags);
    let ran = ran(command.arg(format!("file://{}", world.path(&format!("project/{file}")).display())));
    let console = ran.stderr.lines().filter(|line| line.contains("CONSOLE")).map(str::to_owned).collect();
    Some(Shown { page: ran.succeeded().stdout.clone(), console })
}

/// What the harness has found out by using the page.
fn used(world: &World, flags: &[&str]) -> Option<Value> {
    world.write("project/harness.html", include_str!("harness.html"));
    let shown = show(world, "harness.html", flags)?;
    assert_eq!(shown.console, Vec::<String>::new());
    let told = shown.page.split_once("<pre id=\"told\">").unwrap().1.split_once("</pre>").unwrap().0;
    Some(serde_json::from_str(&told.replace("&gt;", ">").replace("&lt;", "<").replace("&amp;", "&")).unwrap())
}

fn sorted(value: &Value, descending: bool) -> bool {
    let numbers: Vec<f64> = value.as_array().unwrap().iter().map(|value| value.as_f64().unwrap()).collect();
    numbers.windows(2).all(|pair| if descending { pair[0] >= pair[1] } else { pair[0] <= pair[1] })
}

#[test]
fn tables_sort_and_a_search_finds() {
    let world = built();
    assert_eq!(world.layr(&["report"]).succeeded().stdout, "layr-report.html\n");
    let Some(told) = used(&world, &[]) else { return };
    assert!(sorted(&told["atFirst"], true), "{told}");
    assert_eq!(told["byName"], json!(["cli", "limma", "own1", "xml2"]));
    assert_eq!(told["nameSort"], "ascending");
    assert_eq!(told["byNameBackwards"], json!(["xml2", "own1", "limma", "cli"]));
    assert!(sorted(&told["byNeeds"], true), "{told}");
    assert_eq!(told["sorted"], json!(["With needs"]));
    assert_eq!(told["found"], json!(["cli"]), "both words, in whichever case");
    assert_eq!(told["output"], "1 of 4 packages");
    assert_eq!((&told["nothing"], &told["afterwards"]), (&json!([]), &json!(4)));
    assert_eq!((&told["unreachable"], &told["hasFocus"]), (&json!(0), &json!(true)));
    assert_eq!(told["lost"], json!([]), "links that lead nowhere");
    assert_eq!(told["areas"], 5, "four packages and a library");
}

#[test]
fn a_page_without_scripts_says_the_same() {
    let world = built();
    world.layr(&["report"]).succeeded();
    let page = world.read("project/layr-report.html");
    let (before, script) = page.split_once("<script>").unwrap();
    let (_, after) = script.split_once("</script>").unwrap();
    world.write("project/plain.html", format!("{before}{after}"));
    let Some(shown) = show(&world, "plain.html", &[]) else { return };
    for text in ["limma", "own1 → xml2 → cli", "MIT + file LICENSE", "<th scope=\"col\">Package</th>"] {
        assert!(shown.page.contains(text), "{text}");
    }
    assert!(shown.page.contains("<p id=\"search\" hidden"), "a search that cannot search is not shown");
}

#[test]
fn a_page_is_light_or_dark_as_its_reader_has_it() {
    let world = built();
    world.layr(&["report"]).succeeded();
    let colours = |scheme: u8| {
        let told = used(&world, &[&format!("--blink-settings=preferredColorScheme={scheme}")])?;
        Some((told["background"].clone(), told["ink"].clone()))
    };
    let (Some(dark), Some(light)) = (colours(0), colours(1)) else { return };
    assert_eq!(light, (json!("rgb(255, 255, 255)"), json!("rgb(27, 31, 36)")));
    assert_eq!(dark, (json!("rgb(20, 23, 27)"), json!("rgb(230, 232, 235)")));
}

/// That no complaint is found says something only where complaints are.
#[test]
fn a_script_that_is_not_the_page_s_own_does_not_run() {
    let world = built();
    world.layr(&["report"]).succeeded();
    let page = world.read("project/layr-report.html");
    let foreign = page.replace("</main>", "<script>document.title = 'taken over'</script></main>");
    world.write("project/layr-report.html", foreign);
    let Some(shown) = show(&world, "layr-report.html", &[]) else { return };
    assert!(shown.page.contains("<title>layr report: dist</title>"), "{}", shown.page);
    assert!(shown.console.iter().any(|line| line.contains("Content Security Policy")), "{:?}", shown.console);
}

#[test]
fn a_thousand_packages_are_no_different() {
    let world = World::new();
    world.write("project/dist/layers.json", manifest(1000));
    world.layr(&["report"]).succeeded();
    let page = world.read("project/layr-report.html");
    assert!(page.len() < 2 << 20, "{} bytes", page.len());
    world.layr(&["report", "--out", "again.html"]).succeeded();
    assert_eq!(world.read("project/again.html"), page);
    let Some(told) = used(&world, &[]) else { return };
    assert_eq!((&told["rows"], &told["areas"]), (&json!(1000), &json!(1000)));
    let mut names: Vec<String> = (0..1000).map(|n| format!("pkg{n:04}")).collect();
    assert_eq!(told["byName"], json!(names));
    names.reverse();
    assert_eq!(told["byNameBackwards"], json!(names));
    assert!(sorted(&told["atFirst"], true) && sorted(&told["byNeeds"], true));
    assert_eq!(told["lost"], json!([]));
}

/// Packages that need up to three of those before them, in four layers.
pub(crate) fn manifest(n_packages: usize) -> String {
    let licences = ["MIT + file LICENSE", "GPL-2 | GPL-3", "Apache License (>= 2)"];
    let digest =
        |text: &str| format!("{:0>64}", text.bytes().map(|byte| format!("{byte:02x}")).collect::<String>());
    let layer = |n: usize| format!("layr-r4-5-x86-64-{n:016}");
    let packages: Vec<Value> = (0..n_packages)
        .map(|n| {
            let name = format!("pkg{n:04}");
            let needs: Vec<String> = [n / 2, n / 3, n * 7 / 11]
                .iter()
                .filter(|at| **at < n)
                .map(|at| format!("pkg{at:04} 1.0"))
                .collect();
            let mut needs = needs;
            needs.sort();
            needs.dedup();
            json!({
                "name": name, "version": "1.0", "layer": layer(n % 4), "tree": digest(&name),
                "unzipped_bytes": 10_000 + n * n % 90_001, "source_sha256": digest(&name),
                "source_url": format!("https://cloud.r-project.org/src/contrib/{name}_1.0.tar.gz"),
                "license": licences[n % 3],
                "dependencies": needs,
            })
        })
        .collect();
    let layers: Vec<Value> = (0..4)
        .map(|n| {
            let digest = digest(&layer(n)[1..]);
            json!({
                "name": layer(n), "digest": digest, "zip": format!("{}.zip", layer(n)), "zip_sha256": digest,
                "zip_bytes": 5_000_000, "unzipped_bytes": 12_000_000, "packages": [],
            })
        })
        .collect();
    let manifest = json!({
        "schema": 1, "r": "4.5.0", "arch": "x86_64", "target": "al2023",
        "base": { "recipe": "al2023", "digest": digest("base") },
        "functions": [{
            "name": "all", "lockfile": "renv.lock", "layers": (0..4).map(layer).collect::<Vec<_>>(),
            "code_bytes": 0, "unzipped_bytes": 48_000_000, "packages": packages,
        }],
        "layers": layers,
    });
    manifest.to_string()
}
