//! A way to a server on which things go wrong: bytes are passed on until it is time.

use std::io::{self, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;

use crate::acceptor::{Acceptor, Place};

/// What happens to connections. Counted are the bytes that go the one way, over all
/// connections since the trouble was chosen.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Trouble {
    None,
    /// Nobody listens, as far as one can see.
    Refused,
    /// The connection ends after so many bytes.
    CutAt(u64),
    /// Nothing comes any more after so many bytes, and nothing ends.
    SilentAt(u64),
    /// One bit of this byte is another.
    FlippedAt(u64),
    /// Whatever is asked, the answer is this status of HTTP.
    Status(u16),
}

/// The way on which it happens.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Way {
    FromServer,
    ToServer,
}

/// A running proxy; it stops when dropped.
#[derive(Debug)]
pub struct Faulty {
    pub address: SocketAddr,
    shared: Arc<Shared>,
    _acceptor: Acceptor,
}

#[derive(Debug)]
struct Shared {
    behind: Mutex<SocketAddr>,
    trouble: Mutex<(Way, Trouble)>,
    n_bytes: AtomicU64,
    n_connections: AtomicU64,
    /// Those of clients, also when they have ended.
    clients: Mutex<Vec<TcpStream>>,
}

/// After which a silent connection is forgotten: longer than anybody waits here.
const SILENCE: Duration = Duration::from_secs(20);

impl Faulty {
    /// # Errors
    ///
    /// Where there is no free port.
    pub fn start(behind: SocketAddr) -> io::Result<Self> {
        let place = Place::hold(0)?;
        let shared = Arc::new(Shared {
            behind: Mutex::new(behind),
            trouble: Mutex::new((Way::FromServer, Trouble::None)),
            n_bytes: AtomicU64::new(0),
            n_connections: AtomicU64::new(0),
            clients: Mutex::default(),
        });
        let address = place.address;
        let for_acceptor = Arc::clone(&shared);
        let acceptor = place.accept(move |client| {
            for_acceptor.n_connections.fetch_add(1, Ordering::SeqCst);
            let shared = Arc::clone(&for_acceptor);
            shared.clients().extend(client.try_clone());
            // A client that has gone away is no failure of the proxy's.
            thread::spawn(move || serve(&client, &shared).ok());
        });
        Ok(Self { address, shared, _acceptor: acceptor })
    }

    /// Something on the way from the server, from the next connection on; counting starts
    /// anew.
    pub fn set(&self, trouble: Trouble) {
        self.set_on(Way::FromServer, trouble);
    }

    /// It leads to another server from here on, as if the first had been started anew.
    pub fn lead_to(&self, server: SocketAddr) {
        *self.shared.behind.lock().unwrap_or_else(PoisonError::into_inner) = server;
        self.cut();
    }

    /// Ends all connections that there are; new ones are as before.
    pub fn cut(&self) {
        for client in self.shared.clients().drain(..) {
            client.shutdown(Shutdown::Both).ok();
        }
    }

    pub fn set_on(&self, way: Way, trouble: Trouble) {
        self.shared.n_bytes.store(0, Ordering::SeqCst);
        self.shared.n_connections.store(0, Ordering::SeqCst);
        *self.shared.trouble.lock().unwrap_or_else(PoisonError::into_inner) = (way, trouble);
    }

    /// Bytes that went the one way since the trouble was chosen.
    pub fn n_bytes(&self) -> u64 {
        self.shared.n_bytes.load(Ordering::SeqCst)
    }

    pub fn n_connections(&self) -> u64 {
        self.shared.n_connections.load(Ordering::SeqCst)
    }
}

impl Shared {
    fn clients(&self) -> MutexGuard<'_, Vec<TcpStream>> {
        self.clients.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn serve(client: &TcpStream, shared: &Arc<Shared>) -> io::Result<()> {
    let (way, trouble) = *shared.trouble.lock().unwrap_or_else(PoisonError::into_inner);
    match trouble {
        Trouble::Refused => return client.shutdown(Shutdown::Both),
        Trouble::Status(status) => return answer(client, status),
        Trouble::None | Trouble::CutAt(_) | Trouble::SilentAt(_) | Trouble::FlippedAt(_) => {}
    }
    let behind = *shared.behind.lock().unwrap_or_else(PoisonError::into_inner);
    let server = TcpStream::connect(behind)?;
    let (from_client, to_server) = (client.try_clone()?, server.try_clone()?);
    let for_upstream = Arc::clone(shared);
    let upstream = thread::spawn(move || {
        let trouble = (way == Way::ToServer).then_some((trouble, &for_upstream.n_bytes));
        if pass_on(&from_client, &to_server, trouble).unwrap_or(true) {
            from_client.shutdown(Shutdown::Both).ok();
            to_server.shutdown(Shutdown::Both).ok();
        }
        to_server.shutdown(Shutdown::Write).ok();
    });
    let trouble = (way == Way::FromServer).then_some((trouble, &shared.n_bytes));
    let passed = pass_on(&server, client, trouble);
    client.shutdown(Shutdown::Both).ok();
    server.shutdown(Shutdown::Both).ok();
    upstream.join().ok();
    passed.map(drop)
}

/// Bytes of the one to the other, until the trouble begins; whether it did.
fn pass_on(
    mut from: &TcpStream,
    mut to: &TcpStream,
    trouble: Option<(Trouble, &AtomicU64)>,
) -> io::Result<bool> {
    let mut buffer = [0; 16 << 10];
    loop {
        let n = from.read(&mut buffer)?;
        if n == 0 {
            return Ok(false);
        }
        let Some((trouble, n_bytes)) = trouble else {
            to.write_all(&buffer[..n])?;
            continue;
        };
        let start = n_bytes.fetch_add(n as u64, Ordering::SeqCst);
        let until = |at: u64| usize::try_from(at.saturating_sub(start)).unwrap_or(n).min(n);
        match trouble {
            Trouble::CutAt(at) if start + n as u64 > at => {
                to.write_all(&buffer[..until(at)])?;
                return Ok(true);
            }
            Trouble::SilentAt(at) if start + n as u64 > at => {
                to.write_all(&buffer[..until(at)])?;
                thread::sleep(SILENCE);
                return Ok(true);
            }
            Trouble::FlippedAt(at) if (start..start + n as u64).contains(&at) => {
                buffer[until(at)] ^= 1;
                to.write_all(&buffer[..n])?;
            }
            Trouble::None
            | Trouble::Refused
            | Trouble::CutAt(_)
            | Trouble::SilentAt(_)
            | Trouble::FlippedAt(_)
            | Trouble::Status(_) => to.write_all(&buffer[..n])?,
        }
    }
}

/// Reads a request's head, and gives the same answer to all.
fn answer(mut client: &TcpStream, status: u16) -> io::Result<()> {
    client.set_read_timeout(Some(Duration::from_secs(1)))?;
    let mut buffer = [0; 16 << 10];
    _ = client.read(&mut buffer)?;
    write!(client, "HTTP/1.1 {status} Because\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")?;
    client.shutdown(Shutdown::Write)
}
