//! Recorded build times to how long a lockfile takes on farms of so many workers, by the
//! rule that layr starts builds by: the longest way still ahead first. A simulation, since
//! no machine at hand has that many cores; the record is of real builds.

mod measured;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::fs;
use std::path::Path;

use anyhow::{Context, Result, bail};
use serde_json::Value;

pub(super) use measured::HEAD as MEASURED_HEAD;
pub use measured::measured;

use super::part;
use crate::{dcf, paths};

/// How the part of the page begins.
pub(super) const HEAD: &str = "## On a farm\n";

/// What the record of a lockfile has: a line for each package.
const RECORD: &str = "xtask/src/bench/typical.tsv";

/// What layr and the farm may need for each build besides: the bound that is held.
const OVERHEAD_MS: u64 = 30;

const WORKERS: [usize; 9] = [1, 2, 4, 8, 16, 32, 64, 128, 256];

/// Cores of the machine that asks the farm, where they build as well.
const HERE: usize = 2;

/// One package of the record.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Package {
    build_ms: u64,
    /// What it needs, directly, of the record.
    needs: BTreeSet<String>,
}

type Record = BTreeMap<String, Package>;

/// Simulates, and writes the part of docs/benchmarks.md. With `store`, the record is made
/// anew of what a build has left there.
pub fn farm(store: Option<&str>) -> Result<()> {
    let path = paths::workspace().join(RECORD);
    if let Some(store) = store {
        fs::write(&path, to_text(&recorded(Path::new(store))?))?;
    }
    let text = page(&of_text(&fs::read_to_string(&path)?)?);
    eprint!("{text}");
    part::replace(&paths::workspace().join("docs/benchmarks.md"), HEAD, &text)
}

/// Times and DESCRIPTIONs of a store's records.
fn recorded(store: &Path) -> Result<Record> {
    let read = |folder: &str| -> Result<Vec<Value>> {
        let folder = store.join("records").join(folder);
        let entries = fs::read_dir(&folder).with_context(|| folder.display().to_string())?;
        entries.map(|entry| Ok(serde_json::from_slice(&fs::read(entry?.path())?)?)).collect()
    };
    let mut record = Record::new();
    for timing in read("timing")? {
        let name = timing["package"].as_str().context("a record without a package")?.to_owned();
        let build_ms = timing["build_ms"].as_u64().context("a record without a time")?;
        record.insert(name, Package { build_ms, needs: BTreeSet::new() });
    }
    let names: BTreeSet<String> = record.keys().cloned().collect();
    for source in read("source")? {
        let description = dcf::records(source["description"].as_str().unwrap_or_default());
        let Some(fields) = description.first() else { continue };
        let Some(package) = fields.get("Package").and_then(|name| record.get_mut(name)) else { continue };
        for field in ["Depends", "Imports", "LinkingTo"].iter().filter_map(|name| fields.get(*name)) {
            let words = field.split(',').map(|word| word.split('(').next().unwrap_or_default().trim());
            package.needs.extend(words.map(str::to_owned).filter(|name| names.contains(name)));
        }
    }
    Ok(record)
}

fn to_text(record: &Record) -> String {
    let line = |(name, Package { build_ms, needs }): (&String, &Package)| {
        format!("{name}\t{build_ms}\t{}\n", needs.iter().cloned().collect::<Vec<_>>().join(" "))
    };
    record.iter().map(line).collect()
}

fn of_text(text: &str) -> Result<Record> {
    let line = |line: &str| {
        let mut fields = line.split('\t');
        let (Some(name), Some(ms), Some(needs)) = (fields.next(), fields.next(), fields.next()) else {
            bail!("`{line}` is no line of a record");
        };
        let needs = needs.split_whitespace().map(str::to_owned).collect();
        Ok((name.to_owned(), Package { build_ms: ms.parse()?, needs }))
    };
    text.lines().map(line).collect()
}

/// By package: its own time and that of the longest chain of packages that need it.
fn ways_ahead(record: &Record) -> BTreeMap<&str, u64> {
    let mut ahead: BTreeMap<&str, u64> = BTreeMap::new();
    // Each pass settles one more link of the longest chain; there are no circles.
    loop {
        let before = ahead.clone();
        for (name, package) in record {
            let after = record.iter().filter(|(_, other)| other.needs.contains(name));
            let longest = after.filter_map(|(other, _)| ahead.get(other.as_str())).max().copied();
            ahead.insert(name, package.build_ms + OVERHEAD_MS + longest.unwrap_or(0));
        }
        if ahead == before {
            return ahead;
        }
    }
}

/// Who builds.
#[derive(Debug, Clone, Copy)]
struct Builders {
    n_workers: usize,
    /// Cores of this machine, which take what takes them at most so long, and need nothing
    /// besides.
    n_here: usize,
    light_ms: u64,
}

impl Builders {
    fn farm(n_workers: usize) -> Self {
        Self { n_workers, n_here: 0, light_ms: 0 }
    }
}

