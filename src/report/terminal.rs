//! News to progress bars on a terminal, and to plain lines elsewhere; all on stderr.

use std::collections::BTreeMap;
use std::io::{IsTerminal, Write};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use super::{Event, FarmParts, Report, Stage};
use crate::model::{PackageId, human_duration};

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Verbosity {
    Quiet,
    Normal,
    Verbose,
}

/// A reporter for people.
pub struct Terminal {
    verbosity: Verbosity,
    has_bars: bool,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    bar: Option<ProgressBar>,
    /// What is being built, by when it began, so that the longest stands first.
    building: BTreeMap<usize, String>,
    n_started: usize,
}

fn on_farm(package: &PackageId, parts: &FarmParts) -> String {
    let FarmParts { prepared, sent, waited, ran, brought } = parts;
    let ms = |part: &Duration| part.as_millis();
    format!(
        "on the farm, {package}: prepared {} ms, sent {} ms, waited {} ms, ran {} ms, brought {} ms",
        ms(prepared),
        ms(sent),
        ms(waited),
        ms(ran),
        ms(brought)
    )
}

impl Terminal {
    pub fn new(verbosity: Verbosity, no_progress: bool) -> Self {
        let has_bars = !no_progress && verbosity > Verbosity::Quiet && std::io::stderr().is_terminal();
        Self { verbosity, has_bars, state: Mutex::default() }
    }

    /// A line that stays; above the bar, where there is one.
    fn line(state: &State, text: &str) {
        match &state.bar {
            Some(bar) => bar.suspend(|| _ = writeln!(anstream::stderr(), "{text}")),
            None => _ = writeln!(anstream::stderr(), "{text}"),
        }
    }

    /// A line for those who hear so much.
    fn said(&self, state: &State, least: Verbosity, text: &str) {
        if self.verbosity >= least {
            Self::line(state, text);
        }
    }

    fn begin(&self, shown: &mut State, stage: Stage, n_items: usize) {
        if !self.has_bars || n_items == 0 {
            return;
        }
        let (verb, template) = match stage {
            Stage::Fetch => ("fetching", "{prefix} [{bar:30}] {pos}/{len} {msg}"),
            Stage::Build => ("building", "{prefix} [{bar:30}] {pos}/{len} {elapsed} {wide_msg}"),
            Stage::Pack => ("packing ", "{prefix} [{bar:30}] {bytes}/{total_bytes}"),
        };
        let bar = ProgressBar::with_draw_target(Some(n_items as u64), ProgressDrawTarget::stderr());
        if let Ok(style) = ProgressStyle::with_template(template) {
            bar.set_style(style.progress_chars("=> "));
        }
        bar.set_prefix(verb);
        // A package can take minutes, in which nothing is reported.
        bar.enable_steady_tick(Duration::from_secs(1));
        shown.bar = Some(bar);
    }

    fn note_parts(&self, state: &State, package: &PackageId, parts: &FarmParts) {
        if let Some(text) = self.if_verbose(|| on_farm(package, parts)) {
            Self::line(state, &text);
        }
    }

    fn if_verbose(&self, text: impl FnOnce() -> String) -> Option<String> {
        (self.verbosity == Verbosity::Verbose).then(text)
    }

    fn item_done(&self, state: &mut State, text: Option<String>) {
        if let Some(bar) = &state.bar {
            bar.inc(1);
        }
        state.show_building();
        if let Some(text) = text.filter(|_| self.verbosity > Verbosity::Quiet) {
            Self::line(state, &text);
        }
    }
}

impl State {
    fn show_building(&self) {
        if let Some(bar) = &self.bar {
            bar.set_message(self.building.values().cloned().collect::<Vec<_>>().join(", "));
        }
    }

    fn ended(&mut self, name: &str) {
        self.building.retain(|_, building| building != name);
    }
}

impl Report for Terminal {
    fn report(&self, event: &Event<'_>) {
        let state = &mut *self.state.lock().unwrap_or_else(PoisonError::into_inner);
        match event {
            Event::Started { stage, n_items } => self.begin(state, *stage, *n_items),
            Event::Finished { .. } => {
                if let Some(bar) = state.bar.take() {
                    bar.finish_and_clear();
                }
            }
            Event::Received { .. } => {
                if let Some(bar) = &state.bar {
                    bar.tick();
                }
            }
            Event::Packed { n_bytes } => {
                if let Some(bar) = &state.bar {
                    bar.inc(*n_bytes);
                }
            }
            Event::Fetched { package, .. } => {
                self.item_done(state, self.if_verbose(|| format!("fetched {package}")));
            }
            Event::FoundInStore { package } => {
                self.item_done(state, self.if_verbose(|| format!("{package} is in the store")));
            }
            Event::FoundElsewhere { package } => {
                let text = self.if_verbose(|| format!("{package} came from the remote cache"));
                self.item_done(state, text);
            }
            Event::Awaited { package } => {
                let text = format!("waiting for {package}, which another machine is building");
                self.said(state, Verbosity::Normal, &text);
            }
            Event::Building { package } => {
                let at = state.n_started;
                state.n_started += 1;
                state.building.insert(at, package.name.to_string());
                state.show_building();
            }
            Event::OnFarm { package, parts } => self.note_parts(state, package, parts),
            Event::Built { package, elapsed } => {
                state.ended(package.name.as_str());
                self.item_done(state, Some(format!("built {package} ({})", human_duration(*elapsed))));
            }
            Event::BuildFailed { package } => {
                state.ended(package.name.as_str());
                self.item_done(state, Some(format!("failed {package}")));
            }
            Event::Published { arn, is_new } => {
                let (what, least) =
                    if *is_new { ("published", Verbosity::Normal) } else { ("found", Verbosity::Verbose) };
                self.said(state, least, &format!("{what} {arn}"));
            }
            Event::Warning { text } => {
                let yellow = anstyle::AnsiColor::Yellow.on_default().bold();
                self.said(state, Verbosity::Normal, &format!("{yellow}warning:{yellow:#} {text}"));
            }
            Event::Note { text } => self.said(state, Verbosity::Normal, text),
        }
    }
}
