//! URLs to bytes: the only user of `reqwest` and `tokio`, behind calls that block.
//!
//! One client and one runtime serve all threads, so that they share connections. Whichever
//! thread waits drives the sockets of all; what is done with the bytes is done outside.

use std::collections::BTreeMap;
use std::future::Future;
use std::io;
use std::pin::pin;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant, SystemTime};

use reqwest::Url;
use reqwest::header::{self, HeaderMap};
use reqwest::redirect::Policy;

use super::credentials::{Credential, Credentials, Identity};
use super::failure::{Fault, Retry};
use super::pace::Pace;
use super::partial::Resume;
use super::resume::{ContentRange, backoff, retry_after};
use super::{Failure, FetchError, url};
use crate::report::{Event, Report, causes};
use crate::sys::interrupt::Interrupt;

/// How the network is used.
#[derive(Debug, Clone)]
pub struct HttpOptions {
    /// Nothing but `file://` URLs may be read.
    pub offline: bool,
    /// Tarballs that are fetched at the same time.
    pub n_parallel: usize,
    /// The beginning of a URL as the lockfile has it, and what to ask instead.
    pub overrides: Vec<(String, String)>,
    /// A server that sends less than a kibibyte for so long is given up.
    pub stall: Duration,
    /// How often one URL is asked, at most.
    pub attempts: u32,
    /// The wait before the second attempt; it doubles from there.
    pub backoff: Duration,
    /// When the run began: what the age of an index is counted from.
    pub now: SystemTime,
    /// Who we are to which host.
    pub credentials: Credentials,
}

/// Network access as the stages see it; one value for a run.
#[derive(Debug)]
pub struct Http {
    options: HttpOptions,
    interrupt: Interrupt,
    client: reqwest::Client,
    /// `None` only while the value is dropped.
    runtime: Option<tokio::runtime::Runtime>,
    /// Hosts that could not be reached at all, and why: no other URL of theirs is worth the
    /// wait.
    unreachable: Mutex<BTreeMap<String, String>>,
    identity: Identity,
}

/// The head of an answer, and its body still to come.
pub(super) struct Answer<'h> {
    http: &'h Http,
    response: reqwest::Response,
    head: Head,
    pace: Pace,
}

/// What an answer says of its body.
struct Head {
    is_partial: bool,
    etag: Option<String>,
    range: Option<ContentRange>,
    announced: Option<u64>,
}

impl Http {
    /// # Errors
    ///
    /// Where the system's certificates or its proxy settings are unusable.
    pub fn new(options: HttpOptions, interrupt: Interrupt) -> Result<Self, FetchError> {
        const CONNECT: Duration = Duration::from_secs(10);
        let client = reqwest::Client::builder()
            .user_agent(concat!("layr/", env!("CARGO_PKG_VERSION")))
            .connect_timeout(CONNECT)
            .redirect(Policy::custom(|attempt| match wrong_redirect(attempt.previous(), attempt.url()) {
                Some(why) => attempt.error(why),
                None => attempt.follow(),
            }))
            .referer(false)
            .build()
            .map_err(|error| FetchError::Client { detail: causes::root(&error) })?;
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .map_err(|error| FetchError::Client { detail: error.to_string() })?;
        let identity = Identity::new(options.credentials.clone());
        let unreachable = Mutex::default();
        Ok(Self { options, interrupt, client, runtime: Some(runtime), unreachable, identity })
    }

    pub(super) fn is_offline(&self) -> bool {
        self.options.offline
    }

    pub(super) fn n_parallel(&self) -> usize {
        self.options.n_parallel.max(1)
    }

    pub(super) fn now(&self) -> SystemTime {
        self.options.now
    }

    pub(super) fn interrupt(&self) -> &Interrupt {
        &self.interrupt
    }

    pub(super) fn is_interrupted(&self) -> bool {
        self.interrupt.is_set()
    }

    /// The URL that is asked for what the lockfile has at `url`.
    pub(super) fn place(&self, url: &str) -> String {
        url::overridden(url, &self.options.overrides)
    }