/// Milliseconds until everything is built by a farm and this machine, with what is light
/// bounded in whichever way is best.
fn mixed(record: &Record, n_workers: usize) -> u64 {
    let with = |light_ms| makespan(record, Builders { n_workers, n_here: HERE, light_ms });
    let times = record.values().map(|package| with(package.build_ms));
    times.min().unwrap_or(0).min(makespan(record, Builders::farm(n_workers)))
}

/// Milliseconds until everything is built.
fn makespan(record: &Record, builders: Builders) -> u64 {
    let ahead = ways_ahead(record);
    let mut waiting: BTreeSet<&str> = record.keys().map(String::as_str).collect();
    let mut running: BTreeSet<(u64, &str, bool)> = BTreeSet::new();
    let mut built: BTreeSet<&str> = BTreeSet::new();
    let mut now = 0;
    while built.len() < record.len() {
        for (is_here, n_places) in [(true, builders.n_here), (false, builders.n_workers)] {
            while running.iter().filter(|(_, _, here)| *here == is_here).count() < n_places {
                let fits = |name: &&&str| {
                    let Package { build_ms, needs } = &record[**name];
                    let is_ready = needs.iter().all(|need| built.contains(need.as_str()));
                    is_ready && (!is_here || *build_ms <= builders.light_ms)
                };
                let next = waiting.iter().filter(fits);
                let next = next.max_by_key(|name| (ahead[**name], std::cmp::Reverse(**name))).copied();
                let Some(next) = next else { break };
                waiting.remove(next);
                let besides = if is_here { 0 } else { OVERHEAD_MS };
                running.insert((now + record[next].build_ms + besides, next, is_here));
            }
        }
        let Some((end, name, _)) = running.pop_first() else { break };
        now = end;
        built.insert(name);
    }
    now
}

fn page(record: &Record) -> String {
    let total: u64 = record.values().map(|package| package.build_ms + OVERHEAD_MS).sum();
    let longest = ways_ahead(record).into_values().max().unwrap_or(0);
    let seconds = |ms: u64| format!("{}.{} s", ms / 1000, ms % 1000 / 100);
    let mut text = format!(
        "{HEAD}\n`cargo xtask bench farm` simulates farms on the recorded times of {} builds (`{RECORD}`, \
         of the machine above, two at a time), with {OVERHEAD_MS} ms for each build besides. No farm of that size was \
         measured.\n\nAll builds together take {}, and the longest chain of packages that need one another {}. \
         No farm can be faster than the greater of the chain and the workers' share of the whole.\n\n\
         | workers | time | faster than one | of what is possible | with {HERE} cores here | of the time |\n\
         |---|---|---|---|---|---|\n",
        record.len(),
        seconds(total),
        seconds(longest),
    );
    for n_workers in WORKERS {
        let (time, mixed) = (makespan(record, Builders::farm(n_workers)), mixed(record, n_workers));
        let least = longest.max(total.div_ceil(n_workers as u64));
        _ = writeln!(
            text,
            "| {n_workers} | {} | {} | {} | {} | {} |",
            seconds(time),
            hundredths(total * 100 / time.max(1)),
            hundredths(least * 100 / time.max(1)),
            seconds(mixed),
            hundredths(mixed * 100 / time.max(1)),
        );
    }
    _ = write!(
        text,
        "\nThe last two columns are of a farm beside which {HERE} cores of the machine that asks build what is light, \
         with nothing besides: light is what takes less than the bound that is best for it, chosen with hindsight.\n"
    );
    text
}

fn hundredths(n: u64) -> String {
    format!("{}.{:02}", n / 100, n % 100)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record() -> Record {
        of_text("a\t970\t\nb\t1970\ta\nc\t470\ta\nd\t70\tb c\n").unwrap()
    }

    #[test]
    fn a_record_is_read_back() {
        assert_eq!(of_text(&to_text(&record())).unwrap(), record());
        assert!(of_text("a b c\n").is_err());
    }

    #[test]
    fn one_worker_takes_the_sum_and_many_the_longest_chain() {
        let farm = |n_workers| makespan(&record(), Builders::farm(n_workers));
        assert_eq!((farm(1), farm(2), farm(256)), (1000 + 2000 + 500 + 100, 1000 + 2000 + 100, 3100));
        assert_eq!(ways_ahead(&record())["a"], 3100);
    }

    /// Two long ones that nothing needs, and a chain of short ones: started by name, the
    /// chain would wait.
    #[test]
    fn the_longest_way_ahead_starts_first() {
        let record = of_text("a\t970\t\nb\t970\t\nx\t970\t\ny\t970\tx\n").unwrap();
        assert_eq!(makespan(&record, Builders::farm(2)), 2000);
    }

    #[test]
    fn this_machine_takes_what_is_light_and_needs_nothing_besides() {
        let light = |light_ms| makespan(&record(), Builders { n_workers: 1, n_here: HERE, light_ms });
        assert_eq!(light(0), 3600);
        assert_eq!(light(70), 1000 + 2000 + 500 + 70);
        assert_eq!(light(470), 1000 + 2000 + 70, "`c` is built beside `b`");
        assert_eq!(mixed(&record(), 1), 970 + 1970 + 70, "and so is all that is on the longest chain");
    }
}
