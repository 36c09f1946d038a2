//! `cargo xtask bench plan`: lockfiles' pasts, replayed commit by commit by layr's planner
//! and by what others do. `cargo bench --bench plan -- [--history FILE] [--json]`

#![expect(
    clippy::print_stdout,
    clippy::expect_used,
    clippy::cast_precision_loss,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a task for developers, which prints ratios"
)]

mod baselines;
mod generated;
mod history;
mod ours;
mod replay;
mod report;
mod trees;

use std::collections::BTreeSet;

use anyhow::{Context, Result, bail};

use history::Fleet;
use layr::plan::{Settings, bound};
use ours::Ours;
use replay::{Needs, Packer, Totals, after_each, replay, stored};
use report::{FleetResult, Results};
use trees::{Sizes, Trees};

const HISTORY: &str = include_str!("history.jsonl");
const SIZES: &str = include_str!("sizes.tsv");

fn main() -> Result<()> {
    let (mut history, mut json) = (None, false);
    let mut words = std::env::args().skip(1);
    while let Some(word) = words.next() {
        match word.as_str() {
            "--history" => history = Some(words.next().context("--history needs a file")?),
            "--json" => json = true,
            // What cargo adds.
            "--bench" => {}
            word => bail!("not a flag: `{word}`"),
        }
    }
    let text = match &history {
        Some(path) => std::fs::read_to_string(path).with_context(|| format!("`{path}`"))?,
        None => HISTORY.to_owned(),
    };
    let pasts = history::read(&text)?;
    let mut trees = Trees::new(Sizes::read(SIZES));
    let fleets = history::fleets(&pasts, &mut trees);
    let results = Results {
        fleets: fleets.iter().map(|fleet| run(fleet, &trees)).collect(),
        timings: vec![
            generated::time(20, 600, Some(150), &mut trees),
            generated::time(1000, 20_000, None, &mut trees),
        ],
    };
    print!("{}", if json { results.json() } else { results.page() });
    Ok(())
}

/// States of lockfiles beyond these are too many for the linear program: each tree once has to do.
const MAX_BOUNDED: usize = 10;

fn run(fleet: &Fleet, trees: &Trees) -> FleetResult {
    let mut packers: Vec<Box<dyn Packer>> = vec![baselines::one_layer(), Box::new(Ours::default())];
    packers.extend(baselines::others());
    let totals: Vec<(&'static str, Totals)> =
        packers.iter_mut().map(|packer| (packer.name(), replay(fleet, packer.as_mut(), trees))).collect();
    let mut variants = Ours::variants();
    let variants = variants.iter_mut().map(|packer| (packer.name(), replay(fleet, packer.as_mut(), trees)));
    let after = after_each(fleet, trees);
    let needs = after.last().cloned().unwrap_or_default();
    // Whatever was needed at any time, as if all of it were functions of one day.
    let past: BTreeSet<Vec<usize>> = after.into_iter().flat_map(Needs::into_values).collect();
    let past: Needs = past.into_iter().enumerate().collect();
    let one_day = Fleet { events: vec![past.clone().into_iter().collect()], ..fleet.clone() };
    let knowing = Ours::for_storage().into_iter();
    let hindsight = knowing.map(|mut packer| replay(&one_day, &mut packer, trees));
    FleetResult {
        name: fleet.name.clone(),
        n_functions: fleet.functions.len(),
        totals,
        variants: variants.collect(),
        hindsight: hindsight.min_by_key(|totals| totals.published_bytes).unwrap_or_default(),
        least_published_bytes: if past.len() <= MAX_BOUNDED {
            bound(&ours::demand(&past, trees), &Settings::default()).bytes
        } else {
            each_once(&past, trees)
        },
        fresh_bytes: stored(&Ours::default().pack(&needs, trees), trees),
        least_bytes: each_once(&needs, trees),
        bound: bound(&ours::demand(&needs, trees), &Settings::default()),
    }
}

fn each_once(needs: &Needs, trees: &Trees) -> u64 {
    let all: BTreeSet<usize> = needs.values().flatten().copied().collect();
    all.into_iter().map(|tree| trees.bytes(tree)).sum()
}
