//! Flags, the environment and layr.toml to the cache that machines share.

use std::path::Path;
use std::time::Duration;

use super::project::read_config;
use super::{Global, services};
use crate::build::{FarmBase, Scheduler};
use crate::config::{CacheConfig, Config, FarmConfig};
use crate::engine::Choice;
use crate::error::Error;
use crate::pipeline::{BuildRequest, Builders, Services};
use crate::remote::{Access, Address, Farm, Remote, RemoteError, Settings, SigningKey, Tls};
use crate::sys::fs;
use crate::sys::interrupt::Interrupt;

/// Which cache, and how it may be used. Secrets come by the environment alone.
#[derive(Debug, clap::Args)]
pub(super) struct RemoteFlags {
    /// Cache that machines share: `grpcs://HOST:PORT`, `https://HOST/PATH` or
    /// `s3://BUCKET/PREFIX`; `none` for no cache
    #[arg(long, value_name = "URL", env = "LAYR_REMOTE_CACHE")]
    remote_cache: Option<String>,
    /// Whether what is built here is sent there, too
    #[arg(long, value_enum, value_name = "MODE", env = "LAYR_REMOTE_CACHE_MODE")]
    remote_cache_mode: Option<ModeArg>,
    /// Farm that `--engine reapi` builds on, as `grpcs://HOST:PORT`; the remote cache if not given
    #[arg(long, value_name = "URL", env = "LAYR_FARM")]
    farm: Option<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum ModeArg {
    Read,
    ReadWrite,
}

impl RemoteFlags {
    /// Adds the cache to what a run works with, unless there is none or the network may not
    /// be used.
    pub(super) fn join(&self, services: Services, global: &Global) -> Result<Services, Error> {
        if services.offline {
            return Ok(services);
        }
        let (config, _) = read_config()?;
        let address = self.remote_cache.as_deref().or(config.cache.remote.as_deref());
        let Some(address) = address.filter(|text| !matches!(*text, "" | "none")) else { return Ok(services) };
        let settings = self.settings(address, &config.cache, global)?;
        let remote = Some(Remote::new(settings, services.interrupt.clone())?);
        Ok(Services { remote, ..services })
    }

    /// The same with the farm, where builds are to run on one.
    pub(super) fn join_all(
        &self,
        services: Services,
        request: &BuildRequest,
        global: &Global,
    ) -> Result<Services, Error> {
        let services = self.join(services, global)?;
        let (Config { farm, cache, .. }, _) = read_config()?;
        let (falls_back, light) = (farm.fallback, farm.light);
        let builders = match request.engine {
            Choice::Farm if !services.offline => {
                Some(self.farm((&farm, &cache), &services.interrupt, global)?)
            }
            Choice::Scheduler => Some(Builders::Scheduler(scheduler(farm)?)),
            Choice::Farm | Choice::Auto | Choice::Docker | Choice::Podman | Choice::Bwrap => None,
        };
        Ok(Services { builders, falls_back, light, ..services })
    }

    fn farm(
        &self,
        (farm, cache): (&FarmConfig, &CacheConfig),
        interrupt: &Interrupt,
        global: &Global,
    ) -> Result<Builders, Error> {
        let of_cache = self.remote_cache.as_ref().or(cache.remote.as_ref());
        let address = self.farm.as_ref().or(farm.address.as_ref()).or(of_cache).ok_or_else(|| {
            Error::Usage(
                "engine reapi needs --farm, `address` in [farm], or a remote cache that is one".to_owned(),
            )
        })?;
        let base = match farm.base.as_deref() {
            None | Some("sent") => FarmBase::Sent,
            Some("worker") => FarmBase::OfWorker,
            Some(other) => {
                let text = format!("`farm.base` of layr.toml is `{other}`, which is not sent or worker");
                return Err(Error::Usage(text));
            }
        };
        let settings = self.settings(address, cache, global)?;
        let made = Farm::new(settings, (&farm.properties, farm.patience), interrupt.clone())?;
        Ok(Builders::Farm(Box::new(made), base))
    }

