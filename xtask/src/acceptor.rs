//! Connections to loopback, each handed on as it comes, until this is dropped: what every
//! server and proxy of the tests begins with.

use std::io;
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};

#[derive(Debug)]
pub(crate) struct Acceptor {
    address: SocketAddr,
    is_stopping: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

/// A place that is held before it is known what is done with connections to it.
pub(crate) struct Place {
    listener: TcpListener,
    pub(crate) address: SocketAddr,
    /// Set when the acceptor is dropped, for whoever keeps a connection waiting.
    pub(crate) is_stopping: Arc<AtomicBool>,
}

impl Place {
    /// A port of loopback; a free one for 0.
    pub(crate) fn hold(port: u16) -> io::Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, port))?;
        Ok(Self { address: listener.local_addr()?, listener, is_stopping: Arc::default() })
    }

    /// Hands each connection to `take`, which may hold back those after it.
    pub(crate) fn accept(self, mut take: impl FnMut(TcpStream) + Send + 'static) -> Acceptor {
        let Self { listener, address, is_stopping } = self;
        let is_over = Arc::clone(&is_stopping);
        let thread = thread::spawn(move || {
            for stream in listener.incoming() {
                if is_over.load(Ordering::SeqCst) {
                    return;
                }
                let Ok(stream) = stream else { continue };
                take(stream);
            }
        });
        Acceptor { address, is_stopping, thread: Some(thread) }
    }
}

impl Drop for Acceptor {
    fn drop(&mut self) {
        self.is_stopping.store(true, Ordering::SeqCst);
        // The thread waits for a connection: this is one.
        TcpStream::connect(self.address).ok();
        if let Some(thread) = self.thread.take() {
            thread.join().ok();
        }
    }
}
