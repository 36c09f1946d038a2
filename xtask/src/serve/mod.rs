//! A folder to an HTTP server on loopback that counts requests and, where a test asks
//! for it, misbehaves.
//!
//! It speaks as much HTTP/1.1 as fetching files takes: GET, HEAD, one `Range` with a
//! strong `ETag` and `If-Range`. Each connection carries one request. Connections are
//! bounded in number and time, so a test that goes wrong ends.

mod answer;
mod fault;
mod request;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::io::{self, BufReader};
use std::net::{SocketAddr, TcpStream};
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;

pub use fault::Fault;
use request::Request;

use crate::acceptor::{Acceptor, Place};

/// Connections at a time; further ones wait.
const MAX_CONNECTIONS: usize = 64;
/// How long a client may keep a connection waiting for a read or a write.
const IDLE_TIMEOUT: Duration = Duration::from_secs(30);

/// A running server; it stops when dropped.
#[derive(Debug)]
pub struct Server {
    address: SocketAddr,
    shared: Arc<Shared>,
    _acceptor: Acceptor,
}

#[derive(Debug)]
struct Shared {
    root: PathBuf,
    faults: Mutex<BTreeMap<String, Fault>>,
    /// `METHOD path`, in the order of arrival.
    requests: Mutex<Vec<String>>,
    n_connections: Mutex<usize>,
    connection_ended: Condvar,
    is_stopping: Arc<AtomicBool>,
}

impl Server {
    /// Serves `root` on a free port of loopback.
    pub fn start(root: PathBuf) -> io::Result<Self> {
        Self::start_on(root, 0)
    }

    /// Serves `root` on `port` of loopback.
    pub fn start_on(root: PathBuf, port: u16) -> io::Result<Self> {
        let place = Place::hold(port)?;
        let address = place.address;
        let shared = Arc::new(Shared {
            root,
            faults: Mutex::default(),
            requests: Mutex::default(),
            n_connections: Mutex::default(),
            connection_ended: Condvar::new(),
            is_stopping: Arc::clone(&place.is_stopping),
        });
        let for_acceptor = Arc::clone(&shared);
        let acceptor = place.accept(move |stream| take(stream, &for_acceptor));
        Ok(Self { address, shared, _acceptor: acceptor })
    }

    /// `http://127.0.0.1:<port>`, without a final slash.
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// From the next request on, `path` suffers from `fault`.
    pub fn fault(&self, path: &str, fault: Fault) {
        lock(&self.shared.faults).insert(path.to_owned(), fault);
    }

    /// From the next request on, all is well.
    pub fn clear_faults(&self) {
        lock(&self.shared.faults).clear();
    }

    /// `METHOD path` of each request so far, in the order of arrival.
    pub fn requests(&self) -> Vec<String> {
        lock(&self.shared.requests).clone()
    }

    /// Requests so far for `path`, of whatever method.
    pub fn count(&self, path: &str) -> usize {
        let asked = |request: &&String| request.split_once(' ').is_some_and(|(_, found)| found == path);
        lock(&self.shared.requests).iter().filter(asked).count()
    }

    /// Forgets the requests so far.
    pub fn forget_requests(&self) {
        lock(&self.shared.requests).clear();
    }
}

impl Shared {
    /// The fault of `path`, used up by one.
    fn take_fault(&self, path: &str) -> Option<Fault> {
        let mut faults = lock(&self.faults);
        let fault = faults.remove(path)?;
        if let Some(left) = fault.after_use() {
            faults.insert(path.to_owned(), left);
        }
        Some(fault)
    }

    fn is_stopping(&self) -> bool {
        self.is_stopping.load(Ordering::SeqCst)
    }
}

/// Waits until one more connection is bearable, and serves it beside the others.
fn take(stream: TcpStream, shared: &Arc<Shared>) {
    let mut n_connections = lock(&shared.n_connections);
    while *n_connections >= MAX_CONNECTIONS {
        n_connections = shared.connection_ended.wait(n_connections).unwrap_or_else(PoisonError::into_inner);
    }
    *n_connections += 1;
    let shared = Arc::clone(shared);
    thread::spawn(move || {
        // A client that has gone away is no failure of the server's.
        serve(&stream, &shared).ok();
        *lock(&shared.n_connections) -= 1;
        shared.connection_ended.notify_one();
    });
}

fn serve(stream: &TcpStream, shared: &Shared) -> io::Result<()> {
    stream.set_read_timeout(Some(IDLE_TIMEOUT))?;
    stream.set_write_timeout(Some(IDLE_TIMEOUT))?;
    let request = Request::read(BufReader::new(stream))?;
    lock(&shared.requests).push(format!("{} {}", request.method, request.path));
    answer::answer(stream, &request, shared)
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
