//! Blobs that are too large for a batch, by `ByteStream`.

use std::io::{self, Read, Write};

use bazel_remote_apis::google::bytestream::byte_stream_client::ByteStreamClient;
use bazel_remote_apis::google::bytestream::{ReadRequest, WriteRequest};
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tonic::Code;

use super::packed::{self, Unfolding};
use super::{Connection, Grpc, refused};
use crate::remote::RemoteError;
use crate::store::{Blob, StoreError};

/// Of one message of a stream.
const CHUNK_BYTES: usize = 256 << 10;
/// Chunks that were read and not sent yet.
const N_WAITING: usize = 4;
/// Chunks without a byte, one after the other: with more of them, a stream need never end.
const MOST_EMPTY: u32 = 100;

/// Whether the server has it.
pub(super) fn read(
    grpc: &Grpc,
    connection: &Connection,
    blob: Blob,
    to: &mut (dyn Write + Send),
) -> Result<bool, RemoteError> {
    let how = if connection.reads_zstd { "compressed-blobs/zstd" } else { "blobs" };
    let resource_name = name(&grpc.instance, how, blob);
    let mut client = ByteStreamClient::new(grpc.service(&connection.channel));
    let request = ReadRequest { resource_name, ..Default::default() };
    let mut stream = match grpc.network.wait(client.read(request))? {
        Ok(answer) => answer.into_inner(),
        Err(status) if status.code() == Code::NotFound => return Ok(false),
        Err(status) => return Err(refused(&status)),
    };
    let failed = |error: io::Error| {
        // What zstd does not take, and what is more than was promised.
        let of_bytes = [io::ErrorKind::Other, io::ErrorKind::InvalidData, io::ErrorKind::FileTooLarge];
        if of_bytes.contains(&error.kind()) {
            RemoteError::WrongBytes { digest: blob.digest }
        } else {
            StoreError::Write(error).into()
        }
    };
    let mut unfolding;
    let to: &mut dyn Write = if connection.reads_zstd {
        unfolding = Unfolding::new(to, blob).map_err(failed)?;
        &mut unfolding
    } else {
        to
    };
    let mut n_empty = 0;
    let mut left = if connection.reads_zstd { packed::most_bytes(blob) } else { blob.n_bytes };
    loop {
        match grpc.network.wait(stream.message())? {
            Ok(Some(chunk)) => {
                let wrong = RemoteError::WrongBytes { digest: blob.digest };
                left = left.checked_sub(chunk.data.len() as u64).ok_or(wrong)?;
                n_empty = if chunk.data.is_empty() { n_empty + 1 } else { 0 };
                if n_empty > MOST_EMPTY {
                    return Err(RemoteError::Broken { detail: "it went on without a byte".to_owned() });
                }
                to.write_all(&chunk.data).map_err(failed)?;
            }
            Ok(None) => break,
            Err(status) if status.code() == Code::NotFound => return Ok(false),
            Err(status) => return Err(refused(&status)),
        }
    }
    to.flush().map_err(failed)?;
    Ok(true)
}

/// Sends it as it is: what is large in packages is compressed already, for the most part.
pub(super) fn write(
    grpc: &Grpc,
    connection: &Connection,
    blob: Blob,
    from: &mut (dyn Read + Send),
) -> Result<(), RemoteError> {
    let upload = format!("uploads/{}/blobs", uuid::Uuid::new_v4());
    let resource_name = name(&grpc.instance, &upload, blob);
    let (sender, receiver) = mpsc::channel::<WriteRequest>(N_WAITING);
    let chunks = ReceiverStream::new(receiver);
    let mut client = ByteStreamClient::new(grpc.service(&connection.channel));
    let answer = grpc.network.spawn(async move { client.write(chunks).await })?;
    let mut at = 0_u64;
    loop {
        let mut data = vec![0; CHUNK_BYTES];
        let n = read_full(from, &mut data).map_err(StoreError::Write)?;
        data.truncate(n);
        let write_offset = i64::try_from(at).unwrap_or(i64::MAX);
        at += n as u64;
        let finish_write = at >= blob.n_bytes;
        let request = WriteRequest {
            resource_name: if write_offset == 0 { resource_name.clone() } else { String::new() },
            write_offset,
            finish_write,
            data,
        };
        // A server that has the blob already, or does not want it, stops listening.
        if grpc.network.wait(sender.send(request))?.is_err() || finish_write || n == 0 {
            break;
        }
    }
    drop(sender);
    let answer = grpc.network.wait(answer)?;
    let answer = answer.map_err(|error| RemoteError::Broken { detail: error.to_string() })?;
    match answer {
        Ok(_) => Ok(()),
        Err(status) if status.code() == Code::AlreadyExists => Ok(()),
        Err(status) => Err(refused(&status)),
    }
}

fn name(instance: &str, how: &str, Blob { digest, n_bytes }: Blob) -> String {
    let slash = if instance.is_empty() { "" } else { "/" };
    format!("{instance}{slash}{how}/{digest}/{n_bytes}")
}

fn read_full(from: &mut (dyn Read + Send), buffer: &mut [u8]) -> io::Result<usize> {
    let mut filled = 0;
    while filled < buffer.len() {
        match from.read(&mut buffer[filled..])? {
            0 => break,
            n => filled += n,
        }
    }
    Ok(filled)
}
