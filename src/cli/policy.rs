//! `layr policy`

use std::io::Write;

use super::{Global, project};
use crate::error::Error;
use crate::publish::{PolicyCommand, Scope, policy};

#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// The command that it is for
    #[arg(value_enum)]
    command: CommandArg,
    /// Number of the account, for a policy that is good for it alone
    #[arg(long, value_name = "ID", default_value = "*")]
    account: String,
    /// Bucket for large zips; layr.toml's if not given
    #[arg(long, value_name = "NAME")]
    bucket: Option<String>,
}

#[derive(Debug, Clone, Copy, clap::ValueEnum)]
enum CommandArg {
    Publish,
    /// publish --dry-run
    DryRun,
    Share,
    Deploy,
    Gc,
    /// audit fleet
    Fleet,
    /// For accounts that layers are shared with
    Use,
}

pub(super) fn run(args: &Args, _: &Global, stdout: &mut dyn Write) -> Result<(), Error> {
    let (config, _) = project::read_config()?;
    let bucket = args.bucket.as_deref().or(config.publish.bucket.as_deref());
    let scope = Scope { prefix: &config.prefix, account: &args.account, bucket };
    let command = match args.command {
        CommandArg::Publish => PolicyCommand::Publish,
        CommandArg::DryRun => PolicyCommand::DryRun,
        CommandArg::Share => PolicyCommand::Share,
        CommandArg::Deploy => PolicyCommand::Deploy,
        CommandArg::Gc => PolicyCommand::Gc,
        CommandArg::Fleet => PolicyCommand::Fleet,
        CommandArg::Use => PolicyCommand::Use,
    };
    writeln!(stdout, "{:#}", policy(command, &scope)).map_err(Error::Output)
}
