//! Requests on loopback to answers: an HTTP/1.1 server, one thread for each connection.
//!
//! Handlers are plain code that may block: a connection's thread has nothing else to do.

use std::convert::Infallible;
use std::io;
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll};
use std::thread;

use http_body_util::BodyExt;
use hyper::body::{Bytes, Frame, Incoming};
use hyper::{HeaderMap, server::conn::http1, service::service_fn};
use hyper_util::rt::TokioIo;
use tokio::sync::mpsc;

/// Names in lower case, and values.
pub(super) type Headers = Vec<(String, String)>;

/// A request without its body.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Head {
    pub(super) method: String,
    /// Still percent-encoded.
    pub(super) path: String,
    /// What follows the `?`, still percent-encoded.
    pub(super) query: String,
    pub(super) headers: Headers,
}

impl Head {
    pub(super) fn header(&self, name: &str) -> Option<&str> {
        value(&self.headers, name)
    }
}

pub(super) fn value<'a>(headers: &'a Headers, name: &str) -> Option<&'a str> {
    headers.iter().find(|(other, _)| other == name).map(|(_, value)| value.as_str())
}

/// Who answers requests.
pub(super) trait Handler: Send + Sync + 'static {
    fn begin(&self, head: Head) -> Box<dyn Exchange>;
}

/// One request: its body as it arrives, then the answer.
pub(super) trait Exchange: Send {
    /// Takes a piece of the body; an answer ends the request before its body does.
    fn piece(&mut self, bytes: &[u8]) -> Result<(), Response>;
    /// The body is complete, with the headers that followed it.
    fn end(self: Box<Self>, trailers: &Headers) -> Response;
    /// The body broke off.
    fn broken(self: Box<Self>) {}
}

#[derive(Debug)]
pub(super) struct Response {
    pub(super) status: u16,
    pub(super) headers: Headers,
    pub(super) body: Body,
}

/// An answer's body: all of it, or pieces that are sent as they come.
#[derive(Debug)]
pub(super) enum Body {
    Whole(Option<Bytes>),
    Pieces(mpsc::Receiver<Vec<u8>>),
}

/// The other end of [`Body::Pieces`]; the body ends when it is dropped.
pub(super) struct Pieces(mpsc::Sender<Vec<u8>>);

impl Pieces {
    /// Waits while the reader is slow. False where it is gone.
    pub(super) fn send(&self, bytes: &[u8]) -> bool {
        self.0.blocking_send(bytes.to_vec()).is_ok()
    }
}

impl Body {
    pub(super) fn whole(bytes: impl Into<Vec<u8>>) -> Self {
        Self::Whole(Some(bytes.into().into()))
    }

    pub(super) fn pieces() -> (Pieces, Self) {
        let (sender, receiver) = mpsc::channel(8);
        (Pieces(sender), Self::Pieces(receiver))
    }
}

impl hyper::body::Body for Body {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        let bytes = match self.get_mut() {
            Self::Whole(bytes) => Poll::Ready(bytes.take()),
            Self::Pieces(receiver) => receiver.poll_recv(context).map(|piece| piece.map(Bytes::from)),
        };
        bytes.map(|bytes| bytes.map(|bytes| Ok(Frame::data(bytes))))
    }

    fn is_end_stream(&self) -> bool {
        matches!(self, Self::Whole(None))
    }

    fn size_hint(&self) -> hyper::body::SizeHint {
        match self {
            Self::Whole(bytes) => {
                hyper::body::SizeHint::with_exact(bytes.as_ref().map_or(0, |bytes| bytes.len() as u64))
            }
            Self::Pieces(_) => hyper::body::SizeHint::default(),
        }
    }
}

/// A server on a port of its own; it accepts no more when the value is dropped.
pub(super) struct Server {
    address: SocketAddr,
    stopped: Arc<AtomicBool>,
}

impl Server {
    /// Serves on loopback; port 0 is any that is free.
    pub(super) fn start(port: u16, handler: Arc<dyn Handler>) -> io::Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, port))?;
        let address = listener.local_addr()?;
        let stopped = Arc::new(AtomicBool::new(false));
        let is_stopped = stopped.clone();
        thread::Builder::new().name("accept".to_owned()).spawn(move || {
            for stream in listener.incoming() {
                if is_stopped.load(Ordering::Relaxed) {
                    break;
                }
                let (Ok(stream), handler) = (stream, handler.clone()) else { continue };
                // Where no thread can be had, the connection is closed.
                _ = thread::Builder::new().spawn(move || serve(stream, &*handler));
            }
        })?;
        Ok(Self { address, stopped })
    }

    pub(super) fn address(&self) -> SocketAddr {
        self.address
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.stopped.store(true, Ordering::Relaxed);
        // Wakes the thread that accepts.
        _ = TcpStream::connect(self.address);
    }
}

