//! How much waits at a farm at once. No farm with hundreds of workers can be had here, so one
//! stands before buildbox's that holds all jobs in its queue until as many are there as will
//! come, and then lets them fail.

use std::sync::Arc;
use std::time::Duration;

use bazel_remote_apis::build::bazel::remote::execution::v2 as reapi;
use bazel_remote_apis::google::longrunning::{Operation, operation};
use bazel_remote_apis::google::protobuf::Any;
use prost::Message;
use reapi::execution_server::{Execution, ExecutionServer};
use tokio::sync::watch;
use tokio_stream::StreamExt;
use tonic::transport::Server;
use tonic::{Request, Response, Status};

use crate::farming::{build, farm};
use crate::fronts::{self, Answers, BYTE_STREAM, CAPABILITIES, CAS, OPERATIONS, Through};
use crate::sharing::Place;
use crate::world::{SourcePackage, World};

/// What `--jobs` is with a farm, where it is not given.
const MOST_AT_ONCE: usize = 200;
const N_PACKAGES: usize = MOST_AT_ONCE + 40;

/// A queue that nothing leaves until it is full.
#[derive(Clone)]
struct Queue {
    /// Jobs that have come, altogether and less those that have ended.
    n_come: Arc<watch::Sender<usize>>,
    n_there: Arc<watch::Sender<usize>>,
    most: Arc<watch::Sender<usize>>,
}

impl Queue {
    fn new() -> Self {
        let zero = || Arc::new(watch::Sender::new(0));
        Self { n_come: zero(), n_there: zero(), most: zero() }
    }

    /// Waits until it is full, or has not been filled within a minute, or there are no more to
    /// come.
    async fn leave(self, action: reapi::Digest) -> Result<Operation, Status> {
        let mut most = self.most.subscribe();
        let full = most.wait_for(|most| *most >= MOST_AT_ONCE);
        _ = tokio::time::timeout(Duration::from_mins(1), full).await;
        // Long enough for one more to come, were there room for it.
        tokio::time::sleep(Duration::from_millis(500)).await;
        self.n_there.send_modify(|there| *there -= 1);
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
        self.n_come.send_modify(|come| *come += 1);
        self.n_there.send_modify(|there| *there += 1);
        let there = *self.n_there.borrow();
        self.most.send_modify(|most| *most = there.max(*most));
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

#[test]
fn two_hundred_jobs_wait_at_a_farm_at_once_and_all_others_after_them() {
    let Some((farm, _)) = farm() else { return };
    let queue = Queue::new();
    let front = fronts::Front::before(farm.address, |farm| {
        Server::builder()
            .add_service(ExecutionServer::new(queue.clone()))
            .add_service(Through::<BYTE_STREAM>(farm.clone()))
            .add_service(Through::<CAS>(farm.clone()))
            .add_service(Through::<CAPABILITIES>(farm.clone()))
            .add_service(Through::<OPERATIONS>(farm))
    });
    let place = Place::at("none".to_owned()).with("LAYR_FARM", format!("grpc://{}", front.address));
    let world = World::new();
    let names: Vec<String> = (0..N_PACKAGES).map(|at| format!("light{at}")).collect();
    for name in &names {
        world.publish(&SourcePackage::new(name, &[]));
    }
    world.lock(&names.iter().map(String::as_str).collect::<Vec<_>>());
    let failed = build(&world, &place);
    assert_eq!(*queue.most.borrow(), MOST_AT_ONCE);
    assert_eq!((*queue.n_come.borrow(), *queue.n_there.borrow()), (N_PACKAGES, 0));
    for name in [&names[0], &names[N_PACKAGES - 1]] {
        failed.failed(13, &[name, "the queue is closed"]);
    }
}
