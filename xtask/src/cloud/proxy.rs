//! A proxy on loopback between layr and moto that is as strict as AWS, counts, and misbehaves
//! where a test asks for it.

use std::collections::VecDeque;
use std::io::{self, BufReader};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use serde_json::Value;

use super::content::Zips;
use super::faults::{Fate, Weather};
use super::message::Message;
use super::rules;
use crate::acceptor::{Acceptor, Place};

/// Requests a second that Lambda allows, invocations and `GetFunction` aside.
const RATE: usize = 15;
const IDLE_TIMEOUT: Duration = Duration::from_mins(1);

/// A running proxy; it stops when dropped.
#[derive(Debug)]
pub struct Proxy {
    address: SocketAddr,
    shared: Arc<Shared>,
    _acceptor: Acceptor,
}

#[derive(Debug)]
struct Shared {
    behind: SocketAddr,
    /// Of this proxy itself.
    url: String,
    zips: Mutex<Zips>,
    weather: Mutex<Weather>,
    /// `METHOD /path`, in the order of arrival.
    requests: Mutex<Vec<String>>,
    /// Where published layers came from, as the requests said.
    contents: Mutex<Vec<Value>>,
    /// When the latest counted requests came.
    arrivals: Mutex<VecDeque<Instant>>,
    n_over_rate: Mutex<usize>,
}

impl Proxy {
    /// # Errors
    ///
    /// Where there is no free port.
    pub fn start(behind: SocketAddr, weather: Weather) -> io::Result<Self> {
        let place = Place::hold(0)?;
        let address = place.address;
        let shared = Arc::new(Shared {
            behind,
            url: format!("http://{address}"),
            zips: Mutex::default(),
            weather: Mutex::new(weather),
            requests: Mutex::default(),
            contents: Mutex::default(),
            arrivals: Mutex::default(),
            n_over_rate: Mutex::default(),
        });
        let for_acceptor = Arc::clone(&shared);
        let acceptor = place.accept(move |stream| {
            let shared = Arc::clone(&for_acceptor);
            // A client that has gone away is no failure of the proxy's.
            thread::spawn(move || serve(&stream, &shared).ok());
        });
        Ok(Self { address, shared, _acceptor: acceptor })
    }

    /// What `AWS_ENDPOINT_URL` must be.
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// From the next request on.
    pub fn set_weather(&self, weather: Weather) {
        *lock(&self.shared.weather) = weather;
    }

    /// `METHOD /path` of each request so far, in the order of arrival.
    pub fn requests(&self) -> Vec<String> {
        lock(&self.shared.requests).clone()
    }

    /// Requests so far that would change something.
    pub fn writes(&self) -> Vec<String> {
        let is_read = |request: &String| request.starts_with("GET ") || request.starts_with("HEAD ");
        self.requests().into_iter().filter(|request| !is_read(request)).collect()
    }

    /// `Content` of each layer that was published out of S3, in the order of arrival.
    pub fn contents(&self) -> Vec<Value> {
        lock(&self.shared.contents).clone()
    }

    /// As if nothing had been asked so far.
    pub fn forget_requests(&self) {
        lock(&self.shared.requests).clear();
        lock(&self.shared.contents).clear();
        lock(&self.shared.arrivals).clear();
        *lock(&self.shared.n_over_rate) = 0;
    }

    /// Requests that came faster than Lambda allows.
    pub fn n_over_rate(&self) -> usize {
        *lock(&self.shared.n_over_rate)
    }
}

fn serve(stream: &TcpStream, shared: &Shared) -> io::Result<()> {
    stream.set_read_timeout(Some(IDLE_TIMEOUT))?;
    stream.set_write_timeout(Some(IDLE_TIMEOUT))?;
    let Some(request) = Message::read(&mut BufReader::new(stream), Some(stream))? else { return Ok(()) };
    lock(&shared.requests).push(format!("{} {}", request.method(), request.path()));
    let fate = lock(&shared.weather).next();
    let throttled = || Message::refusal(429, "TooManyRequestsException", "Rate exceeded");
    match fate {
        Fate::LostBefore => stream.shutdown(Shutdown::Both),
        Fate::Throttled => throttled().write(stream),
        Fate::Failed => {
            Message::refusal(500, "ServiceException", "An error occurred, please retry").write(stream)
        }
        Fate::Answered | Fate::LostAfter if shared.is_over_rate(&request) => throttled().write(stream),
        Fate::Answered => shared.answer(&request)?.write(stream),
        Fate::LostAfter => {
            shared.answer(&request)?;
            stream.shutdown(Shutdown::Both)
        }
    }
}

