//! `layr check`

use std::io::Write;

use serde::Serialize;

use super::sources::SourceArgs;
use super::{Global, table};
use crate::error::{Error, ExitCode};
use crate::model::human_duration;
use crate::pipeline::{self, CheckReport, FunctionCheck};

#[derive(Debug, clap::Args)]
pub(super) struct Args {
    #[command(flatten)]
    sources: SourceArgs,
    /// Print the findings as JSON
    #[arg(long)]
    pub(super) json: bool,
}

#[derive(Serialize)]
struct CheckJson<'a> {
    function: &'a str,
    lockfile: &'a str,
    packages: usize,
    problems: Vec<ProblemJson>,
}

#[derive(Serialize)]
struct ProblemJson {
    code: u8,
    message: String,
    hint: Option<String>,
}

/// What is wrong is the result, so it goes to stdout; the exit code is that of the first.
pub(super) fn run(args: &Args, global: &Global, stdout: &mut dyn Write) -> Result<ExitCode, Error> {
    let (request, overrides) = args.sources.request()?;
    let services = global.services(overrides)?;
    let report = pipeline::check(&request, &services)?;
    let text = if args.json {
        table::to_json(&report.functions.iter().map(json).collect::<Vec<_>>())
    } else {
        text(&report)
    };
    write!(stdout, "{text}").map_err(Error::Output)?;
    let problems = report.functions.iter().flat_map(|function| &function.problems);
    Ok(problems.map(Error::exit_code).next().unwrap_or(ExitCode::Success))
}

fn json(function: &FunctionCheck) -> CheckJson<'_> {
    let problem = |error: &Error| ProblemJson {
        code: error.exit_code() as u8,
        message: error.message(),
        hint: error.hint(),
    };
    CheckJson {
        function: &function.name,
        lockfile: &function.lockfile,
        packages: function.n_packages,
        problems: function.problems.iter().map(problem).collect(),
    }
}

fn text(report: &CheckReport) -> String {
    let mut text = String::new();
    for FunctionCheck { name, lockfile, n_packages, problems } in &report.functions {
        let state = if problems.is_empty() { "all is well" } else { "cannot be built as it is" };
        text.push_str(&format!("function {name} ({lockfile}): {n_packages} packages, {state}\n"));
        for problem in problems {
            text.push_str(&format!("\n{}", problem.render()));
        }
    }
    text.push_str(&format!("checked in {}\n", human_duration(report.elapsed)));
    text
}
