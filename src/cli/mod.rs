//! Flags to values, and values to output. No stage sees clap, the environment or the clock.

#![expect(clippy::disallowed_methods, reason = "the environment is read here, and nowhere else")]

mod advisories;
mod audit;
mod base;
mod build;
mod build_one;
mod cache;
mod check;
mod cloud;
mod cost;
mod deploy;
mod diff;
mod emit;
mod event;
mod gc;
mod image;
mod inventory;
mod invoke;
mod plan;
mod plan_table;
mod policy;
mod project;
mod publish;
mod remote;
mod report;
mod runtime;
mod sbom;
mod services;
mod share;
mod sources;
mod table;
mod target;
mod vendor;
mod verify;
mod why;

use std::io::{self, Write};
use std::path::PathBuf;

use clap::{Parser, Subcommand};

use crate::error::{Error, ExitCode};
use crate::report::Verbosity;

/// From an R lockfile to AWS Lambda layers, reproducibly
#[derive(Debug, Parser)]
#[command(name = "layr", version, max_term_width = 100)]
struct Cli {
    #[command(flatten)]
    global: Global,
    #[command(subcommand)]
    command: Command,
}

/// Flags that every command has.
#[derive(Debug, clap::Args)]
#[expect(clippy::struct_excessive_bools, reason = "flags are what they are")]
struct Global {
    /// Say less: only errors
    #[arg(short, long, global = true, conflicts_with = "verbose")]
    quiet: bool,
    /// Say more
    #[arg(short, long, global = true)]
    verbose: bool,
    /// Never use the network
    #[arg(long, global = true, env = "LAYR_OFFLINE", value_parser = clap::builder::FalseyValueParser::new())]
    offline: bool,
    /// Folder of the store; the platform's cache folder if not given
    #[arg(long, global = true, value_name = "DIR", env = "LAYR_CACHE_DIR")]
    cache_dir: Option<PathBuf>,
    /// Seconds without a byte after which a download is given up and tried again
    #[arg(
        long,
        global = true,
        value_name = "SECONDS",
        env = "LAYR_HTTP_TIMEOUT",
        default_value_t = 20,
        hide = true
    )]
    http_timeout: u64,
    /// How often a download that failed is tried again
    #[arg(
        long,
        global = true,
        value_name = "N",
        env = "LAYR_HTTP_RETRIES",
        default_value_t = 3,
        hide = true
    )]
    http_retries: u32,
    /// No progress bars, also on a terminal
    #[arg(long, global = true, env = "LAYR_NO_PROGRESS", value_parser = clap::builder::FalseyValueParser::new())]
    no_progress: bool,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Lockfiles to layers in dist/
    Build(build::Args),
    /// One package, for a job of a scheduler: `layr build --engine command` calls it
    BuildOne(build_one::Args),
    /// What would be built and packed, and its sizes; builds nothing
    Plan(plan::Args),
    /// Build everything that layr.lock locks again, and compare every byte
    Verify(verify::Args),
    /// Run a function here, with its layers, as Lambda would
    Invoke(invoke::Args),
    /// R as a layer
    #[command(subcommand)]
    Runtime(runtime::Command),
    /// Whether all sources are there and fit together; builds nothing
    Check(check::Args),
    /// Why a package is there: what needs it
    Why(why::Args),
    /// Vulnerabilities, licences, and what else is to be known of packages before they are used
    Audit(audit::Args),
    /// All sources in a folder that needs no network
    Vendor(vendor::Args),
    /// Layers in dist/ to layer versions in AWS, each content once
    Publish(publish::Args),
    /// ARNs of published layers, in the form that another tool wants
    Emit(emit::Args),
    /// Who may use the published layers, besides their account
    Share(share::Args),
    /// Functions of layr.toml to Lambda, with their layers; changes only what differs
    Deploy(deploy::Args),
    /// A function's layers as a container image
    Image(image::Args),
    /// Layer versions that nothing refers to
    Gc(gc::Args),
    /// What a function costs in a month
    Cost(cost::Args),
    /// The least IAM policy for a command
    Policy(policy::Args),
    /// What is between two lockfiles, builds or layers
    Diff(diff::Args),
    /// What is in a function or a layer, as a bill of materials
    Sbom(sbom::Args),
    /// One page on what is in the layers, what it costs, and why it is there
    Report(report::Args),
    /// The environments that packages are built in
    #[command(subcommand)]
    Base(base::Command),
    /// What layers run on: the libraries a system has
    #[command(subcommand)]
    Target(target::Command),
    /// The store: what it holds, whether it is right, what of it can go
    #[command(subcommand)]
    Cache(cache::Command),
}

