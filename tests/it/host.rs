//! Hosts as packages come from: an HTTP server whose answers a test gives, git
//! repositories made by git, and git's own server behind it.

use std::collections::BTreeMap;
use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// A request as it came.
#[derive(Debug, Clone)]
pub(crate) struct Asked {
    pub(crate) method: String,
    /// With the query.
    pub(crate) target: String,
    /// By name, in lower case.
    headers: BTreeMap<String, String>,
    body: Vec<u8>,
}

impl Asked {
    /// The server's name and port, as the client has them.
    pub(crate) fn host(&self) -> &str {
        self.header("host")
    }

    pub(crate) fn authorization(&self) -> &str {
        self.header("authorization")
    }

    fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", String::as_str)
    }
}

/// An answer: status line and headers, an empty line, a body.
pub(crate) struct Reply(Vec<u8>);

impl Reply {
    pub(crate) fn ok(body: &[u8]) -> Self {
        Self::with("200 OK", &[], body)
    }

    pub(crate) fn status(status: &str) -> Self {
        Self::with(status, &[], b"")
    }

    pub(crate) fn with(status: &str, headers: &[String], body: &[u8]) -> Self {
        let headers: String = headers.iter().map(|header| format!("{header}\r\n")).collect();
        let length = body.len();
        let head =
            format!("HTTP/1.1 {status}\r\nConnection: close\r\nContent-Length: {length}\r\n{headers}\r\n");
        Self([head.as_bytes(), body].concat())
    }
}

/// Answers on a port of loopback as long as the process lives.
pub(crate) struct Host {
    pub(crate) url: String,
    asked: Arc<Mutex<Vec<Asked>>>,
}

impl Host {
    pub(crate) fn start(answer: impl Fn(&Asked) -> Reply + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let asked = Arc::new(Mutex::new(Vec::new()));
        let (seen, answer) = (Arc::clone(&asked), Arc::new(answer));
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let (seen, answer) = (Arc::clone(&seen), Arc::clone(&answer));
                std::thread::spawn(move || converse(stream, &seen, &*answer));
            }
        });
        Self { url, asked }
    }

    /// `127.0.0.1:port`
    pub(crate) fn address(&self) -> &str {
        self.url.strip_prefix("http://").unwrap()
    }

    pub(crate) fn asked(&self) -> Vec<Asked> {
        self.asked.lock().unwrap().clone()
    }
}

/// One request and its answer. That the client hangs up early is no fault.
fn converse(mut stream: TcpStream, seen: &Mutex<Vec<Asked>>, answer: &dyn Fn(&Asked) -> Reply) {
    stream.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
    let mut reader = BufReader::new(stream.try_clone().unwrap());
    let mut head = Vec::new();
    for line in reader.by_ref().lines().map_while(Result::ok).take_while(|line| !line.is_empty()) {
        head.push(line);
    }
    let Some((first, headers)) = head.split_first() else { return };
    let mut words = first.split(' ').map(str::to_owned);
    let (Some(method), Some(target)) = (words.next(), words.next()) else { return };
    let headers = headers.iter().filter_map(|line| line.split_once(": "));
    let headers = headers.map(|(name, value)| (name.to_ascii_lowercase(), value.to_owned())).collect();
    let mut asked = Asked { method, target, headers, body: Vec::new() };
    let length = asked.header("content-length").parse().unwrap_or(0);
    if reader.take(length).read_to_end(&mut asked.body).is_err() {
        return;
    }
    seen.lock().unwrap().push(asked.clone());
    _ = stream.write_all(&answer(&asked).0);
}

/// git's own server for HTTP, on the repositories below `root`.
pub(crate) fn git_http(root: &Path, asked: &Asked) -> Reply {
    let (path, query) = asked.target.split_once('?').unwrap_or((&asked.target, ""));
    let mut command = Command::new("git");
    command.arg("http-backend").env("GIT_PROJECT_ROOT", root).env("GIT_HTTP_EXPORT_ALL", "1");
    command.envs([("PATH_INFO", path), ("QUERY_STRING", query), ("REQUEST_METHOD", &asked.method)]);
    command.env("CONTENT_TYPE", asked.header("content-type"));
    command.env("HTTP_CONTENT_ENCODING", asked.header("content-encoding"));
    command.env("GIT_PROTOCOL", asked.header("git-protocol"));
    command.env("CONTENT_LENGTH", asked.body.len().to_string());
    let mut child =
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
    child.stdin.take().unwrap().write_all(&asked.body).unwrap();
    let output = child.wait_with_output().unwrap().stdout;
    let end = output.windows(4).position(|bytes| bytes == b"\r\n\r\n").unwrap();
    let head = String::from_utf8(output[..end].to_vec()).unwrap();
    let (status, headers): (Vec<_>, Vec<_>) =
        head.lines().map(str::to_owned).partition(|line| line.starts_with("Status: "));
    let status = status.first().map_or("200 OK", |line| line.strip_prefix("Status: ").unwrap());
    Reply::with(status, &headers, &output[end + 4..])
}

/// A git repository that is not bare, in a folder of its own.
pub(crate) struct Repository<'a>(pub(crate) &'a Path);

impl Repository<'_> {
    /// Makes it, with these files in its first commit; gives the commit.
    pub(crate) fn commit(&self, files: &[(&str, &str)]) -> String {
        fs::create_dir_all(self.0).unwrap();
        if !self.0.join(".git").exists() {
            self.git(&["init", "--quiet", "--initial-branch=main"]);
        }
        for (path, text) in files {
            let path = self.0.join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        }
        self.git(&["add", "--all"]);
        self.git(&["commit", "--quiet", "--message=x"]);
        self.git(&["rev-parse", "HEAD"]).trim().to_owned()
    }

    /// What a forge answers when it is asked for an archive of a commit.
    pub(crate) fn archive(&self, commit: &str, top: &str) -> Vec<u8> {
        let prefix = format!("--prefix={top}/");
        let args = ["-C", self.0.to_str().unwrap(), "archive", "--format=tar.gz", &prefix, commit];
        let output = Command::new("git").args(args).output().unwrap();
        assert!(output.status.success(), "{output:?}");
        output.stdout
    }

    pub(crate) fn git(&self, args: &[&str]) -> String {
        let mut command = Command::new("git");
        command.arg("-C").arg(self.0).args(["-c", "user.name=a", "-c", "user.email=a@b"]).args(args);
        command.env("GIT_CONFIG_GLOBAL", "/dev/null").env("GIT_CONFIG_NOSYSTEM", "1");
        let output = command.output().unwrap();
        assert!(output.status.success(), "git {args:?}: {output:?}");
        String::from_utf8(output.stdout).unwrap()
    }
}
