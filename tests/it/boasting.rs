//! A farm that says its results are larger than any can be: buildbox's, behind a server that
//! says so in its stead.

use bazel_remote_apis::build::bazel::remote::execution::v2 as reapi;
use bazel_remote_apis::google::longrunning::{Operation, operation};
use prost::Message;
use reapi::execution_server::ExecutionServer;
use tonic::transport::Server;

use crate::farming::{build, farm};
use crate::fronts::{self, BYTE_STREAM, CAPABILITIES, CAS, OPERATIONS, Retold, Through};
use crate::sharing::{Place, counts, machine};
use crate::world::{Ran, World};

const PETABYTE: i64 = 1 << 50;

/// A build by such a farm.
fn told(world: &World, boast: impl Fn(&mut reapi::ActionResult) + Send + Sync + 'static) -> Option<Ran> {
    let (farm, _) = farm()?;
    world.lock(&["two2"]);
    let retell = move |operation: &mut Operation| {
        if let Some(operation::Result::Response(any)) = &mut operation.result {
            let mut answer = reapi::ExecuteResponse::decode(&*any.value).unwrap();
            boast(answer.result.as_mut().unwrap());
            any.value = answer.encode_to_vec();
        }
    };
    let front = fronts::Front::before(farm.address, |farm| {
        Server::builder()
            .add_service(ExecutionServer::new(Retold::new(farm.clone(), retell)))
            .add_service(Through::<BYTE_STREAM>(farm.clone()))
            .add_service(Through::<CAS>(farm.clone()))
            .add_service(Through::<CAPABILITIES>(farm.clone()))
            .add_service(Through::<OPERATIONS>(farm))
    });
    let place = Place::at("none".to_owned()).with("LAYR_FARM", format!("grpc://{}", front.address));
    Some(build(world, &place))
}

#[test]
fn a_log_that_is_too_large_is_left_where_it_is() {
    let world = machine();
    let digest = reapi::Digest { hash: "0".repeat(64), size_bytes: PETABYTE };
    let built = told(&world, move |result| {
        result.stdout_raw.clear();
        result.stdout_digest = Some(digest.clone());
    });
    let Some(built) = built else { return };
    assert_eq!(counts(&built), [1, 0, 0]);
    let log = std::fs::read_dir(world.path("store/logs")).unwrap().next().unwrap().unwrap();
    let log = std::fs::read_to_string(log.path()).unwrap();
    assert!(log.ends_with("(the log has 1125.9 TB, and is left there)\n"), "{log}");
}

#[test]
fn a_package_that_is_too_large_is_not_asked_for() {
    let world = machine();
    let failed = told(&world, |result| {
        result.output_directories[0].tree_digest.as_mut().unwrap().size_bytes = PETABYTE;
    });
    let Some(failed) = failed else { return };
    failed.failed(25, &["does not fit: it is larger than 16777216 bytes"]);
}
