//! An HTTP server that answers what a test wants, right or wrong.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// A request, and how many there were for the same path before it.
#[derive(Debug, Clone)]
pub(super) struct Asked {
    pub(super) path: String,
    pub(super) n_before: usize,
    /// By name, in lower case.
    pub(super) headers: BTreeMap<String, String>,
}

impl Asked {
    pub(super) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).map(String::as_str)
    }
}

/// The bytes to answer with.
pub(super) struct Reply {
    bytes: Vec<u8>,
    /// Whether to say nothing more but keep the line open.
    then_silence: bool,
}

impl Reply {
    /// A status, some header lines and a body with its true length.
    pub(super) fn new(status: u16, headers: &[&str], body: &[u8]) -> Self {
        Self::announced(status, headers, (body, body.len()))
    }

    /// With a length of the test's choice.
    pub(super) fn announced(status: u16, headers: &[&str], (body, length): (&[u8], usize)) -> Self {
        let mut bytes = format!("HTTP/1.1 {status} x\r\nConnection: close\r\nContent-Length: {length}\r\n");
        for header in headers {
            bytes.push_str(header);
            bytes.push_str("\r\n");
        }
        bytes.push_str("\r\n");
        Self { bytes: [bytes.as_bytes(), body].concat(), then_silence: false }
    }

    pub(super) fn ok(body: &[u8]) -> Self {
        Self::new(200, &[], body)
    }

    pub(super) fn status(status: u16) -> Self {
        Self::new(status, &[], b"")
    }

    /// Nothing at all, with the line open.
    pub(super) fn silence() -> Self {
        Self { bytes: Vec::new(), then_silence: true }
    }

    pub(super) fn then_silence(self) -> Self {
        Self { then_silence: true, ..self }
    }
}

/// Answers on a port of its own as long as the process lives.
pub(super) struct Server {
    pub(super) url: String,
    asked: Arc<Mutex<Vec<Asked>>>,
}

impl Server {
    pub(super) fn start(answer: impl Fn(&Asked) -> Reply + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let asked = Arc::new(Mutex::new(Vec::new()));
        let (seen, answer) = (asked.clone(), Arc::new(answer));
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let (seen, answer) = (seen.clone(), answer.clone());
                std::thread::spawn(move || converse(stream, &seen, &*answer));
            }
        });
        Self { url, asked }
    }

    /// What was asked for so far.
    pub(super) fn asked(&self) -> Vec<Asked> {
        self.asked.lock().unwrap().clone()
    }

    pub(super) fn paths(&self) -> Vec<String> {
        self.asked().into_iter().map(|asked| asked.path).collect()
    }
}

/// One request and its answer. That the client hangs up early is no fault.
fn converse(mut stream: TcpStream, seen: &Mutex<Vec<Asked>>, answer: &dyn Fn(&Asked) -> Reply) {
    let mut reader = BufReader::new(stream.try_clone().unwrap());
    if reader.fill_buf().is_ok_and(|bytes| bytes.first() == Some(&0x16)) {
        _ = stream.write_all(b"HTTP/1.1 400 speak plainly\r\n\r\n"); // to the hello of TLS
        return;
    }
    let mut lines = reader.lines().map_while(Result::ok);
    let Some(first) = lines.next() else { return };
    let path = first.split(' ').nth(1).unwrap().to_owned();
    let headers = lines
        .take_while(|line| !line.is_empty())
        .filter_map(|line| {
            line.split_once(": ").map(|(name, value)| (name.to_ascii_lowercase(), value.to_owned()))
        })
        .collect();
    let asked = {
        let mut seen = seen.lock().unwrap();
        let n_before = seen.iter().filter(|asked| asked.path == path).count();
        let asked = Asked { path, n_before, headers };
        seen.push(asked.clone());
        asked
    };
    let reply = answer(&asked);
    _ = stream.write_all(&reply.bytes);
    if reply.then_silence {
        std::thread::sleep(Duration::from_secs(5));
    }
}
