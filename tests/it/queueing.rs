//! How much waits at a farm at once. No farm with hundreds of workers can be had here, so one
//! stands before buildbox's that holds all jobs in its queue until as many are there as will
//! come, and then lets them fail.

use std::convert::Infallible;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use bazel_remote_apis::build::bazel::remote::execution::v2 as reapi;
use bazel_remote_apis::google::longrunning::{Operation, operation};
use bazel_remote_apis::google::protobuf::Any;
use prost::Message;
use reapi::execution_server::{Execution, ExecutionServer};
use tokio::sync::watch;
use tokio_stream::StreamExt;
use tonic::body::Body;
use tonic::codegen::{Service, http};
use tonic::server::NamedService;
use tonic::transport::Server;
use tonic::{Request, Response, Status};

use crate::farming::{build, farm};
use crate::fronts::{self, Answers, BYTE_STREAM, CAPABILITIES, CAS, OPERATIONS, Through};
use crate::sharing::Place;
use crate::world::{SourcePackage, World};

/// Streams on one connection: what many servers and proxies allow.
const MOST_STREAMS: u32 = 100;
/// What `--jobs` is with a farm, where it is not given.
const MOST_AT_ONCE: usize = 200;
const N_PACKAGES: usize = MOST_AT_ONCE + 40;

/// How many are there, have been at once, and have come at all.
#[derive(Clone, Default)]
struct Count(Arc<watch::Sender<[usize; 3]>>);

impl Count {
    fn one_more(&self) {
        self.0.send_modify(|[there, most, all]| {
            *there += 1;
            (*most, *all) = (*most.max(there), *all + 1);
        });
    }

    fn one_less(&self) {
        self.0.send_modify(|[there, ..]| *there -= 1);
    }

    /// Waits until so many have been there at once, for a minute at most.
    async fn reach(&self, n: usize) {
        let mut count = self.0.subscribe();
        let reached = count.wait_for(|[_, most, _]| *most >= n);
        _ = tokio::time::timeout(Duration::from_mins(1), reached).await;
    }

    fn now(&self) -> [usize; 3] {
        *self.0.borrow()
    }
}

/// A queue that nothing leaves until it is full.
#[derive(Clone, Default)]
struct Queue(Count);

impl Queue {
    /// How a job ends.
    async fn leave(self, action: reapi::Digest) -> Result<Operation, Status> {
        self.0.reach(MOST_AT_ONCE).await;
        // Long enough for one more to come, were there room for it.
        tokio::time::sleep(Duration::from_millis(500)).await;
        self.0.one_less();
        let result = reapi::ActionResult {
            exit_code: 1,
            stderr_raw: b"the queue is closed\n".to_vec(),
            ..Default::default()
        };
        let answer = reapi::ExecuteResponse { result: Some(result), ..Default::default() };
        let value = answer.encode_to_vec();
        let type_url = "type.googleapis.com/build.bazel.remote.execution.v2.ExecuteResponse".to_owned();
        let result = Some(operation::Result::Response(Any { type_url, value }));
        Ok(Operation { name: action.hash, done: true, result, ..Default::default() })
    }
}

#[tonic::async_trait]
impl Execution for Queue {
    type ExecuteStream = Answers<Operation>;
    type WaitExecutionStream = Answers<Operation>;

    async fn execute(
        &self,
        request: Request<reapi::ExecuteRequest>,
    ) -> Result<Response<Self::ExecuteStream>, Status> {
        let action = request.into_inner().action_digest.unwrap();
        self.0.one_more();
        let queued = Operation { name: action.hash.clone(), ..Default::default() };
        let (queue, first) = (self.clone(), tokio_stream::once(Ok(queued)));
        let last = tokio_stream::once(()).then(move |()| queue.clone().leave(action.clone()));
        Ok(Response::new(Box::pin(first.chain(last))))
    }

    async fn wait_execution(
        &self,
        _: Request<reapi::WaitExecutionRequest>,
    ) -> Result<Response<Self::WaitExecutionStream>, Status> {
        Err(Status::unimplemented("no connection breaks here"))
    }
}

/// A slow way for blobs, on which those that are sent together are counted.
#[derive(Clone)]
struct Slow(Through<CAS>, Count);

impl NamedService for Slow {
    const NAME: &'static str = Through::<CAS>::NAME;
}

impl Service<http::Request<Body>> for Slow {
    type Response = http::Response<Body>;
    type Error = Infallible;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, Infallible>> + Send>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        self.0.poll_ready(context)
    }

    fn call(&mut self, request: http::Request<Body>) -> Self::Future {
        if !request.uri().path().ends_with("/BatchUpdateBlobs") {
            return self.0.call(request);
        }
        self.1.one_more();
        let (count, answer) = (self.1.clone(), self.0.call(request));
        Box::pin(async move {
            tokio::time::sleep(Duration::from_millis(30)).await;
            let answer = answer.await;
            count.one_less();
            answer
        })
    }
}

#[test]
fn two_hundred_jobs_wait_at_a_farm_at_once_and_all_others_after_them() {
    let Some((farm, _)) = farm() else { return };
    let (queue, sent) = (Queue::default(), Count::default());
    let front = fronts::Front::before(farm.address, |farm| {
        Server::builder()
            .max_concurrent_streams(MOST_STREAMS)
            .add_service(ExecutionServer::new(queue.clone()))
            .add_service(Through::<BYTE_STREAM>(farm.clone()))
            .add_service(Slow(Through(farm.clone()), sent.clone()))
            .add_service(Through::<CAPABILITIES>(farm.clone()))
            .add_service(Through::<OPERATIONS>(farm))
    });
    let place = Place::at("none".to_owned()).with("LAYR_FARM", format!("grpc://{}", front.address));
    // Two hundred threads share the cores of this machine with all other stories.
    let place = place.with("LAYR_HTTP_TIMEOUT", "60");
    let world = World::new();
    let names: Vec<String> = (0..N_PACKAGES).map(|at| format!("light{at}")).collect();
    for name in &names {
        world.publish(&SourcePackage::new(name, &[]));
    }
    world.lock(&names.iter().map(String::as_str).collect::<Vec<_>>());
    let failed = build(&world, &place);
    assert_eq!(queue.0.now(), [0, MOST_AT_ONCE, N_PACKAGES]);
    let [_, most_at_once, all] = sent.now();
    assert!(all >= N_PACKAGES, "each has files of its own");
    assert!(most_at_once <= 4, "so many were sent at once that each was slow: {most_at_once}");
    for name in [&names[0], &names[N_PACKAGES - 1]] {
        failed.failed(13, &[name, "the queue is closed"]);
    }
}
