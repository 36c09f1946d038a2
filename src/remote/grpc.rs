//! The Remote Execution API by `tonic`: its capabilities, results and blobs. `stream` moves
//! large blobs, `execution` runs jobs on `lines` of their own, `along` hears what they say
//! meanwhile.

mod along;
mod execution;
mod lines;
mod packed;
mod stream;

use std::io::{Read, Write};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bazel_remote_apis::build::bazel::remote::execution::v2 as reapi;
use prost::Message;
use reapi::action_cache_client::ActionCacheClient;
use reapi::capabilities_client::CapabilitiesClient;
use reapi::content_addressable_storage_client::ContentAddressableStorageClient as CasClient;
use tonic::metadata::{Ascii, MetadataKey, MetadataValue};
use tonic::service::Interceptor;
use tonic::service::interceptor::InterceptedService;
use tonic::transport::{Certificate, Channel, ClientTlsConfig, Endpoint, Identity};
use tonic::{Code, Request, Status};

pub(super) use along::MOST_LOG_BYTES;
pub(super) use execution::{Order, Patience, execute};

use self::lines::Lines;
use super::RemoteError;
use super::claim::blob;
use super::server::{Network, Server};
use super::settings::{Settings, Tls};
use crate::report::causes;
use crate::store::Blob;

/// A server that speaks REAPI. It is connected to when it is first asked for something.
pub(super) struct Grpc {
    network: Arc<Network>,
    endpoint: Endpoint,
    headers: Headers,
    instance: String,
    connection: Mutex<Option<Arc<Connection>>>,
    lines: Lines,
}

/// A channel, and what the server says that it can.
#[derive(Debug)]
struct Connection {
    channel: Channel,
    api: String,
    batch_bytes: u64,
    /// 0 where there is no limit.
    most_bytes: u64,
    reads_zstd: bool,
    writes_zstd: bool,
    takes_results: bool,
}

/// Put into every request.
#[derive(Debug, Clone)]
struct Headers(Arc<Vec<(MetadataKey<Ascii>, MetadataValue<Ascii>)>>);

type Service = InterceptedService<Channel, Headers>;

/// gRPC's own limit for a message, less what goes around the blobs.
const USUAL_BATCH_BYTES: u64 = (4 << 20) - (64 << 10);
/// Of one message that we take: a batch that is larger than we asked for is none of ours.
const MOST_MESSAGE_BYTES: usize = 8 << 20;

/// A job may have nothing to say for hours: a server that is gone is noticed by its host's
/// silence, and one that hangs by its own. Servers take it ill to be asked more often than
/// every five minutes.
const TCP_ALIVE: Duration = Duration::from_mins(1);
const ALIVE: Duration = Duration::from_secs(330);

impl Interceptor for Headers {
    fn call(&mut self, mut request: Request<()>) -> Result<Request<()>, Status> {
        for (name, value) in self.0.iter() {
            request.metadata_mut().insert(name.clone(), value.clone());
        }
        Ok(request)
    }
}

impl Grpc {
    /// `place`: whether it is encrypted, host and port, and the instance's name.
    pub(super) fn new(
        (is_encrypted, authority, instance): (bool, &str, &str),
        settings: &Settings,
        network: Arc<Network>,
    ) -> Result<Self, RemoteError> {
        const CONNECT: Duration = Duration::from_secs(5);
        let unfit =
            |error: tonic::transport::Error| RemoteError::Unreachable { detail: causes::root(&error) };
        let scheme = if is_encrypted { "https" } else { "http" };
        let mut endpoint = Endpoint::from_shared(format!("{scheme}://{authority}"))
            .map_err(unfit)?
            .user_agent(concat!("layr/", env!("CARGO_PKG_VERSION")))
            .map_err(unfit)?
            .connect_timeout(CONNECT.min(network.stall()))
            .tcp_keepalive(Some(TCP_ALIVE))
            .http2_keep_alive_interval(ALIVE)
            .keep_alive_timeout(network.stall());
        if is_encrypted {
            endpoint = endpoint.tls_config(tls(&settings.tls)).map_err(unfit)?;
        }
        let headers: Result<Vec<_>, RemoteError> = settings.headers.iter().map(header).collect();
        Ok(Self {
            network,
            endpoint,
            headers: Headers(Arc::new(headers?)),
            instance: instance.to_owned(),
            connection: Mutex::default(),
            lines: Lines::default(),
        })
    }

    fn connection(&self) -> Result<Arc<Connection>, RemoteError> {
        let mut connection = self.connection.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(connection) = &*connection {
            return Ok(Arc::clone(connection));
        }
        let made = Arc::new(self.connect()?);
        *connection = Some(Arc::clone(&made));
        Ok(made)
    }

