//! `layr plan`

use std::io::Write;

use super::project::ProjectArgs;
use super::{Global, plan_table};
use crate::error::Error;
use crate::model::PackageId;
use crate::pipeline::{self, Planned};
use crate::plan::{self, Moves, Settings, TreeId, summary, what_if};

#[derive(Debug, clap::Args)]
pub(super) struct Args {
    #[command(flatten)]
    project: ProjectArgs,
    /// Say for each layer why it is as it is
    #[arg(long)]
    explain: bool,
    /// Say how far the plan can be from the best one
    #[arg(long)]
    bound: bool,
    /// Say what would move if PACKAGE came to VERSION in every function that has it
    #[arg(long, value_name = "PACKAGE@VERSION", value_parser = package_id)]
    what_if: Option<PackageId>,
    /// Print the plan as JSON
    #[arg(long)]
    pub(super) json: bool,
}

fn package_id(text: &str) -> Result<PackageId, String> {
    let (name, version) = text.split_once('@').ok_or("it must be of the form PACKAGE@VERSION")?;
    let name = name.parse().map_err(|error| format!("{error}"))?;
    Ok(PackageId { name, version: version.parse().map_err(|error| format!("{error}"))? })
}

pub(super) fn run(args: &Args, global: &Global, stdout: &mut dyn Write) -> Result<(), Error> {
    let (request, overrides) = args.project.request()?;
    let services = global.services(overrides)?;
    let report = pipeline::plan(&request, &services)?;
    let then = match (&args.what_if, &report.layers) {
        (Some(id), Some(planned)) => Some(moves(id, planned, &request.plan)?),
        (Some(_), None) => {
            return Err(Error::Usage("--what-if needs sizes: build first".to_owned()));
        }
        (None, _) => None,
    };
    let bound = report.layers.as_ref().filter(|_| args.bound);
    let bound = bound.map(|planned| plan::bound(&planned.demand, &request.plan));
    if args.json {
        let text = plan_table::plan_json(&report, then.as_ref(), bound);
        return write!(stdout, "{text}").map_err(Error::Output);
    }
    let mut text = plan_table::plan_text(&report);
    if let Some(requirements) = &report.requirements {
        text.push_str(&plan_table::requirements_text(requirements, &request.base, &request.base_options));
    }
    if let Some(planned) = &report.layers {
        let summary = summary(&planned.demand, &planned.last, &planned.plan);
        text.push_str(&plan_table::layers_text(planned, &summary, args.explain));
        if let Some(bound) = bound {
            text.push_str(&plan_table::bound_text(&summary, bound));
        }
    }
    if let (Some(id), Some(moves)) = (&args.what_if, &then) {
        text.push_str(&format!(
            "  with `{id}` the publish after it would move {}\n",
            plan_table::moved(moves)
        ));
    }
    write!(stdout, "{text}").map_err(Error::Output)
}

fn moves(id: &PackageId, planned: &Planned, settings: &Settings) -> Result<Moves, Error> {
    let Planned { demand, last, plan } = planned;
    let moves = what_if((demand, settings), (last, plan), &TreeId::Package(id.clone()))?;
    moves.ok_or_else(|| {
        Error::Usage(format!("no function has `{}` in another version than {}", id.name, id.version))
    })
}
