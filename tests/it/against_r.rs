//! Our readers of R's formats beside R's own, on real files, in the base's R.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Stdio;

use flate2::read::GzDecoder;
use layr::lockfile;
use layr::model::{Description, RVersion, compare_numeric, compare_version, parse_dcf};
use xtask::sandbox::{self, Network};

use crate::world::{base, repository};

/// Fields and records end with bytes that no file has.
const READ_DCF: &str = r#"
for (file in sort(list.files("files", full.names = TRUE), method = "radix")) {
  cat(basename(file), "\x1d", sep = "")
  records <- read.dcf(file)
  for (at in seq_len(nrow(records))) {
    for (field in sort(colnames(records), method = "radix")) {
      value <- records[at, field]
      if (!is.na(value)) cat(field, "\x1f", value, "\x1e", sep = "")
    }
    cat("\x1d")
  }
  cat("\x1c")
}
"#;

const DEPENDENCIES: &str = r#"
for (file in sort(list.files("files", full.names = TRUE), method = "radix")) {
  fields <- c("Package", "Depends", "Imports", "LinkingTo")
  db <- read.dcf(file, fields)
  found <- tools::package_dependencies(db[1, 1], db, fields[-1])[[1]]
  cat(db[1, 1], ": ", paste(sort(unique(found), method = "radix"), collapse = " "), "\n", sep = "")
}
"#;

/// `compareVersion`, and the operators, for each pair.
const VERSIONS: &str = r#"
pairs <- strsplit(readLines("files/pairs"), " ")
a <- vapply(pairs, `[`, "", 1)
b <- vapply(pairs, `[`, "", 2)
by_length <- mapply(compareVersion, a, b)
by_value <- (numeric_version(a) > numeric_version(b)) - (numeric_version(a) < numeric_version(b))
cat(paste(by_length, by_value), sep = "\n")
"#;

/// What a script says that runs in the base, beside a folder `files`.
pub(crate) fn r(script: &str, files: &BTreeMap<String, Vec<u8>>) -> Option<String> {
    let base = base()?;
    let rootfs = if base.join("rootfs").is_dir() { base.join("rootfs") } else { base };
    let folder = tempfile::tempdir().unwrap();
    for (name, bytes) in files {
        fs::write(folder.path().join(name), bytes).unwrap();
    }
    let mut command = sandbox::command(&rootfs, Network::None).unwrap();
    command.arg("--ro-bind").arg(folder.path()).args(["/tmp/files", "Rscript", "--vanilla", "-e", script]);
    let output = command.stdin(Stdio::null()).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    Some(String::from_utf8_lossy(&output.stdout).into_owned())
}

/// The DESCRIPTIONs of the testbed's packages in all their versions, of those that come with
/// R, and of the packages of a lockfile whose records are whole ones.
fn descriptions() -> Option<BTreeMap<String, Vec<u8>>> {
    let (base, repository) = (base()?, repository()?);
    let contrib = repository.join("src/contrib");
    let archived = files_in(&contrib.join("Archive")).into_iter().flat_map(|folder| files_in(&folder));
    let mut found = BTreeMap::new();
    for path in files_in(&contrib).into_iter().chain(archived) {
        if path.extension().is_some_and(|extension| extension == "gz") && path.is_file() {
            found.extend(in_tarball(&path));
        }
    }
    for library in ["rootfs/usr/lib/R/library", "usr/lib/R/library"] {
        for path in files_in(&base.join(library)) {
            let name = path.file_name().unwrap().to_string_lossy().into_owned();
            if let Ok(bytes) = fs::read(path.join("DESCRIPTION")) {
                found.insert(name, bytes);
            }
        }
    }
    found.extend(in_records(include_str!("../fixtures/lockfiles/rstudio__r-manuals.renv.lock")));
    assert!(found.len() >= 200, "{} DESCRIPTIONs", found.len());
    Some(found)
}

/// The package's own, and those of the packages that it tests itself with.
fn in_tarball(path: &Path) -> Vec<(String, Vec<u8>)> {
    const READ_TO_THE_END: u64 = 3 << 20;
    let name = path.file_name().unwrap().to_string_lossy().into_owned();
    if !name.contains('_') {
        return Vec::new(); // PACKAGES.gz
    }
    let is_small = path.metadata().unwrap().len() < READ_TO_THE_END;
    let mut archive = tar::Archive::new(GzDecoder::new(fs::File::open(path).unwrap()));
    let mut found = Vec::new();
    for entry in archive.entries().unwrap() {
        let mut entry = entry.unwrap();
        let inside = entry.path().unwrap().to_string_lossy().replace('/', ":");
        if inside.ends_with(":DESCRIPTION") {
            let mut bytes = Vec::new();
            std::io::Read::read_to_end(&mut entry, &mut bytes).unwrap();
            found.push((format!("{name}:{inside}"), bytes));
            if !is_small {
                break;
            }
        }
    }
    found
}

/// What renv wrote from DESCRIPTIONs, as such again.
fn in_records(lockfile: &str) -> Vec<(String, Vec<u8>)> {
    let lockfile: serde_json::Value = serde_json::from_str(lockfile).unwrap();
    let records = lockfile["Packages"].as_object().unwrap().iter();
    let text = |value: &serde_json::Value| match value.as_array() {
        Some(items) => items.iter().map(|item| item.as_str().unwrap()).collect::<Vec<_>>().join(", "),
        None => value.as_str().unwrap().replace('\n', "\n    "),
    };
    let description = |record: &serde_json::Value| {
        let fields = record.as_object().unwrap().iter();
        fields.map(|(name, value)| format!("{name}: {}\n", text(value))).collect::<String>().into_bytes()
    };
    records.map(|(name, record)| (format!("record:{name}"), description(record))).collect()
}

