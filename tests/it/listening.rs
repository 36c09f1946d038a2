//! What a job on a farm says while it runs. No farm that can be had here lets it be heard, so
//! one of the protocol's own making stands before buildbox's: it names streams, and has them.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bazel_remote_apis::build::bazel::remote::execution::v2 as reapi;
use bazel_remote_apis::google::bytestream::byte_stream_client::ByteStreamClient;
use bazel_remote_apis::google::bytestream::byte_stream_server::{ByteStream, ByteStreamServer};
use bazel_remote_apis::google::bytestream::{
    QueryWriteStatusRequest, QueryWriteStatusResponse, ReadRequest, ReadResponse, WriteRequest, WriteResponse,
};
use bazel_remote_apis::google::longrunning::Operation;
use prost::Message;
use reapi::execution_server::ExecutionServer;
use tokio_stream::StreamExt;
use tonic::transport::{Channel, Server};
use tonic::{Request, Response, Status, Streaming};

use crate::farming::{begun, farm, kill};
use crate::fronts::{self, Answers, CAPABILITIES, CAS, OPERATIONS, Retold, Through};
use crate::processes::{sleeping, wait_until};
use crate::sharing::Place;
use crate::world::World;

/// The stream that is there, and one that is not.
const OUT: &str = "logs/out";
const ERR: &str = "logs/err";

/// What is to be heard, and from where it was asked for.
#[derive(Default)]
struct Said {
    bytes: Vec<u8>,
    asked: Vec<usize>,
}

/// A server before another, which does the work.
#[derive(Clone)]
struct Front {
    farm: Channel,
    said: Arc<Mutex<Said>>,
}

fn with_streams(operation: &mut Operation) {
    let any = operation.metadata.get_or_insert_default();
    let metadata = reapi::ExecuteOperationMetadata::decode(&*any.value).unwrap();
    let (stdout_stream_name, stderr_stream_name) = (OUT.to_owned(), ERR.to_owned());
    let with_names = reapi::ExecuteOperationMetadata { stdout_stream_name, stderr_stream_name, ..metadata };
    any.value = with_names.encode_to_vec();
}

#[tonic::async_trait]
impl ByteStream for Front {
    type ReadStream = Answers<ReadResponse>;

    /// Gives what is there, and then breaks.
    async fn read(&self, request: Request<ReadRequest>) -> Result<Response<Self::ReadStream>, Status> {
        let request = request.into_inner();
        if request.resource_name == ERR {
            return Err(Status::not_found("no such stream"));
        }
        if request.resource_name != OUT {
            let answer = ByteStreamClient::new(self.farm.clone()).read(request).await?;
            return Ok(Response::new(Box::pin(answer.into_inner())));
        }
        let from = usize::try_from(request.read_offset).unwrap();
        self.said.lock().unwrap().asked.push(from);
        loop {
            let data = self.said.lock().unwrap().bytes[from..].to_vec();
            if !data.is_empty() {
                let answers = [Ok(ReadResponse { data }), Err(Status::unavailable("it broke"))];
                return Ok(Response::new(Box::pin(tokio_stream::iter(answers))));
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    async fn write(
        &self,
        request: Request<Streaming<WriteRequest>>,
    ) -> Result<Response<WriteResponse>, Status> {
        let chunks = request.into_inner().filter_map(Result::ok);
        ByteStreamClient::new(self.farm.clone()).write(chunks).await
    }

    async fn query_write_status(
        &self,
        request: Request<QueryWriteStatusRequest>,
    ) -> Result<Response<QueryWriteStatusResponse>, Status> {
        ByteStreamClient::new(self.farm.clone()).query_write_status(request.into_inner()).await
    }
}

/// A running server whose jobs can be heard.
struct Heard {
    front: fronts::Front,
    said: Arc<Mutex<Said>>,
}

impl Heard {
    fn before(farm: SocketAddr) -> Self {
        let said = Arc::<Mutex<Said>>::default();
        let front = fronts::Front::before(farm, |farm| {
            let own = Front { farm: farm.clone(), said: said.clone() };
            Server::builder()
                .add_service(ExecutionServer::new(Retold::new(farm.clone(), with_streams)))
                .add_service(ByteStreamServer::new(own))
                .add_service(Through::<CAS>(farm.clone()))
                .add_service(Through::<CAPABILITIES>(farm.clone()))
                .add_service(Through::<OPERATIONS>(farm))
        });
        Self { front, said }
    }

    fn says(&self, text: &str) {
        self.said.lock().unwrap().bytes.extend_from_slice(text.as_bytes());
    }
}

/// The one log of a world's store.
fn log(world: &World) -> String {
    let mut logs = std::fs::read_dir(world.path("store/logs")).unwrap();
    std::fs::read_to_string(logs.next().unwrap().unwrap().path()).unwrap()
}

/// A stream that breaks is asked for what has not come yet; one that is not there is of no
/// account. Once the job has ended, its log is what the result says.
#[test]
fn what_a_job_says_is_in_its_log_while_it_runs() {
    let Some((farm, _)) = farm() else { return };
    let heard = Heard::before(farm.address);
    let place = Place::at("none".to_owned()).with("LAYR_FARM", format!("grpc://{}", heard.front.address));
    let world = World::new();
    let run = begun(&world, &place, "", "7794");
    heard.says("one\n");
    wait_until("it is heard", || log(&world) == "one\n");
    heard.says("two\n");
    wait_until("more is heard", || log(&world) == "one\ntwo\n");
    assert_eq!(heard.said.lock().unwrap().asked[..2], [0, 4]);
    assert!(kill(sleeping("7794")[0]));
    run.join().unwrap().failed(13, &["`slow1 1.0`: the installer ended with code 1"]);
    let log = log(&world);
    assert!(log.contains("configuration failed") && !log.contains("two"), "{log}");
}
