//! Lockfiles' pasts to what joint planning publishes, beside what others do: runs
//! `benches/plan`, and keeps its page as a part of docs/benchmarks.md.

use std::io::Write;
use std::process::Stdio;

use anyhow::{Context, Result, ensure};

use super::part;
use crate::layr::cargo;
use crate::paths;

/// How the part begins.
pub(super) const HEAD: &str = "## Layers of many functions\n";

/// Replays the histories in a file, or those that lie with the bench. Only the page of the
/// latter goes into docs/benchmarks.md.
pub fn plan(history: Option<&str>, json: bool) -> Result<()> {
    let mut command = cargo();
    command.args(["bench", "--quiet", "--package", "layr", "--bench", "plan", "--"]);
    if let Some(history) = history {
        // The bench runs in the package's folder.
        command.arg("--history").arg(std::path::absolute(history)?);
    }
    if json {
        command.arg("--json");
    }
    let output = command.stderr(Stdio::inherit()).output().context("cargo bench")?;
    ensure!(output.status.success(), "cargo bench: {}", output.status);
    let text = String::from_utf8(output.stdout)?;
    std::io::stdout().write_all(text.as_bytes())?;
    if history.is_none() && !json {
        part::replace(&paths::workspace().join("docs/benchmarks.md"), HEAD, &text)?;
    }
    Ok(())
}
