//! `layr gc`

use std::collections::BTreeSet;
use std::io::Write;
use std::path::PathBuf;

use serde_json::json;

use super::Global;
use super::cloud::{CloudArgs, read_manifest};
use crate::error::Error;
use crate::publish::{self, Fate, GcRequest};
use crate::sys::fs;

#[derive(Debug, clap::Args)]
pub(super) struct Args {
    #[command(flatten)]
    cloud: CloudArgs,
    /// A further folder whose layers.json names layers that stay; may be repeated
    #[arg(long = "keep", value_name = "DIR")]
    keep: Vec<PathBuf>,
    /// Delete what nothing refers to
    #[arg(long)]
    yes: bool,
    /// Also what is shared with others, who may use it
    #[arg(long)]
    also_shared: bool,
    /// Print the list as JSON
    #[arg(long)]
    pub(super) json: bool,
}

pub(super) fn run(args: &Args, global: &Global, stdout: &mut dyn Write) -> Result<(), Error> {
    let named = args.named()?;
    let cloud = args.cloud.open(global)?;
    let request = GcRequest {
        prefix: &cloud.config.prefix,
        regions: &cloud.regions,
        named: &named,
        also_shared: args.also_shared,
    };
    let fates = publish::look(&request, &cloud.aws)?;
    let deleted =
        if args.yes { publish::delete(&fates, &cloud.aws)?.into_iter().collect() } else { BTreeSet::new() };
    let outcome = |fate: &Fate| match fate.kept_for {
        Some(reason) => format!("kept: {}", reason.as_str()),
        None if deleted.contains(&fate.arn) => "deleted".to_owned(),
        None if args.yes => "kept: a function has it by now".to_owned(),
        None => "would be deleted with --yes".to_owned(),
    };
    let text = if args.json {
        let one = |fate: &Fate| json!({ "arn": fate.arn, "unused": fate.kept_for.is_none(), "deleted": deleted.contains(&fate.arn), "why": outcome(fate) });
        format!("{:#}\n", json!({ "schema": 1, "layers": fates.iter().map(one).collect::<Vec<_>>() }))
    } else {
        fates.iter().map(|fate| format!("{}\t{}\n", fate.arn, outcome(fate))).collect()
    };
    write!(stdout, "{text}").map_err(Error::Output)
}

impl Args {
    /// What the manifests name: that of --dist where there is one, and those that were asked
    /// for.
    fn named(&self) -> Result<BTreeSet<crate::model::LayerVersionArn>, Error> {
        let own = &self.cloud.dist;
        let own = fs::exists(&own.join(crate::manifest::FILE_NAME)).then_some(own);
        let mut named = BTreeSet::new();
        for dist in own.into_iter().chain(&self.keep) {
            let manifest = read_manifest(dist)?;
            named.extend(manifest.layers.into_iter().flat_map(|layer| layer.published.into_values()));
        }
        Ok(named)
    }
}
