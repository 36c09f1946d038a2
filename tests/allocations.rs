//! What readers allocate, held against the size of what they read: twice the file, twice the
//! bytes, and no more. Counted by the allocator, so it is the same on any machine.

#![expect(clippy::unwrap_used, reason = "in tests a failure is a panic")]

use std::fmt::Write;

use layr::lockfile;
use layr::model::Description;
use layr::resolve::PackageIndex;

#[global_allocator]
static COUNTING: dhat::Alloc = dhat::Alloc;

/// A reader by its name, something of `n` records for it, and the reader itself.
type Reader = (&'static str, fn(usize) -> String, fn(&str));

const READERS: [Reader; 6] = [
    ("renv.lock", renv_lock, |text| _ = lockfile::read(text.as_bytes()).unwrap()),
    ("packrat.lock", packrat_lock, |text| _ = lockfile::read(text.as_bytes()).unwrap()),
    ("renv.lock with a conflict", conflict, |text| _ = lockfile::read(text.as_bytes()).unwrap_err()),
    ("PACKAGES", index, |text| _ = PackageIndex::parse(text).unwrap()),
    ("DESCRIPTION", description, |text| _ = Description::parse(text).unwrap()),
    ("a field of many lines", long_field, |text| _ = Description::parse(text).unwrap()),
];

fn renv_lock(n: usize) -> String {
    let record = |at| {
        format!(
            r#""p{at}": {{"Package": "p{at}", "Version": "1.{at}", "Source": "Repository", "Repository": "CRAN", "Requirements": ["R", "p1"]}}"#
        )
    };
    let records: Vec<String> = (0..n).map(record).collect();
    let head = r#"{"R": {"Version": "4.5.0", "Repositories": [{"Name": "CRAN", "URL": "https://x.org"}]}"#;
    format!("{head}, \"Packages\": {{{}}}}}", records.join(",\n"))
}

fn packrat_lock(n: usize) -> String {
    let mut text =
        "PackratFormat: 1.4\nPackratVersion: 0.9.2\nRVersion: 4.5.0\nRepos: CRAN=https://x.org\n".to_owned();
    for at in 0..n {
        write!(text, "\nPackage: p{at}\nSource: CRAN\nVersion: 1.{at}\nHash: {at:032x}\nRequires: p0, p1\n")
            .unwrap();
    }
    text
}

fn conflict(n: usize) -> String {
    renv_lock(n).replacen('\n', "\n<<<<<<< HEAD\n", 1)
}

fn index(n: usize) -> String {
    (0..n)
        .map(|at| format!("Package: p{at}\nVersion: 1.{at}\nMD5sum: {at:032x}\nImports: p0,\n        p1\n\n"))
        .collect()
}

fn description(n: usize) -> String {
    let imports: Vec<String> = (0..n).map(|at| format!("p{at} (>= 1.{at})")).collect();
    format!("Package: pp\nVersion: 1.0\nImports: {}\n", imports.join(",\n    "))
}

fn long_field(n: usize) -> String {
    format!("Package: pp\nVersion: 1.0\nDescription: long\n{}", "    and longer still\n".repeat(n))
}

/// Bytes that are allocated while a text is read, given back or not.
fn allocated(read: fn(&str), text: &str) -> u64 {
    let before = dhat::HeapStats::get().total_bytes;
    read(text);
    dhat::HeapStats::get().total_bytes - before
}

#[test]
fn what_is_allocated_grows_no_faster_than_the_file() {
    let _profiler = dhat::Profiler::builder().testing().build();
    for (name, make, read) in READERS {
        let (small, large) = (make(500), make(4000));
        let growth = |large: u64, small: u64| {
            f64::from(u32::try_from(large).unwrap()) / f64::from(u32::try_from(small).unwrap())
        };
        let of_file = growth(large.len() as u64, small.len() as u64);
        let of_heap = growth(allocated(read, &large), allocated(read, &small));
        // Buffers that double may be filled to half in one case and full in the other.
        assert!(of_heap < 2.0 * of_file, "{name}: {of_file} times the file takes {of_heap} times the memory");
    }
}