/// Answers all requests of one connection. What goes wrong with it is the client's to see.
fn serve(stream: TcpStream, handler: &dyn Handler) {
    let run = || -> io::Result<()> {
        stream.set_nonblocking(true)?;
        stream.set_nodelay(true)?;
        let runtime = tokio::runtime::Builder::new_current_thread().enable_io().build()?;
        runtime.block_on(async {
            let io = TokioIo::new(tokio::net::TcpStream::from_std(stream)?);
            let service = service_fn(|request| answer(request, handler));
            http1::Builder::new().serve_connection(io, service).await.map_err(io::Error::other)
        })
    };
    _ = run();
}

async fn answer(
    request: hyper::Request<Incoming>,
    handler: &dyn Handler,
) -> Result<hyper::Response<Body>, hyper::Error> {
    let (parts, mut body) = request.into_parts();
    let mut exchange = handler.begin(Head {
        method: parts.method.as_str().to_owned(),
        path: parts.uri.path().to_owned(),
        query: parts.uri.query().unwrap_or_default().to_owned(),
        headers: to_list(&parts.headers),
    });
    let mut trailers = Headers::new();
    while let Some(frame) = body.frame().await {
        let frame = match frame {
            Ok(frame) => frame,
            Err(error) => {
                exchange.broken();
                return Err(error);
            }
        };
        if let Some(bytes) = frame.data_ref() {
            if let Err(response) = exchange.piece(bytes) {
                return Ok(to_hyper(response));
            }
        } else if let Ok(map) = frame.into_trailers() {
            trailers = to_list(&map);
        }
    }
    Ok(to_hyper(exchange.end(&trailers)))
}

fn to_list(map: &HeaderMap) -> Headers {
    let text = |value: &hyper::header::HeaderValue| String::from_utf8_lossy(value.as_bytes()).into_owned();
    map.iter().map(|(name, value)| (name.as_str().to_owned(), text(value))).collect()
}

/// Headers that HTTP does not allow are left out; a status that is none, or that does not
/// end a request, is the gateway's fault, as Lambda has it.
fn to_hyper(response: Response) -> hyper::Response<Body> {
    let mut made = hyper::Response::new(response.body);
    let status = hyper::StatusCode::from_u16(response.status).ok();
    *made.status_mut() =
        status.filter(|status| !status.is_informational()).unwrap_or(hyper::StatusCode::BAD_GATEWAY);
    for (name, value) in response.headers {
        if let (Ok(name), Ok(value)) =
            (hyper::header::HeaderName::try_from(name), hyper::header::HeaderValue::try_from(value))
        {
            made.headers_mut().append(name, value);
        }
    }
    made
}

#[cfg(test)]
mod tests {
    use std::io::{Read, Write};

    use super::*;

    struct Echo;
    struct Echoing(Head, Vec<u8>);

    impl Handler for Echo {
        fn begin(&self, head: Head) -> Box<dyn Exchange> {
            Box::new(Echoing(head, Vec::new()))
        }
    }

    impl Exchange for Echoing {
        fn piece(&mut self, bytes: &[u8]) -> Result<(), Response> {
            self.1.extend(bytes);
            Ok(())
        }

        fn end(self: Box<Self>, trailers: &Headers) -> Response {
            let (pieces, body) = Body::pieces();
            thread::spawn(move || {
                pieces.send(&self.1);
                pieces.send(self.0.query.as_bytes());
            });
            Response { status: 201, headers: trailers.clone(), body }
        }
    }

    #[test]
    fn a_status_that_ends_no_request_is_a_bad_gateway() {
        for (status, sent) in [(0, 502), (99, 502), (101, 502), (204, 204), (599, 599), (1000, 502)] {
            let response = Response { status, headers: Headers::new(), body: Body::whole("x") };
            assert_eq!(to_hyper(response).status().as_u16(), sent, "{status}");
        }
    }

    #[test]
    fn pieces_and_trailers_go_both_ways() {
        let server = Server::start(0, Arc::new(Echo)).unwrap();
        let mut client = TcpStream::connect(server.address()).unwrap();
        let request = "POST /x?q=1 HTTP/1.1\r\nHost: x\r\nConnection: close\r\nTransfer-Encoding: chunked\r\n\
                       Trailer: X-End\r\n\r\n3\r\nabc\r\n0\r\nX-End: yes\r\n\r\n";
        client.write_all(request.as_bytes()).unwrap();
        let mut answer = String::new();
        client.read_to_string(&mut answer).unwrap();
        assert!(answer.starts_with("HTTP/1.1 201 Created\r\n"), "{answer}");
        assert!(answer.contains("x-end: yes\r\n"), "{answer}");
        assert!(answer.contains("3\r\nabc\r\n3\r\nq=1\r\n0\r\n"), "{answer}");
    }
}