fn files_in(folder: &Path) -> Vec<PathBuf> {
    let Ok(entries) = fs::read_dir(folder) else { return Vec::new() };
    entries.map(|entry| entry.unwrap().path()).collect()
}

/// packrat's lockfiles, and the longest text in the form that is at hand: Debian's status.
fn other_records() -> Option<BTreeMap<String, Vec<u8>>> {
    let base = base()?;
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/lockfiles");
    let mut found: BTreeMap<String, Vec<u8>> = files_in(&folder)
        .into_iter()
        .map(|path| (path.file_name().unwrap().to_string_lossy().into_owned(), fs::read(path).unwrap()))
        .filter(|(name, bytes)| name.ends_with(".packrat.lock") && !bytes.starts_with(b"{"))
        .collect();
    for status in ["rootfs/var/lib/dpkg/status", "var/lib/dpkg/status"] {
        found.extend(fs::read(base.join(status)).map(|bytes| ("status".to_owned(), bytes)));
    }
    Some(found)
}

/// What [`READ_DCF`] says, by our reader.
fn read_by_us(files: &BTreeMap<String, Vec<u8>>) -> String {
    let mut said = String::new();
    for (name, bytes) in files {
        said.push_str(&format!("{name}\x1d"));
        for record in parse_dcf(&String::from_utf8_lossy(bytes)).unwrap() {
            let fields: BTreeMap<&str, &str> = record.fields().collect();
            for (field, value) in fields {
                write!(said, "{field}\x1f{value}\x1e").unwrap();
            }
            said.push('\x1d');
        }
        said.push('\x1c');
    }
    said
}

#[test]
fn records_are_read_as_read_dcf_reads_them() {
    let (Some(mut files), Some(others)) = (descriptions(), other_records()) else { return };
    files.extend(others);
    let n_records: usize =
        files.values().map(|bytes| parse_dcf(&String::from_utf8_lossy(bytes)).unwrap().len()).sum();
    assert!(n_records > 1000, "{n_records} records");
    let (by_r, by_us) = (r(READ_DCF, &files).unwrap(), read_by_us(&files));
    for (theirs, ours) in by_r.split('\x1c').zip(by_us.split('\x1c')) {
        for (their_record, our_record) in theirs.split('\x1d').zip(ours.split('\x1d')) {
            assert_eq!(our_record, their_record, "in {}", theirs.split('\x1d').next().unwrap());
        }
    }
    assert_eq!(by_us, by_r);
}

#[test]
fn dependencies_are_those_that_package_dependencies_finds() {
    let Some(mut files) = descriptions() else { return };
    // Some packages test themselves with what is none.
    files.retain(|_, bytes| Description::parse(&String::from_utf8_lossy(bytes)).is_ok());
    assert!(files.len() >= 200, "{} DESCRIPTIONs of packages", files.len());
    let by_us: String = files
        .values()
        .map(|bytes| {
            let description = Description::parse(&String::from_utf8_lossy(bytes)).unwrap();
            let names: BTreeSet<&str> =
                description.build_dependencies().map(|dependency| dependency.name.as_str()).collect();
            let names = names.into_iter().collect::<Vec<_>>().join(" ");
            format!("{}: {names}\n", description.id.name)
        })
        .collect();
    assert_eq!(by_us, r(DEPENDENCIES, &files).unwrap());
}

/// All versions in the lockfiles, and odd ones.
pub(crate) fn versions() -> Vec<RVersion> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/lockfiles");
    let mut found: BTreeSet<RVersion> = BTreeSet::new();
    for path in files_in(&folder) {
        if let Ok(lockfile) = lockfile::read(&fs::read(&path).unwrap()) {
            found.extend(lockfile.packages.into_values().map(|package| package.id.version));
        }
    }
    let odd =
        ["1.0", "1.0.0", "1.0-0", "1.00", "01.0", "1.0.0.9000", "1.2-3", "1.2.3", "0.9", "0.75", "1.10"];
    found.extend(odd.iter().map(|text| text.parse().unwrap()));
    assert!(found.len() > 700, "{} versions", found.len());
    found.into_iter().collect()
}

#[test]
fn versions_follow_each_other_as_compare_version_and_the_operators_have_it() {
    let versions = versions();
    // Neighbours by text are the close cases; strides bring the far ones.
    let pairs: Vec<(&RVersion, &RVersion)> = [1, 2, 3, 101, 307]
        .iter()
        .flat_map(|stride| versions.iter().zip(versions.iter().cycle().skip(*stride)))
        .chain(versions.iter().map(|version| (version, version)))
        .collect();
    let text: String = pairs.iter().map(|(a, b)| format!("{a} {b}\n")).collect();
    let Some(by_r) = r(VERSIONS, &BTreeMap::from([("pairs".to_owned(), text.into_bytes())])) else { return };
    let said: Vec<&str> = by_r.lines().collect();
    assert_eq!(said.len(), pairs.len());
    for ((a, b), theirs) in pairs.into_iter().zip(said) {
        let ours = format!("{} {}", compare_version(a, b) as i8, compare_numeric(a, b) as i8);
        assert_eq!(ours, theirs, "{a} and {b}");
    }
}
