//! Rules about the source itself, run with the other tests.

use std::fs;
use std::path::{Path, PathBuf};

use crate::imports::crate_paths;

/// Which module may use which. A new edge is a design decision: it is made here, and
/// ARCHITECTURE.md says why.
const MAY_USE: &[(&str, &[&str])] = &[
    ("model", &[]),
    ("sys", &["model"]),
    ("report", &["model"]),
    ("hashes", &["model"]),
    ("lockfile", &["model", "hashes"]),
    ("resolve", &["model", "lockfile"]),
    ("store", &["model", "sys"]),
    ("remote", &["model", "sys", "report", "store"]),
    ("elf", &["model"]),
    ("rdata", &[]),
    ("compare", &["elf", "rdata"]),
    ("provenance", &["manifest"]),
    ("audit", &["model", "sys", "lockfile", "resolve", "store", "config", "inventory", "rdata"]),
    ("loading", &["model", "sys", "store", "engine", "target"]),
    ("target", &["model", "sys", "store", "elf"]),
    ("finish", &["model", "sys", "report", "store", "target"]),
    ("engine", &["sys"]),
    ("fetch", &["model", "sys", "report", "resolve", "store"]),
    ("requirements", &[]),
    ("base", &["model", "sys", "report", "store", "engine", "target", "requirements"]),
    (
        "build",
        &["model", "sys", "report", "resolve", "fetch", "store", "remote", "base", "engine", "requirements"],
    ),
    ("runtime", &["model", "sys", "store", "engine", "target"]),
    ("plan", &["model"]),
    ("pack", &["model", "sys", "report", "plan", "store"]),
    ("emit", &["model", "manifest"]),
    ("cost", &["model"]),
    ("inventory", &["model", "sys", "lockfile", "layr_lock", "manifest"]),
    ("diff", &["model", "inventory"]),
    ("sbom", &["model", "sys", "inventory", "audit"]),
    ("page", &["model", "sys", "inventory", "audit", "diff"]),
    ("image", &["model", "sys", "store", "engine"]),
    ("publish", &["model", "sys", "report", "manifest"]),
    ("config", &["model"]),
    ("layr_lock", &["model"]),
    ("manifest", &["model"]),
    (
        "error",
        &[
            "model",
            "sys",
            "hashes",
            "lockfile",
            "resolve",
            "fetch",
            "build",
            "store",
            "remote",
            "plan",
            "pack",
            "publish",
            "emit",
            "image",
            "inventory",
            "audit",
            "base",
            "engine",
            "target",
            "finish",
            "loading",
            "runtime",
            "config",
            "layr_lock",
            "manifest",
        ],
    ),
    (
        "pipeline",
        &[
            "model",
            "sys",
            "report",
            "hashes",
            "lockfile",
            "resolve",
            "fetch",
            "build",
            "store",
            "remote",
            "plan",
            "pack",
            "base",
            "engine",
            "target",
            "finish",
            "loading",
            "runtime",
            "compare",
            "provenance",
            "audit",
            "inventory",
            "layr_lock",
            "manifest",
            "requirements",
            "error",
        ],
    ),
];

