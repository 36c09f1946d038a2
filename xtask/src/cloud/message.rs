//! HTTP messages as bytes, read whole: all that a proxy in front of a test server needs.

use std::io::{self, BufRead, Read, Write};
use std::net::TcpStream;

/// A message's head may not be longer than this, in bytes.
const MAX_HEAD_BYTES: u64 = 64 << 10;
/// Nor its body.
const MAX_BODY_BYTES: u64 = 512 << 20;

/// A request or an answer.
#[derive(Debug, Clone)]
pub(super) struct Message {
    /// `GET /path?query HTTP/1.1`, or `HTTP/1.1 200 OK`.
    pub(super) first: String,
    pub(super) headers: Vec<(String, String)>,
    pub(super) body: Vec<u8>,
}

impl Message {
    /// Reads one, and tells a client that waits for leave to send its body to go on.
    /// `None` at the end of a connection.
    pub(super) fn read(stream: &mut impl BufRead, mut back: Option<&TcpStream>) -> io::Result<Option<Self>> {
        let mut head = stream.take(MAX_HEAD_BYTES);
        let mut first = String::new();
        if head.read_line(&mut first)? == 0 {
            return Ok(None);
        }
        let mut headers = Vec::new();
        loop {
            let mut line = String::new();
            if head.read_line(&mut line)? == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
            match line.trim_end().split_once(':') {
                Some((name, value)) => headers.push((name.to_ascii_lowercase(), value.trim().to_owned())),
                None => break,
            }
        }
        let mut message = Self { first: first.trim_end().to_owned(), headers, body: Vec::new() };
        if let (Some(_), Some(back)) = (message.header("expect"), &mut back) {
            back.write_all(b"HTTP/1.1 100 Continue\r\n\r\n")?;
        }
        message.body = message.read_body(stream, back.is_some())?;
        Ok(Some(message))
    }

    fn read_body(&self, stream: &mut impl BufRead, is_request: bool) -> io::Result<Vec<u8>> {
        let mut body = Vec::new();
        if self.header("transfer-encoding").is_some() {
            loop {
                let mut size = String::new();
                stream.read_line(&mut size)?;
                let digits = size.split(';').next().unwrap_or_default().trim();
                let n_bytes = u64::from_str_radix(digits, 16).map_err(io::Error::other)?;
                stream.take(n_bytes).read_to_end(&mut body)?;
                stream.read_line(&mut size)?;
                if n_bytes == 0 {
                    return Ok(body);
                }
            }
        }
        let announced = self.header("content-length").and_then(|length| length.parse().ok());
        let limit = if is_request { announced.unwrap_or(0) } else { announced.unwrap_or(MAX_BODY_BYTES) };
        stream.take(limit.min(MAX_BODY_BYTES)).read_to_end(&mut body)?;
        if announced.is_some_and(|announced| announced != body.len() as u64) && is_request {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        Ok(body)
    }

    pub(super) fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }

    pub(super) fn method(&self) -> &str {
        self.first.split(' ').next().unwrap_or_default()
    }

    /// Without the query.
    pub(super) fn path(&self) -> &str {
        self.target().split('?').next().unwrap_or_default()
    }

    pub(super) fn target(&self) -> &str {
        self.first.split(' ').nth(1).unwrap_or_default()
    }

    pub(super) fn query(&self, name: &str) -> Option<&str> {
        let query = self.target().split_once('?')?.1;
        query.split('&').filter_map(|pair| pair.split_once('=')).find(|(key, _)| *key == name).map(|(_, v)| v)
    }

    pub(super) fn is_ok(&self) -> bool {
        self.first.split(' ').nth(1).is_some_and(|status| status.starts_with('2'))
    }

    /// Sends it, with the body's length and the end of the connection in its head.
    pub(super) fn write(&self, mut stream: &TcpStream) -> io::Result<()> {
        const OURS: [&str; 4] = ["content-length", "transfer-encoding", "connection", "expect"];
        let mut head = format!("{}\r\n", self.first);
        let length = if self.body.is_empty() { self.header("content-length") } else { None };
        let length = length.map_or(self.body.len().to_string(), str::to_owned); // of an answer to HEAD
        for (name, value) in self.headers.iter().filter(|(name, _)| !OURS.contains(&name.as_str())) {
            head.push_str(&format!("{name}: {value}\r\n"));
        }
        head.push_str(&format!("content-length: {length}\r\nconnection: close\r\n\r\n"));
        stream.write_all(head.as_bytes())?;
        stream.write_all(&self.body)
    }

    /// An error in the form of Lambda's API.
    pub(super) fn refusal(status: u16, code: &str, message: &str) -> Self {
        let body = serde_json::json!({ "Type": "User", "message": message, "Message": message });
        let headers = [("content-type", "application/json"), ("x-amzn-errortype", code)];
        Self {
            first: format!("HTTP/1.1 {status} Refused"),
            headers: headers.map(|(name, value)| (name.to_owned(), value.to_owned())).to_vec(),
            body: body.to_string().into_bytes(),
        }
    }
}
