//! A cache of plain HTTP, by `reqwest`: PUT, GET and HEAD of `cas/<SHA-256>` and
//! `ac/<SHA-256>`, as bazel-remote has it, and any server that keeps files.

use std::io::{Read, Write};
use std::sync::Arc;
use std::time::Duration;

use reqwest::header::{HeaderMap, HeaderName, HeaderValue};
use reqwest::{Body, Certificate, Client, Identity, Method, Response, StatusCode};
use tokio_stream::wrappers::ReceiverStream;

use super::RemoteError;
use super::server::{Network, Server};
use super::settings::{Settings, Tls};
use crate::report::causes;
use crate::store::{Blob, StoreError};

pub(super) struct Http {
    network: Arc<Network>,
    client: Client,
    url: String,
}

/// What may lie in memory of blobs that travel at the same time.
const BATCH_BYTES: u64 = 4 << 20;
/// A result is a few kilobytes.
const MOST_RESULT_BYTES: u64 = 1 << 20;
const CHUNK_BYTES: usize = 256 << 10;

impl Http {
    pub(super) fn new(url: &str, settings: &Settings, network: Arc<Network>) -> Result<Self, RemoteError> {
        const CONNECT: Duration = Duration::from_secs(5);
        let headers: Result<HeaderMap, RemoteError> = settings.headers.iter().map(header).collect();
        let mut builder = Client::builder()
            .user_agent(concat!("layr/", env!("CARGO_PKG_VERSION")))
            .connect_timeout(CONNECT.min(network.stall()))
            // A redirect could take the token elsewhere.
            .redirect(reqwest::redirect::Policy::none())
            .default_headers(headers?);
        let Tls { authorities, identity } = &settings.tls;
        for certificate in authorities
            .as_deref()
            .map(Certificate::from_pem_bundle)
            .transpose()
            .map_err(unfit)?
            .into_iter()
            .flatten()
        {
            builder = builder.tls_certs_merge([certificate]);
        }
        if let Some((certificate, key)) = identity {
            let pem = [key.as_slice(), b"\n", certificate.as_slice()].concat();
            builder = builder.identity(Identity::from_pem(&pem).map_err(unfit)?);
        }
        Ok(Self { network, client: builder.build().map_err(unfit)?, url: url.to_owned() })
    }

    fn place(&self, kind: &str, blob: Blob) -> String {
        format!("{}/{kind}/{}", self.url, blob.digest)
    }

    /// One request without a body of its own, and the head of its answer; `None` where there
    /// is nothing.
    fn ask(&self, method: Method, place: &str) -> Result<Option<Response>, RemoteError> {
        let answer = self.network.wait(self.client.request(method, place).send())?.map_err(failed)?;
        found(answer)
    }
}

impl Server for Http {
    fn description(&self) -> Result<String, RemoteError> {
        // There is nothing else to ask; that some blob is not there is as good an answer.
        let nothing = Blob { digest: crate::sys::hash::sha256(b""), n_bytes: 0 };
        self.ask(Method::HEAD, &self.place("cas", nothing))?;
        Ok("HTTP".to_owned())
    }

    fn batch_bytes(&self) -> Result<u64, RemoteError> {
        Ok(BATCH_BYTES)
    }

    fn missing(&self, blobs: &[Blob]) -> Result<Vec<Blob>, RemoteError> {
        let requests = blobs.iter().map(|blob| {
            let (blob, request) = (*blob, self.client.head(self.place("cas", *blob)));
            async move { Ok(found(request.send().await.map_err(failed)?)?.is_none().then_some(blob)) }
        });
        Ok(self.network.for_all(requests)?.into_iter().flatten().collect())
    }

    fn read(&self, blobs: &[Blob]) -> Result<Vec<(Blob, Vec<u8>)>, RemoteError> {
        let requests = blobs.iter().map(|blob| {
            let (blob, request) = (*blob, self.client.get(self.place("cas", *blob)));
            async move {
                let Some(answer) = found(request.send().await.map_err(failed)?)? else { return Ok(None) };
                Ok(Some((blob, body(answer, blob.n_bytes).await?)))
            }
        });
        Ok(self.network.for_all(requests)?.into_iter().flatten().collect())
    }

    fn write(&self, blobs: Vec<(Blob, Vec<u8>)>) -> Result<(), RemoteError> {
        let requests = blobs.into_iter().map(|(blob, bytes)| {
            let request = self.client.put(self.place("cas", blob)).body(bytes);
            async move { taken(&request.send().await.map_err(failed)?) }
        });
        self.network.for_all(requests).map(drop)
    }

