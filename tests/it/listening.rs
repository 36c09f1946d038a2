//! What a job on a farm says while it runs. No farm that can be had here lets it be heard, so
//! one of the protocol's own making stands before buildbox's: it names streams, and has them.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll};
use std::time::Duration;

use bazel_remote_apis::build::bazel::remote::execution::v2 as reapi;
use bazel_remote_apis::google::bytestream::byte_stream_client::ByteStreamClient;
use bazel_remote_apis::google::bytestream::byte_stream_server::{ByteStream, ByteStreamServer};
use bazel_remote_apis::google::bytestream::{
    QueryWriteStatusRequest, QueryWriteStatusResponse, ReadRequest, ReadResponse, WriteRequest, WriteResponse,
};
use bazel_remote_apis::google::longrunning::Operation;
use prost::Message;
use reapi::execution_client::ExecutionClient;
use reapi::execution_server::{Execution, ExecutionServer};
use rustix::process::{Pid, Signal, kill_process};
use tokio_stream::{Stream, StreamExt};
use tonic::body::Body;
use tonic::codegen::{Service, http};
use tonic::server::NamedService;
use tonic::transport::server::TcpIncoming;
use tonic::transport::{Channel, Endpoint, Server};
use tonic::{Request, Response, Status, Streaming};

use crate::farming::{begun, farm};
use crate::processes::{processes, wait_until};
use crate::sharing::Place;
use crate::world::World;

/// The stream that is there, and one that is not.
const OUT: &str = "logs/out";
const ERR: &str = "logs/err";

type Answers<T> = Pin<Box<dyn Stream<Item = Result<T, Status>> + Send>>;

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

#[tonic::async_trait]
impl Execution for Front {
    type ExecuteStream = Answers<Operation>;
    type WaitExecutionStream = Answers<Operation>;

    async fn execute(
        &self,
        request: Request<reapi::ExecuteRequest>,
    ) -> Result<Response<Self::ExecuteStream>, Status> {
        let answer = ExecutionClient::new(self.farm.clone()).execute(request.into_inner()).await?;
        Ok(Response::new(Box::pin(answer.into_inner().map(with_streams))))
    }

    async fn wait_execution(
        &self,
        request: Request<reapi::WaitExecutionRequest>,
    ) -> Result<Response<Self::WaitExecutionStream>, Status> {
        let answer = ExecutionClient::new(self.farm.clone()).wait_execution(request.into_inner()).await?;
        Ok(Response::new(Box::pin(answer.into_inner().map(with_streams))))
    }
}

fn with_streams(operation: Result<Operation, Status>) -> Result<Operation, Status> {
    let mut operation = operation?;
    let any = operation.metadata.get_or_insert_default();
    let metadata = reapi::ExecuteOperationMetadata::decode(&*any.value).unwrap();
    let (stdout_stream_name, stderr_stream_name) = (OUT.to_owned(), ERR.to_owned());
    let with_names = reapi::ExecuteOperationMetadata { stdout_stream_name, stderr_stream_name, ..metadata };
    any.value = with_names.encode_to_vec();
    Ok(operation)
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

/// A service that goes through as it is.
#[derive(Clone)]
struct Through<const N: usize>(Channel);

const THROUGH: [&str; 3] = [
    "build.bazel.remote.execution.v2.ContentAddressableStorage",
    "build.bazel.remote.execution.v2.Capabilities",
    "google.longrunning.Operations",
];

impl<const N: usize> NamedService for Through<N> {
    const NAME: &'static str = THROUGH[N];
}

impl<const N: usize> Service<http::Request<Body>> for Through<N> {
    type Response = http::Response<Body>;
    type Error = Infallible;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, Infallible>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: http::Request<Body>) -> Self::Future {
        let mut farm = self.0.clone();
        Box::pin(async move {
            let is_ready = std::future::poll_fn(|context| farm.poll_ready(context)).await;
            let answer = match is_ready {
                Ok(()) => farm.call(request).await,
                Err(error) => Err(error),
            };
            Ok(answer.unwrap_or_else(|error| Status::unavailable(error.to_string()).into_http()))
        })
    }
}

/// A running front, which ends with the value.
struct Heard {
    address: SocketAddr,
    said: Arc<Mutex<Said>>,
    _runtime: tokio::runtime::Runtime,
}

impl Heard {
    fn before(farm: SocketAddr) -> Self {
        let runtime =
            tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        let said = Arc::<Mutex<Said>>::default();
        let (address, server) = runtime.block_on(async {
            let farm = Endpoint::from_shared(format!("http://{farm}")).unwrap().connect_lazy();
            let incoming = TcpIncoming::bind("127.0.0.1:0".parse().unwrap()).unwrap();
            let front = Front { farm: farm.clone(), said: said.clone() };
            let server = Server::builder()
                .add_service(ExecutionServer::new(front.clone()))
                .add_service(ByteStreamServer::new(front))
                .add_service(Through::<0>(farm.clone()))
                .add_service(Through::<1>(farm.clone()))
                .add_service(Through::<2>(farm));
            (incoming.local_addr().unwrap(), server.serve_with_incoming(incoming))
        });
        runtime.spawn(server);
        Self { address, said, _runtime: runtime }
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
    let place = Place::at("none".to_owned()).with("LAYR_FARM", format!("grpc://{}", heard.address));
    let world = World::new();
    let run = begun(&world, &place, "", "7794");
    heard.says("one\n");
    wait_until("it is heard", || log(&world) == "one\n");
    heard.says("two\n");
    wait_until("more is heard", || log(&world) == "one\ntwo\n");
    assert_eq!(heard.said.lock().unwrap().asked[..2], [0, 4]);
    let sleeping = processes().into_iter().find(|(_, line)| line == b"sleep\x007794\0").unwrap().0;
    kill_process(Pid::from_raw(sleeping.try_into().unwrap()).unwrap(), Signal::KILL).unwrap();
    run.join().unwrap().failed(13, &["`slow1 1.0`: the installer ended with code 1"]);
    let log = log(&world);
    assert!(log.contains("configuration failed") && !log.contains("two"), "{log}");
}
