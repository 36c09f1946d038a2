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

use anyhow::{Context, Result, bail};

use history::Fleet;
use layr::plan::{Settings, bound};
use ours::Ours;
use replay::{Needs, Packer, Totals, apply, replay, stored};
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

fn run(fleet: &Fleet, trees: &Trees) -> FleetResult {
    let mut packers: Vec<Box<dyn Packer>> = vec![baselines::one_layer(), Box::new(Ours::default())];
    packers.extend(baselines::others());
    let totals: Vec<(&'static str, Totals)> =
        packers.iter_mut().map(|packer| (packer.name(), replay(fleet, packer.as_mut(), trees))).collect();
    let mut needs = Needs::new();
    fleet.events.iter().for_each(|event| apply(event, &mut needs, trees));
    let all: std::collections::BTreeSet<usize> = needs.values().flatten().copied().collect();
    FleetResult {
        name: fleet.name.clone(),
        n_functions: fleet.functions.len(),
        totals,
        fresh_bytes: stored(&Ours::default().pack(&needs, trees), trees),
        least_bytes: all.into_iter().map(|tree| trees.bytes(tree)).sum(),
        bound: bound(&ours::demand(&needs, trees), &Settings::default()),
    }
}
