//! `layr verify`

use std::collections::BTreeSet;
use std::io::Write;

use serde_json::json;

use super::project::ProjectArgs;
use super::{Global, table};
use crate::error::{Error, ExitCode};
use crate::model::PackageName;
use crate::pipeline::{self, VerifyReport};

#[derive(Debug, clap::Args)]
pub(super) struct Args {
    #[command(flatten)]
    project: ProjectArgs,
    /// Only these packages
    #[arg(long = "package", value_name = "PACKAGE")]
    packages: Vec<String>,
    /// Print what was found as JSON
    #[arg(long)]
    pub(super) json: bool,
}

/// Ends with a code of its own where bytes differ.
pub(super) fn run(args: &Args, global: &Global, stdout: &mut dyn Write) -> Result<ExitCode, Error> {
    let only: Result<BTreeSet<PackageName>, _> = args.packages.iter().map(|name| name.parse()).collect();
    let (mut request, overrides) = args.project.request()?;
    request.locked = true;
    let services = global.services(overrides)?;
    let report = pipeline::verify(&request, &only?, &services)?;
    let text = if args.json { to_json(&report) } else { to_text(&report) };
    write!(stdout, "{text}").map_err(Error::Output)?;
    let is_same = report.differing.is_empty() && report.failed.is_empty();
    Ok(if is_same { ExitCode::Success } else { ExitCode::Differs })
}

fn to_text(report: &VerifyReport) -> String {
    let n = report.same.len() + report.differing.len() + report.failed.len();
    let mut text = format!("{} of {n} packages are the same in every byte\n", report.same.len());
    for package in &report.differing {
        text.push_str(&format!("\n{} differs\n", package.package));
        for (path, why) in &package.files {
            text.push_str(&format!("  {path}: {why}\n"));
        }
    }
    for failure in &report.failed {
        text.push_str(&format!("\n{} does not build again: {}\n", failure.package, failure.reason));
        text.push_str(&format!("  whole log: {}\n", failure.log));
    }
    text
}

fn to_json(report: &VerifyReport) -> String {
    let differing = report.differing.iter().map(|package| {
        let file = |(path, why): &(String, String)| json!({ "path": path, "why": why });
        json!({
            "package": package.package.to_string(),
            "first_tree": package.first.to_hex(),
            "second_tree": package.second.to_hex(),
            "files": package.files.iter().map(file).collect::<Vec<_>>(),
        })
    });
    let failed = report.failed.iter().map(|failure| {
        json!({ "package": failure.package.to_string(), "reason": failure.reason.to_string(), "log": failure.log })
    });
    table::to_json(&json!({
        "schema": 1,
        "same": report.same.iter().map(ToString::to_string).collect::<Vec<_>>(),
        "differing": differing.collect::<Vec<_>>(),
        "failed": failed.collect::<Vec<_>>(),
    }))
}
