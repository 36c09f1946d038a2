//! A server that speaks zstd, of which none can be had here: what it is sent compressed it
//! unfolds and hands to buildbox-casd, and what it is asked for it compresses, or lies about.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use bazel_remote_apis::build::bazel::remote::execution::v2 as reapi;
use bazel_remote_apis::google::bytestream::byte_stream_client::ByteStreamClient;
use bazel_remote_apis::google::bytestream::byte_stream_server::{ByteStream, ByteStreamServer};
use bazel_remote_apis::google::bytestream::{
    QueryWriteStatusRequest, QueryWriteStatusResponse, ReadRequest, ReadResponse, WriteRequest, WriteResponse,
};
use reapi::capabilities_client::CapabilitiesClient;
use reapi::capabilities_server::{Capabilities, CapabilitiesServer};
use reapi::content_addressable_storage_client::ContentAddressableStorageClient as CasClient;
use reapi::content_addressable_storage_server::{
    ContentAddressableStorage as Cas, ContentAddressableStorageServer as CasServer,
};
use tokio_stream::StreamExt;
use tonic::transport::{Channel, Server};
use tonic::{Request, Response, Status, Streaming};

use crate::fronts::{ACTION_CACHE, Answers, Front, Through};

const ZSTD: i32 = reapi::compressor::Value::Zstd as i32;
const IDENTITY: i32 = reapi::compressor::Value::Identity as i32;

/// What becomes of each file that is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Lie {
    None,
    /// A gigabyte of zeros, in some ten kilobytes.
    Bomb,
    /// A frame that asks for more memory than files have bytes.
    Window,
    /// Frames without a byte in them, and no end.
    Endless,
    /// A byte more, and a byte less, than was said.
    Longer,
    Shorter,
    /// As many bytes, of which one is another.
    Other,
    /// A frame without its end.
    Cut,
    /// Bytes that are no frame.
    Plain,
    /// The server speaks no zstd, and does not stop.
    EndlessPlain,
    /// The same without a byte.
    EndlessNothing,
}

/// The running server; it ends with the value.
pub(crate) struct Compressing {
    pub(crate) front: Front,
    pub(crate) counted: Arc<Counted>,
    lie: Arc<Mutex<Lie>>,
}

/// Files that went through it compressed.
#[derive(Debug, Default)]
pub(crate) struct Counted {
    pub(crate) written: AtomicU64,
    pub(crate) read: AtomicU64,
    pub(crate) streamed: AtomicU64,
}

impl Compressing {
    pub(crate) fn before(server: SocketAddr) -> Self {
        let (lie, counted) = (Arc::new(Mutex::new(Lie::None)), Arc::default());
        let front = Front::before(server, |channel| {
            let gate =
                Gate { channel: channel.clone(), lie: Arc::clone(&lie), counted: Arc::clone(&counted) };
            Server::builder()
                .add_service(CapabilitiesServer::new(gate.clone()))
                .add_service(ByteStreamServer::new(gate.clone()))
                .add_service(CasServer::new(gate).max_decoding_message_size(8 << 20))
                .add_service(Through::<ACTION_CACHE>(channel))
        });
        Self { front, counted, lie }
    }

    pub(crate) fn set(&self, lie: Lie) {
        *self.lie.lock().unwrap() = lie;
    }
}

#[derive(Clone)]
struct Gate {
    channel: Channel,
    lie: Arc<Mutex<Lie>>,
    counted: Arc<Counted>,
}

impl Gate {
    fn lie(&self) -> Lie {
        *self.lie.lock().unwrap()
    }
}

fn packed(bytes: &[u8]) -> Vec<u8> {
    zstd::bulk::compress(bytes, 1).unwrap()
}

/// What is given for a file.
fn told(lie: Lie, mut bytes: Vec<u8>) -> Vec<u8> {
    match lie {
        Lie::None | Lie::Endless | Lie::EndlessPlain | Lie::EndlessNothing => packed(&bytes),
        Lie::Bomb => packed(&vec![0; 64 << 20]).repeat(16),
        Lie::Window => {
            let mut encoder = zstd::stream::write::Encoder::new(Vec::new(), 1).unwrap();
            encoder.window_log(31).unwrap();
            std::io::Write::write_all(&mut encoder, &bytes).unwrap();
            encoder.finish().unwrap()
        }
        Lie::Longer => {
            bytes.push(0);
            packed(&bytes)
        }
        Lie::Shorter => {
            bytes.pop();
            packed(&bytes)
        }
        Lie::Other => {
            bytes[0] ^= 1;
            packed(&bytes)
        }
        Lie::Cut => {
            let mut packed = packed(&bytes);
            packed.truncate(packed.len() - 1);
            packed
        }
        Lie::Plain => bytes,
    }
}

#[tonic::async_trait]
impl Capabilities for Gate {
    async fn get_capabilities(
        &self,
        request: Request<reapi::GetCapabilitiesRequest>,
    ) -> Result<Response<reapi::ServerCapabilities>, Status> {
        let mut answer = CapabilitiesClient::new(self.channel.clone()).get_capabilities(request).await?;
        if !matches!(self.lie(), Lie::EndlessPlain | Lie::EndlessNothing) {
            let cache = answer.get_mut().cache_capabilities.as_mut().unwrap();
            cache.supported_compressors = vec![ZSTD];
            cache.supported_batch_update_compressors = vec![ZSTD];
        }
        Ok(answer)
    }
}

