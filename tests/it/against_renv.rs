//! `renv::restore()` and `layr build` on one lockfile: the same packages, the same files but
//! for those that are left out on purpose, and examples that run with both.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

use xtask::dcf;
use xtask::sandbox::{self, Network};

use crate::world::{World, base, renv_lock, repository, zips};

/// Real packages, some with C code, and all that they need.
const PACKAGES: [&str; 4] = ["R6", "glue", "mime", "withr"];

/// By its package and path in a library: the bytes.
type Library = BTreeMap<String, Vec<u8>>;

const RESTORE: &str = r#"
words <- commandArgs(trailingOnly = TRUE)
dir.create("/work/renv")
install.packages("renv", lib = "/work/renv", repos = c(CRAN = words[1]), quiet = TRUE)
loadNamespace("renv", lib.loc = "/work/renv")
renv::restore(project = "/work/project", lockfile = "/work/project/renv.lock", library = "/work/library",
              repos = c(CRAN = words[1]), prompt = FALSE)
"#;

/// Libraries of the base that the target lacks.
const VENDORED: &str = ".libs/";

/// Of one page's examples.
const SECONDS: &str = "60";

fn restored(world: &World, base: &Path) -> Library {
    let work = world.path("work");
    for folder in ["project", "library"] {
        fs::create_dir_all(work.join(folder)).unwrap();
    }
    fs::copy(world.path("project/renv.lock"), work.join("project/renv.lock")).unwrap();
    let mut command = sandbox::command(&base.join("rootfs"), Network::Host).unwrap();
    command.arg("--bind").arg(&work).arg("/work");
    // Its cache would leave links; its mirror of binaries is not to be had here.
    for (name, value) in [
        ("R_LIBS", "/work/library"),
        ("RENV_PATHS_ROOT", "/work/root"),
        ("RENV_CONFIG_CACHE_ENABLED", "FALSE"),
        ("RENV_CONFIG_PPM_ENABLED", "FALSE"),
    ] {
        sandbox::set(&mut command, name, value);
    }
    let output = command.args(["Rscript", "--vanilla", "-e", RESTORE, &world.server.url()]).output().unwrap();
    assert!(output.status.success(), "{output:?}");
    let mut library = Library::new();
    list(&work.join("library"), "", &mut library);
    library.retain(|path, _| !path.starts_with('.'));
    library
}

fn list(folder: &Path, place: &str, library: &mut Library) {
    for entry in fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()) {
        let path = format!("{place}{}", entry.file_name().unwrap().to_string_lossy());
        if entry.is_dir() {
            list(&entry, &format!("{path}/"), library);
        } else {
            library.insert(path, fs::read(&entry).unwrap());
        }
    }
}

/// What is built is put below `work/ours` too.
fn built(world: &World, base: &Path) -> Library {
    world.layr(&["build", "--base", base.to_str().unwrap(), "--engine", "bwrap"]).succeeded();
    let mut library = Library::new();
    for (_, zip) in zips(&world.path("project/dist")) {
        let mut archive = zip::ZipArchive::new(std::io::Cursor::new(zip)).unwrap();
        for at in 0..archive.len() {
            let mut entry = archive.by_index(at).unwrap();
            let Some(path) = entry.name().unwrap().strip_prefix("R/library/").map(str::to_owned) else {
                continue;
            };
            if entry.is_file() {
                let mut bytes = Vec::new();
                std::io::Read::read_to_end(&mut entry, &mut bytes).unwrap();
                world.write(&format!("work/ours/{path}"), &bytes);
                if !path.starts_with(VENDORED) {
                    library.insert(path, bytes);
                }
            }
        }
    }
    library
}

/// How each page's examples end with the packages of a library, by package and page.
fn examples(world: &World, base: &Path, library: &str) -> BTreeMap<String, String> {
    world.write("work/examples.R", include_str!("examples.R"));
    let mut command = sandbox::command(&base.join("rootfs"), Network::None).unwrap();
    command.arg("--bind").arg(world.path("work")).arg("/work");
    let library = format!("/work/{library}");
    let words = ["--vanilla", "/work/examples.R", "/work/library", &library, SECONDS];
    let output = command.arg("Rscript").args(words).output().unwrap();
    assert!(output.status.success(), "{output:?}");
    let lines = String::from_utf8(output.stdout).unwrap();
    let page = |line: &str| {
        let (ended, page) = line.strip_prefix("page\t")?.split_once('\t')?;
        Some((page.to_owned(), ended.to_owned()))
    };
    lines.lines().filter_map(page).collect()
}

type Record = BTreeMap<String, String>;

/// The DESCRIPTIONs of a library's packages.
fn descriptions(library: &Library) -> Vec<Record> {
    let descriptions = library.iter().filter(|(path, _)| path.ends_with("/DESCRIPTION"));
    let installed = descriptions.filter(|(path, _)| path.matches('/').count() == 1);
    installed.map(|(_, bytes)| dcf::records(&dcf::decode(bytes)).remove(0)).collect()
}

