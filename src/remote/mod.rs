//! A cache that machines share: what one of them has built, the others need not build.
//!
//! Blobs and trees have the names there that they have in the store, so whatever comes is
//! held against its name before it is kept. That a build key gave a certain tree is
//! somebody's word; `claim` says whose is taken. docs/remote-cache.md draws the boundary.
//!
//! A build never fails for the cache's sake. One that is slow, broken, full or wrong is
//! given up for the rest of the run, with one warning.

mod address;
mod claim;
mod error;
mod farm;
mod grpc;
mod http;
mod note;
mod notes;
mod s3;
mod server;
mod settings;
mod shared;
mod signature;
mod transfer;

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

pub use address::{Address, InvalidAddress};
pub use claim::{Claim, Refusal};
pub use error::RemoteError;
pub use farm::{Ended, Farm, Job, Said};
pub use notes::Reservation;
pub use settings::{Access, Settings, Tls};
pub use shared::{Shared, Stats, sharing};
pub use signature::{Builder, InvalidKey, SigningKey};

use crate::report::{Event, Report};
use crate::store::{Blob, StoreError};
use crate::sys::interrupt::Interrupt;
use server::{Network, Server};

/// A cache, as one run uses it.
pub struct Remote {
    server: Arc<dyn Server>,
    settings: Settings,
    network: Arc<Network>,
    is_given_up: AtomicBool,
    /// Warnings that were given: what is asked often is refused once.
    warned: Mutex<BTreeSet<String>>,
}

impl Remote {
    /// Nothing is asked yet: a run that finds all it needs in its own store never is a
    /// reason to wait.
    ///
    /// # Errors
    ///
    /// Where the settings are of no use.
    pub fn new(settings: Settings, interrupt: Interrupt) -> Result<Self, RemoteError> {
        let network = Arc::new(Network::new(interrupt, settings.stall)?);
        let server: Arc<dyn Server> = match &settings.address {
            Address::Grpc { is_encrypted, authority, instance } => {
                let place = (*is_encrypted, authority.as_str(), instance.as_str());
                Arc::new(grpc::Grpc::new(place, &settings, network.clone())?)
            }
            Address::Http { url } => Arc::new(http::Http::new(url, &settings, network.clone())?),
            Address::S3 { bucket, prefix } => Arc::new(s3::S3::new(bucket, prefix, network.clone())),
        };
        Ok(Self::of(server, settings, network))
    }

    fn of(server: Arc<dyn Server>, settings: Settings, network: Arc<Network>) -> Self {
        Self { server, settings, network, is_given_up: AtomicBool::new(false), warned: Mutex::default() }
    }

    pub fn may_write(&self) -> bool {
        self.settings.access == Access::ReadWrite
    }

    /// What it is and can do, for people.
    ///
    /// # Errors
    ///
    /// Where it does not answer.
    pub fn description(&self) -> Result<String, RemoteError> {
        let described = self.asking(|| self.server.description()).map_err(|error| self.at(error))?;
        let access = match self.settings.access {
            Access::Read => "read",
            Access::ReadWrite => "read and write",
        };
        Ok(format!("{} ({described}; {access})", self.settings.address))
    }

    /// Does it until it goes well, fails for good, or was tried often enough.
    fn asking<T>(&self, mut attempt: impl FnMut() -> Result<T, RemoteError>) -> Result<T, RemoteError> {
        const LONGEST: Duration = Duration::from_secs(10);
        let mut wait = self.settings.backoff;
        for n_tried in 1.. {
            if self.is_given_up.load(Ordering::Relaxed) {
                return Err(RemoteError::GivenUp);
            }
            match attempt() {
                Err(error) if error.is_passing() && n_tried < self.settings.attempts => {}
                outcome => return outcome,
            }
            if self.network.interrupt().is_set_within(wait) {
                break;
            }
            wait = (wait * 2).min(LONGEST);
        }
        Err(RemoteError::Interrupted)
    }

    /// One try to put a result where others find it, and to see it there: buildbox-casd (1.4)
    /// deletes one that is asked for at the very moment that it comes.
    fn put_result(&self, action: Blob, message: &[u8]) -> Result<(), RemoteError> {
        const N_TIMES: u32 = 5;
        for _ in 0..N_TIMES {
            self.server.put_result(action, message.to_vec())?;
            if self.server.result(action)?.is_some() {
                break;
            }
        }
        Ok(())
    }

    /// The outcome, or nothing from here on: a cache that fails once is not asked again.
    /// Only what this machine's own store fails with is an error.
    fn or_without<T>(
        &self,
        outcome: Result<T, RemoteError>,
        report: &dyn Report,
    ) -> Result<Option<T>, StoreError> {
        match outcome {
            Ok(value) => Ok(Some(value)),
            Err(RemoteError::Store(error)) => Err(error),
            Err(RemoteError::Interrupted | RemoteError::GivenUp) => Ok(None),
            Err(error) => {
                if !self.is_given_up.swap(true, Ordering::Relaxed) {
                    let text = format!(
                        "remote cache {} is not used any more in this run: {error}",
                        self.settings.address
                    );
                    report.report(&Event::Warning { text: &text });
                }
                Ok(None)
            }
        }
    }

    fn warn_once(&self, text: &str, report: &dyn Report) {
        if self.warned.lock().unwrap_or_else(PoisonError::into_inner).insert(text.to_owned()) {
            report.report(&Event::Warning { text });
        }
    }

    /// Names the cache in an error that ends a command.
    fn at(&self, source: RemoteError) -> RemoteError {
        if matches!(source, RemoteError::Store(_) | RemoteError::Interrupted | RemoteError::TimedOut) {
            return source;
        }
        RemoteError::At { address: self.settings.address.to_string(), source: Box::new(source) }
    }
}
