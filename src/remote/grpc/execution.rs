//! REAPI's Execution: an action that some worker of the server runs.

use std::time::{Duration, Instant};

use bazel_remote_apis::build::bazel::remote::execution::v2 as reapi;
use bazel_remote_apis::google::longrunning::operations_client::OperationsClient;
use bazel_remote_apis::google::longrunning::{CancelOperationRequest, Operation, operation};
use prost::Message;
use reapi::execution_client::ExecutionClient;
use tonic::codec::Streaming;
use tonic::{Code, Status};

use super::{Connection, Grpc, digest, refused};
use crate::remote::RemoteError;
use crate::store::Blob;

/// A server that ends each stream at once is asked once in so long, and not without pause.
const BEFORE_LISTENING_AGAIN: Duration = Duration::from_secs(1);

/// Runs an action whose messages and inputs the server has, and waits for its end, for at
/// most `limit`, in the queue and on a worker together.
pub(in crate::remote) fn execute(
    grpc: &Grpc,
    action: Blob,
    limit: Duration,
) -> Result<reapi::ActionResult, RemoteError> {
    let connection = grpc.connection()?;
    let until = Instant::now() + limit;
    let mut client = ExecutionClient::new(grpc.service(&connection.channel));
    let request = reapi::ExecuteRequest {
        instance_name: grpc.instance.clone(),
        action_digest: Some(digest(&action)),
        inline_stdout: true,
        inline_stderr: true,
        ..Default::default()
    };
    let mut stream = grpc.answer(client.execute(request))?;
    let mut name = String::new();
    loop {
        match grpc.next_within(&mut stream, until) {
            Ok(Some(operation)) if operation.done => return finished(operation),
            Ok(Some(operation)) => name = operation.name,
            // A connection that ends is not the action's end: it can be listened to again.
            Ok(None) | Err(RemoteError::Broken { .. }) if !name.is_empty() && Instant::now() < until => {
                if grpc.network.interrupt().is_set_within(BEFORE_LISTENING_AGAIN) {
                    cancel(grpc, &connection, name);
                    return Err(RemoteError::Interrupted);
                }
                let request = reapi::WaitExecutionRequest { name: name.clone() };
                stream = grpc.answer(client.wait_execution(request))?;
            }
            Ok(None) => return Err(RemoteError::Broken { detail: "it ended without a result".to_owned() }),
            Err(error) => {
                cancel(grpc, &connection, name);
                return Err(error);
            }
        }
    }
}

/// Nobody waits for it any more. A server that does not take it finishes for nobody.
fn cancel(grpc: &Grpc, connection: &Connection, name: String) {
    if name.is_empty() {
        return;
    }
    let mut client = OperationsClient::new(grpc.service(&connection.channel));
    if let Ok(call) =
        grpc.network.spawn(async move { client.cancel_operation(CancelOperationRequest { name }).await })
    {
        grpc.network.give_a_moment(call);
    }
}

fn finished(operation: Operation) -> Result<reapi::ActionResult, RemoteError> {
    let answer = match operation.result {
        Some(operation::Result::Response(any)) => any,
        Some(operation::Result::Error(status)) => {
            return Err(refused(&Status::new(Code::from_i32(status.code), status.message)));
        }
        None => return Err(RemoteError::Broken { detail: "it ended without a result".to_owned() }),
    };
    let unfit = RemoteError::Unfit { what: "REAPI's Execution" };
    let answer = reapi::ExecuteResponse::decode(&*answer.value).ok().ok_or(unfit)?;
    let status = answer.status.unwrap_or_default();
    let code = Code::from_i32(status.code);
    if code != Code::Ok {
        return Err(refused(&Status::new(code, status.message)));
    }
    answer.result.ok_or(RemoteError::Unfit { what: "REAPI's Execution" })
}

impl Grpc {
    /// The next word of an operation, which may take as long as it needs.
    fn next_within(
        &self,
        stream: &mut Streaming<Operation>,
        until: Instant,
    ) -> Result<Option<Operation>, RemoteError> {
        let limit = until.saturating_duration_since(Instant::now());
        self.network.wait_for(limit, stream.message())?.map_err(|status| refused(&status))
    }
}
