//! HTTP/1.1 as far as the Runtime API needs it: one exchange a connection, to an address
//! on the same machine.

use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};

/// More than all heads of the Runtime API have together.
const MAX_HEAD_BYTES: u64 = 64 << 10;
const MAX_HEADERS: usize = 64;

/// A request but for its body.
#[derive(Debug, Clone)]
pub struct Request<'a> {
    pub method: &'static str,
    pub path: &'a str,
    pub headers: Vec<(&'a str, String)>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Response {
    pub status: u16,
    /// Names as sent; [`Response::header`] finds them in any case.
    pub headers: Vec<(String, String)>,
    pub body: Vec<u8>,
}

impl Response {
    /// The value of a header that is there and not empty.
    pub fn header(&self, name: &str) -> Option<&str> {
        let found = self.headers.iter().find(|(other, _)| other.eq_ignore_ascii_case(name));
        found.map(|(_, value)| value.as_str()).filter(|value| !value.is_empty())
    }
}

/// Sends a request with its whole body. The answer is on its way then.
pub fn send(address: SocketAddr, request: &Request<'_>, body: &[u8]) -> io::Result<TcpStream> {
    let mut stream = connect(address)?;
    let mut bytes = head(address, request);
    bytes.extend(format!("Content-Length: {}\r\n\r\n", body.len()).as_bytes());
    bytes.extend(body);
    // A server that has seen enough (413) may answer and close before all is sent.
    match stream.write_all(&bytes) {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => Err(error),
        _ => Ok(stream),
    }
}

/// A body that is sent piece by piece.
pub struct Upload(TcpStream);

impl Upload {
    /// `trailers` are the names of headers that may follow the body.
    pub fn begin(address: SocketAddr, request: &Request<'_>, trailers: &str) -> io::Result<Self> {
        let mut stream = connect(address)?;
        let mut bytes = head(address, request);
        bytes.extend(format!("Transfer-Encoding: chunked\r\nTrailer: {trailers}\r\n\r\n").as_bytes());
        stream.write_all(&bytes)?;
        Ok(Self(stream))
    }

    pub fn chunk(&mut self, bytes: &[u8]) -> io::Result<()> {
        if bytes.is_empty() {
            return Ok(()); // an empty chunk would end the body
        }
        let mut chunk = format!("{:x}\r\n", bytes.len()).into_bytes();
        chunk.extend(bytes);
        chunk.extend(b"\r\n");
        self.0.write_all(&chunk)
    }

    pub fn end(mut self, trailers: &[(&str, String)]) -> io::Result<Response> {
        let mut end = b"0\r\n".to_vec();
        for (name, value) in trailers {
            end.extend(format!("{name}: {value}\r\n").as_bytes());
        }
        end.extend(b"\r\n");
        self.0.write_all(&end)?;
        receive(self.0)
    }
}

fn connect(address: SocketAddr) -> io::Result<TcpStream> {
    let stream = TcpStream::connect(address)?;
    stream.set_nodelay(true)?;
    Ok(stream)
}

fn head(address: SocketAddr, request: &Request<'_>) -> Vec<u8> {
    let mut head =
        format!("{} {} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n", request.method, request.path);
    for (name, value) in &request.headers {
        // Header values end with their line, whatever a condition's class may hold.
        let value = value.replace(|c: char| c.is_control() || !c.is_ascii(), "?");
        head.push_str(&format!("{name}: {value}\r\n"));
    }
    head.into_bytes()
}

/// Waits for the answer, without limit: Lambda freezes a sandbox for as long as it likes.
pub fn receive(stream: TcpStream) -> io::Result<Response> {
    let mut reader = BufReader::new(stream);
    let text = read_head(&mut reader)?;
    let mut headers = [httparse::EMPTY_HEADER; MAX_HEADERS];
    let mut parsed = httparse::Response::new(&mut headers);
    parsed.parse(&text).map_err(|error| invalid(&format!("no HTTP answer: {error}")))?;
    let status = parsed.code.ok_or_else(|| invalid("an answer without status"))?;
    let headers: Vec<(String, String)> = parsed
        .headers
        .iter()
        .map(|header| (header.name.to_owned(), String::from_utf8_lossy(header.value).into_owned()))
        .collect();
    let mut response = Response { status, headers, body: Vec::new() };
    response.body = if response.header("Transfer-Encoding").is_some_and(|coding| coding.contains("chunked")) {
        read_chunks(&mut reader)?
    } else if let Some(length) = response.header("Content-Length") {
        let length: u64 =
            length.parse().map_err(|error| invalid(&format!("a length that is no number: {error}")))?;
        let mut body = Vec::new();
        if reader.take(length).read_to_end(&mut body)? as u64 != length {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        body
    } else {
        let mut body = Vec::new();
        reader.read_to_end(&mut body)?;
        body
    };
    Ok(response)
}

/// All up to the empty line.
fn read_head(reader: &mut impl BufRead) -> io::Result<Vec<u8>> {
    let mut head = Vec::new();
    let mut limited = reader.take(MAX_HEAD_BYTES);
    while !head.ends_with(b"\r\n\r\n") {
        if limited.read_until(b'\n', &mut head)? == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
    }
    Ok(head)
}

fn read_chunks(reader: &mut impl BufRead) -> io::Result<Vec<u8>> {
    let mut body = Vec::new();
    loop {
        let mut line = String::new();
        reader.read_line(&mut line)?;
        let length = line.trim().split(';').next().unwrap_or_default();
        let length = u64::from_str_radix(length, 16)
            .map_err(|error| invalid(&format!("a chunk without length: {error}")))?;
        if length == 0 {
            return Ok(body); // trailers say nothing that we need
        }
        if reader.by_ref().take(length).read_to_end(&mut body)? as u64 != length {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        let mut end = [0; 2];
        reader.read_exact(&mut end)?;
    }
}

fn invalid(what: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, what.to_owned())
}
