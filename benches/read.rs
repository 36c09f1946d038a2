//! A lockfile to how long reading it takes: microseconds, the median of many times, on
//! stdout. `cargo bench --bench read -- FILE`

#![expect(clippy::print_stdout, reason = "a task for developers, which prints a time")]

use std::time::Instant;

use anyhow::{Context, Result};

const N_RUNS: usize = 201;

fn main() -> Result<()> {
    let path = std::env::args().nth(1).context("FILE is missing")?;
    let bytes = std::fs::read(&path)?;
    let mut times = Vec::new();
    for _ in 0..N_RUNS {
        let start = Instant::now();
        layr::lockfile::read(&bytes)?;
        times.push(start.elapsed());
    }
    times.sort_unstable();
    println!("{}", times[N_RUNS / 2].as_micros());
    Ok(())
}