    fn settings(&self, address: &str, config: &CacheConfig, global: &Global) -> Result<Settings, Error> {
        let trusted: Result<_, RemoteError> =
            config.trusted.iter().map(|text| text.parse().map_err(RemoteError::Trusted)).collect();
        Ok(Settings {
            address: Address::parse(address).map_err(RemoteError::from)?,
            access: self.access(config)?,
            headers: headers()?,
            tls: tls(config)?,
            trusted: trusted?,
            signing_key: variable("LAYR_SIGNING_KEY")
                .map(|path| signing_key(Path::new(&path)))
                .transpose()?,
            stall: Duration::from_secs(global.http_timeout.max(1)),
            attempts: global.http_retries.saturating_add(1),
            backoff: services::BACKOFF,
        })
    }

    fn access(&self, config: &CacheConfig) -> Result<Access, Error> {
        use clap::ValueEnum;
        let mode = match (self.remote_cache_mode, &config.mode) {
            (Some(mode), _) => mode,
            (None, None) => ModeArg::Read,
            (None, Some(text)) => ModeArg::from_str(text, false).ok().ok_or_else(|| {
                Error::Usage(format!(
                    "`cache.mode` of layr.toml is `{text}`, which is not read or read-write"
                ))
            })?,
        };
        Ok(match mode {
            ModeArg::Read => Access::Read,
            ModeArg::ReadWrite => Access::ReadWrite,
        })
    }
}

/// Jobs find this program where it is here.
fn scheduler(farm: FarmConfig) -> Result<Scheduler, Error> {
    let submit = farm.submit.ok_or_else(|| {
        Error::Usage(
            "engine command needs `submit` in [farm] of layr.toml: docs/farm.md has examples".to_owned(),
        )
    })?;
    let program = std::env::current_exe().map_err(fs::at("find", Path::new("layr")))?;
    Scheduler::new(submit, program, farm.patience).map_err(|error| Error::Usage(error.to_string()))
}

/// # Errors
///
/// Where it cannot be read, or is none.
pub(super) fn signing_key(path: &Path) -> Result<SigningKey, RemoteError> {
    let bytes = fs::read(path).map_err(RemoteError::Settings)?;
    let invalid = |source| RemoteError::Key { path: path.display().to_string(), source };
    SigningKey::from_pem(&String::from_utf8_lossy(&bytes)).map_err(invalid)
}

/// A token, and whatever else the server wants to see.
fn headers() -> Result<Vec<(String, String)>, RemoteError> {
    let token = variable("LAYR_REMOTE_CACHE_TOKEN");
    let mut headers: Vec<_> =
        token.map(|token| ("authorization".to_owned(), format!("Bearer {token}"))).into_iter().collect();
    let others = variable("LAYR_REMOTE_CACHE_HEADERS").unwrap_or_default();
    for line in others.lines().filter(|line| !line.trim().is_empty()) {
        let pair = line.split_once(':').filter(|(name, _)| !name.trim().is_empty());
        // Of a line that is wrong no more is shown than a name: the rest may be secret.
        let name = || line.chars().take_while(|c| !c.is_whitespace()).take(20).collect();
        let (name, value) = pair.ok_or_else(|| RemoteError::Header(name()))?;
        headers.push((name.trim().to_owned(), value.trim().to_owned()));
    }
    Ok(headers)
}

fn tls(config: &CacheConfig) -> Result<Tls, RemoteError> {
    let read = |path: &std::path::PathBuf| fs::read(path).map_err(RemoteError::Settings);
    let authorities = config.ca.as_ref().map(read).transpose()?;
    let identity = match (&config.certificate, &config.certificate_key) {
        (Some(certificate), Some(key)) => Some((read(certificate)?, read(key)?)),
        // Both may be in one file.
        (Some(both), None) | (None, Some(both)) => Some((read(both)?, read(both)?)),
        (None, None) => None,
    };
    Ok(Tls { authorities, identity })
}

fn variable(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|value| !value.is_empty())
}