#[tonic::async_trait]
impl Cas for Gate {
    async fn find_missing_blobs(
        &self,
        request: Request<reapi::FindMissingBlobsRequest>,
    ) -> Result<Response<reapi::FindMissingBlobsResponse>, Status> {
        CasClient::new(self.channel.clone()).find_missing_blobs(request).await
    }

    async fn batch_update_blobs(
        &self,
        request: Request<reapi::BatchUpdateBlobsRequest>,
    ) -> Result<Response<reapi::BatchUpdateBlobsResponse>, Status> {
        let mut request = request.into_inner();
        for blob in request.requests.iter_mut().filter(|blob| blob.compressor == ZSTD) {
            let n_bytes = usize::try_from(blob.digest.as_ref().unwrap().size_bytes).unwrap();
            blob.data = zstd::bulk::decompress(&blob.data, n_bytes).unwrap();
            blob.compressor = IDENTITY;
            self.counted.written.fetch_add(1, Ordering::SeqCst);
        }
        CasClient::new(self.channel.clone()).batch_update_blobs(request).await
    }

    async fn batch_read_blobs(
        &self,
        request: Request<reapi::BatchReadBlobsRequest>,
    ) -> Result<Response<reapi::BatchReadBlobsResponse>, Status> {
        let mut request = request.into_inner();
        let may_compress = std::mem::take(&mut request.acceptable_compressors).contains(&ZSTD);
        let client = CasClient::new(self.channel.clone());
        let mut answer = client.max_decoding_message_size(8 << 20).batch_read_blobs(request).await?;
        for blob in answer.get_mut().responses.iter_mut().filter(|blob| may_compress && !blob.data.is_empty())
        {
            blob.data = told(self.lie(), std::mem::take(&mut blob.data));
            blob.compressor = ZSTD;
            self.counted.read.fetch_add(1, Ordering::SeqCst);
        }
        Ok(answer)
    }

    type GetTreeStream = Answers<reapi::GetTreeResponse>;

    async fn get_tree(
        &self,
        _: Request<reapi::GetTreeRequest>,
    ) -> Result<Response<Self::GetTreeStream>, Status> {
        Err(Status::unimplemented("nobody asks for it"))
    }

    async fn split_blob(
        &self,
        _: Request<reapi::SplitBlobRequest>,
    ) -> Result<Response<reapi::SplitBlobResponse>, Status> {
        Err(Status::unimplemented("nobody asks for it"))
    }

    type GetChunkMappingStream = Answers<reapi::GetChunkMappingResponse>;

    async fn get_chunk_mapping(
        &self,
        _: Request<reapi::GetChunkMappingRequest>,
    ) -> Result<Response<Self::GetChunkMappingStream>, Status> {
        Err(Status::unimplemented("nobody asks for it"))
    }

    async fn register_chunk_mapping(
        &self,
        _: Request<Streaming<reapi::RegisterChunkMappingRequest>>,
    ) -> Result<Response<reapi::RegisterChunkMappingResponse>, Status> {
        Err(Status::unimplemented("nobody asks for it"))
    }

    async fn splice_blob(
        &self,
        _: Request<reapi::SpliceBlobRequest>,
    ) -> Result<Response<reapi::SpliceBlobResponse>, Status> {
        Err(Status::unimplemented("nobody asks for it"))
    }
}

#[tonic::async_trait]
impl ByteStream for Gate {
    type ReadStream = Answers<ReadResponse>;

    async fn read(&self, request: Request<ReadRequest>) -> Result<Response<Self::ReadStream>, Status> {
        let mut request = request.into_inner();
        let is_packed = request.resource_name.contains("compressed-blobs/zstd/");
        request.resource_name = request.resource_name.replace("compressed-blobs/zstd/", "blobs/");
        let mut stream = ByteStreamClient::new(self.channel.clone()).read(request).await?.into_inner();
        let mut bytes = Vec::new();
        while let Some(chunk) = stream.message().await? {
            bytes.extend(chunk.data);
        }
        let endless = |data: Vec<u8>| {
            let answers = std::iter::repeat_with(move || Ok(ReadResponse { data: data.clone() }));
            Ok(Response::new(Box::pin(tokio_stream::iter(answers)) as Self::ReadStream))
        };
        if self.lie() == Lie::EndlessPlain {
            return endless(vec![0; 64 << 10]);
        }
        if self.lie() == Lie::EndlessNothing {
            return endless(Vec::new());
        }
        if self.lie() == Lie::Endless {
            return endless(packed(&[]).repeat(1000));
        }
        if is_packed {
            self.counted.streamed.fetch_add(1, Ordering::SeqCst);
            bytes = told(self.lie(), bytes);
        }
        // Chunks of any length, and some without a byte.
        let lengths = [0, 1, 7, 100_000, 3].into_iter().cycle();
        let mut chunks = Vec::new();
        let mut left = &*bytes;
        for length in lengths {
            let (chunk, rest) = left.split_at(left.len().min(length));
            chunks.push(Ok(ReadResponse { data: chunk.to_vec() }));
            left = rest;
            if left.is_empty() {
                break;
            }
        }
        Ok(Response::new(Box::pin(tokio_stream::iter(chunks))))
    }

    async fn write(
        &self,
        request: Request<Streaming<WriteRequest>>,
    ) -> Result<Response<WriteResponse>, Status> {
        let chunks = request.into_inner().filter_map(Result::ok);
        ByteStreamClient::new(self.channel.clone()).write(chunks).await
    }

    async fn query_write_status(
        &self,
        _: Request<QueryWriteStatusRequest>,
    ) -> Result<Response<QueryWriteStatusResponse>, Status> {
        Err(Status::unimplemented("nobody asks for it"))
    }
}
