//! The functions of `examples/` to their answers, by `layr invoke`.

use std::path::Path;

use anyhow::{Context, Result, ensure};
use serde_json::Value;

use crate::base::Base;
use crate::layr::Layr;
use crate::{paths, run};

/// What `printf hello | sha256sum` says.
const SHA256_OF_HELLO: &str = "2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824";

/// What the functions are called with.
pub struct Call<'a> {
    pub layr: &'a Layr,
    pub base: &'a Base,
    /// What stands in for Lambda's image.
    pub root: &'a Path,
    /// Where packages come from, if not from where the lockfiles say.
    pub repository: Option<String>,
    /// Where the layers go.
    pub out: &'a Path,
}

/// Calls both, and holds their answers against what is known.
pub fn call(call: &Call<'_>) -> Result<()> {
    let answer = answer(call, "score")?;
    let pupils = answer.as_array().context("`score` answers with no list")?;
    let days: Vec<f64> = pupils.iter().filter_map(|pupil| pupil["Days"].as_f64()).collect();
    ensure!(days.len() == 2 && (days[0] - 24.208).abs() < 0.001, "`score` answers {answer}");
    let answer = self::answer(call, "checksum")?;
    let body: Value = serde_json::from_str(answer["body"].as_str().context("`checksum` answers no body")?)?;
    ensure!(body["sha256"] == SHA256_OF_HELLO, "`checksum` answers {answer}");
    Ok(())
}

fn answer(call: &Call<'_>, function: &str) -> Result<Value> {
    let mut command = call.layr.command();
    command.current_dir(paths::workspace().join("examples")).args(["invoke", function]);
    command.arg("--event").arg(format!("{function}/event.json"));
    command.arg("--base").arg(&call.base.path).arg("--root").arg(call.root);
    command
        .arg("--out")
        .arg(call.out.join("examples"))
        .arg("--layr-lock")
        .arg(call.out.join("examples.lock"));
    if let Some(url) = &call.repository {
        command.args(["--repository", &format!("CRAN={url}")]);
    }
    let text = run::stdout(&mut command)?;
    eprintln!("{function}: {}", text.trim());
    serde_json::from_str(&text).with_context(|| format!("`{function}` answers no JSON: {text}"))
}
