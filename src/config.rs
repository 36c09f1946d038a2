//! The text of layr.toml to a checked [`Config`]. Pure.

mod audit;
mod layers;
mod elsewhere;

use std::collections::BTreeMap;
use std::path::PathBuf;

pub use audit::{AuditConfig, IgnoreConfig, LevelsConfig, LicensesConfig};
pub use elsewhere::{CacheConfig, FarmConfig};
pub use layers::PlanConfig;
use layers::RawLayers;

use serde::Deserialize;

use crate::model::{Architecture, MEMORY_RANGE, RVersion, TIMEOUT_RANGE};

/// What the user wrote: nothing checked yet but the spelling of the keys.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
struct RawConfig {
    base: RawBase,
    build: RawBuild,
    layers: RawLayers,
    slim: RawSlim,
    publish: PublishConfig,
    cache: CacheConfig,
    farm: elsewhere::RawFarm,
    repositories: BTreeMap<String, String>,
    audit: AuditConfig,
    functions: BTreeMap<String, RawFunction>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
struct RawBase {
    recipe: Option<String>,
    image: Option<String>,
    rootfs: Option<String>,
    r: Option<String>,
    arch: Option<String>,
    engine: Option<String>,
    mirror: Option<String>,
    include: Vec<String>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
struct RawBuild {
    memory: Option<u64>,
    processes: Option<u32>,
    seconds: Option<u64>,
    binary: Option<String>,
}

/// By package, or for all under `*`: patterns of what goes and what stays.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
struct RawSlim {
    drop: BTreeMap<String, Vec<String>>,
    keep: BTreeMap<String, Vec<String>>,
}

/// `[publish]`. What the texts mean is for the stage to say.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
pub struct PublishConfig {
    pub regions: Vec<String>,
    /// For zips that Lambda does not take directly; `{region}` stands for the region.
    pub bucket: Option<String>,
    pub by_reference: bool,
    /// Accounts, organisations, or `public`.
    pub share: Vec<String>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
struct RawFunction {
    lockfile: PathBuf,
    code: Option<PathBuf>,
    #[serde(default)]
    image: bool,
    handler: Option<String>,
    memory: Option<u32>,
    timeout: Option<u32>,
    #[serde(default)]
    environment: BTreeMap<String, String>,
    role: Option<String>,
    #[serde(default)]
    audit: LevelsConfig,
}

/// What the stages read: every field there, and in range.
#[derive(Debug, Clone, PartialEq)]
pub struct Config {
    /// Recipe of the base, unless a flag says another.
    pub base: Option<String>,
    /// The R to install in a base whose recipe can choose.
    pub r: Option<RVersion>,
    /// The processor it is for; this machine's if `None`.
    pub arch: Option<Architecture>,
    pub engine: Option<String>,
    pub mirror: Option<String>,
    pub include: Vec<String>,
    /// Of each build, in bytes; all of the machine's if `None`.
    pub memory_bytes: Option<u64>,
    pub n_processes: u32,
    pub build_seconds: u64,
    /// Whether binary packages are taken, unless a flag says otherwise.
    pub binary: Option<String>,
    pub prefix: String,
    pub keep: Vec<String>,
    /// What the layers run on, unless a flag says another.
    pub target: Option<String>,
    /// How much of packages is left out, unless a flag says otherwise.
    pub slim: Option<String>,
    /// By package: patterns of what is left out beside.
    pub slim_drop: BTreeMap<String, Vec<String>>,
    /// By package: patterns of what is not left out.
    pub slim_keep: BTreeMap<String, Vec<String>>,
    pub plan: PlanConfig,
    pub publish: PublishConfig,
    pub cache: CacheConfig,
    pub farm: FarmConfig,
    /// Where to fetch from instead, by the repository's name.
    pub repositories: BTreeMap<String, String>,
    pub audit: AuditConfig,
    /// By name; paths are relative to layr.toml.
    pub functions: BTreeMap<String, FunctionConfig>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FunctionConfig {
    pub lockfile: PathBuf,
    pub code: Option<PathBuf>,
    /// It is deployed as a container image.
    pub image: bool,
    pub handler: Option<String>,
    /// Of Lambda's megabytes, which are MiB.
    pub memory_mb: u32,
    pub timeout_seconds: u32,
    pub environment: BTreeMap<String, String>,
    /// ARN of the role that it runs as, once deployed.
    pub role: Option<String>,
    /// What findings of an audit come to, where not as for all.
    pub audit: LevelsConfig,
}

impl Config {
    /// What findings of an audit come to, by function.
    pub fn audit_levels(&self) -> BTreeMap<String, LevelsConfig> {
        self.functions.iter().map(|(name, function)| (name.clone(), function.audit.clone())).collect()
    }
}

#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    #[error("layr.toml cannot be read:\n{}", .0.to_string().trim_end())]
    Syntax(#[source] Box<toml::de::Error>),
    #[error("[base] of layr.toml has {}, of which one is enough", .0.join(" and "))]
    SeveralBases(Vec<&'static str>),
    #[error("`{field}` in layr.toml is `{value}`, which is not {expected}")]
    Value { field: &'static str, value: String, expected: &'static str },
}

impl ConfigError {
    /// What the user can do next.
    pub fn hint(&self) -> Option<String> {
        Some("docs/configuration.md lists the keys and what they may be".to_owned())
    }
}

/// Reads layr.toml; an empty text gives the defaults.
///
/// # Errors
///
/// A key that is not known, or a value that is out of range.
pub fn parse(text: &str) -> Result<Config, ConfigError> {
    let raw: RawConfig = toml::from_str(text).map_err(|error| ConfigError::Syntax(Box::new(error)))?;
    let RawBase { recipe, image, rootfs, r, arch, engine, mirror, include } = raw.base;
    let named = [("recipe", &recipe), ("image", &image), ("rootfs", &rootfs)];
    let given: Vec<_> = named.iter().filter(|(_, value)| value.is_some()).map(|(name, _)| *name).collect();
    if given.len() > 1 {
        return Err(ConfigError::SeveralBases(given));
    }
    let r = match r {
        Some(text) => {
            Some(text.parse().ok().ok_or_else(|| value("base.r", &text, "a version of R such as 4.5.0"))?)
        }
        None => None,
    };
    let unknown_arch = |text: &String| value("base.arch", text, "`x86_64` or `arm64`");
    let arch = arch.map(|text| text.parse().ok().ok_or_else(|| unknown_arch(&text))).transpose()?;
    let plan = raw.layers.plan()?;
    let prefix = raw.layers.prefix.unwrap_or_else(|| "layr".to_owned());
    if !is_prefix(&prefix) {
        return Err(value("layers.prefix", &prefix, "1 to 32 letters, digits, `-` or `_`"));
    }
    let build_seconds = raw.build.seconds.unwrap_or(2 * 3600);
    if !(1..=24 * 3600).contains(&build_seconds) {
        return Err(value("build.seconds", &build_seconds.to_string(), "between 1 and 86400"));
    }
    let memory_bytes = raw.build.memory.map(|megabytes| megabytes << 20);
    if memory_bytes.is_some_and(|bytes| bytes < 256 << 20) {
        return Err(value("build.memory", &raw.build.memory.unwrap_or(0).to_string(), "256 MiB or more"));
    }
    let functions: Result<_, ConfigError> =
        raw.functions.into_iter().map(|(name, raw)| Ok((name, function(raw)?))).collect();
    Ok(Config {
        base: recipe.or(image).or(rootfs),
        r,
        arch,
        engine,
        mirror,
        include,
        memory_bytes,
        n_processes: raw.build.processes.unwrap_or(1024),
        build_seconds,
        binary: raw.build.binary,
        prefix,
        keep: raw.layers.keep,
        target: raw.layers.target,
        slim: raw.layers.slim,
        slim_drop: raw.slim.drop,
        slim_keep: raw.slim.keep,
        plan,
        publish: raw.publish,
        cache: raw.cache,
        farm: raw.farm.checked()?,
        repositories: raw.repositories,
        audit: raw.audit,
        functions: functions?,
    })
}

/// What a function has unless told otherwise: R is at home in neither Lambda's own 128 MB
/// nor its 3 seconds.
const MEMORY_MB: u32 = 1024;
const TIMEOUT_SECONDS: u32 = 30;

fn function(raw: RawFunction) -> Result<FunctionConfig, ConfigError> {
    let RawFunction { lockfile, code, image, handler, memory, timeout, environment, role, audit } = raw;
    let memory_mb = memory.unwrap_or(MEMORY_MB);
    let timeout_seconds = timeout.unwrap_or(TIMEOUT_SECONDS);
    let value =
        |field, value: u32, expected| ConfigError::Value { field, value: value.to_string(), expected };
    if !MEMORY_RANGE.contains(&memory_mb) {
        return Err(value("functions.memory", memory_mb, "between 128 and 10240 MB"));
    }
    if !TIMEOUT_RANGE.contains(&timeout_seconds) {
        return Err(value("functions.timeout", timeout_seconds, "between 1 and 900 seconds"));
    }
    Ok(FunctionConfig {
        lockfile,
        code,
        image,
        handler,
        memory_mb,
        timeout_seconds,
        environment,
        role,
        audit,
    })
}

fn value(field: &'static str, value: &str, expected: &'static str) -> ConfigError {
    ConfigError::Value { field, value: value.to_owned(), expected }
}

/// With R's version, architecture and digest behind it, a name stays within 64 characters,
/// so that the layer's ARN fits everywhere.
fn is_prefix(text: &str) -> bool {
    (1..=32).contains(&text.len())
        && text.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_empty_file_gives_the_defaults() {
        let config = parse("").unwrap();
        assert_eq!((config.prefix.as_str(), config.base, config.n_processes), ("layr", None, 1024));
    }

    #[test]
    fn what_is_misspelt_or_out_of_range_is_named() {
        let cases = [
            ("[layer]\nprefix = \"x\"", "layer"),
            ("[layers]\nprefx = \"x\"", "prefx"),
            ("[layers]\nprefix = \"a b\"", "layers.prefix"),
            ("[base]\nrecipe = \"al2023\"\nrootfs = \"x/\"", "recipe and rootfs"),
            ("[base]\nr = \"four\"", "base.r"),
            ("[build]\nseconds = 0", "build.seconds"),
            ("[farm]\nseconds = 0", "farm.seconds"),
            ("[layers]\nremainder = \"zip\"", "layers.remainder"),
            ("[layers.weights]\nhorizon = -1.0", "layers.weights.horizon"),
            ("[layers.weights]\nextra = nan", "layers.weights.extra"),
            ("[functions.score]\ncode = \"x\"", "lockfile"),
            ("[functions.score]\nlockfile = \"x\"\nmemory = 64", "functions.memory"),
            ("[functions.score]\nlockfile = \"x\"\ntimeout = 901", "functions.timeout"),
        ];
        for (text, part) in cases {
            let message = parse(text).unwrap_err().to_string();
            assert!(message.contains(part), "{text:?} gave {message}");
        }
    }
}