    fn connect(&self) -> Result<Connection, RemoteError> {
        let channel = self.network.wait(self.endpoint.connect())?;
        let channel = channel.map_err(|error| RemoteError::Unreachable { detail: causes::root(&error) })?;
        let mut client = CapabilitiesClient::new(self.service(&channel));
        let request = reapi::GetCapabilitiesRequest { instance_name: self.instance.clone() };
        let answer =
            self.network.wait(client.get_capabilities(request))?.map_err(|status| refused(&status))?;
        let reapi::ServerCapabilities { cache_capabilities, high_api_version, .. } = answer.into_inner();
        let cache = cache_capabilities.ok_or(RemoteError::Unfit { what: "REAPI's cache" })?;
        let sha256 = reapi::digest_function::Value::Sha256 as i32;
        if !cache.digest_functions.contains(&sha256) {
            return Err(RemoteError::Unfit { what: "SHA-256" });
        }
        let zstd = reapi::compressor::Value::Zstd as i32;
        let announced = u64::try_from(cache.max_batch_total_size_bytes).unwrap_or(0);
        Ok(Connection {
            channel,
            api: high_api_version
                .map_or_else(|| "2".to_owned(), |api| format!("{}.{}", api.major, api.minor)),
            batch_bytes: if announced == 0 { USUAL_BATCH_BYTES } else { announced.min(USUAL_BATCH_BYTES) },
            most_bytes: u64::try_from(cache.max_cas_blob_size_bytes).unwrap_or(0),
            reads_zstd: cache.supported_compressors.contains(&zstd),
            writes_zstd: cache.supported_batch_update_compressors.contains(&zstd),
            takes_results: cache.action_cache_update_capabilities.is_some_and(|can| can.update_enabled),
        })
    }

    fn service(&self, channel: &Channel) -> Service {
        InterceptedService::new(channel.clone(), self.headers.clone())
    }

    fn cas(&self, connection: &Connection) -> CasClient<Service> {
        CasClient::new(self.service(&connection.channel))
            .max_decoding_message_size(MOST_MESSAGE_BYTES)
            .max_encoding_message_size(MOST_MESSAGE_BYTES)
    }

    /// An answer, if it came at all and is one.
    fn answer<T>(
        &self,
        call: impl Future<Output = Result<tonic::Response<T>, Status>>,
    ) -> Result<T, RemoteError> {
        Ok(self.network.wait(call)?.map_err(|status| refused(&status))?.into_inner())
    }
}

impl Server for Grpc {
    fn description(&self) -> Result<String, RemoteError> {
        let connection = self.connection()?;
        let zstd = if connection.reads_zstd { ", zstd" } else { "" };
        let results = if connection.takes_results { "" } else { ", takes no results" };
        Ok(format!("REAPI {}{zstd}{results}", connection.api))
    }

    fn batch_bytes(&self) -> Result<u64, RemoteError> {
        Ok(self.connection()?.batch_bytes)
    }

    fn missing(&self, blobs: &[Blob]) -> Result<Vec<Blob>, RemoteError> {
        let connection = self.connection()?;
        let request = reapi::FindMissingBlobsRequest {
            instance_name: self.instance.clone(),
            blob_digests: blobs.iter().map(digest).collect(),
            ..Default::default()
        };
        let answer = self.answer(self.cas(&connection).find_missing_blobs(request))?;
        Ok(answer.missing_blob_digests.iter().filter_map(blob).collect())
    }

    fn read(&self, blobs: &[Blob]) -> Result<Vec<(Blob, Vec<u8>)>, RemoteError> {
        let connection = self.connection()?;
        let zstd = connection.reads_zstd.then_some(reapi::compressor::Value::Zstd as i32);
        let request = reapi::BatchReadBlobsRequest {
            instance_name: self.instance.clone(),
            digests: blobs.iter().map(digest).collect(),
            acceptable_compressors: zstd.into_iter().collect(),
            ..Default::default()
        };
        let answer = self.answer(self.cas(&connection).batch_read_blobs(request))?;
        let mut read = Vec::new();
        for reapi::batch_read_blobs_response::Response { digest, data, status, compressor } in
            answer.responses
        {
            let Some(blob) = digest.as_ref().and_then(blob) else { continue };
            let status = status.unwrap_or_default();
            let code = Code::from_i32(status.code);
            if code == Code::Ok {
                read.push((blob, packed::unpacked(data, compressor, blob)?));
            } else if code != Code::NotFound {
                return Err(refused(&Status::new(code, status.message)));
            }
        }
        Ok(read)
    }

    fn write(&self, blobs: Vec<(Blob, Vec<u8>)>) -> Result<(), RemoteError> {
        let connection = self.connection()?;
        let requests: Result<Vec<_>, RemoteError> = blobs
            .into_iter()
            .map(|(blob, bytes)| {
                let (data, compressor) = packed::packed(bytes, connection.writes_zstd);
                connection.check_size(blob)?;
                let digest = Some(digest(&blob));
                Ok(reapi::batch_update_blobs_request::Request { digest, data, compressor })
            })
            .collect();
        let request = reapi::BatchUpdateBlobsRequest {
            instance_name: self.instance.clone(),
            requests: requests?,
            ..Default::default()
        };
        let answer = self.answer(self.cas(&connection).batch_update_blobs(request))?;
        for response in answer.responses {
            let status = response.status.unwrap_or_default();
            if Code::from_i32(status.code) != Code::Ok {
                return Err(refused(&Status::new(Code::from_i32(status.code), status.message)));
            }
        }
        Ok(())
    }