/// Packages with their versions.
fn versions(descriptions: &[Record]) -> BTreeMap<String, String> {
    descriptions.iter().map(|record| (record["Package"].clone(), record["Version"].clone())).collect()
}

/// Whether a package is there for the headers of others alone, so that nothing needs it at
/// run time.
fn is_only_linked_to(name: &str, descriptions: &[Record]) -> bool {
    let names = |record: &Record, fields: &[&str]| {
        let fields = fields.iter().filter_map(|field| record.get(*field));
        let mut all =
            fields.flat_map(|text| text.split(',')).map(|part| part.split('(').next().unwrap().trim());
        all.any(|part| part == name)
    };
    descriptions.iter().any(|record| names(record, &["LinkingTo"]))
        && !descriptions.iter().any(|record| names(record, &["Depends", "Imports"]))
}

/// What of an installed package only readers need: see docs/slim.md.
fn is_left_out(path: &str) -> bool {
    let below = path.split_once('/').unwrap().1;
    let folders = ["help/", "html/", "doc/", "demo/", "tests/", "tinytest/", "unitTests/", "include/"];
    let indexes = ["Rd", "demo", "hsearch", "links", "vignette"].map(|name| format!("Meta/{name}.rds"));
    let read = |name: &str| {
        ["changelog", "news", "readme", "todo"].contains(&name.to_lowercase().split('.').next().unwrap())
    };
    folders.iter().any(|folder| below.starts_with(folder))
        || indexes.iter().any(|index| index == below)
        || read(below)
}

/// Files that hold a time, a path, debug information or what the compiler was told of it where
/// renv installs them.
fn may_differ(path: &str) -> bool {
    let below = path.split_once('/').unwrap().1;
    below == "DESCRIPTION"
        || below == "Meta/package.rds"
        || below.starts_with("R/")
        || below.starts_with("libs/")
        || path == "data.table/cc"
}

/// What is installed: a few packages, or those of the lockfile that `RENV_LOCKFILE` names.
fn lockfile() -> String {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    if let Ok(path) = std::env::var("RENV_LOCKFILE") {
        return fs::read_to_string(root.join(path)).unwrap();
    }
    let locked = fs::read_to_string(root.join("lockfiles/demo.lock")).unwrap();
    let locked: serde_json::Value = serde_json::from_str(&locked).unwrap();
    let version = |name: &&str| format!("{name} {}", locked["Packages"][name]["Version"].as_str().unwrap());
    let packages: Vec<String> = PACKAGES.iter().map(version).collect();
    renv_lock("4.5.0", &packages.iter().map(String::as_str).collect::<Vec<_>>())
}

#[test]
fn renv_and_layr_install_the_same_but_for_what_is_left_out_on_purpose_and_examples_run() {
    let (Some(base), Some(repository)) = (base(), repository()) else { return };
    let world = World::with_repository(&repository);
    world.write("project/renv.lock", lockfile());
    let (mut theirs, ours) = (restored(&world, &base), built(&world, &base));
    let installed = descriptions(&theirs);
    let is_shipped = |package: &str| !is_only_linked_to(package, &installed);
    theirs.retain(|path, _| is_shipped(path.split('/').next().unwrap()));
    assert_eq!(versions(&descriptions(&ours)), versions(&descriptions(&theirs)));
    assert!(ours.len() > PACKAGES.len());
    let (paths_of_ours, paths_of_theirs): (BTreeSet<_>, BTreeSet<_>) =
        (ours.keys().collect(), theirs.keys().collect());
    let only_ours: Vec<_> = paths_of_ours.difference(&paths_of_theirs).collect();
    let missing: Vec<_> =
        paths_of_theirs.difference(&paths_of_ours).filter(|path| !is_left_out(path)).collect();
    let differing: Vec<_> = ours
        .iter()
        .filter(|(path, bytes)| theirs.get(*path).is_some_and(|other| other != *bytes) && !may_differ(path))
        .map(|(path, _)| path)
        .collect();
    let (with_theirs, with_ours) = (examples(&world, &base, "library"), examples(&world, &base, "ours"));
    let ran = with_theirs
        .iter()
        .filter(|(page, ended)| is_shipped(page.split('\t').next().unwrap()) && *ended == "ran");
    let (same, broken): (Vec<_>, Vec<_>) = ran
        .map(|(page, _)| (page, with_ours.get(page)))
        .partition(|(_, ended)| ended.is_some_and(|ended| ended == "ran"));
    let packages: BTreeSet<_> = same.iter().filter_map(|(page, _)| page.split('\t').next()).collect();
    eprintln!("examples of {} pages of {} packages run with both", same.len(), packages.len());
    assert!(packages.len() >= 3, "{packages:?}");
    // Together, since a whole lockfile takes half an hour.
    let all = (only_ours.len(), missing.len(), differing.len(), broken.len());
    assert_eq!(all, (0, 0, 0, 0), "{only_ours:?}\n{missing:?}\n{differing:?}\n{broken:#?}");
}