    /// Does `attempt` until it succeeds, fails for good, or was tried often enough.
    pub(super) fn retrying<T>(
        &self,
        url: &str,
        mut attempt: impl FnMut() -> Result<T, Fault>,
    ) -> Result<T, Fault> {
        let host = url::host(url);
        let mut n_tried = 0;
        loop {
            if let Some(detail) = self.unreachable().get(host).cloned() {
                return Err(Failure::GivenUp { host: host.to_owned(), detail }.into());
            }
            let failure = match attempt() {
                Err(Fault::There(failure)) => failure,
                done => return done,
            };
            n_tried += 1;
            let most = match failure.retry() {
                Retry::Never => 1,
                Retry::Once => 2.min(self.options.attempts),
                Retry::AsOftenAsAllowed => self.options.attempts,
            };
            if n_tried >= most {
                if let Failure::Unreachable { detail } = &failure {
                    self.unreachable().insert(host.to_owned(), detail.clone());
                }
                return Err(failure.into());
            }
            let wished = failure.retry_after().unwrap_or_default();
            self.pause(backoff(self.options.backoff, n_tried, url).max(wished))?;
        }
    }

    fn unreachable(&self) -> std::sync::MutexGuard<'_, BTreeMap<String, String>> {
        self.unreachable.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn pause(&self, duration: Duration) -> Result<(), FetchError> {
        let until = Instant::now() + duration;
        loop {
            if self.is_interrupted() {
                return Err(FetchError::Interrupted);
            }
            let left = until.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Ok(());
            }
            std::thread::sleep(left.min(TICK));
        }
    }

    pub(super) fn identity(&self) -> &Identity {
        &self.identity
    }

    /// Asks for what is at `url`, or for the rest of it. Where a host does not take what we
    /// say of ourselves, it is asked as anybody might: a token that has expired keeps one
    /// from what is public.
    pub(super) fn get(
        &self,
        url: &str,
        resume: Option<&Resume>,
        report: &dyn Report,
    ) -> Result<Answer<'_>, Fault> {
        let Some(credential) = self.identity.credential(url) else { return self.get_as(url, resume, None) };
        let answer = self.get_as(url, resume, Some(&credential));
        let status = match &answer {
            Err(Fault::There(Failure::Status { status, .. })) => *status,
            Ok(_) | Err(_) => return answer,
        };
        let is_refused = status == 401;
        // What one may not see is said not to be there, by hosts that take tokens.
        let may_be_refused = credential.is_token && matches!(status, 403 | 404);
        if !is_refused && !may_be_refused {
            return answer;
        }
        if is_refused && self.identity.is_refused(&credential, url) {
            let text = format!("{} refuses {}; it is asked without", url::host(url), credential.from);
            report.report(&Event::Warning { text: &text });
        }
        // The first answer says more than that nobody may read it.
        self.get_as(url, resume, None).or(answer)
    }

    fn get_as(
        &self,
        url: &str,
        resume: Option<&Resume>,
        credential: Option<&Credential>,
    ) -> Result<Answer<'_>, Fault> {
        if self.is_offline() {
            return Err(Failure::Offline.into());
        }
        let plain = url::without_userinfo(url);
        // Whatever it is, a tarball or an index, it is compressed already.
        let mut request = self.client.get(plain).header(header::ACCEPT_ENCODING, "identity");
        if let Some(credential) = credential {
            request = request.header(header::AUTHORIZATION, credential.for_http());
        }
        if let Some(Resume { from, etag }) = resume {
            request = request.header(header::RANGE, format!("bytes={from}-")).header(header::IF_RANGE, etag);
        }
        let mut pace = Pace::new(self.options.stall);
        let response = self.wait(&mut pace, request.send())?.map_err(failure_of)?;
        let (status, headers) = (response.status(), response.headers());
        let text = |name| header_text(headers, name);
        match status.as_u16() {
            200 | 206 => {
                let range = text(header::CONTENT_RANGE).and_then(ContentRange::parse);
                let is_partial = status.as_u16() == 206;
                let length = response.content_length();
                let head = Head {
                    is_partial,
                    etag: text(header::ETAG).map(str::to_owned),
                    range,
                    announced: if is_partial { range.and_then(|range| range.total) } else { length },
                };
                Ok(Answer { http: self, response, head, pace: Pace::new(self.options.stall) })
            }
            416 if resume.is_some() => Err(Failure::WrongRange.into()),
            code => {
                let retry_after = text(header::RETRY_AFTER).and_then(retry_after);
                let reason = status.canonical_reason().unwrap_or_default().to_owned();
                Err(Failure::Status { status: code, reason, retry_after }.into())
            }
        }
    }

    /// Waits for the network, as long as the pace allows and the user does not interrupt.
    fn wait<F: Future>(&self, pace: &mut Pace, future: F) -> Result<F::Output, Fault> {
        let Some(runtime) = &self.runtime else { return Err(FetchError::Interrupted.into()) };
        runtime.block_on(async {
            let mut future = pin!(future);
            loop {
                let began = Instant::now();
                let result = tokio::time::timeout(TICK.min(pace.left()), future.as_mut()).await;
                pace.waited += began.elapsed();
                match result {
                    Ok(output) => return Ok(output),
                    Err(_) if self.is_interrupted() => return Err(FetchError::Interrupted.into()),
                    Err(_) if pace.left().is_zero() => {
                        return Err(Failure::Stalled { limit: pace.limit }.into());
                    }
                    Err(_) => {}
                }
            }
        })
    }
}