impl Global {
    fn verbosity(&self) -> Verbosity {
        match (self.quiet, self.verbose) {
            (true, _) => Verbosity::Quiet,
            (false, true) => Verbosity::Verbose,
            (false, false) => Verbosity::Normal,
        }
    }
}

/// Runs the program on the process's own arguments, streams and environment.
pub fn main() -> ExitCode {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => {
            _ = error.print();
            return if error.use_stderr() { ExitCode::Usage } else { ExitCode::Success };
        }
    };
    let mut stdout = anstream::stdout().lock();
    let result = run(&cli, &mut stdout).and_then(|code| stdout.flush().map(|()| code).map_err(Error::Output));
    match result {
        Ok(code) => code,
        // Whoever reads us has read enough.
        Err(Error::Output(error)) if error.kind() == io::ErrorKind::BrokenPipe => ExitCode::Success,
        Err(error) => {
            if asks_for_json(&cli.command) {
                _ = stdout.write_all(table::error_json(&error).as_bytes());
            }
            let rendered = error.render();
            let red = anstyle::AnsiColor::Red.on_default().bold();
            let shown = rendered.replacen("error:", &format!("{red}error:{red:#}"), 1);
            _ = anstream::stderr().write_all(shown.as_bytes());
            error.exit_code()
        }
    }
}

fn run(cli: &Cli, stdout: &mut dyn Write) -> Result<ExitCode, Error> {
    match &cli.command {
        Command::Check(args) => return check::run(args, &cli.global, stdout),
        Command::Audit(args) => return audit::run(args, &cli.global, stdout),
        Command::Why(args) => why::run(args, &cli.global, stdout),
        Command::Vendor(args) => vendor::run(args, &cli.global, stdout),
        Command::Build(args) => build::run(args, &cli.global, stdout),
        Command::BuildOne(args) => build_one::run(args, &cli.global, stdout),
        Command::Plan(args) => plan::run(args, &cli.global, stdout),
        Command::Verify(args) => return verify::run(args, &cli.global, stdout),
        Command::Invoke(args) => return invoke::run(args, &cli.global, stdout),
        Command::Runtime(command) => runtime::run(command, &cli.global, stdout),
        Command::Publish(args) => publish::run(args, &cli.global, stdout),
        Command::Emit(args) => emit::run(args, &cli.global, stdout),
        Command::Share(args) => share::run(args, &cli.global, stdout),
        Command::Deploy(args) => deploy::run(args, &cli.global, stdout),
        Command::Image(args) => image::run(args, &cli.global, stdout),
        Command::Gc(args) => gc::run(args, &cli.global, stdout),
        Command::Cost(args) => cost::run(args, &cli.global, stdout),
        Command::Policy(args) => policy::run(args, &cli.global, stdout),
        Command::Diff(args) => diff::run(args, &cli.global, stdout),
        Command::Sbom(args) => sbom::run(args, &cli.global, stdout),
        Command::Report(args) => report::run(args, &cli.global, stdout),
        Command::Base(command) => base::run(command, &cli.global, stdout),
        Command::Target(command) => target::run(command, stdout),
        Command::Cache(command) => cache::run(command, &cli.global, stdout),
    }?;
    Ok(ExitCode::Success)
}

fn asks_for_json(command: &Command) -> bool {
    match command {
        Command::Build(args) => args.json,
        Command::Plan(args) => args.json,
        Command::Check(args) => args.json,
        Command::Audit(args) => audit::asks_for_json(args),
        Command::Why(args) => args.json,
        Command::Runtime(runtime::Command::Build(args)) => args.json,
        Command::Verify(args) => args.json,
        Command::Publish(args) => args.json,
        Command::Share(args) => args.json,
        Command::Gc(args) => args.json,
        Command::Cost(args) => args.json,
        Command::Diff(args) => args.json,
        Command::Vendor(_)
        | Command::BuildOne(_)
        | Command::Invoke(_)
        | Command::Deploy(_)
        | Command::Emit(_)
        | Command::Image(_)
        | Command::Policy(_)
        | Command::Sbom(_)
        | Command::Report(_)
        | Command::Base(_)
        | Command::Target(_)
        | Command::Cache(_) => false,
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    #[test]
    fn the_flags_do_not_contradict_one_another() {
        super::Cli::command().debug_assert();
    }
}
