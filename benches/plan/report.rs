//! Results to a page for people, and to JSON for programs.

use layr::plan::Bound;
use serde_json::{Map, Value, json};

use crate::generated::Timing;
use crate::replay::Totals;

pub(crate) struct Results {
    pub(crate) fleets: Vec<FleetResult>,
    pub(crate) timings: Vec<Timing>,
}

pub(crate) struct FleetResult {
    pub(crate) name: String,
    pub(crate) n_functions: usize,
    /// By packer: one layer per lockfile first, then ours, then the others.
    pub(crate) totals: Vec<(&'static str, Totals)>,
    /// Of ours by other settings.
    pub(crate) variants: Vec<(&'static str, Totals)>,
    /// Of a plan that knew all commits from the first.
    pub(crate) hindsight: Totals,
    /// What no plan can publish less than, whatever it knew.
    pub(crate) least_published_bytes: u64,
    /// Stored by our plan of the last state, made anew.
    pub(crate) fresh_bytes: u64,
    /// What no plan of the last state can be below: each tree once.
    pub(crate) least_bytes: u64,
    /// The same, by the linear program.
    pub(crate) bound: Bound,
}

fn ratio(of: u64, to: u64) -> f64 {
    of as f64 / to.max(1) as f64
}

impl Results {
    /// By packer: its name, and what it published and stored beside one layer per lockfile.
    fn ratios(&self) -> Vec<(&'static str, f64, f64)> {
        let names = self.fleets.first().map_or(&[][..], |fleet| &fleet.totals[..]);
        let row = |(at, (name, _)): (usize, &(&'static str, Totals))| {
            let published = self.of_naive(|fleet| fleet.totals[at].1.published_bytes);
            let stored = |at: usize| self.sum(|fleet| fleet.totals[at].1.stored_bytes);
            (*name, published, ratio(stored(at), stored(0)))
        };
        names.iter().enumerate().map(row).collect()
    }

    fn sum(&self, value: impl Fn(&FleetResult) -> u64) -> u64 {
        self.fleets.iter().map(value).sum()
    }

    /// Beside what one layer per lockfile publishes.
    fn of_naive(&self, value: impl Fn(&FleetResult) -> u64) -> f64 {
        ratio(self.sum(value), self.sum(|fleet| fleet.totals[0].1.published_bytes))
    }

    /// By variant of ours: its name, what it published, and that with what lay in code.
    fn variants(&self) -> Vec<(&'static str, f64, f64)> {
        let names = self.fleets.first().map_or(&[][..], |fleet| &fleet.variants[..]);
        let row = |(at, (name, _)): (usize, &(&'static str, Totals))| {
            let published = self.of_naive(|fleet| fleet.variants[at].1.published_bytes);
            let code = self.of_naive(|fleet| fleet.variants[at].1.code_bytes);
            (*name, published, published + code)
        };
        names.iter().enumerate().map(row).collect()
    }

    fn ours(&self) -> impl Iterator<Item = &Totals> {
        self.fleets.iter().map(|fleet| &fleet.totals[1].1)
    }

    pub(crate) fn json(&self) -> String {
        let ratios = self.ratios();
        let (published, stored) = ratios.get(1).map_or((0.0, 0.0), |row| (row.1, row.2));
        let baselines: Map<String, Value> = ratios
            .iter()
            .enumerate()
            .filter(|(at, _)| *at != 1)
            .map(|(_, (name, published, stored))| {
                let of = json!({
                    "published_ratio_to_one_layer_per_lockfile": published,
                    "stored_ratio_to_one_layer_per_lockfile": stored,
                });
                ((*name).to_owned(), of)
            })
            .collect();
        let best = self.best().map_or(1.0, |(_, published)| published);
        let value = json!({
            "published_ratio_to_one_layer_per_lockfile": published,
            "stored_ratio_to_one_layer_per_lockfile": stored,
            "published_ratio_to_best_baseline": published / best,
            "baselines": baselines,
            "variants": self.variants().into_iter().map(|(name, published, with_code)| json!({
                "name": name,
                "published_ratio_to_one_layer_per_lockfile": published,
                "with_code_ratio_to_one_layer_per_lockfile": with_code,
            })).collect::<Vec<_>>(),
            "hindsight_ratio_to_one_layer_per_lockfile": self.of_naive(|fleet| fleet.hindsight.published_bytes),
            "least_ratio_to_one_layer_per_lockfile": self.of_naive(|fleet| fleet.least_published_bytes),
            "limits_broken": self.fleets.iter().map(FleetResult::n_broken).sum::<usize>(),
            "moved_by_adding_bytes": self.ours().map(|totals| totals.moved_by_adding_bytes).max(),
            "fleets": self.fleets.iter().map(FleetResult::json).collect::<Vec<_>>(),
            "generated": self.timings.iter().map(Timing::json).collect::<Vec<_>>(),
        });
        // Serializing plain strings and numbers to JSON cannot fail.
        format!("{}\n", serde_json::to_string_pretty(&value).unwrap_or_default())
    }

    /// The other rule that publishes least.
    fn best(&self) -> Option<(&'static str, f64)> {
        let others = self.ratios().into_iter().enumerate().filter(|(at, _)| *at > 1);
        others.map(|(_, (name, published, _))| (name, published)).min_by(|a, b| a.1.total_cmp(&b.1))
    }

    pub(crate) fn page(&self) -> String {
        let n_events: usize = self.ours().map(|totals| totals.n_events).sum();
        let mut text = format!(
            "## Layers of many functions\n\n\
             `cargo xtask bench plan` replays the histories of lockfiles, commit by commit ({} fleets, {n_events} commits), \
             with four layers for each function, and sums what each rule publishes: layers whose content never was there before.\n\n\
             | rule | published | stored |\n|---|---|---|\n",
            self.fleets.len(),
        );
        for (name, published, stored) in self.ratios() {
            text += &format!("| {name} | {published:.3} | {stored:.3} |\n");
        }
        if let Some((name, best)) = self.best() {
            let ours = self.ratios()[1].1;
            text +=
                &format!("\nlayr publishes {:.2} of what the best other rule ({name}) does.\n", ours / best);
        }
        text += "\n| layr, where | published | with what lies in code |\n|---|---|---|\n";
        for (name, published, with_code) in self.variants() {
            text += &format!("| {name} | {published:.3} | {with_code:.3} |\n");
        }
        text += &format!(
            "\nA plan that knew all commits from the first publishes {:.3}; none can be below {:.3}.\n",
            self.of_naive(|fleet| fleet.hindsight.published_bytes),
            self.of_naive(|fleet| fleet.least_published_bytes),
        );
        text += "\n| fleet | functions | commits | layr | best other | all known | no plan below | moved by adding | layers of a bump | stored anew, to each tree once | to the bound |\n|---|---|---|---|---|---|---|---|---|---|---|\n";
        for fleet in self.fleets.iter().filter(|fleet| fleet.totals[0].1.published_bytes > 0) {
            text += &fleet.row();
        }
        text += "\n| generated | trees | processor's time | peak memory | stored, to each tree once |\n|---|---|---|---|---|\n";
        for timing in &self.timings {
            text += &format!(
                "| {} functions | {} | {:.3} s | {} MiB | {:.2} |\n",
                timing.n_functions,
                timing.n_trees,
                timing.seconds,
                timing.peak_mib,
                ratio(timing.stored_bytes, timing.least_bytes)
            );
        }
        text
    }
}

impl FleetResult {
    fn published(&self, at: usize) -> f64 {
        ratio(self.totals[at].1.published_bytes, self.totals[0].1.published_bytes)
    }

    /// In all plans of ours.
    fn n_broken(&self) -> usize {
        let variants = self.variants.iter().map(|(_, totals)| totals);
        let ours = [&self.totals[1].1, &self.hindsight].into_iter().chain(variants);
        ours.map(|totals| totals.n_broken).sum()
    }

    fn row(&self) -> String {
        let ours = &self.totals[1].1;
        let naive_bytes = self.totals[0].1.published_bytes;
        let best = (2..self.totals.len()).map(|at| self.published(at)).fold(f64::INFINITY, f64::min);
        format!(
            "| {} | {} | {} | {:.3} | {best:.3} | {:.3} | {:.3} | {} B | {} | {:.2} | {:.3} |\n",
            self.name,
            self.n_functions,
            ours.n_events,
            self.published(1),
            ratio(self.hindsight.published_bytes, naive_bytes),
            ratio(self.least_published_bytes, naive_bytes),
            ours.moved_by_adding_bytes,
            ours.max_layers_of_a_bump,
            ratio(self.fresh_bytes, self.least_bytes),
            ratio(self.fresh_bytes, self.bound.bytes),
        )
    }

    fn json(&self) -> Value {
        let ours = &self.totals[1].1;
        let published: Map<String, Value> = self
            .totals
            .iter()
            .map(|(name, totals)| ((*name).to_owned(), json!(totals.published_bytes)))
            .collect();
        json!({
            "name": self.name,
            "functions": self.n_functions,
            "commits": ours.n_events,
            "published_bytes": published,
            "layers_published": ours.n_published,
            "moved_by_adding_bytes": ours.moved_by_adding_bytes,
            "max_layers_of_a_bump": ours.max_layers_of_a_bump,
            "hindsight_published_bytes": self.hindsight.published_bytes,
            "least_published_bytes": self.least_published_bytes,
            "limits_broken": self.n_broken(),
            "fresh_stored_ratio_to_each_tree_once": ratio(self.fresh_bytes, self.least_bytes),
            "fresh_stored_ratio_to_bound": ratio(self.fresh_bytes, self.bound.bytes),
            "bound_bytes": self.bound.bytes,
        })
    }
}

impl Timing {
    fn json(&self) -> Value {
        json!({
            "functions": self.n_functions,
            "trees": self.n_trees,
            "processor_seconds": self.seconds,
            "peak_mib": self.peak_mib,
            "stored_ratio_to_each_tree_once": ratio(self.stored_bytes, self.least_bytes),
        })
    }
}
