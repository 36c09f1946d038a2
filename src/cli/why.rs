//! `layr why`

use std::io::Write;

use serde::Serialize;

use super::sources::SourceArgs;
use super::{Global, table};
use crate::error::Error;
use crate::model::PackageName;
use crate::pipeline::{self, FunctionWhy};

#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// The package to explain
    package: String,
    #[command(flatten)]
    sources: SourceArgs,
    /// Print the paths as JSON
    #[arg(long)]
    pub(super) json: bool,
}

/// One function's answer; docs/configuration.md has the fields.
#[derive(Serialize)]
struct WhyJson {
    function: String,
    package: String,
    shipped: bool,
    needed_by: Vec<String>,
    paths: Vec<Vec<String>>,
}

pub(super) fn run(args: &Args, global: &Global, stdout: &mut dyn Write) -> Result<(), Error> {
    let package: PackageName =
        args.package.parse().map_err(|error| Error::Usage(format!("PACKAGE: {error}")))?;
    let (request, overrides) = args.sources.request()?;
    let services = global.services(overrides)?;
    let answers = pipeline::why(&request, &package, &services)?;
    let text = if args.json {
        table::to_json(&answers.iter().map(json).collect::<Vec<_>>())
    } else {
        answers.iter().map(text).collect()
    };
    write!(stdout, "{text}").map_err(Error::Output)
}

fn json(answer: &FunctionWhy) -> WhyJson {
    let FunctionWhy { function, graph, why } = answer;
    let name = |at: &usize| graph.nodes[*at].id.to_string();
    WhyJson {
        function: function.clone(),
        package: name(&why.package),
        shipped: graph.nodes[why.package].shipped,
        needed_by: why.needed_by.iter().map(name).collect(),
        paths: why.paths.iter().map(|path| path.iter().map(name).collect()).collect(),
    }
}

fn text(answer: &FunctionWhy) -> String {
    let FunctionWhy { function, graph, why } = answer;
    let name = |at: &usize| graph.nodes[*at].id.to_string();
    let node = &graph.nodes[why.package];
    let fate = if node.shipped { "shipped" } else { "built against, not shipped" };
    let mut text = format!("function {function}: {}, {fate}\n", node.id);
    if why.paths.is_empty() {
        text.push_str("  nothing else needs it: the lockfile has it for its own sake\n");
    }
    for path in &why.paths {
        let path: Vec<_> = path.iter().map(name).collect();
        text.push_str(&format!("  {}\n", path.join(" -> ")));
    }
    if why.needed_by.len() > 1 {
        let needed_by: Vec<_> = why.needed_by.iter().map(|at| graph.nodes[*at].id.name.to_string()).collect();
        text.push_str(&format!("  directly needed by {}\n", needed_by.join(", ")));
    }
    text
}