/// How long an interrupt may go unnoticed.
const TICK: Duration = Duration::from_millis(100);

impl Drop for Http {
    fn drop(&mut self) {
        // Dropping it would wait for name lookups under way, for half a minute at times.
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}

impl Answer<'_> {
    /// Whether it holds a part only, as it may if one was asked for.
    pub(super) fn is_partial(&self) -> bool {
        self.head.is_partial
    }

    pub(super) fn etag(&self) -> Option<&str> {
        self.head.etag.as_deref()
    }

    pub(super) fn range(&self) -> Option<ContentRange> {
        self.head.range
    }

    /// Size of the whole, of which this may be a part.
    pub(super) fn announced_bytes(&self) -> Option<u64> {
        self.head.announced
    }

    /// The next bytes of the body; `None` at its end.
    pub(super) fn next(&mut self) -> Result<Option<impl AsRef<[u8]> + use<>>, Fault> {
        let chunk = self.http.wait(&mut self.pace, self.response.chunk())?.map_err(failure_of)?;
        self.pace.got(chunk.as_ref().map_or(0, |chunk| chunk.as_ref().len()));
        Ok(chunk)
    }
}

fn header_text(headers: &HeaderMap, name: header::HeaderName) -> Option<&str> {
    headers.get(name).and_then(|value| value.to_str().ok())
}

/// Why a redirect may not be followed.
fn wrong_redirect(previous: &[Url], next: &Url) -> Option<&'static str> {
    const MOST: usize = 5;
    let from_https = previous.iter().any(|url| url.scheme() == "https");
    match next.scheme() {
        _ if previous.len() > MOST => Some("more than 5 times"),
        "http" if from_https => Some("from https to http"),
        "http" | "https" => None,
        _ => Some("to something else than http or https"),
    }
}

fn failure_of(error: reqwest::Error) -> Failure {
    let error = error.without_url(); // it is shown beside the message, and may hold a password
    let detail = causes::root(&error);
    if error.is_redirect() {
        Failure::Redirect { detail }
    } else if error.is_builder() {
        Failure::BadUrl { detail }
    } else if is_tls(&error) {
        Failure::Tls { detail }
    } else if error.is_connect() || error.is_timeout() {
        Failure::Unreachable { detail }
    } else {
        Failure::Broken { detail }
    }
}

/// TLS errors come as I/O errors of this kind, and none of the transport does.
fn is_tls(error: &reqwest::Error) -> bool {
    let mut cause = std::error::Error::source(error);
    while let Some(error) = cause {
        if error.downcast_ref().is_some_and(is_invalid_data) {
            return true;
        }
        cause = error.source();
    }
    false
}

/// An I/O error inside another one is not among its sources: it stands in for it.
fn is_invalid_data(error: &io::Error) -> bool {
    let inner = error.get_ref().and_then(|inner| inner.downcast_ref());
    error.kind() == io::ErrorKind::InvalidData || inner.is_some_and(is_invalid_data)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_redirect_leads_away_from_https_even_by_a_detour() {
        let url = |text: &str| Url::parse(text).unwrap();
        let cases = [
            (vec!["https://a"], "https://b", None),
            (vec!["http://a"], "https://b", None),
            (vec!["http://a"], "http://b", None),
            (vec!["https://a"], "http://a", Some("from https to http")),
            (vec!["https://a", "https://b"], "http://a", Some("from https to http")),
            (vec!["http://a"], "ftp://a", Some("to something else than http or https")),
            (vec!["http://a"; 5], "http://a", None),
            (vec!["http://a"; 6], "http://a", Some("more than 5 times")),
        ];
        for (previous, next, wrong) in cases {
            let previous: Vec<_> = previous.into_iter().map(url).collect();
            assert_eq!(wrong_redirect(&previous, &url(next)), wrong, "{previous:?} to {next}");
        }
    }
}
