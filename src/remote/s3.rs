//! A bucket as a cache, by AWS's SDK: objects `cas/<SHA-256>` and `ac/<SHA-256>` below a
//! prefix. Credentials, region and endpoint are the SDK's affair.

use std::io::{Read, Write};
use std::sync::{Arc, OnceLock};

use aws_config::BehaviorVersion;
use aws_config::retry::RetryConfig;
use aws_sdk_s3::Client;
use aws_sdk_s3::error::{ProvideErrorMetadata, SdkError};
use aws_sdk_s3::primitives::ByteStream;
use aws_sdk_s3::types::{CompletedMultipartUpload, CompletedPart};

use super::RemoteError;
use super::server::{Network, Server};
use crate::report::causes;
use crate::store::{Blob, StoreError};

pub(super) struct S3 {
    network: Arc<Network>,
    bucket: String,
    /// Ends in `/` unless empty.
    prefix: String,
    client: OnceLock<Client>,
}

/// What may lie in memory of blobs that travel at the same time.
const BATCH_BYTES: u64 = 4 << 20;
/// Parts of a large upload; S3 takes 10,000 of 5 MiB or more.
const PART_BYTES: usize = 16 << 20;
/// A result is a few kilobytes.
const MOST_RESULT_BYTES: u64 = 1 << 20;

impl S3 {
    pub(super) fn new(bucket: &str, prefix: &str, network: Arc<Network>) -> Self {
        let prefix = if prefix.is_empty() { String::new() } else { format!("{prefix}/") };
        Self { network, bucket: bucket.to_owned(), prefix, client: OnceLock::new() }
    }

    fn client(&self) -> Result<Client, RemoteError> {
        if let Some(client) = self.client.get() {
            return Ok(client.clone());
        }
        let config = self.network.wait(aws_config::defaults(BehaviorVersion::latest()).load())?;
        if config.region().is_none() {
            let detail = "neither AWS_REGION nor the profile names a region".to_owned();
            return Err(RemoteError::Unreachable { detail });
        }
        let settings = aws_sdk_s3::config::Builder::from(&config)
            // When to ask again is the same for all kinds of caches.
            .retry_config(RetryConfig::disabled())
            .force_path_style(config.endpoint_url().is_some());
        Ok(self.client.get_or_init(|| Client::from_conf(settings.build())).clone())
    }

    fn key(&self, kind: &str, blob: Blob) -> String {
        format!("{}{kind}/{}", self.prefix, blob.digest)
    }

    fn put_in_parts(&self, blob: Blob, from: &mut (dyn Read + Send)) -> Result<(), RemoteError> {
        let (client, key) = (self.client()?, self.key("cas", blob));
        let begun = client.create_multipart_upload().bucket(&self.bucket).key(&key).send();
        let id = self.network.wait(begun)?.map_err(|error| failed(&error))?.upload_id.unwrap_or_default();
        let mut parts = Vec::new();
        for number in 1.. {
            let part = piece(from)?;
            if part.is_empty() {
                break;
            }
            let upload = client.upload_part().bucket(&self.bucket).key(&key).upload_id(&id);
            let sent = upload.part_number(number).body(ByteStream::from(part)).send();
            let sent = self.network.wait(sent)?.map_err(|error| failed(&error))?;
            parts.push(CompletedPart::builder().part_number(number).set_e_tag(sent.e_tag).build());
        }
        let parts = CompletedMultipartUpload::builder().set_parts(Some(parts)).build();
        let complete = client.complete_multipart_upload().bucket(&self.bucket).key(&key).upload_id(&id);
        let done = self.network.wait(complete.multipart_upload(parts).send())?;
        done.map(drop).map_err(|error| failed(&error))
    }
}

impl Server for S3 {
    fn description(&self) -> Result<String, RemoteError> {
        let client = self.client()?;
        self.network
            .wait(client.head_bucket().bucket(&self.bucket).send())?
            .map_err(|error| failed(&error))?;
        Ok("S3".to_owned())
    }

    fn batch_bytes(&self) -> Result<u64, RemoteError> {
        Ok(BATCH_BYTES)
    }

    fn missing(&self, blobs: &[Blob]) -> Result<Vec<Blob>, RemoteError> {
        let client = self.client()?;
        let requests = blobs.iter().map(|blob| {
            let (blob, request) =
                (*blob, client.head_object().bucket(&self.bucket).key(self.key("cas", *blob)));
            async move { Ok(found(request.send().await)?.is_none().then_some(blob)) }
        });
        Ok(self.network.for_all(requests)?.into_iter().flatten().collect())
    }

