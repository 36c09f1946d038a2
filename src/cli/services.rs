//! The environment to what a run works with.

use std::ffi::OsString;
use std::path::PathBuf;
use std::sync::OnceLock;
use std::time::{Duration, SystemTime};

use super::Global;
use crate::error::Error;
use crate::fetch::{Credentials, Http, HttpOptions};
use crate::pipeline::Services;
use crate::report::{Event, Report, Terminal};
use crate::store::Store;
use crate::sys::fs;
use crate::sys::interrupt::Interrupt;

/// Downloads at once: enough to hide a mirror's latency, few enough to be polite.
const N_DOWNLOADS: usize = 8;
/// The wait before the second try; it doubles from there.
pub(super) const BACKOFF: Duration = Duration::from_millis(500);

impl Global {
    /// `--cache-dir`, else the platform's cache folder.
    pub(super) fn store_root(&self) -> Result<PathBuf, Error> {
        if let Some(folder) = &self.cache_dir {
            return Ok(folder.clone());
        }
        let set = |name: &str| std::env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
        let cache = set("XDG_CACHE_HOME").or_else(|| Some(set("HOME")?.join(".cache")));
        cache.map(|folder| folder.join("layr")).ok_or_else(|| {
            Error::Usage("neither LAYR_CACHE_DIR nor HOME says where the store is to be".to_owned())
        })
    }

    /// `overrides`: the lockfile's repository URLs, and where to fetch from instead.
    pub(super) fn services(&self, overrides: Vec<(String, String)>) -> Result<Services, Error> {
        self.services_for(overrides, self.offline)
    }

    /// The same, for a command that may do without the network.
    pub(super) fn services_for(
        &self,
        overrides: Vec<(String, String)>,
        offline: bool,
    ) -> Result<Services, Error> {
        self.services_until(self.interrupt()?, overrides, offline)
    }

    /// What this machine has kept, where it has kept anything; no request is made for it, and
    /// no store.
    pub(super) fn at_hand(&self, overrides: Vec<(String, String)>) -> Result<Option<Services>, Error> {
        let is_there = self.store_root().is_ok_and(|root| fs::is_dir(&root));
        let services = || Ok(Services { offline: true, ..self.services_for(overrides, true)? });
        is_there.then(services).transpose()
    }

    /// The same, for a command that has an ear for Ctrl-C already.
    pub(super) fn services_until(
        &self,
        interrupt: Interrupt,
        overrides: Vec<(String, String)>,
        offline: bool,
    ) -> Result<Services, Error> {
        let store = Store::open(&self.absolute_store_root()?)?;
        let report = Box::new(self.reporter());
        let options = HttpOptions {
            offline,
            n_parallel: N_DOWNLOADS,
            overrides,
            stall: Duration::from_secs(self.http_timeout.max(1)),
            attempts: self.http_retries.saturating_add(1),
            backoff: BACKOFF,
            now: SystemTime::now(),
            credentials: credentials(&*report)?,
        };
        let http = Http::new(options, interrupt.clone()).map_err(|error| Error::Fetch(vec![error]))?;
        let search_path = std::env::var_os("PATH").unwrap_or_default();
        let home = std::env::var_os("HOME").map(PathBuf::from).filter(|home| home.is_absolute());
        let (remote, builders, falls_back, light) = (None, None, false, Duration::ZERO);
        Ok(Services {
            store,
            http,
            report,
            interrupt,
            remote,
            builders,
            falls_back,
            light,
            offline: self.offline,
            home,
            search_path,
        })
    }

    /// Ctrl-C from here on; the same one for all that a run asks it of.
    #[expect(clippy::unused_self, reason = "beside the others that a run begins with")]
    pub(super) fn interrupt(&self) -> Result<Interrupt, Error> {
        static HEARD: OnceLock<Interrupt> = OnceLock::new();
        if let Some(interrupt) = HEARD.get() {
            return Ok(interrupt.clone());
        }
        let interrupt = Interrupt::new().map_err(Error::Signals)?;
        let on_signal = interrupt.clone();
        ctrlc::set_handler(move || on_signal.trigger())
            .map_err(|error| Error::Signals(std::io::Error::other(error)))?;
        Ok(HEARD.get_or_init(|| interrupt).clone())
    }

    pub(super) fn reporter(&self) -> Terminal {
        Terminal::new(self.verbosity(), self.no_progress)
    }

    /// Sandboxes are given paths, and run in folders of their own.
    pub(super) fn absolute_store_root(&self) -> Result<PathBuf, Error> {
        let root = self.store_root()?;
        Ok(std::path::absolute(&root).map_err(crate::sys::fs::at("find", &root))?)
    }
}

/// What the environment and `.netrc` say of who we are. A file that cannot be read need not
/// be of any use to this run.
fn credentials(report: &dyn Report) -> Result<Credentials, Error> {
    let text =
        |(name, value): (OsString, OsString)| Some((name.into_string().ok()?, value.into_string().ok()?));
    let credentials = Credentials::new(std::env::vars_os().filter_map(text));
    let set = |name: &str| std::env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    let Some(path) = set("NETRC").or_else(|| Some(set("HOME")?.join(".netrc"))) else {
        return Ok(credentials);
    };
    let Some(bytes) = fs::read_if_there(&path)? else { return Ok(credentials) };
    match credentials.clone().with_netrc(&String::from_utf8_lossy(&bytes)) {
        Ok(credentials) => Ok(credentials),
        Err(detail) => {
            let text = format!("`{}` is not used: {detail}", path.display());
            report.report(&Event::Warning { text: &text });
            Ok(credentials)
        }
    }
}
