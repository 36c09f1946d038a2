//! The Runtime API, answered by a test: it hands out events and keeps what is posted.
//!
//! It can do what AWS's emulator cannot be brought to do: refuse, break off, restore a
//! snapshot.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::mpsc::{self, Receiver, Sender};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime};
use std::{io, thread};

use serde_json::Value;

use crate::sandbox::{Function, PATIENCE, Running};

/// The timeout of the function, unless a test says otherwise.
const TIMEOUT: Duration = Duration::from_secs(30);

pub(crate) struct Desk {
    address: SocketAddr,
    events: Sender<Event>,
    posts: Receiver<Post>,
    refusals: Arc<Mutex<Vec<(&'static str, u16)>>>,
}

/// An event with the headers that come with it.
#[derive(Debug, Clone)]
pub(crate) struct Event {
    pub(crate) body: String,
    pub(crate) headers: Vec<(&'static str, String)>,
}

/// What bootstrap posted, or asked for.
#[derive(Debug, Clone, Default)]
pub(crate) struct Post {
    /// After the version.
    pub(crate) path: String,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: Vec<u8>,
    pub(crate) trailers: Vec<(String, String)>,
}

impl Event {
    pub(crate) fn new(body: &str) -> Self {
        Self::with_timeout(body, TIMEOUT)
    }

    pub(crate) fn with_timeout(body: &str, timeout: Duration) -> Self {
        let deadline = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap() + timeout;
        let headers = vec![
            ("Lambda-Runtime-Aws-Request-Id", "request-1".to_owned()),
            ("Lambda-Runtime-Deadline-Ms", deadline.as_millis().to_string()),
        ];
        Self { body: body.to_owned(), headers }
    }

    pub(crate) fn with(mut self, name: &'static str, value: &str) -> Self {
        self.headers.push((name, value.to_owned()));
        self
    }
}

impl Post {
    pub(crate) fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    #[track_caller]
    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }

    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        find(&self.headers, name)
    }

    pub(crate) fn trailer(&self, name: &str) -> Option<&str> {
        find(&self.trailers, name)
    }
}

fn find<'a>(headers: &'a [(String, String)], name: &str) -> Option<&'a str> {
    let found = headers.iter().find(|(other, _)| other.eq_ignore_ascii_case(name));
    found.map(|(_, value)| value.as_str())
}

/// A desk and a function that is served by it; `None` where there is no base.
pub(crate) fn started(code: &str, handler: &str) -> Option<(Desk, Running)> {
    let desk = Desk::open();
    let running = desk.start(Function::new("score.R", code, handler)?);
    Some((desk, running))
}

impl Desk {
    pub(crate) fn open() -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
        let address = listener.local_addr().unwrap();
        let (events, queue) = mpsc::channel();
        let (sender, posts) = mpsc::channel();
        let queue = Arc::new(Mutex::new(queue));
        let refusals = Arc::new(Mutex::new(Vec::new()));
        let clerk = Clerk { queue, posts: sender, refusals: Arc::clone(&refusals) };
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let clerk = clerk.clone();
                // A bootstrap that is gone is some tests' very point.
                thread::spawn(move || drop(clerk.answer(stream)));
            }
        });
        Self { address, events, posts, refusals }
    }

    /// Starts the function's bootstrap with this Runtime API.
    pub(crate) fn start(&self, function: Function) -> Running {
        function.set("AWS_LAMBDA_RUNTIME_API", &self.address.to_string()).run()
    }

    pub(crate) fn send(&self, event: Event) {
        self.events.send(event).unwrap();
    }

    /// The next post whose path ends so is answered with `status`.
    pub(crate) fn refuse(&self, path: &'static str, status: u16) {
        self.refusals.lock().unwrap().push((path, status));
    }

    #[track_caller]
    pub(crate) fn post(&self) -> Post {
        self.posts.recv_timeout(PATIENCE).unwrap()
    }

    /// Sends an event, and waits for what is posted.
    #[track_caller]
    pub(crate) fn invoke(&self, event: &str) -> Post {
        self.send(Event::new(event));
        self.post()
    }
}

/// Answers one connection.
#[derive(Clone)]
struct Clerk {
    queue: Arc<Mutex<Receiver<Event>>>,
    posts: Sender<Post>,
    refusals: Arc<Mutex<Vec<(&'static str, u16)>>>,
}

impl Clerk {
    fn answer(&self, stream: TcpStream) -> io::Result<()> {
        let mut reader = BufReader::new(stream);
        let (line, post) = read(&mut reader)?;
        let mut stream = reader.into_inner();
        if line.starts_with("GET") && post.path == "runtime/invocation/next" {
            let queue = self.queue.lock().unwrap_or_else(PoisonError::into_inner);
            let Ok(event) = queue.recv() else { return Ok(()) };
            return reply(&mut stream, 200, &event.headers, &event.body);
        }
        let path = post.path.clone();
        let _ = self.posts.send(post);
        match path.as_str() {
            "extension/register" => {
                let headers = [("Lambda-Extension-Identifier", "extension-1".to_owned())];
                reply(&mut stream, 200, &headers, "{}")
            }
            // It gets no answer as long as the sandbox lives.
            "extension/event/next" => {
                thread::sleep(PATIENCE * 2);
                Ok(())
            }
            path => {
                let mut refusals = self.refusals.lock().unwrap();
                let refused = refusals.iter().position(|(end, _)| path.ends_with(end));
                let status = refused.map_or(202, |at| refusals.remove(at).1);
                reply(&mut stream, status, &[], "")
            }
        }
    }
}

fn read(reader: &mut BufReader<TcpStream>) -> io::Result<(String, Post)> {
    let line = read_line(reader)?;
    let path = line.split(' ').nth(1).unwrap_or_default();
    let path = path.splitn(3, '/').nth(2).unwrap_or_default().to_owned();
    let mut post = Post { path, headers: read_headers(reader)?, ..Post::default() };
    if post.header("Transfer-Encoding") == Some("chunked") {
        loop {
            let n = usize::from_str_radix(&read_line(reader)?, 16).unwrap();
            if n == 0 {
                break;
            }
            let start = post.body.len();
            post.body.resize(start + n, 0);
            reader.read_exact(&mut post.body[start..])?;
            read_line(reader)?;
        }
        post.trailers = read_headers(reader)?;
    } else if let Some(length) = post.header("Content-Length") {
        post.body = vec![0; length.parse().unwrap()];
        reader.read_exact(&mut post.body)?;
    }
    Ok((line, post))
}

fn read_headers(reader: &mut BufReader<TcpStream>) -> io::Result<Vec<(String, String)>> {
    let mut headers = Vec::new();
    loop {
        let line = read_line(reader)?;
        let Some((name, value)) = line.split_once(": ") else { return Ok(headers) };
        headers.push((name.to_owned(), value.to_owned()));
    }
}

fn read_line(reader: &mut BufReader<TcpStream>) -> io::Result<String> {
    let mut line = String::new();
    reader.read_line(&mut line)?;
    Ok(line.trim_end().to_owned())
}

fn reply(stream: &mut TcpStream, status: u16, headers: &[(&str, String)], body: &str) -> io::Result<()> {
    let mut head = format!("HTTP/1.1 {status} Status\r\nContent-Length: {}\r\n", body.len());
    for (name, value) in headers {
        head.push_str(&format!("{name}: {value}\r\n"));
    }
    stream.write_all(format!("{head}\r\n{body}").as_bytes())
}
