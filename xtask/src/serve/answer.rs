//! A request to an answer: a file, a part of one, a refusal, or the fault that a test
//! has asked for.

use std::fmt::Write as _;
use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::net::TcpStream;
use std::ops::Range;
use std::path::{Component, Path, PathBuf};
use std::thread;
use std::time::{Duration, Instant, SystemTime};

use super::Shared;
use super::fault::Fault;
use super::request::{Part, Request};

/// How long a stalled answer stays silent, unless the client goes first.
const STALL: Duration = Duration::from_mins(2);
/// How often a stalled answer looks whether it should end.
const STALL_STEP: Duration = Duration::from_millis(50);

const HTML: &[u8] = b"<!DOCTYPE html><html><body><h1>Welcome to our network</h1></body></html>\n";

pub(super) fn answer(stream: &TcpStream, request: &Request, shared: &Shared) -> io::Result<()> {
    let fault = shared.take_fault(&request.path);
    match fault {
        Some(Fault::Status(status) | Fault::StatusTimes(status, _)) => {
            return refuse(stream, status, "");
        }
        Some(Fault::HtmlPage) => {
            head(stream, 200, "Content-Type: text/html\r\n", HTML.len() as u64)?;
            return if request.method == "HEAD" { Ok(()) } else { (&*stream).write_all(HTML) };
        }
        Some(
            Fault::Stall | Fault::CutAfter(_) | Fault::CutAfterTimes(..) | Fault::OtherBytes | Fault::NoRange,
        )
        | None => {}
    }
    if !["GET", "HEAD"].contains(&request.method.as_str()) {
        return refuse(stream, 405, "Allow: GET, HEAD\r\n");
    }
    let Some(file) = open(&shared.root, &request.path) else {
        return refuse(stream, 404, "");
    };
    send(stream, request, &Sending { file, fault, shared })
}

struct Sending<'a> {
    file: OpenFile,
    fault: Option<Fault>,
    shared: &'a Shared,
}

struct OpenFile {
    file: File,
    n_bytes: u64,
    etag: String,
}

/// The regular file of `path` below `root`.
fn open(root: &Path, path: &str) -> Option<OpenFile> {
    let relative = PathBuf::from(path.trim_start_matches('/'));
    if !relative.components().all(|part| matches!(part, Component::Normal(_))) {
        return None;
    }
    let file = File::open(root.join(relative)).ok()?;
    let metadata = file.metadata().ok().filter(std::fs::Metadata::is_file)?;
    let modified = metadata.modified().ok()?.duration_since(SystemTime::UNIX_EPOCH).ok()?;
    let etag = format!("\"{:x}-{:x}\"", metadata.len(), modified.as_nanos());
    Some(OpenFile { file, n_bytes: metadata.len(), etag })
}

fn send(stream: &TcpStream, request: &Request, sending: &Sending<'_>) -> io::Result<()> {
    let OpenFile { n_bytes, etag, .. } = &sending.file;
    let part = match sending.fault {
        Some(Fault::NoRange) => Part::Whole,
        _ => request.part(*n_bytes, etag),
    };
    let mut headers = format!("ETag: {etag}\r\nContent-Type: application/octet-stream\r\n");
    if sending.fault != Some(Fault::NoRange) {
        headers.push_str("Accept-Ranges: bytes\r\n");
    }
    let (status, range) = match part {
        Part::Whole => (200, 0..*n_bytes),
        Part::Bytes(range) => {
            let last = range.end - 1;
            write!(headers, "Content-Range: bytes {}-{last}/{n_bytes}\r\n", range.start)
                .map_err(io::Error::other)?;
            (206, range)
        }
        Part::OutOfRange => {
            return refuse(stream, 416, &format!("Content-Range: bytes */{n_bytes}\r\n"));
        }
    };
    head(stream, status, &headers, range.end - range.start)?;
    if request.method == "HEAD" {
        return Ok(());
    }
    body(stream, sending, range)
}

fn body(mut stream: &TcpStream, sending: &Sending<'_>, range: Range<u64>) -> io::Result<()> {
    let mut file = &sending.file.file;
    file.seek(SeekFrom::Start(range.start))?;
    let mut rest = file.take(range.end - range.start);
    match sending.fault {
        Some(Fault::Stall) => return stall(stream, sending.shared),
        Some(Fault::CutAfter(n_bytes) | Fault::CutAfterTimes(n_bytes, _)) => {
            rest.set_limit(n_bytes.min(rest.limit()));
        }
        Some(Fault::OtherBytes) if range.start == 0 => {
            let mut first = [0];
            rest.read_exact(&mut first)?;
            stream.write_all(&[first[0] ^ 1])?;
        }
        Some(
            Fault::OtherBytes | Fault::NoRange | Fault::HtmlPage | Fault::Status(_) | Fault::StatusTimes(..),
        )
        | None => {}
    }
    io::copy(&mut rest, &mut stream)?;
    Ok(())
}

/// Says nothing until the client has gone, the server stops, or the time is over.
fn stall(stream: &TcpStream, shared: &Shared) -> io::Result<()> {
    stream.set_nonblocking(true)?;
    let start = Instant::now();
    while start.elapsed() < STALL && !shared.is_stopping() {
        if matches!(stream.peek(&mut [0]), Ok(0)) {
            return Ok(());
        }
        thread::sleep(STALL_STEP);
    }
    Ok(())
}

fn refuse(stream: &TcpStream, status: u16, headers: &str) -> io::Result<()> {
    head(stream, status, headers, 0)
}

fn head(mut stream: &TcpStream, status: u16, headers: &str, n_bytes: u64) -> io::Result<()> {
    let reason = match status {
        200 => "OK",
        206 => "Partial Content",
        404 => "Not Found",
        405 => "Method Not Allowed",
        416 => "Range Not Satisfiable",
        _ => "As Asked For",
    };
    let head = format!(
        "HTTP/1.1 {status} {reason}\r\nConnection: close\r\nContent-Length: {n_bytes}\r\n{headers}\r\n"
    );
    stream.write_all(head.as_bytes())
}
