//! What a job says while it runs, by `ByteStream`, from servers that let it be heard. It is
//! for whoever reads the log meanwhile: all of it comes with the result once more, and so
//! nothing that goes wrong here is an error.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::Write;
use std::time::Duration;

use bazel_remote_apis::build::bazel::remote::execution::v2 as reapi;
use bazel_remote_apis::google::bytestream::ReadRequest;
use bazel_remote_apis::google::bytestream::byte_stream_client::ByteStreamClient;
use tokio::task::JoinHandle;
use tokio::time::sleep;
use tonic::transport::Channel;

use super::{Grpc, Service};

/// Of one job: two, and two more for each worker that is lost.
const MOST_STREAMS: usize = 20;
/// Of a log.
pub(in crate::remote) const MOST_LOG_BYTES: u64 = 64 << 20;
/// How often a stream is asked for, one time after the other, without a word.
const MOST_IN_VAIN: u32 = 30;
const BEFORE_ASKING_AGAIN: Duration = Duration::from_secs(1);

/// Reads a job's streams into its log, until the value is dropped.
pub(super) struct Along<'a> {
    grpc: &'a Grpc,
    client: ByteStreamClient<Service>,
    log: &'a File,
    /// By the stream's name.
    readers: BTreeMap<String, JoinHandle<()>>,
}

impl<'a> Along<'a> {
    pub(super) fn new(grpc: &'a Grpc, line: &Channel, log: &'a File) -> Self {
        let client = ByteStreamClient::new(grpc.service(line));
        Self { grpc, client, log, readers: BTreeMap::new() }
    }

    /// Begins with streams that the server has not named before.
    pub(super) fn hear(&mut self, metadata: &reapi::ExecuteOperationMetadata) {
        for name in [&metadata.stdout_stream_name, &metadata.stderr_stream_name] {
            if name.is_empty() || self.readers.contains_key(name) || self.readers.len() >= MOST_STREAMS {
                continue;
            }
            let Ok(log) = self.log.try_clone() else { return };
            if let Ok(reader) = self.grpc.network.spawn(read(self.client.clone(), name.clone(), log)) {
                self.readers.insert(name.clone(), reader);
            }
        }
    }
}

impl Drop for Along<'_> {
    /// Nothing is written any more from here on.
    fn drop(&mut self) {
        for reader in std::mem::take(&mut self.readers).into_values() {
            reader.abort();
            self.grpc.network.give_a_moment(reader);
        }
    }
}

async fn read(mut client: ByteStreamClient<Service>, name: String, mut log: File) {
    let (mut at, mut n_in_vain) = (0_u64, 0);
    while n_in_vain < MOST_IN_VAIN {
        n_in_vain += 1;
        let read_offset = i64::try_from(at).unwrap_or(i64::MAX);
        let request = ReadRequest { resource_name: name.clone(), read_offset, read_limit: 0 };
        if let Ok(answer) = client.read(request).await {
            let mut stream = answer.into_inner();
            loop {
                match stream.message().await {
                    Ok(Some(chunk)) if chunk.data.is_empty() => break,
                    Ok(Some(chunk)) => {
                        at += chunk.data.len() as u64;
                        if at > MOST_LOG_BYTES || log.write_all(&chunk.data).is_err() {
                            return;
                        }
                        n_in_vain = 0;
                    }
                    Ok(None) => return,
                    Err(_) => break,
                }
            }
        }
        sleep(BEFORE_ASKING_AGAIN).await;
    }
}
