//! `[cache]` and `[farm]`: what other machines are for. What the texts mean is for those who
//! speak to them to say.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use serde::Deserialize;

use super::{ConfigError, value};

/// `[cache]`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
pub struct CacheConfig {
    /// Address of a cache that machines share.
    pub remote: Option<String>,
    /// `read` or `read-write`.
    pub mode: Option<String>,
    /// Public keys of the builders whose results are taken.
    pub trusted: Vec<String>,
    /// PEM files: authorities, our certificate, and its key.
    pub ca: Option<PathBuf>,
    pub certificate: Option<PathBuf>,
    pub certificate_key: Option<PathBuf>,
}

/// `[farm]`, as it is written.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
pub(super) struct RawFarm {
    address: Option<String>,
    base: Option<String>,
    properties: BTreeMap<String, String>,
    submit: Option<String>,
    seconds: Option<u64>,
    fallback: bool,
    light: u64,
}

/// `[farm]`: what `engine = "reapi"` and `engine = "command"` build on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FarmConfig {
    /// Its address; that of the cache if `None`.
    pub address: Option<String>,
    /// `sent` or `worker`.
    pub base: Option<String>,
    /// What it chooses workers by.
    pub properties: BTreeMap<String, String>,
    /// What hands a job to a scheduler.
    pub submit: Option<String>,
    /// For a job, in the queue and on a machine together.
    pub patience: Duration,
    /// Whether this machine builds what the others do not.
    pub fallback: bool,
    /// What takes less is built by this machine while it has nothing else to build.
    pub light: Duration,
}

impl RawFarm {
    pub(super) fn checked(self) -> Result<FarmConfig, ConfigError> {
        const DAY: u64 = 24 * 3600;
        let seconds = self.seconds.unwrap_or(DAY);
        if !(1..=30 * DAY).contains(&seconds) {
            return Err(value("farm.seconds", &seconds.to_string(), "between 1 and 2592000"));
        }
        let Self { address, base, properties, submit, seconds: _, fallback, light } = self;
        let (patience, light) = (Duration::from_secs(seconds), Duration::from_secs(light));
        Ok(FarmConfig { address, base, properties, submit, patience, fallback, light })
    }
}