    fn read_large(&self, blob: Blob, to: &mut (dyn Write + Send)) -> Result<bool, RemoteError> {
        let Some(mut answer) = self.ask(Method::GET, &self.place("cas", blob))? else { return Ok(false) };
        let mut left = blob.n_bytes;
        while let Some(chunk) = self.network.wait(answer.chunk())?.map_err(failed)? {
            let wrong = RemoteError::WrongBytes { digest: blob.digest };
            left = left.checked_sub(chunk.len() as u64).ok_or(wrong)?;
            to.write_all(&chunk).map_err(StoreError::Write)?;
        }
        Ok(true)
    }

    fn write_large(&self, blob: Blob, from: &mut (dyn Read + Send)) -> Result<(), RemoteError> {
        let (sender, receiver) = tokio::sync::mpsc::channel(4);
        let request = self
            .client
            .put(self.place("cas", blob))
            .header(reqwest::header::CONTENT_LENGTH, blob.n_bytes)
            .body(Body::wrap_stream(ReceiverStream::new(receiver)));
        let answer = self.network.spawn(request.send())?;
        loop {
            let mut chunk = vec![0; CHUNK_BYTES];
            let n = from.read(&mut chunk).map_err(StoreError::Write)?;
            chunk.truncate(n);
            // A server that does not want it stops listening; its answer says why.
            if n == 0 || self.network.wait(sender.send(Ok::<_, std::io::Error>(chunk)))?.is_err() {
                break;
            }
        }
        drop(sender);
        let answer = self.network.wait(answer)?;
        let answer = answer.map_err(|error| RemoteError::Broken { detail: error.to_string() })?;
        taken(&answer.map_err(failed)?)
    }

    fn result(&self, action: Blob) -> Result<Option<Vec<u8>>, RemoteError> {
        let request = self.client.get(self.place("ac", action)).send();
        let Some(answer) = found(self.network.wait(request)?.map_err(failed)?)? else { return Ok(None) };
        self.network.wait(body(answer, MOST_RESULT_BYTES))?.map(Some)
    }

    fn put_result(&self, action: Blob, message: Vec<u8>) -> Result<(), RemoteError> {
        let request = self.client.put(self.place("ac", action)).body(message).send();
        taken(&self.network.wait(request)?.map_err(failed)?)
    }
}

/// A body in memory, up to what is taken and a little more, by which it is known to be wrong.
async fn body(mut answer: Response, most_bytes: u64) -> Result<Vec<u8>, RemoteError> {
    let mut bytes = Vec::new();
    while let Some(chunk) = answer.chunk().await.map_err(failed)? {
        bytes.extend_from_slice(&chunk);
        if bytes.len() as u64 > most_bytes {
            break;
        }
    }
    Ok(bytes)
}

fn found(answer: Response) -> Result<Option<Response>, RemoteError> {
    match answer.status() {
        status if status.is_success() => Ok(Some(answer)),
        StatusCode::NOT_FOUND => Ok(None),
        status => Err(refused(status)),
    }
}

fn taken(answer: &Response) -> Result<(), RemoteError> {
    let status = answer.status();
    if status.is_success() { Ok(()) } else { Err(refused(status)) }
}

fn refused(status: StatusCode) -> RemoteError {
    let is_passing = status.is_server_error() && status != StatusCode::INSUFFICIENT_STORAGE
        || matches!(status, StatusCode::TOO_MANY_REQUESTS | StatusCode::REQUEST_TIMEOUT);
    RemoteError::Refused { status: status.to_string(), detail: String::new(), is_passing }
}

fn header((name, value): &(String, String)) -> Result<(HeaderName, HeaderValue), RemoteError> {
    let invalid = || RemoteError::Header(name.clone());
    let name = name.parse().ok().ok_or_else(invalid)?;
    let mut value: HeaderValue = value.parse().ok().ok_or_else(invalid)?;
    value.set_sensitive(true);
    Ok((name, value))
}

#[expect(clippy::needless_pass_by_value, reason = "for map_err")]
fn unfit(error: reqwest::Error) -> RemoteError {
    RemoteError::Unreachable { detail: causes::root(&error) }
}

fn failed(error: reqwest::Error) -> RemoteError {
    let error = error.without_url();
    let detail = causes::root(&error);
    if error.is_connect() || error.is_builder() {
        RemoteError::Unreachable { detail }
    } else {
        RemoteError::Broken { detail }
    }
}