impl Shared {
    fn is_over_rate(&self, request: &Message) -> bool {
        if !rules::is_counted(request) {
            return false;
        }
        let now = Instant::now();
        let mut arrivals = lock(&self.arrivals);
        while arrivals.front().is_some_and(|first| now - *first >= Duration::from_secs(1)) {
            arrivals.pop_front();
        }
        arrivals.push_back(now);
        let is_over = arrivals.len() > RATE;
        *lock(&self.n_over_rate) += usize::from(is_over);
        is_over
    }

    fn answer(&self, request: &Message) -> io::Result<Message> {
        if let Some(zip) = lock(&self.zips).get(request) {
            return Ok(zip);
        }
        if let Some(refusal) = rules::refusal(request) {
            return Ok(refusal);
        }
        if let Some(refusal) = self.refusal_by_state(request)? {
            return Ok(refusal);
        }
        lock(&self.zips).note(request);
        let answer = rules::paginated(request, self.forward(&rules::translated(request))?);
        match (request.method(), &rules::parts(request)[..]) {
            ("GET", ["layers", _, "versions", _]) => Ok(lock(&self.zips).placed(answer, &self.url)),
            _ => Ok(answer),
        }
    }

    fn forward(&self, request: &Message) -> io::Result<Message> {
        let stream = TcpStream::connect(self.behind)?;
        stream.set_read_timeout(Some(IDLE_TIMEOUT))?;
        request.write(&stream)?;
        let mut answer =
            Message::read(&mut BufReader::new(&stream), None)?.ok_or(io::ErrorKind::UnexpectedEof)?;
        if request.method() == "HEAD" {
            answer.body.clear();
        }
        Ok(answer)
    }

    /// What only moto's state can tell.
    fn refusal_by_state(&self, request: &Message) -> io::Result<Option<Message>> {
        let json: Value = serde_json::from_slice(&request.body).unwrap_or_default();
        match (request.method(), &rules::parts(request)[..]) {
            ("POST", ["layers", _, "versions", _, "policy"]) => {
                let answer = self.forward(&as_get(request, request.target()))?;
                let policy: Value = serde_json::from_slice(&answer.body).unwrap_or_default();
                let policy: Value =
                    serde_json::from_str(policy["Policy"].as_str().unwrap_or_default()).unwrap_or_default();
                let statements = policy["Statement"].as_array().cloned().unwrap_or_default();
                let is_there = statements.iter().any(|statement| statement["Sid"] == json["StatementId"]);
                let text = "The statement id provided already exists. Please provide a new statement id, or remove the existing statement.";
                Ok(is_there.then(|| Message::refusal(409, "ResourceConflictException", text)))
            }
            ("POST", ["layers", _, "versions"]) => {
                let content = &json["Content"];
                let (Some(bucket), Some(key)) = (content["S3Bucket"].as_str(), content["S3Key"].as_str())
                else {
                    return Ok(None);
                };
                lock(&self.contents).push(content.clone());
                let object = self.forward(&as_get(request, &format!("/{bucket}/{key}")))?;
                if object.is_ok() {
                    return Ok(rules::archive(&object.body));
                }
                let text = "Error occurred while GetObject. S3 Error Code: NoSuchKey. S3 Error Message: The specified key does not exist.";
                Ok(Some(Message::refusal(400, "InvalidParameterValueException", text)))
            }
            _ => Ok(None),
        }
    }
}

/// Names the service that a request is for.
const FOR_S3: &str =
    "AWS4-HMAC-SHA256 Credential=layr/20260101/us-east-1/s3/aws4_request, SignedHeaders=host, Signature=none";

/// The same caller's request to look at something.
fn as_get(request: &Message, target: &str) -> Message {
    let of_lambda = !rules::parts(request).is_empty() && target.starts_with("/20");
    let kept = |name: &str| name == "host" || (name == "authorization" && of_lambda);
    let mut headers: Vec<(String, String)> =
        request.headers.iter().filter(|(name, _)| kept(name)).cloned().collect();
    if !of_lambda {
        // moto does not hold signatures against anything, but gives nobody a private object
        // who has none.
        headers.push(("authorization".to_owned(), FOR_S3.to_owned()));
    }
    Message { first: format!("GET {target} HTTP/1.1"), headers, body: Vec::new() }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
