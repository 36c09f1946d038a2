//! What packages are said to do, held against files that R writes and packages that people
//! use; and advisories that a fuzzer changes.

use std::collections::BTreeMap;
use std::fs;

use flate2::read::GzDecoder;
use layr::audit::Scan;
use layr::model::Description;

use crate::advisories::{Dice, records};
use crate::against_r::r;
use crate::world::repository;

/// Serialized by R itself, as hexadecimal digits.
const SERIALIZE: &str = r#"
setClass("Point", representation(x = "numeric"))
promise <- new.env()
delayedAssign("p", stop("run"), assign.env = promise)
values <- list(
  "data" = list(a = 1:3, b = "x", c = factor("u"), d = as.Date("2026-01-01"), e = NULL, f = NA_character_),
  "data" = mtcars,
  "data" = 1:10,
  "data" = y ~ x,
  "data" = quote(f(x, g = 1)),
  "data" = expression(a + b),
  "data" = new.env(),
  "data" = new("Point", x = 1),
  "data" = c(as.raw(1:3)),
  "data" = complex(real = 1, imaginary = 2),
  "data" = lm(mpg ~ wt, mtcars),
  "data" = sum,
  "holds functions" = function(x) x + 1,
  "holds functions" = list(1, compiler::cmpfun(function(x) x)),
  "holds functions" = mean,
  "holds functions" = compiler::cmpfun(function(x) { for (i in 1:9) x <- switch(i, a = x, b = f(x, y = i)); function() x }),
  "holds functions" = compiler::compile(quote(f(g(1), f(g(1))))),
  "holds a promise" = promise,
  "holds a promise" = list(function(x) x + 1, promise),
  "holds a promise" = list(compiler::cmpfun(function(x) { repeat x <- f(x, g(x), g(x)) }), promise)
)
for (version in 2:3) for (at in seq_along(values)) {
  bytes <- serialize(values[[at]], NULL, version = version)
  cat(names(values)[at], " ", paste(bytes, collapse = ""), "\n", sep = "")
}
"#;

/// The same in files, whichever way R can write and compress them.
const WRITE: &str = r#"
file <- tempfile()
told <- function(name) cat(name, " ", paste(readBin(file, "raw", 1e6), collapse = ""), "\n", sep = "")
for (code in c(TRUE, FALSE)) {
  name <- if (code) "holds functions" else "data"
  value <- list(mtcars, "a b\n\u00e4", c(1L, NA), 1i, NA_character_, raw(3), if (code) compiler::cmpfun(function(x) x + 1))
  for (compress in list(FALSE, "gzip", "bzip2", "xz")) {
    saveRDS(value, file, compress = compress); told(name)
    save(value, name, file = file, compress = compress); told(name)
  }
  saveRDS(value, file, ascii = TRUE); told(name)
  save(value, file = file, ascii = TRUE); told(name)
  con <- file(file, "wb"); serialize(value, con, xdr = FALSE); close(con); told(name)
}
"#;

/// Databases of lazy loading, by each compressor: the objects, and behind a space the index.
const LAZY: &str = r#"
hex <- function(file) paste(readBin(file, "raw", 1e6), collapse = "")
for (compress in 0:3) for (name in c("data", "holds functions", "holds a promise")) {
  values <- new.env()
  values$d <- mtcars
  values$long <- rep(letters, 2000)
  if (name != "data") values$f <- compiler::cmpfun(function(x) x + 1)
  if (name == "holds a promise") {
    values$e <- new.env()
    delayedAssign("p", stop("run"), assign.env = values$e)
  }
  base <- tempfile()
  tools:::makeLazyLoadDB(values, base, compress = compress)
  cat(name, hex(paste0(base, ".rdb")), hex(paste0(base, ".rdx")), "\n", sep = "|")
}
"#;

fn said_of(path: &str, bytes: &[u8]) -> String {
    let mut scan = Scan::default();
    scan.file(path, bytes);
    scan.finish().iter().map(ToString::to_string).collect::<Vec<_>>().join("; ")
}

#[test]
fn files_that_r_writes_are_told_by_whether_they_hold_code() {
    let Some(said) = r(SERIALIZE, &BTreeMap::new()) else { return };
    assert_eq!(said.lines().count(), 40);
    for line in said.lines() {
        let (expected, hexadecimal) = line.rsplit_once(' ').unwrap();
        let bytes = hex::decode(hexadecimal).unwrap();
        let said = said_of("data/x.rds", &bytes);
        if expected == "data" {
            assert_eq!(said, "", "{}", &hexadecimal[..60.min(hexadecimal.len())]);
        } else {
            assert!(said.contains(expected), "{said:?} is not {expected}");
        }
    }
}

