//! Times to the page that shows them. Pure.

use std::time::Duration;

use super::Way;
use crate::bench::measure::Spread;

/// All that was measured.
#[derive(Debug, Clone, Default)]
pub(super) struct Results {
    /// R that runs the function's file and ends.
    pub(super) bare: Vec<Duration>,
    /// The function called inside R.
    pub(super) inside: Vec<Duration>,
    ways: [Times; 3],
}

/// Of one way, in all sandboxes.
#[derive(Debug, Clone, Default)]
pub(super) struct Times {
    pub(super) cold: Vec<Duration>,
    pub(super) warm: Vec<Duration>,
}

impl Results {
    pub(super) fn of(&mut self, way: Way) -> &mut Times {
        &mut self.ways[way as usize]
    }

    /// The page, in Markdown; `None` without measurements.
    pub(super) fn page(&self, machine: &str, n_runs: usize) -> Option<String> {
        let bare = Spread::of(self.bare.clone())?;
        let inside = Spread::of(self.inside.clone())?;
        let [layr, in_r, per_event] = self.ways.each_ref();
        let cold = |times: &Times| Spread::of(times.cold.clone());
        let warm = |times: &Times| Spread::of(times.warm.clone());
        let head = "| way | median | min | max | times layr |\n|---|---|---|---|---|\n";
        let table =
            |rows: [(&str, Spread); 3]| rows.map(|(way, spread)| row(way, spread, rows[0].1.median)).concat();
        let names =
            ["layr's bootstrap", "one R with httr and jsonlite", "a shell loop with curl and `Rscript`"];
        let cold = [cold(layr)?, cold(in_r)?, cold(per_event)?];
        let warm = [warm(layr)?, warm(in_r)?, warm(per_event)?];
        let join =
            |spreads: [Spread; 3]| [(names[0], spreads[0]), (names[1], spreads[1]), (names[2], spreads[2])];
        Some(format!(
            "# Benchmarks of the runtime

A function that fits a `glm` at init and predicts one value for each event, under AWS's own Runtime Interface \
Emulator, in the same sandbox with the same R. `cargo xtask bench runtime --runs {n_runs}` repeats it and writes \
this page.

Machine: {machine}. Runs: {n_runs} sandboxes of each way, in turn.

## The first answer

From the event to its answer, with the start of R, its packages and the function's file.

{head}{}
R alone, running the function's file and ending: {}. layr's first answer takes {:.2} times that.

## Answers after it

{} of layr and of the R loop, {} of the shell loop.

{head}{}
The function called inside R: {}. On top of that layr's answer takes {}, the emulator's own share included.
",
            table(join(cold)),
            milliseconds(bare.median),
            cold[0].median.as_secs_f64() / bare.median.as_secs_f64(),
            layr.warm.len(),
            per_event.warm.len(),
            table(join(warm)),
            milliseconds(inside.median),
            milliseconds(warm[0].median.saturating_sub(inside.median)),
        ))
    }
}

fn row(way: &str, spread: Spread, layr: Duration) -> String {
    let Spread { min, median, max } = spread;
    let times_layr = median.as_secs_f64() / layr.as_secs_f64();
    let [median, min, max] = [median, min, max].map(milliseconds);
    format!("| {way} | {median} | {min} | {max} | {times_layr:.2} |\n")
}

fn milliseconds(time: Duration) -> String {
    let ms = time.as_secs_f64() * 1000.0;
    if ms < 100.0 { format!("{ms:.2} ms") } else { format!("{ms:.0} ms") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_way_is_shown_as_a_multiple_of_layrs_time() {
        let ms = Duration::from_millis;
        let mut results = Results { bare: vec![ms(400)], inside: vec![ms(1)], ..Results::default() };
        for (way, cold, warm) in
            [(Way::Layr, 440, 2), (Way::LoopInR, 880, 8), (Way::ProcessPerEvent, 900, 850)]
        {
            *results.of(way) = Times { cold: vec![ms(cold)], warm: vec![ms(warm)] };
        }
        let page = results.page("2 cores", 1).unwrap();
        assert!(page.contains("| layr's bootstrap | 440 ms | 440 ms | 440 ms | 1.00 |"), "{page}");
        assert!(
            page.contains("| one R with httr and jsonlite | 8.00 ms | 8.00 ms | 8.00 ms | 4.00 |"),
            "{page}"
        );
        assert!(page.contains("takes 1.10 times that"), "{page}");
        assert!(page.contains("layr's answer takes 1.00 ms"), "{page}");
        assert_eq!(Results::default().page("2 cores", 1), None);
    }
}
