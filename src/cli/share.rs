//! `layr share`

use std::io::Write;

use serde_json::json;

use super::Global;
use super::cloud::{CloudArgs, published};
use crate::error::Error;
use crate::publish::{self, Grantee, Shared, Statement};

#[derive(Debug, clap::Args)]
#[expect(clippy::struct_excessive_bools, reason = "flags are what they are")]
pub(super) struct Args {
    #[command(flatten)]
    cloud: CloudArgs,
    /// An account that may use the layers: 12 digits; may be repeated
    #[arg(long = "account", value_name = "ID")]
    accounts: Vec<String>,
    /// An organisation all of whose accounts may use the layers: o-…; may be repeated
    #[arg(long = "organization", value_name = "ID")]
    organizations: Vec<String>,
    /// Everybody
    #[arg(long)]
    public: bool,
    /// Take it back instead
    #[arg(long, conflicts_with = "list")]
    revoke: bool,
    /// Only say who may use what
    #[arg(long)]
    list: bool,
    /// Print the list as JSON
    #[arg(long)]
    pub(super) json: bool,
}

pub(super) fn run(args: &Args, global: &Global, stdout: &mut dyn Write) -> Result<(), Error> {
    let grantees = args.grantees()?;
    let manifest = args.cloud.manifest()?.for_lambda();
    let cloud = args.cloud.open(global)?;
    let versions = published(&manifest, &cloud.regions)?;
    let text = if args.list {
        let shared = publish::list_shared(&versions, &cloud.aws)?;
        if args.json { as_json(&shared) } else { as_text(&shared) }
    } else {
        let mut grantees = grantees;
        if grantees.is_empty() && !args.revoke {
            let named = cloud.config.publish.share.iter().map(|text| text.parse());
            grantees = named.collect::<Result<_, _>>()?;
        }
        if grantees.is_empty() {
            return Err(Error::Usage(
                "nobody is named: say --account, --organization or --public, or set publish.share in layr.toml"
                    .to_owned(),
            ));
        }
        if args.revoke {
            format!("{} permissions taken back\n", publish::unshare(&versions, &grantees, &cloud.aws)?)
        } else {
            format!("{} permissions given\n", publish::share(&versions, &grantees, &cloud.aws)?)
        }
    };
    write!(stdout, "{text}").map_err(Error::Output)
}

impl Args {
    fn grantees(&self) -> Result<Vec<Grantee>, Error> {
        let named = self.accounts.iter().chain(&self.organizations).map(String::as_str);
        let all = named.chain(self.public.then_some("public"));
        let grantees: Result<_, _> = all.map(str::parse).collect();
        Ok(grantees?)
    }
}

/// `ARN`, a tab, and who.
fn as_text(shared: &[Shared]) -> String {
    let line = |one: &Shared| {
        let who: Vec<String> = one.statements.iter().map(shown).collect();
        let who = if who.is_empty() { "nobody else".to_owned() } else { who.join(", ") };
        format!("{}\t{who}\n", one.arn)
    };
    shared.iter().map(line).collect()
}

fn shown(statement: &Statement) -> String {
    match &statement.grantee {
        Some(grantee) => grantee.to_string(),
        None => format!("statement {}", statement.id),
    }
}

fn as_json(shared: &[Shared]) -> String {
    let statement = |statement: &Statement| json!({ "statement": statement.id, "grantee": statement.grantee.as_ref().map(ToString::to_string) });
    let one = |one: &Shared| json!({ "arn": one.arn, "shared": one.statements.iter().map(statement).collect::<Vec<_>>() });
    format!("{:#}\n", json!({ "schema": 1, "layers": shared.iter().map(one).collect::<Vec<_>>() }))
}
