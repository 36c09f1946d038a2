//! AWS on loopback for tests: moto's server, and a proxy that adds what moto lacks.

mod content;
mod faults;
mod message;
mod proxy;
mod rules;

use std::io::{self, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

pub use faults::Weather;
pub use proxy::Proxy;

const START_TIMEOUT: Duration = Duration::from_mins(1);

/// A running moto; it ends when this is dropped, or this process is gone.
#[derive(Debug)]
pub struct Moto {
    /// A shell that waits for the end of its input, which we hold.
    child: Child,
    pub address: SocketAddr,
}

impl Moto {
    /// `python` is the `bin` folder of an environment that has moto.
    ///
    /// # Errors
    ///
    /// Where it does not start.
    pub fn start(python: &Path) -> io::Result<Self> {
        let address = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()?;
        let script = r#""$0" -H 127.0.0.1 -p "$1" >/dev/null 2>&1 </dev/null & read -r _; kill $!"#;
        let child = Command::new("sh")
            .args(["-c", script])
            .arg(python.join("moto_server"))
            .arg(address.port().to_string())
            .stdin(Stdio::piped())
            .spawn()?;
        let moto = Self { child, address };
        let start = Instant::now();
        while TcpStream::connect(address).is_err() {
            if start.elapsed() > START_TIMEOUT {
                return Err(io::Error::other("moto does not answer"));
            }
            thread::sleep(Duration::from_millis(100));
        }
        moto.answer_invocations_without_containers()?;
        Ok(moto)
    }
}

impl Moto {
    fn answer_invocations_without_containers(&self) -> io::Result<()> {
        let body = r#"{"lambda": {"use_docker": false}}"#;
        let head = "POST /moto-api/config HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n";
        let mut stream = TcpStream::connect(self.address)?;
        write!(stream, "{head}Content-Length: {}\r\n\r\n{body}", body.len())?;
        io::copy(&mut stream, &mut io::sink()).map(|_| ())
    }
}

impl Drop for Moto {
    fn drop(&mut self) {
        drop(self.child.stdin.take());
        self.child.wait().ok();
    }
}