#[test]
fn files_are_read_whichever_way_r_wrote_them() {
    let Some(said) = r(WRITE, &BTreeMap::new()) else { return };
    assert_eq!(said.lines().count(), 22);
    for line in said.lines() {
        let (expected, hexadecimal) = line.rsplit_once(' ').unwrap();
        let said = said_of("data/x.rda", &hex::decode(hexadecimal).unwrap());
        let expected = if expected == "data" { "" } else { "`data/x.rda` holds functions" };
        assert_eq!(said, expected, "{}", &hexadecimal[..60.min(hexadecimal.len())]);
    }
}

#[test]
fn databases_of_lazy_loading_are_looked_into_object_by_object() {
    let Some(said) = r(LAZY, &BTreeMap::new()) else { return };
    assert_eq!(said.lines().count(), 12);
    for line in said.lines() {
        let [expected, objects, index] = line.split('|').collect::<Vec<_>>()[..3] else { panic!("{line}") };
        let (objects, index) = (hex::decode(objects).unwrap(), hex::decode(index).unwrap());
        let said_of = |files: &[(&str, &[u8])]| {
            let mut scan = Scan::default();
            for (path, bytes) in files {
                scan.file(path, bytes);
            }
            scan.finish().iter().map(ToString::to_string).collect::<Vec<_>>().join("; ")
        };
        let said = said_of(&[("data/Rdata.rdb", &objects), ("data/Rdata.rdx", &index)]);
        let part = if expected == "data" { "" } else { expected };
        assert!(said.contains(part) && said.is_empty() == part.is_empty(), "{said:?} is not {expected}");
        let alone = said_of(&[("data/Rdata.rdb", &objects)]);
        assert!(alone.contains("was not looked into: it has no index beside it"), "{alone}");
        let mut damaged = objects.clone();
        let middle = damaged.len() / 2;
        damaged[middle..].fill(0x55);
        let said = said_of(&[("data/Rdata.rdx", &index), ("data/Rdata.rdb", &damaged)]);
        assert!(!said.is_empty(), "half of it is no data");
    }
}

#[test]
fn real_packages_have_code_to_compile_where_they_say_so() {
    let Some(repository) = repository() else { return };
    let mut n_compiled = 0;
    for entry in fs::read_dir(repository.join("src/contrib")).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        let Some((package, _)) = name.split_once('_') else { continue };
        let (mut scan, mut description, mut has_sources) = (Scan::default(), None, false);
        let mut archive = tar::Archive::new(GzDecoder::new(fs::File::open(&path).unwrap()));
        for entry in archive.entries().unwrap() {
            let mut entry = entry.unwrap();
            let inside = entry.path().unwrap().to_string_lossy().into_owned();
            let Some(inside) = inside.strip_prefix(&format!("{package}/")).map(str::to_owned) else {
                continue;
            };
            let mut bytes = Vec::new();
            std::io::Read::read_to_end(&mut entry, &mut bytes).unwrap();
            if inside == "DESCRIPTION" {
                description = Description::parse(&String::from_utf8_lossy(&bytes)).ok();
            }
            has_sources |= inside.starts_with("src/");
            scan.file(&inside, &bytes);
        }
        let is_compiled = scan.finish().iter().any(|found| found.what.ends_with("to compile"));
        // Some say so and have no `src`.
        let says_so = description.unwrap().needs_compilation && has_sources;
        assert_eq!(is_compiled, says_so, "{package}");
        n_compiled += usize::from(is_compiled);
    }
    assert!(n_compiled > 10, "{n_compiled} packages");
}

/// Bytes of the fourteen records, with some replaced.
#[test]
fn no_record_ends_in_a_panic_and_none_is_lost() {
    let mut dice = Dice(11);
    let folder = tempfile::tempdir().unwrap();
    let originals: Vec<Vec<u8>> = ["png/RSEC-2026-1", "jsonlite/RSEC-2023-3", "gdata/RSEC-2023-9"]
        .iter()
        .map(|name| fs::read(format!("{}/vulns/{name}.yaml", records())).unwrap())
        .collect();
    let n_records = 600;
    for at in 0..n_records {
        let mut bytes = originals[at % originals.len()].clone();
        for _ in 0..=dice.below(4) {
            let place = dice.below(bytes.len());
            let what = [b'"', b':', b'\n', b'-', b'&', b'*', b'{', b'0', 0xff, 0];
            bytes[place] = what[dice.below(what.len())];
        }
        fs::write(folder.path().join(format!("RSEC-{at}.yaml")), bytes).unwrap();
    }
    let database = layr::audit::read(folder.path()).unwrap();
    let origin = database.origins().next().unwrap();
    let n_skipped = origin.skipped.len();
    assert_eq!(origin.n_records, n_records);
    assert!(n_skipped > 50 && n_skipped < n_records - 50, "{n_skipped} of {n_records} are of no use");
}
