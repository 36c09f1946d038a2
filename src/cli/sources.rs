//! Where sources come from: the flags that say so, shared by all commands that read
//! lockfiles.

use std::path::{Path, PathBuf};

use clap::ValueEnum;

use super::project::{Settings, VerifyHashesArg};
use crate::config::Config;
use crate::error::Error;
use crate::lockfile::{CRAN_URL, Lockfile};
use crate::pipeline::{Binary, BuildRequest};
use crate::resolve::BIOCONDUCTOR_URL;
use crate::sys::fs;

/// Lockfiles, and where their sources come from.
#[derive(Debug, Clone, clap::Args)]
pub(super) struct SourceArgs {
    /// Lockfiles: renv.lock, packrat.lock, rv.lock, uvr.lock or pkg.lock. Those of layr.toml's
    /// functions, or the first of these that is here, if none is given
    lockfiles: Vec<PathBuf>,
    #[command(flatten)]
    sources: SourceFlags,
}

#[derive(Debug, Clone, clap::Args)]
pub(super) struct SourceFlags {
    /// Fetch what the lockfile has from repository NAME from URL instead; NAME may also be
    /// the beginning of URLs, or Bioconductor, GitHub, GitLab or Bitbucket
    #[arg(long = "repository", value_name = "NAME=URL", value_parser = name_and_url)]
    repositories: Vec<(String, String)>,
    /// Take sources from a folder that `layr vendor` made, before all others
    #[arg(long, value_name = "DIR")]
    vendor: Option<PathBuf>,
    /// Fail rather than change layr.lock
    #[arg(long)]
    pub(super) locked: bool,
    /// Where layr.lock is; beside layr.toml or the first lockfile if not given
    #[arg(long, value_name = "FILE")]
    layr_lock: Option<PathBuf>,
    /// What to do where a package's DESCRIPTION is not the one that the lockfile has a hash of
    #[arg(long, value_enum, value_name = "WHAT", default_value = "warn")]
    pub(super) verify_hashes: VerifyHashesArg,
    /// Whether to take packages that a Posit Package Manager has built, which are faster had
    /// and less surely what the lockfile means
    #[arg(long, value_enum, value_name = "WHEN")]
    binary: Option<BinaryArg>,
    /// Ship PACKAGE although nothing needs it at run time
    #[arg(long, value_name = "PACKAGE")]
    pub(super) keep: Vec<String>,
}

impl Default for SourceFlags {
    /// As if no flag was given.
    fn default() -> Self {
        Self {
            repositories: Vec::new(),
            vendor: None,
            locked: false,
            layr_lock: None,
            verify_hashes: VerifyHashesArg::Warn,
            binary: None,
            keep: Vec::new(),
        }
    }
}

#[derive(Debug, Clone, Copy, clap::ValueEnum)]
enum BinaryArg {
    Never,
    Prefer,
}

/// Names for places that lockfiles mean without declaring them.
const PLACES: [(&str, &str); 5] = [
    ("CRAN", CRAN_URL),
    ("Bioconductor", BIOCONDUCTOR_URL),
    ("GitHub", "https://api.github.com"),
    ("GitLab", "https://gitlab.com"),
    ("Bitbucket", "https://bitbucket.org"),
];

fn name_and_url(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((name, url)) if !name.is_empty() && url.contains("://") => {
            Ok((name.to_owned(), url.trim_end_matches('/').to_owned()))
        }
        _ => Err("it must be of the form NAME=URL".to_owned()),
    }
}

pub(super) fn absolute(path: &Path) -> Result<PathBuf, Error> {
    Ok(std::path::absolute(path).map_err(fs::at("find", path))?)
}

impl SourceArgs {
    /// What to do where nothing is built, and where to fetch from instead of where.
    pub(super) fn request(&self) -> Result<(BuildRequest, Vec<(String, String)>), Error> {
        Settings::of_sources(self.sources.clone()).request(&self.lockfiles)
    }
}

impl SourceFlags {
    /// The file, by its flag or in this folder.
    pub(super) fn layr_lock(&self, folder: &Path) -> PathBuf {
        self.layr_lock.clone().unwrap_or_else(|| folder.join("layr.lock"))
    }

    /// By flag, else by layr.toml.
    pub(super) fn binary(&self, config: &Config) -> Result<Binary, Error> {
        let named = |name: &str| {
            let fault = || Error::Usage(format!("binary `{name}` of layr.toml is neither never nor prefer"));
            BinaryArg::from_str(name, false).ok().ok_or_else(fault)
        };
        let of_config = config.binary.as_deref().map(named).transpose()?;
        Ok(match self.binary.or(of_config).unwrap_or(BinaryArg::Never) {
            BinaryArg::Never => Binary::Never,
            BinaryArg::Prefer => Binary::Prefer,
        })
    }

    pub(super) fn vendor(&self) -> Result<Option<PathBuf>, Error> {
        self.vendor.as_deref().map(absolute).transpose()
    }

    /// The beginnings of URLs as lockfiles have them, each with what to ask instead.
    pub(super) fn overrides(
        &self,
        config: &Config,
        lockfiles: &[Lockfile],
        layr_lock: &Path,
    ) -> Result<Vec<(String, String)>, Error> {
        let of_config = config.repositories.iter();
        let of_config = of_config.map(|(name, url)| (name.clone(), url.trim_end_matches('/').to_owned()));
        let named: Vec<(String, String)> = self.repositories.iter().cloned().chain(of_config).collect();
        let declared = lockfiles.iter().flat_map(|lockfile| &lockfile.repositories);
        let declared = declared.map(|repository| (repository.name.as_str(), repository.url.as_str()));
        let mut overrides = Vec::new();
        for (known, url) in declared.chain(PLACES) {
            let instead = named.iter().find(|(name, _)| name == known);
            overrides.extend(instead.map(|(_, instead)| (url.to_owned(), instead.clone())));
        }
        overrides.extend(named.iter().filter(|(name, _)| name.contains("://")).cloned());
        // Files of the project are told by their paths from the folder of layr.lock.
        let folder = absolute(fs::parent(layr_lock))?.display().to_string();
        overrides.push(("file:.".to_owned(), format!("file://{}", folder.replace('%', "%25"))));
        overrides.sort();
        overrides.dedup();
        Ok(overrides)
    }
}
