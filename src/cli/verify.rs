//! `layr verify`: what is built again, or what is published, held against what was built.

use std::collections::BTreeSet;
use std::io::Write;

use serde_json::json;

use super::project::ProjectArgs;
use super::remote::RemoteFlags;
use super::{Global, cloud, table};
use crate::error::{Error, ExitCode};
use crate::model::PackageName;
use crate::pipeline::{self, BuildRequest, VerifyReport};
use crate::publish::{self, Held, PublishError};
use crate::sys::{fs, hash};

#[derive(Debug, clap::Args)]
pub(super) struct Args {
    #[command(flatten)]
    project: ProjectArgs,
    #[command(flatten)]
    remote: RemoteFlags,
    /// Only these packages
    #[arg(long = "package", value_name = "PACKAGE")]
    packages: Vec<String>,
    /// Build nothing: ask Lambda whether it holds what layers.json says that layr.lock gave
    #[arg(long, conflicts_with = "packages")]
    published: bool,
    /// Profile of AWS's configuration files, instead of `AWS_PROFILE`
    #[arg(long, value_name = "NAME", requires = "published")]
    profile: Option<String>,
    /// Print what was found as JSON
    #[arg(long)]
    pub(super) json: bool,
}

/// Ends with a code of its own where bytes differ.
pub(super) fn run(args: &Args, global: &Global, stdout: &mut dyn Write) -> Result<ExitCode, Error> {
    let only: Result<BTreeSet<PackageName>, _> = args.packages.iter().map(|name| name.parse()).collect();
    let (mut request, overrides) = args.project.request()?;
    if args.published {
        return run_published(args, &request, global, stdout);
    }
    request.locked = true;
    let services = args.remote.join_all(global.services(overrides)?, &request, global)?;
    let report = pipeline::verify(&request, &only?, &services)?;
    let text = if args.json { to_json(&report) } else { to_text(&report) };
    write!(stdout, "{text}").map_err(Error::Output)?;
    let is_same = report.differing.is_empty() && report.failed.is_empty();
    Ok(if is_same { ExitCode::Success } else { ExitCode::Differs })
}

/// From layr.lock through layers.json to Lambda: each link by its digest.
fn run_published(
    args: &Args,
    request: &BuildRequest,
    global: &Global,
    stdout: &mut dyn Write,
) -> Result<ExitCode, Error> {
    let manifest = cloud::read_manifest(&request.out)?;
    if manifest.layers.iter().all(|layer| layer.published.is_empty()) {
        return Err(PublishError::NothingPublished.into());
    }
    let lock = fs::read_if_there(&request.layr_lock)?.map(|bytes| hash::sha256(&bytes));
    let is_of_lock = lock.is_some() && lock == manifest.layr_lock_sha256;
    let (aws, _) = cloud::connect(args.profile.as_deref(), global)?;
    let held = publish::hold(&manifest, &aws)?;
    let text =
        if args.json { published_to_json(&held, is_of_lock) } else { published_to_text(&held, is_of_lock) };
    write!(stdout, "{text}").map_err(Error::Output)?;
    let is_same = is_of_lock && held.iter().all(Held::is_same);
    Ok(if is_same { ExitCode::Success } else { ExitCode::Differs })
}

fn published_to_text(held: &[Held], is_of_lock: bool) -> String {
    let n_same = held.iter().filter(|one| one.is_same()).count();
    let mut text = format!("{n_same} of {} layer versions hold what was built\n", held.len());
    for one in held.iter().filter(|one| !one.is_same()) {
        text.push_str(&match one.found {
            Some(found) => format!(
                "{} has CodeSha256 {}, built was {}\n",
                one.arn,
                found.0.to_base64(),
                one.built.0.to_base64()
            ),
            None => format!("{} was deleted\n", one.arn),
        });
    }
    if !is_of_lock {
        text.push_str("layers.json was not made with this layr.lock\n");
    }
    text
}

fn published_to_json(held: &[Held], is_of_lock: bool) -> String {
    let one = |one: &Held| {
        json!({
            "arn": one.arn.to_string(),
            "built": one.built.0.to_base64(),
            "found": one.found.map(|found| found.0.to_base64()),
        })
    };
    let versions: Vec<_> = held.iter().map(one).collect();
    table::to_json(&json!({ "schema": 1, "layr_lock": is_of_lock, "versions": versions }))
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