/// Who alone may speak of a vendor's crate.
const VENDORS: &[(&str, &[&str])] = &[
    ("reqwest", &["src/fetch/http.rs", "src/remote/http.rs"]),
    ("tokio", &["src/fetch/http.rs", "src/remote/", "src/runtime/local/http.rs", "src/publish/aws/"]),
    ("hyper", &["src/runtime/local/http.rs"]),
    ("uuid", &["src/runtime/local/", "src/sbom/", "src/remote/grpc/", "src/remote/notes.rs"]),
    (
        "jiff",
        &["src/runtime/local/", "src/audit/", "src/cli/audit/", "src/cli/sbom.rs", "src/cli/advisories.rs"],
    ),
    ("packageurl", &["src/sbom/purl.rs"]),
    ("maud", &["src/page/"]),
    ("tonic", &["src/remote/grpc.rs", "src/remote/grpc/"]),
    ("bazel_remote_apis", &["src/remote/"]),
    ("aws_lc_rs", &["src/remote/signature.rs"]),
    ("zstd::", &["src/remote/grpc.rs", "src/remote/grpc/", "src/rdata/unpack.rs"]),
    (
        "base64",
        &["src/runtime/local/", "src/fetch/credentials.rs", "src/model/digest.rs", "src/remote/signature.rs"],
    ),
    ("form_urlencoded", &["src/runtime/local/url.rs"]),
    ("aws_config", &["src/publish/aws/", "src/remote/s3.rs"]),
    ("aws_sdk_lambda", &["src/publish/aws/"]),
    ("aws_sdk_s3", &["src/publish/aws/", "src/remote/s3.rs"]),
    ("aws_sdk_sts", &["src/publish/aws/"]),
    ("clap", &["src/cli/"]),
    ("ctrlc", &["src/cli/"]),
    ("indicatif", &["src/report/terminal.rs"]),
    ("microlp", &["src/plan/bound/"]),
    ("prost", &["src/store/", "src/remote/"]),
    ("ZipArchive", &["src/fetch/zip.rs", "src/inventory/", "src/audit/import.rs", "src/loading/unpack.rs"]),
    ("tar::", &["src/base/", "src/fetch/", "src/image/"]),
    (
        "flate2",
        &[
            "src/pack/chunks.rs",
            "src/fetch/",
            "src/compare/mod.rs",
            "src/image/layout.rs",
            "src/rdata/unpack.rs",
        ],
    ),
    ("bzip2::", &["src/rdata/unpack.rs"]),
    ("lzma_rust2", &["src/rdata/unpack.rs"]),
    ("yaml_serde", &["src/audit/osv.rs"]),
    ("cvss", &["src/audit/osv.rs"]),
    ("spdx::", &["src/audit/licence.rs", "src/audit/policy.rs"]),
    (
        "toml::",
        &[
            "src/config.rs",
            "src/layr_lock.rs",
            "src/lockfile/",
            "src/target/policy.rs",
            "src/finish/profile.rs",
        ],
    ),
    ("object::", &["src/elf/"]),
    ("rustix", &["src/sys/", "src/build/tokens.rs"]),
];

/// Files that only turn values into values.
const PURE: &[&str] = &[
    "src/model/",
    "src/hashes/",
    "src/lockfile/",
    "src/resolve/",
    "src/audit/",
    "src/config.rs",
    "src/config/",
    "src/diff/",
    "src/sbom/",
    "src/page/",
    "src/inventory/locked.rs",
    "src/inventory/manifest.rs",
    "src/inventory/origin.rs",
    "src/layr_lock.rs",
    "src/manifest.rs",
    "src/base/recipe.rs",
    "src/build/diagnosis.rs",
    "src/build/key.rs",
    "src/build/precompile.rs",
    "src/build/recipe.rs",
    "src/build/schedule.rs",
    "src/compare/",
    "src/rdata/",
    "src/elf/edit.rs",
    "src/elf/mod.rs",
    "src/elf/read.rs",
    "src/elf/sections.rs",
    "src/elf/symbols.rs",
    "src/fetch/credentials.rs",
    "src/fetch/headers.rs",
    "src/fetch/netrc.rs",
    "src/fetch/pace.rs",
    "src/fetch/policy.rs",
    "src/finish/profile.rs",
    "src/fetch/resume.rs",
    "src/fetch/sniff.rs",
    "src/fetch/url.rs",
    "src/plan/",
    "src/provenance.rs",
    "src/remote/address.rs",
    "src/remote/claim.rs",
    "src/remote/note.rs",
    "src/build/awaited.rs",
    "src/remote/grpc/packed.rs",
    "src/requirements/",
    "src/runtime/local/failure.rs",
    "src/runtime/local/report.rs",
    "src/runtime/local/url.rs",
    "src/runtime/samples.rs",
    "src/runtime/select.rs",
    "src/cost/",
    "src/emit/",
    "src/publish/policy.rs",
    "src/publish/advice.rs",
    "src/publish/describe.rs",
    "src/publish/grant.rs",
    "src/store/tree.rs",
    "src/target/policy.rs",
];

/// Files among them that do more: they read and keep, or say what went wrong with that.
const NOT_PURE: &[&str] = &["src/audit/error.rs", "src/audit/import.rs", "src/audit/stored.rs"];

const IMPURE: &[&str] = &[
    "sys::fs",
    "sys::process",
    "std::fs",
    "std::env::",
    "std::process",
    "std::net",
    "SystemTime",
    "Instant::now",
    "println!",
];

const MAX_LINES: usize = 400;

#[test]
fn modules_use_only_what_they_may() {
    for (module, allowed) in MAY_USE {
        let files = files_of(module);
        assert!(!files.is_empty(), "no file of module {module}");
        for (path, text) in files {
            for used in crate_paths(&text) {
                let fine = used == *module || allowed.contains(&used.as_str());
                assert!(fine, "{path}: `{module}` must not use `crate::{used}`");
            }
        }
    }
}

