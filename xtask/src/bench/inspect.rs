//! `cargo xtask bench inspect`: libraries and programs of the base, as many as a function's layers can
//! hold, looked into as they are before layers are made. Writes its part of docs/benchmarks.md.

use std::fs::{self, File};
use std::io::Read;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result};

use super::measure::{Spread, seconds};
use super::{cargo_bench, machine, part};
use crate::layr::{Layr, Profile};
use crate::steps::step;
use crate::{base, paths};

pub(super) const HEAD: &str = "## Inspecting a layer\n";
/// Where a base has libraries and programs.
const FOLDERS: [&str; 3] = ["usr/lib", "usr/libexec", "usr/bin"];
/// What Lambda lets a function have.
const N_BYTES: u64 = 262_144_000;

/// Gathers them, and has them inspected.
pub fn bench() -> Result<()> {
    let cache = paths::cache()?;
    let layr = step("cargo build", || Layr::build(Profile::Debug, None))?;
    let base = step("base", || base::provide(&layr, &cache))?;
    let work = tempfile::Builder::new().prefix("bench-inspect-").tempdir_in(&cache)?;
    step("libraries", || gather(&base.rootfs(), work.path()))?;
    let text = part_of_page(&step("cargo bench", || inspected(work.path()))?)?;
    let path = paths::workspace().join("docs/benchmarks.md");
    part::replace(&path, HEAD, &text)?;
    eprintln!("\n{text}\nbench: written to {}", path.display());
    Ok(())
}

/// Copies files of ELF, in the order of their paths, as long as there is room.
fn gather(rootfs: &Path, to: &Path) -> Result<()> {
    let mut paths = Vec::new();
    for folder in FOLDERS {
        list(&rootfs.join(folder), &mut paths)?;
    }
    let mut left = N_BYTES;
    for (n, path) in paths.iter().enumerate() {
        let mut start = [0; 4];
        let is_elf = File::open(path)?.read(&mut start)? == 4 && start == *b"\x7fELF";
        let n_bytes = path.metadata()?.len();
        if is_elf && n_bytes <= left {
            fs::copy(path, to.join(n.to_string()))?;
            left -= n_bytes;
        }
    }
    Ok(())
}

fn list(folder: &Path, paths: &mut Vec<PathBuf>) -> Result<()> {
    let mut entries = fs::read_dir(folder)?.collect::<Result<Vec<_>, _>>()?;
    entries.sort_by_key(fs::DirEntry::file_name);
    for entry in entries {
        let kind = entry.file_type()?;
        if kind.is_dir() {
            list(&entry.path(), paths)?;
        } else if kind.is_file() {
            paths.push(entry.path());
        }
    }
    Ok(())
}

/// What `benches/inspect.rs` prints.
struct Inspected {
    n_files: usize,
    n_bytes: u64,
    times: Vec<Duration>,
}

fn inspected(folder: &Path) -> Result<Inspected> {
    let text = cargo_bench("inspect", folder)?;
    let mut words = text.split_whitespace();
    let (n_files, n_bytes) = (words.next().context("no files")?, words.next().context("no bytes")?);
    let times = words.map(|word| Ok(Duration::from_micros(word.parse()?))).collect::<Result<_>>()?;
    Ok(Inspected { n_files: n_files.parse()?, n_bytes: n_bytes.parse()?, times })
}

fn part_of_page(inspected: &Inspected) -> Result<String> {
    let Inspected { n_files, n_bytes, times } = inspected;
    let spread = Spread::of(times.clone()).context("no runs")?;
    Ok(format!(
        "{HEAD}
`cargo xtask bench inspect` takes {n_files} libraries and programs of a base, {} MB of the 262 MB that Lambda lets a function have, and \
         reads in each what its loader goes by, out of the store, as it is done before layers are made; the digest \
         of every file is checked on the way.

| what | median of {} | min | max |
|---|---|---|---|
| all of them | {} | {} | {} |

Machine: {}.
",
        n_bytes / 1_000_000,
        times.len(),
        seconds(spread.median),
        seconds(spread.min),
        seconds(spread.max),
        machine(),
    ))
}