    fn read(&self, blobs: &[Blob]) -> Result<Vec<(Blob, Vec<u8>)>, RemoteError> {
        let client = self.client()?;
        let requests = blobs.iter().map(|blob| {
            let (blob, request) =
                (*blob, client.get_object().bucket(&self.bucket).key(self.key("cas", *blob)));
            async move {
                let Some(object) = found(request.send().await)? else { return Ok(None) };
                Ok(Some((blob, bytes_of(object.body, blob.n_bytes).await?)))
            }
        });
        Ok(self.network.for_all(requests)?.into_iter().flatten().collect())
    }

    fn write(&self, blobs: Vec<(Blob, Vec<u8>)>) -> Result<(), RemoteError> {
        let client = self.client()?;
        let requests = blobs.into_iter().map(|(blob, bytes)| {
            let put = client.put_object().bucket(&self.bucket).key(self.key("cas", blob));
            let request = put.body(ByteStream::from(bytes));
            async move { request.send().await.map(drop).map_err(|error| failed(&error)) }
        });
        self.network.for_all(requests).map(drop)
    }

    fn read_large(&self, blob: Blob, to: &mut (dyn Write + Send)) -> Result<bool, RemoteError> {
        let client = self.client()?;
        let request = client.get_object().bucket(&self.bucket).key(self.key("cas", blob)).send();
        let Some(mut object) = found(self.network.wait(request)?)? else { return Ok(false) };
        let mut left = blob.n_bytes;
        while let Some(chunk) = self.network.wait(object.body.next())? {
            let chunk = chunk.map_err(|error| RemoteError::Broken { detail: causes::root(&error) })?;
            let wrong = RemoteError::WrongBytes { digest: blob.digest };
            left = left.checked_sub(chunk.len() as u64).ok_or(wrong)?;
            to.write_all(&chunk).map_err(StoreError::Write)?;
        }
        Ok(true)
    }

    fn write_large(&self, blob: Blob, from: &mut (dyn Read + Send)) -> Result<(), RemoteError> {
        if blob.n_bytes > PART_BYTES as u64 {
            return self.put_in_parts(blob, from);
        }
        self.write(vec![(blob, piece(from)?)])
    }

    fn result(&self, action: Blob) -> Result<Option<Vec<u8>>, RemoteError> {
        let client = self.client()?;
        let request = client.get_object().bucket(&self.bucket).key(self.key("ac", action)).send();
        let Some(object) = found(self.network.wait(request)?)? else { return Ok(None) };
        self.network.wait(bytes_of(object.body, MOST_RESULT_BYTES))?.map(Some)
    }

    fn put_result(&self, action: Blob, message: Vec<u8>) -> Result<(), RemoteError> {
        let client = self.client()?;
        let put = client.put_object().bucket(&self.bucket).key(self.key("ac", action));
        let done = self.network.wait(put.body(ByteStream::from(message)).send())?;
        done.map(drop).map_err(|error| failed(&error))
    }
}

/// The next bytes, as many as one part has.
fn piece(from: &mut (dyn Read + Send)) -> Result<Vec<u8>, StoreError> {
    let mut bytes = Vec::new();
    from.take(PART_BYTES as u64).read_to_end(&mut bytes).map_err(StoreError::Write)?;
    Ok(bytes)
}

/// A body in memory, up to what is taken and a little more, by which it is known to be wrong.
async fn bytes_of(mut body: ByteStream, most_bytes: u64) -> Result<Vec<u8>, RemoteError> {
    let mut bytes = Vec::new();
    while let Some(chunk) = body.next().await {
        bytes
            .extend_from_slice(&chunk.map_err(|error| RemoteError::Broken { detail: causes::root(&error) })?);
        if bytes.len() as u64 > most_bytes {
            break;
        }
    }
    Ok(bytes)
}

fn found<T, E>(answer: Result<T, SdkError<E>>) -> Result<Option<T>, RemoteError>
where
    E: ProvideErrorMetadata + std::error::Error + 'static,
{
    match answer {
        Ok(answer) => Ok(Some(answer)),
        Err(SdkError::ServiceError(service))
            if service.raw().status().as_u16() == 404
            // Of a bucket that is not there, HEAD says no more than this.
            && service.err().code() != Some("NoSuchBucket") =>
        {
            Ok(None)
        }
        Err(error) => Err(failed(&error)),
    }
}

fn failed<E>(error: &SdkError<E>) -> RemoteError
where
    E: ProvideErrorMetadata + std::error::Error + 'static,
{
    let SdkError::ServiceError(service) = error else {
        return RemoteError::Broken { detail: causes::root(error) };
    };
    let status = service.raw().status().as_u16();
    let code = service.err().code().unwrap_or_default();
    let detail: String = service.err().message().unwrap_or_default().chars().take(300).collect();
    RemoteError::Refused {
        status: format!("{status} {code}"),
        detail,
        is_passing: status >= 500 || status == 429,
    }
}