#[test]
fn every_module_has_its_row_in_the_table() {
    let listed = |module: &String| module == "cli" || MAY_USE.iter().any(|(name, _)| name == module);
    let lib = fs::read_to_string(root().join("src/lib.rs")).unwrap();
    let modules = lib.lines().filter_map(|line| line.strip_prefix("pub mod ")?.strip_suffix(';'));
    for module in modules.map(str::to_owned) {
        assert!(listed(&module), "`{module}` is not in MAY_USE");
    }
}

#[test]
fn a_vendor_s_crate_is_spoken_of_in_one_place() {
    for (vendor, places) in VENDORS {
        for (path, text) in sources("src") {
            let used = without_tests(&text).lines().any(|line| !is_comment(line) && has_word(line, vendor));
            let allowed = places.iter().any(|place| path.starts_with(place));
            assert!(!used || allowed, "{path} speaks of `{vendor}`, which is for {places:?} alone");
        }
    }
}

#[test]
fn pure_files_do_nothing_but_compute() {
    for (path, text) in sources("src") {
        if PURE.iter().any(|place| path.starts_with(place)) && !NOT_PURE.contains(&path.as_str()) {
            for word in IMPURE {
                let used = without_tests(&text).lines().any(|line| !is_comment(line) && line.contains(word));
                assert!(!used, "{path} is pure, and must not use `{word}`");
            }
        }
    }
}

#[test]
fn no_file_is_longer_than_a_few_screens() {
    for (path, text) in everything() {
        let n_lines = text.lines().count();
        assert!(n_lines <= MAX_LINES, "{path} has {n_lines} lines, and wants to be two files");
    }
}

#[test]
fn every_file_says_first_what_it_is() {
    for (path, text) in everything() {
        assert!(text.starts_with("//! "), "{path} has no head");
    }
}

#[test]
fn nothing_is_left_to_do_without_an_issue() {
    // In two parts, so that this file has none.
    let marks = [["TO", "DO"], ["FIX", "ME"], ["XX", "X"], ["todo", "!"], ["unimplemented", "!"]];
    for (path, text) in everything() {
        let words: Vec<&str> = text.split(|c: char| !c.is_alphanumeric() && c != '_' && c != '!').collect();
        for mark in marks.map(|mark| mark.concat()) {
            assert!(!words.contains(&mark.as_str()), "{path} has something left to do: {mark}");
        }
    }
}

#[test]
fn the_version_has_a_heading_in_the_changelog() {
    let changelog = fs::read_to_string(root().join("CHANGELOG.md")).unwrap();
    assert!(changelog.contains(&format!("## [{}]", env!("CARGO_PKG_VERSION"))));
}

#[test]
fn the_readme_names_both_commands() {
    let readme = fs::read_to_string(root().join("README.md")).unwrap();
    for command in ["cargo xtask demo", "cargo xtask test"] {
        assert!(readme.contains(command), "{command}");
    }
}

fn has_word(line: &str, word: &str) -> bool {
    line.match_indices(word).any(|(at, _)| !line[..at].ends_with(|c: char| c.is_alphanumeric() || c == '_'))
}

fn is_comment(line: &str) -> bool {
    line.trim_start().starts_with("//")
}

/// Tests may do what the code that they test may not.
fn without_tests(text: &str) -> &str {
    text.split("#[cfg(test)]\n").next().unwrap_or(text)
}

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// A module's files: `src/name.rs`, or all below `src/name/`.
fn files_of(module: &str) -> Vec<(String, String)> {
    let (file, folder) = (format!("src/{module}.rs"), format!("src/{module}/"));
    sources("src").into_iter().filter(|(path, _)| *path == file || path.starts_with(&folder)).collect()
}

/// All Rust files of the workspace.
fn everything() -> Vec<(String, String)> {
    ["src", "tests", "xtask", "bootstrap", "benches"].into_iter().flat_map(sources).collect()
}

/// Paths from the root, and texts, of all Rust files below a folder.
fn sources(folder: &str) -> Vec<(String, String)> {
    let mut left: Vec<PathBuf> = vec![root().join(folder)];
    let mut found = Vec::new();
    while let Some(path) = left.pop() {
        if path.is_dir() {
            left.extend(fs::read_dir(&path).unwrap().map(|entry| entry.unwrap().path()));
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            let name = path.strip_prefix(root()).unwrap().to_string_lossy().into_owned();
            found.push((name, fs::read_to_string(&path).unwrap()));
        }
    }
    found.sort();
    found
}
