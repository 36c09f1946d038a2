//! What the tests of this stage share: a store, a network with short patience, a listener.

mod archives;
mod downloads;
mod failures;
mod hostile;
mod indexes;
mod naming;
mod repositories;
mod server;

use std::path::PathBuf;
use std::sync::Mutex;
use std::time::{Duration, UNIX_EPOCH};

use super::{Credentials, FetchError, Http, HttpOptions, Pin, Request, SourceTarball, fetch};
use crate::model::PackageId;
use crate::report::{Event, Report};
use crate::resolve::{Candidate, ResolvedPackage};
use crate::store::Store;
use crate::sys::hash::sha256;
use crate::sys::interrupt::Interrupt;

/// A home that is gone after the test.
struct World {
    home: tempfile::TempDir,
    store: Store,
    options: HttpOptions,
    interrupt: Interrupt,
    news: Recorder,
}

/// Keeps the news that matter here, one line each.
#[derive(Default)]
struct Recorder(Mutex<Vec<String>>);

impl Report for Recorder {
    fn report(&self, event: &Event<'_>) {
        if !matches!(event, Event::Received { .. }) {
            self.0.lock().unwrap().push(format!("{event:?}"));
        }
    }
}

impl World {
    fn new() -> Self {
        let home = tempfile::tempdir().unwrap();
        let store = Store::open(&home.path().join("store")).unwrap();
        let options = HttpOptions {
            offline: false,
            n_parallel: 4,
            overrides: Vec::new(),
            stall: Duration::from_millis(400),
            attempts: 3,
            backoff: Duration::from_millis(10),
            now: UNIX_EPOCH + Duration::from_hours(500_000),
            credentials: Credentials::default(),
        };
        Self { home, store, options, interrupt: Interrupt::new().unwrap(), news: Recorder::default() }
    }

    fn http(&self) -> Http {
        Http::new(self.options.clone(), self.interrupt.clone()).unwrap()
    }

    fn fetch(&self, requests: &[Request]) -> Vec<Result<SourceTarball, FetchError>> {
        fetch(requests, &self.http(), &self.store, &self.news)
    }

    fn fetch_one(&self, request: Request) -> Result<SourceTarball, FetchError> {
        self.fetch(&[request]).pop().unwrap()
    }

    /// Every line of the error, and its hint.
    fn failure(&self, request: Request) -> String {
        let error = self.fetch_one(request).unwrap_err();
        format!("{error}\nhint: {}", error.hint().unwrap_or_default())
    }

    fn news(&self) -> Vec<String> {
        self.news.0.lock().unwrap().clone()
    }

    /// A file below the home, and its URL.
    fn file(&self, name: &str, bytes: &[u8]) -> String {
        let path = self.home.path().join(name);
        crate::sys::fs::create_dir_all(crate::sys::fs::parent(&path)).unwrap();
        crate::sys::fs::write_atomic(&path, bytes).unwrap();
        format!("file://{}", path.display())
    }

    /// The partial downloads that wait to be resumed.
    fn partials(&self) -> Vec<PathBuf> {
        let entries = crate::sys::fs::sorted_entries(&self.home.path().join("store/tmp")).unwrap();
        let paths = entries.into_iter().map(|entry| entry.path());
        paths.filter(|path| path.to_string_lossy().contains("partial-")).collect()
    }
}

fn id(name: &str, version: &str) -> PackageId {
    PackageId { name: name.parse().unwrap(), version: version.parse().unwrap() }
}

/// A request for `x1 1.0` at these URLs.
fn x1_at(urls: &[&str]) -> Request {
    let candidates = urls.iter().map(|url| Candidate::tarball((*url).to_owned())).collect();
    let package = ResolvedPackage { id: id("x1", "1.0"), candidates, newest: Some("1.2".parse().unwrap()) };
    Request { package, pin: None, named: false }
}

fn pin(url: &str, bytes: &[u8]) -> Pin {
    let (sha256, n_bytes) = (sha256(bytes), bytes.len() as u64);
    Pin { url: url.to_owned(), checkout: None, is_binary: false, sha256, n_bytes }
}