    fn read_large(&self, blob: Blob, to: &mut (dyn Write + Send)) -> Result<bool, RemoteError> {
        stream::read(self, &*self.connection()?, blob, to)
    }

    fn write_large(&self, blob: Blob, from: &mut (dyn Read + Send)) -> Result<(), RemoteError> {
        let connection = self.connection()?;
        connection.check_size(blob)?;
        stream::write(self, &connection, blob, from)
    }

    fn result(&self, action: Blob) -> Result<Option<Vec<u8>>, RemoteError> {
        let connection = self.connection()?;
        let mut client = ActionCacheClient::new(self.service(&connection.channel));
        let request = reapi::GetActionResultRequest {
            instance_name: self.instance.clone(),
            action_digest: Some(digest(&action)),
            ..Default::default()
        };
        match self.network.wait(client.get_action_result(request))? {
            Ok(answer) => Ok(Some(answer.into_inner().encode_to_vec())),
            Err(status) if status.code() == Code::NotFound => Ok(None),
            Err(status) => Err(refused(&status)),
        }
    }

    fn put_result(&self, action: Blob, message: Vec<u8>) -> Result<(), RemoteError> {
        let connection = self.connection()?;
        let mut client = ActionCacheClient::new(self.service(&connection.channel));
        let result = reapi::ActionResult::decode(&*message).ok();
        let request = reapi::UpdateActionResultRequest {
            instance_name: self.instance.clone(),
            action_digest: Some(digest(&action)),
            action_result: result,
            ..Default::default()
        };
        self.answer(client.update_action_result(request)).map(drop)
    }
}

impl Connection {
    fn check_size(&self, blob: Blob) -> Result<(), RemoteError> {
        let limit = self.most_bytes;
        if limit != 0 && blob.n_bytes > limit {
            return Err(RemoteError::TooLarge { digest: blob.digest, limit });
        }
        Ok(())
    }
}

pub(super) fn digest(blob: &Blob) -> reapi::Digest {
    let size_bytes = i64::try_from(blob.n_bytes).unwrap_or(i64::MAX);
    reapi::Digest { hash: blob.digest.to_hex(), size_bytes }
}

fn header(
    (name, value): &(String, String),
) -> Result<(MetadataKey<Ascii>, MetadataValue<Ascii>), RemoteError> {
    let invalid = || RemoteError::Header(name.clone());
    let key = name.to_ascii_lowercase().parse().ok().ok_or_else(invalid)?;
    Ok((key, value.parse().ok().ok_or_else(invalid)?))
}

fn tls(Tls { authorities, identity }: &Tls) -> ClientTlsConfig {
    let mut tls = ClientTlsConfig::new().with_native_roots();
    if let Some(pem) = authorities {
        tls = tls.ca_certificate(Certificate::from_pem(pem));
    }
    if let Some((certificate, key)) = identity {
        tls = tls.identity(Identity::from_pem(certificate, key));
    }
    tls
}

/// What a status means. Of a connection that ends under a call, `tonic` makes one as well.
fn refused(status: &Status) -> RemoteError {
    use std::error::Error;
    if status.source().is_some() {
        return RemoteError::Broken { detail: causes::root(status) };
    }
    let is_passing = match status.code() {
        Code::Unavailable | Code::ResourceExhausted | Code::Aborted | Code::Internal | Code::Unknown => true,
        Code::Ok
        | Code::Cancelled
        | Code::InvalidArgument
        | Code::DeadlineExceeded
        | Code::NotFound
        | Code::AlreadyExists
        | Code::PermissionDenied
        | Code::FailedPrecondition
        | Code::OutOfRange
        | Code::Unimplemented
        | Code::DataLoss
        | Code::Unauthenticated => false,
    };
    let detail: String = status.message().chars().take(300).collect();
    RemoteError::Refused { status: code_name(status.code()).to_owned(), detail, is_passing }
}

/// As the protocol's texts have them.
fn code_name(code: Code) -> &'static str {
    match code {
        Code::Ok => "ok",
        Code::Cancelled => "cancelled",
        Code::Unknown => "unknown",
        Code::InvalidArgument => "invalid argument",
        Code::DeadlineExceeded => "deadline exceeded",
        Code::NotFound => "not found",
        Code::AlreadyExists => "already exists",
        Code::PermissionDenied => "permission denied",
        Code::ResourceExhausted => "resource exhausted",
        Code::FailedPrecondition => "failed precondition",
        Code::Aborted => "aborted",
        Code::OutOfRange => "out of range",
        Code::Unimplemented => "unimplemented",
        Code::Internal => "internal",
        Code::Unavailable => "unavailable",
        Code::DataLoss => "data loss",
        Code::Unauthenticated => "unauthenticated",
    }
}
