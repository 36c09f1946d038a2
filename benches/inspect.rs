//! A folder to how long inspecting its libraries and programs takes, as it is done before a
//! layer is made: how many files of ELF, their bytes, and the microseconds of each run, on
//! stdout. `cargo bench --bench inspect -- FOLDER`

#![expect(clippy::print_stdout, reason = "a task for developers, which prints times")]

use std::path::Path;
use std::time::Instant;

use anyhow::{Context, Result};
use layr::store::Store;
use layr::target;

const N_RUNS: usize = 5;

fn main() -> Result<()> {
    let folder = std::env::args().nth(1).context("FOLDER is missing")?;
    let home = tempfile::tempdir()?;
    let store = Store::open(&home.path().join("store"))?;
    let tree = store.keep_folder(Path::new(&folder))?;
    let (mut n_files, mut n_bytes, mut micros) = (0, 0, Vec::new());
    for _ in 0..N_RUNS {
        let start = Instant::now();
        let members = target::members(tree, "R", &store)?;
        micros.push(start.elapsed().as_micros().to_string());
        n_files = members.iter().filter(|member| member.elf.is_ok()).count();
        n_bytes = members.iter().map(|member| member.bytes.len()).sum();
    }
    println!("{n_files} {n_bytes} {}", micros.join(" "));
    Ok(())
}
