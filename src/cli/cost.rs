//! `layr cost`

use std::io::{Read, Write};
use std::path::{Path, PathBuf};

use serde_json::json;

use super::Global;
use crate::cost::{Prices, Run, Usage, parse_lines};
use crate::error::Error;
use crate::model::Architecture;
use crate::sys::fs;

#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Memory in MB; that of the log, if one is given
    #[arg(long, value_name = "MB", value_parser = clap::value_parser!(u32).range(128..=10_240), required_unless_present = "log")]
    memory: Option<u32>,
    /// Milliseconds of one call; the log's average, if one is given
    #[arg(long, value_name = "MS", required_unless_present = "log")]
    duration: Option<f64>,
    /// Calls in a month
    #[arg(long, value_name = "N")]
    calls: f64,
    /// A log with REPORT lines of real calls; `-` is standard input
    #[arg(long, value_name = "FILE")]
    log: Option<PathBuf>,
    /// Region whose prices count
    #[arg(long, value_name = "REGION", default_value = "us-east-1")]
    region: String,
    /// Print the result as JSON
    #[arg(long)]
    pub(super) json: bool,
}

pub(super) fn run(args: &Args, _: &Global, stdout: &mut dyn Write) -> Result<(), Error> {
    let runs = args.log.as_deref().map(read_log).transpose()?;
    let usage = args.usage(runs.as_deref())?;
    let prices =
        Prices::known().map_err(|error| Error::Usage(format!("the price table is broken: {error}")))?;
    let text = if args.json { as_json(usage, &prices, args) } else { as_text(usage, &prices, args) };
    if let (Some(runs), false) = (&runs, args.json) {
        write!(stdout, "{}", of_log(runs)).map_err(Error::Output)?;
    }
    write!(stdout, "{text}").map_err(Error::Output)
}

fn read_log(path: &Path) -> Result<Vec<Run>, Error> {
    let mut bytes = Vec::new();
    if path == Path::new("-") {
        std::io::stdin().read_to_end(&mut bytes).map_err(fs::at("read", path))?;
    } else {
        bytes = fs::read(path)?;
    }
    let runs = parse_lines(&String::from_utf8_lossy(&bytes));
    if runs.is_empty() {
        return Err(Error::Usage(format!("`{}` has no REPORT line of Lambda's", path.display())));
    }
    Ok(runs)
}

impl Args {
    fn usage(&self, runs: Option<&[Run]>) -> Result<Usage, Error> {
        let runs = runs.unwrap_or_default();
        #[expect(clippy::cast_precision_loss, reason = "a log has fewer lines than 2^52")]
        let average = runs.iter().map(|run| run.billed_ms).sum::<f64>() / runs.len().max(1) as f64;
        let usage = Usage {
            memory_mb: self.memory.or(runs.last().map(|run| run.memory_mb)).unwrap_or(0),
            duration_ms: self.duration.unwrap_or(average),
            calls: self.calls,
        };
        let is_amount = |value: f64| value.is_finite() && value >= 0.0;
        if is_amount(usage.duration_ms) && is_amount(usage.calls) {
            return Ok(usage);
        }
        Err(Error::Usage("--duration and --calls take numbers that are not negative".to_owned()))
    }
}

const BOTH: [Architecture; 2] = [Architecture::X86_64, Architecture::Arm64];

fn as_text(usage: Usage, prices: &Prices, args: &Args) -> String {
    let (region, currency) = (&args.region, &prices.currency);
    let mut text = format!(
        "{} calls a month of {} ms with {} MB: {} GB-seconds\n\n",
        usage.calls,
        usage.duration_ms.ceil(),
        usage.memory_mb,
        usage.gb_seconds().round(),
    );
    text.push_str(&format!("{currency} a month   compute   requests   together   with free tier\n"));
    for arch in BOTH {
        let cost = prices.cost(usage, arch, region);
        text.push_str(&format!(
            "{:<13} {:>9.2} {:>10.2} {:>10.2} {:>16.2}\n",
            arch.as_str(),
            cost.compute,
            cost.requests,
            cost.total(),
            cost.with_free_tier,
        ));
    }
    let place = if prices.is_special(region) { region.as_str() } else { "most regions" };
    text.push_str(&format!(
        "\nPrices of {place} as of {}, without tax, logs, transfer and storage. The free tier ({} calls and {} GB-seconds) is for all functions of an account together.\n",
        prices.as_of, prices.free_requests, prices.free_gb_seconds,
    ));
    text
}

fn of_log(runs: &[Run]) -> String {
    let n_starts = runs.iter().filter(|run| run.init_ms.is_some()).count();
    let most = runs.iter().map(|run| run.max_memory_mb).max().unwrap_or(0);
    format!(
        "log: {} calls, {n_starts} of them starts; at most {most} of {} MB used\n",
        runs.len(),
        runs.last().map_or(0, |run| run.memory_mb),
    )
}

fn as_json(usage: Usage, prices: &Prices, args: &Args) -> String {
    let one = |arch: Architecture| {
        let cost = prices.cost(usage, arch, &args.region);
        json!({
            "arch": arch, "compute": cost.compute, "requests": cost.requests,
            "total": cost.total(), "with_free_tier": cost.with_free_tier,
        })
    };
    let value = json!({
        "schema": 1, "prices_as_of": prices.as_of, "currency": prices.currency, "region": args.region,
        "memory_mb": usage.memory_mb, "duration_ms": usage.duration_ms, "calls": usage.calls,
        "gb_seconds": usage.gb_seconds(), "costs": BOTH.map(one),
    });
    format!("{value:#}\n")
}
