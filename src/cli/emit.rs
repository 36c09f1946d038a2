//! `layr emit`

use std::io::Write;
use std::path::PathBuf;

use super::Global;
use super::cloud::read_manifest;
use crate::emit::{self, Format, Layers};
use crate::error::Error;
use crate::sys::fs;

#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// For which tool
    #[arg(value_enum)]
    format: FormatArg,
    /// Functions; all if none is given
    functions: Vec<String>,
    /// Region, or several with commas; all that anything is published in if not given
    #[arg(long = "region", value_name = "REGION", value_delimiter = ',')]
    regions: Vec<String>,
    /// Where `layr build` has put the layers
    #[arg(long, value_name = "DIR", default_value = "dist")]
    dist: PathBuf,
}

#[derive(Debug, Clone, Copy, clap::ValueEnum)]
enum FormatArg {
    Json,
    Text,
    /// Variables for a shell
    Env,
    /// A SAM template
    Sam,
    Cloudformation,
    Terraform,
    CdkTypescript,
    CdkPython,
    /// Serverless Framework
    Serverless,
    /// A script that writes SSM parameters
    Ssm,
    /// Outputs and job summary of a GitHub Actions step
    Github,
}

pub(super) fn run(args: &Args, _: &Global, stdout: &mut dyn Write) -> Result<(), Error> {
    let layers = Layers::of(&read_manifest(&args.dist)?.for_lambda(), &args.functions, &args.regions)?;
    let text = emit::emit(args.format.format(), &layers)?;
    if matches!(args.format, FormatArg::Github) {
        return to_github(&text, &emit::github_summary(&layers), stdout);
    }
    write!(stdout, "{text}").map_err(Error::Output)
}

/// To the files that the runner names; what it names no file for goes to stdout.
fn to_github(outputs: &str, summary: &str, stdout: &mut dyn Write) -> Result<(), Error> {
    for (variable, text) in [("GITHUB_OUTPUT", outputs), ("GITHUB_STEP_SUMMARY", summary)] {
        match std::env::var_os(variable).filter(|path| !path.is_empty()) {
            Some(path) => {
                let path = PathBuf::from(path);
                fs::append(&path)?.write_all(text.as_bytes()).map_err(fs::at("write", &path))?;
            }
            None => write!(stdout, "{text}").map_err(Error::Output)?,
        }
    }
    Ok(())
}

impl FormatArg {
    fn format(self) -> Format {
        match self {
            Self::Json => Format::Json,
            Self::Text => Format::Text,
            Self::Env => Format::Env,
            Self::Sam => Format::Sam,
            Self::Cloudformation => Format::Cloudformation,
            Self::Terraform => Format::Terraform,
            Self::CdkTypescript => Format::CdkTypescript,
            Self::CdkPython => Format::CdkPython,
            Self::Serverless => Format::Serverless,
            Self::Ssm => Format::Ssm,
            Self::Github => Format::Github,
        }
    }
}
