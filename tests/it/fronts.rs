//! Servers of the Remote Execution API that stand before another, which does the work: some
//! services a story has of its own, the others go through as they are.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use bazel_remote_apis::build::bazel::remote::execution::v2 as reapi;
use bazel_remote_apis::google::longrunning::Operation;
use reapi::execution_client::ExecutionClient;
use reapi::execution_server::Execution;
use tokio_stream::{Stream, StreamExt};
use tonic::body::Body;
use tonic::codegen::{Service, http};
use tonic::server::NamedService;
use tonic::transport::server::{Router, TcpIncoming};
use tonic::transport::{Channel, Endpoint};
use tonic::{Request, Response, Status};

/// What a service streams.
pub(crate) type Answers<T> = Pin<Box<dyn Stream<Item = Result<T, Status>> + Send>>;

/// A running front, which ends with the value.
pub(crate) struct Front {
    pub(crate) address: SocketAddr,
    _runtime: tokio::runtime::Runtime,
}

impl Front {
    /// `services` are given the way to the server behind.
    pub(crate) fn before(server: SocketAddr, services: impl FnOnce(Channel) -> Router) -> Self {
        let runtime =
            tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
        let (address, serving) = runtime.block_on(async {
            let behind = Endpoint::from_shared(format!("http://{server}")).unwrap().connect_lazy();
            let incoming = TcpIncoming::bind("127.0.0.1:0".parse().unwrap()).unwrap();
            (incoming.local_addr().unwrap(), services(behind).serve_with_incoming(incoming))
        });
        runtime.spawn(serving);
        Self { address, _runtime: runtime }
    }
}

/// The service of that number in [`NAMES`], which goes through as it is.
#[derive(Clone)]
pub(crate) struct Through<const N: usize>(pub(crate) Channel);

pub(crate) const CAS: usize = 0;
pub(crate) const CAPABILITIES: usize = 1;
pub(crate) const OPERATIONS: usize = 2;
pub(crate) const ACTION_CACHE: usize = 3;
pub(crate) const BYTE_STREAM: usize = 4;

const NAMES: [&str; 5] = [
    "build.bazel.remote.execution.v2.ContentAddressableStorage",
    "build.bazel.remote.execution.v2.Capabilities",
    "google.longrunning.Operations",
    "build.bazel.remote.execution.v2.ActionCache",
    "google.bytestream.ByteStream",
];

impl<const N: usize> NamedService for Through<N> {
    const NAME: &'static str = NAMES[N];
}

impl<const N: usize> Service<http::Request<Body>> for Through<N> {
    type Response = http::Response<Body>;
    type Error = Infallible;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, Infallible>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: http::Request<Body>) -> Self::Future {
        let mut behind = self.0.clone();
        Box::pin(async move {
            let is_ready = std::future::poll_fn(|context| behind.poll_ready(context)).await;
            let answer = match is_ready {
                Ok(()) => behind.call(request).await,
                Err(error) => Err(error),
            };
            Ok(answer.unwrap_or_else(|error| Status::unavailable(error.to_string()).into_http()))
        })
    }
}

/// Runs jobs behind, and tells of them in words of its own.
#[derive(Clone)]
pub(crate) struct Retold {
    farm: Channel,
    retell: Arc<dyn Fn(&mut Operation) + Send + Sync>,
}

impl Retold {
    pub(crate) fn new(farm: Channel, retell: impl Fn(&mut Operation) + Send + Sync + 'static) -> Self {
        Self { farm, retell: Arc::new(retell) }
    }

    fn stream(&self, answer: Response<tonic::Streaming<Operation>>) -> Response<Answers<Operation>> {
        let retell = Arc::clone(&self.retell);
        Response::new(Box::pin(answer.into_inner().map(move |operation| {
            let mut operation = operation?;
            retell(&mut operation);
            Ok(operation)
        })))
    }
}

#[tonic::async_trait]
impl Execution for Retold {
    type ExecuteStream = Answers<Operation>;
    type WaitExecutionStream = Answers<Operation>;

    async fn execute(
        &self,
        request: Request<reapi::ExecuteRequest>,
    ) -> Result<Response<Self::ExecuteStream>, Status> {
        Ok(self.stream(ExecutionClient::new(self.farm.clone()).execute(request.into_inner()).await?))
    }

    async fn wait_execution(
        &self,
        request: Request<reapi::WaitExecutionRequest>,
    ) -> Result<Response<Self::WaitExecutionStream>, Status> {
        Ok(self.stream(ExecutionClient::new(self.farm.clone()).wait_execution(request.into_inner()).await?))
    }
}
