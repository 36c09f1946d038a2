//! The environment to what a run works with.

use std::path::PathBuf;
use std::time::{Duration, SystemTime};

use super::Global;
use crate::error::Error;
use crate::fetch::{Http, HttpOptions};
use crate::pipeline::Services;
use crate::report::Terminal;
use crate::store::Store;
use crate::sys::interrupt::Interrupt;

/// Downloads at once: enough to hide a mirror's latency, few enough to be polite.
const N_DOWNLOADS: usize = 8;
/// The wait before the second try; it doubles from there.
const BACKOFF: Duration = Duration::from_millis(500);

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
        let interrupt = Interrupt::new().map_err(Error::Signals)?;
        let on_signal = interrupt.clone();
        ctrlc::set_handler(move || on_signal.trigger())
            .map_err(|error| Error::Signals(std::io::Error::other(error)))?;
        let store = Store::open(&self.absolute_store_root()?)?;
        let options = HttpOptions {
            offline: self.offline,
            n_parallel: N_DOWNLOADS,
            overrides,
            stall: Duration::from_secs(self.http_timeout.max(1)),
            attempts: self.http_retries.saturating_add(1),
            backoff: BACKOFF,
            now: SystemTime::now(),
        };
        let http = Http::new(options, interrupt.clone()).map_err(|error| Error::Fetch(vec![error]))?;
        let report = Box::new(Terminal::new(self.verbosity(), self.no_progress));
        let search_path = std::env::var_os("PATH").unwrap_or_default();
        Ok(Services { store, http, report, interrupt, offline: self.offline, search_path })
    }

    /// Sandboxes are given paths, and run in folders of their own.
    pub(super) fn absolute_store_root(&self) -> Result<PathBuf, Error> {
        let root = self.store_root()?;
        Ok(std::path::absolute(&root).map_err(crate::sys::fs::at("find", &root))?)
    }
}
