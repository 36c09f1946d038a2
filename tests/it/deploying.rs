//! Functions in Lambda: deployed where they differ, what they need kept, what they cost.

use std::io::Cursor;
use std::process::Stdio;
use std::time::Duration;

use base64::Engine;
use sha2::{Digest, Sha256};
use xtask::cloud::Weather;

use crate::cloud::Cloud;
use crate::joint_plans::large;
use crate::world::{SourcePackage, noise, renv_lock};

const ROLE: &str = "arn:aws:iam::123456789012:role/score";

/// A published project with one function in one region.
fn project(cloud: &Cloud, function: &str, region: &str) -> Vec<String> {
    let layers = cloud.dist(function, 3);
    let dist = cloud.world.read("project/dist/layers.json").replace("\"score\"", &format!("\"{function}\""));
    cloud.world.write("project/dist/layers.json", dist);
    let config = format!(
        "[publish]\nregions = [\"{region}\"]\n[layers]\nprefix = \"{function}\"\n[functions.{function}]\nlockfile = \"renv.lock\"\ncode = \"code\"\nhandler = \"score.handler\"\nmemory = 512\nenvironment = {{ MODEL = \"a\" }}\nrole = \"{ROLE}\"\n"
    );
    cloud.world.write("project/layr.toml", config);
    cloud.world.write("project/code/score.R", "handler <- function(x) x\n");
    cloud.role();
    cloud.layr(&["publish"]).succeeded();
    layers
}

#[test]
fn a_function_is_created_then_left_alone_then_changed_where_it_differs() {
    let Some(cloud) = Cloud::new() else { return };
    let region = "eu-west-1";
    let layers = project(&cloud, "deployed", region);
    let created = cloud.layr(&["deploy", "--alias", "live"]);
    assert_eq!(created.succeeded().stdout, "deployed in eu-west-1: created, version 1\n");
    let seen = cloud.aws(region, &["lambda", "get-function-configuration", "--function-name", "deployed"]);
    let attached: Vec<&str> =
        seen["Layers"].as_array().unwrap().iter().map(|layer| layer["Arn"].as_str().unwrap()).collect();
    let expected: Vec<String> = layers.iter().map(|layer| cloud.recorded(layer, region).unwrap()).collect();
    assert_eq!(attached, expected);
    assert_eq!((&seen["MemorySize"], &seen["Runtime"]), (&512.into(), &"provided.al2023".into()));

    cloud.proxy.forget_requests();
    let again = cloud.layr(&["deploy", "--alias", "live"]);
    assert_eq!(again.succeeded().stdout, "deployed in eu-west-1: unchanged, version 1\n");
    // Lambda gives the version that is there already.
    assert_eq!(cloud.proxy.writes(), ["POST /2015-03-31/functions/deployed/versions"]);

    let config = cloud.world.read("project/layr.toml").replace("memory = 512", "memory = 1024");
    cloud.world.write("project/layr.toml", config);
    cloud.world.write("project/code/score.R", "handler <- function(x) x + 1\n");
    let dry = cloud.layr(&["deploy", "--dry-run"]);
    assert_eq!(dry.succeeded().stdout, "deployed in eu-west-1: would change: code, memory\n");
    let changed = cloud.layr(&["deploy", "--alias", "live"]);
    assert_eq!(
        changed.succeeded().stdout,
        "deployed in eu-west-1: changed: code, memory, alias, version 2\n"
    );
    assert_eq!(meaning(&cloud, region, "deployed", "live"), "2");
}

#[test]
fn code_that_cannot_be_sent_is_refused_before_anything_is() {
    let Some(cloud) = Cloud::new() else { return };
    project(&cloud, "heavy", "eu-west-1");
    cloud.world.write("project/code/model.rds", noise(51 << 20));
    cloud.proxy.forget_requests();
    let parts =
        ["the code of function `heavy` has 53.", "cannot be sent to Lambda", "from S3", "`image = true`"];
    cloud.layr(&["deploy"]).failed(15, &parts);
    assert_eq!(cloud.proxy.requests(), [""; 0]);
}

/// The version that an alias means, by the AWS CLI.
fn meaning(cloud: &Cloud, region: &str, function: &str, alias: &str) -> String {
    let found = cloud.aws(region, &["lambda", "get-alias", "--function-name", function, "--name", alias]);
    found["FunctionVersion"].as_str().unwrap().to_owned()
}

#[test]
fn an_alias_moves_and_a_version_is_frozen_where_nothing_else_changed() {
    let Some(cloud) = Cloud::new() else { return };
    let region = "ca-central-1";
    project(&cloud, "frozen", region);
    cloud.layr(&["deploy", "--alias", "live"]).succeeded();
    cloud.world.write("project/code/score.R", "handler <- function(x) x + 1\n");
    // What a run leaves that is killed between its changes and the version.
    cloud.layr(&["deploy"]).succeeded();
    assert_eq!(meaning(&cloud, region, "frozen", "live"), "1");

    let dry = cloud.layr(&["deploy", "--alias", "live", "--dry-run"]);
    assert_eq!(dry.succeeded().stdout, "frozen in ca-central-1: would change: alias\n");
    let moved = cloud.layr(&["deploy", "--alias", "live"]);
    assert_eq!(moved.succeeded().stdout, "frozen in ca-central-1: changed: alias, version 2\n");
    assert_eq!(meaning(&cloud, region, "frozen", "live"), "2");
    let dry = cloud.layr(&["deploy", "--alias", "live", "--dry-run"]);
    assert_eq!(dry.succeeded().stdout, "frozen in ca-central-1: unchanged\n");

    // Somebody rolled back by hand.
    let back = ["lambda", "update-alias", "--function-name", "frozen", "--name", "live"];
    cloud.aws(region, &[&back[..], &["--function-version", "1"]].concat());
    cloud.layr(&["deploy", "--alias", "live"]).succeeded();
    assert_eq!(meaning(&cloud, region, "frozen", "live"), "2");

    cloud.world.write("project/code/score.R", "handler <- function(x) x + 2\n");
    cloud.layr(&["deploy"]).succeeded();
    let frozen = cloud.layr(&["deploy", "--publish-version"]);
    assert_eq!(frozen.succeeded().stdout, "frozen in ca-central-1: unchanged, version 3\n");
}

#[test]
fn a_deployment_may_be_killed_at_any_moment_and_the_next_one_ends_it() {
    let Some(cloud) = Cloud::new() else { return };
    let region = "sa-east-1";
    project(&cloud, "stopped", region);
    for moment in 1..=10 {
        cloud.world.write("project/code/score.R", format!("handler <- function(x) x + {moment}\n"));
        let mut child = cloud
            .command(&["deploy", "--alias", "live"])
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        std::thread::sleep(Duration::from_millis(moment * 40));
        child.kill().ok();
        child.wait().unwrap();
    }
    cloud.layr(&["deploy", "--alias", "live"]).succeeded();
    let code = |qualifier| {
        let ask = ["lambda", "get-function-configuration", "--function-name", "stopped", "--qualifier"];
        cloud.aws(region, &[&ask[..], &[qualifier]].concat())["CodeSha256"].clone()
    };
    assert_eq!(code("live"), code("$LATEST"));
    assert_eq!(cloud.layr(&["deploy", "--dry-run"]).succeeded().stdout, "stopped in sa-east-1: unchanged\n");
}

#[test]
fn a_function_is_deployed_though_a_third_of_all_requests_fail() {
    let Some(cloud) = Cloud::new() else { return };
    let region = "us-west-1";
    project(&cloud, "weathered", region);
    cloud.proxy.set_weather(Weather { percent: 30, seed: 3 });
    cloud.layr(&["deploy", "--alias", "live"]).succeeded();
    cloud.proxy.set_weather(Weather::FAIR);
    let dry = cloud.layr(&["deploy", "--alias", "live", "--dry-run"]);
    assert_eq!(dry.succeeded().stdout, "weathered in us-west-1: unchanged\n");
    assert_eq!(meaning(&cloud, region, "weathered", "live"), "1");
}

#[test]
fn a_deployed_function_can_be_called() {
    let Some(cloud) = Cloud::new() else { return };
    project(&cloud, "called", "eu-west-2");
    let called = cloud.layr(&["deploy", "--invoke", "{\"x\": 1}", "--tail"]);
    assert_eq!(called.succeeded().stdout.lines().count(), 2, "{called:?}");
    cloud.layr(&["deploy", "other"]).failed(15, &["no function `other` in layr.toml"]);
}

#[test]
fn packages_that_lie_in_the_code_are_deployed_with_it() {
    let Some(cloud) = Cloud::new() else { return };
    let (world, region) = (&cloud.world, "ap-northeast-1");
    for package in [large("shared1"), SourcePackage::new("own1", &[])] {
        world.publish(&package);
    }
    world.write("project/f/renv.lock", renv_lock("4.5.0", &["shared1", "own1"]));
    world.write("project/g/renv.lock", renv_lock("4.5.0", &["shared1"]));
    world.write("project/code/score.R", "handler <- function(x) own1::f_own1(x)\n");
    let toml = format!(
        "[publish]\nregions = [\"{region}\"]\n[layers]\nprefix = \"incode\"\nremainder = \"code\"\n\
         [functions.f]\nlockfile = \"f/renv.lock\"\ncode = \"code\"\nhandler = \"score.handler\"\nrole = \"{ROLE}\"\n\
         [functions.g]\nlockfile = \"g/renv.lock\"\n"
    );
    world.write("project/layr.toml", toml);
    let Some(built) = world.build(&[]) else { return };
    built.succeeded();
    cloud.role();
    cloud.layr(&["publish"]).succeeded();
    cloud.layr(&["deploy", "f"]).succeeded();
    let seen = cloud.aws(region, &["lambda", "get-function-configuration", "--function-name", "f"]);
    assert_eq!(seen["Layers"].as_array().unwrap().len(), 1, "{seen:#}");
    let zip = std::fs::read(world.path("project/dist/f-code.zip")).unwrap();
    let digest = base64::engine::general_purpose::STANDARD.encode(Sha256::digest(&zip));
    assert_eq!(seen["CodeSha256"], digest, "{seen:#}");
    let mut zip = zip::ZipArchive::new(Cursor::new(zip)).unwrap();
    assert!(zip.by_name("R/library/own1/DESCRIPTION").is_ok());
    assert_eq!(cloud.layr(&["deploy", "f"]).succeeded().stdout, format!("f in {region}: unchanged\n"));
}

#[test]
fn gc_keeps_what_a_function_a_manifest_or_a_sharer_refers_to() {
    let Some(cloud) = Cloud::new() else { return };
    let region = "eu-west-3";
    let layers = project(&cloud, "collected", region);
    let arns: Vec<String> = layers.iter().map(|layer| cloud.recorded(layer, region).unwrap()).collect();
    cloud.layr(&["deploy", "--publish-version"]).succeeded();
    // Version 1 of the function has all three; $LATEST has none from here on.
    cloud.aws(
        region,
        &["lambda", "update-function-configuration", "--function-name", "collected", "--layers"],
    );
    // A build that no longer has any of them, and two layers beside.
    let more = cloud.dist("collected-more", 2);
    cloud.layr(&["publish"]).succeeded();
    let free: Vec<String> = more.iter().map(|layer| cloud.recorded(layer, region).unwrap()).collect();
    cloud.dist("collected-now", 1);
    let listed = cloud.layr(&["gc"]).succeeded().stdout.clone();
    for arn in &arns {
        assert!(listed.contains(&format!("{arn}\tkept: a function has it\n")), "{listed}");
    }
    for arn in &free {
        assert!(listed.contains(&format!("{arn}\twould be deleted with --yes\n")), "{listed}");
    }
    let share = ["lambda", "add-layer-version-permission", "--layer-name", &more[0], "--version-number", "1"];
    let to = ["--statement-id", "x", "--action", "lambda:GetLayerVersion", "--principal", "210987654321"];
    cloud.aws(region, &[&share[..], &to[..]].concat());
    let done = cloud.layr(&["gc", "--yes"]).succeeded().stdout.clone();
    assert!(done.contains(&format!("{}\tkept: it is shared with others\n", free[0])), "{done}");
    assert!(done.contains(&format!("{}\tdeleted\n", free[1])), "{done}");
    assert_eq!(cloud.versions(region, &more[1]), [0_u64; 0]);
    assert_eq!(cloud.versions(region, &layers[0]), [1]);
}

#[test]
fn a_fleet_tells_which_functions_hold_what() {
    let Some(cloud) = Cloud::new() else { return };
    let region = "ca-central-1";
    let layers = project(&cloud, "fleeting", region);
    let arn = cloud.recorded(&layers[0], region).unwrap();
    cloud.layr(&["deploy", "--publish-version"]).succeeded();
    // Whoever audits an account has no layers.json: the layers say themselves what they hold.
    std::fs::remove_dir_all(cloud.world.path("project/dist")).unwrap();
    let fleet = |package: &str| cloud.layr(&["audit", "fleet", package]).succeeded().stdout.clone();
    let told = fleet("fleeting < 1.1");
    assert_eq!(told.lines().count(), 6, "three layers of $LATEST and of version 1: {told}");
    assert!(told.contains(&format!("fleeting 1.0\tfleeting:1\t{region}\t{arn}\n")), "{told}");
    assert_eq!(fleet("fleeting > 1.0"), "");
    assert_eq!(fleet("jsonlite"), "");
    looks_into_layers_that_do_not_say(&cloud, region);
    let record = serde_json::json!({
        "id": "A-1", "modified": "2026-01-01T00:00:00Z",
        "affected": [{ "package": { "ecosystem": "CRAN", "name": "fleeting" }, "versions": ["1.0"] }],
    });
    cloud.world.write("project/db/A-1.json", record.to_string());
    let audited = cloud.layr(&["audit", "fleet", "--db", "db", "--as-of", "2026-11-24"]);
    audited.problem(
        20,
        &["audited fleeting:1 (ca-central-1): 3 of 3 packages", "deny  vulnerable  fleeting 1.0  A-1", &arn],
    );
}

/// A layer of so many packages that its description cannot list them is downloaded.
fn looks_into_layers_that_do_not_say(cloud: &Cloud, region: &str) {
    let tree = "12".repeat(32);
    let names: Vec<String> = (0..60).map(|at| format!("package{at}")).collect();
    let lines = names.iter().map(|name| {
        format!("{{\"kind\":\"package\",\"name\":\"{name}\",\"version\":\"1.0\",\"tree\":\"{tree}\"}}\n")
    });
    let list: String = lines.collect();
    let digest = hex::encode(<sha2::Sha256 as sha2::Digest>::digest(&list));
    let mut files = vec![(format!("layr/{}.jsonl", &digest[..16]), list.into_bytes())];
    files.extend(names.iter().map(|name| {
        let text = format!("Package: {name}\nVersion: 1.0\nLicense: MIT\nBuilt: R 4.5.0; ; ; unix\n");
        (format!("R/library/{name}/DESCRIPTION"), text.into_bytes())
    }));
    let files: Vec<(&str, &[u8])> =
        files.iter().map(|(path, bytes)| (path.as_str(), bytes.as_slice())).collect();
    let mut layer = cloud.layer("manifold", crate::cloud::zip(&files));
    layer["packages"] = names.iter().map(|name| format!("{name} 1.0")).collect();
    let names = cloud.manifest(&[layer]);
    cloud.layr(&["publish"]).succeeded();
    let arn = cloud.recorded(&names[0], region).unwrap();
    cloud.aws(
        region,
        &["lambda", "update-function-configuration", "--function-name", "fleeting", "--layers", &arn],
    );
    std::fs::remove_dir_all(cloud.world.path("project/dist")).unwrap();
    let told = cloud.layr(&["audit", "fleet", "package59", "--json"]).succeeded().json();
    assert_eq!(told["functions"][0]["layer"], arn.as_str(), "{told}");
    assert_eq!(told["functions"].as_array().unwrap().len(), 1, "{told}");
}

#[test]
fn cost_and_policy_need_no_account() {
    let world = crate::world::World::new();
    let cost = world.layr(&["cost", "--memory", "512", "--duration", "600000", "--calls", "30"]);
    let text = &cost.succeeded().stdout;
    assert!(text.contains("9000 GB-seconds") && text.contains("as of 2026-"), "{text}");
    world.write("log", "REPORT RequestId: 1\tDuration: 1 ms\tBilled Duration: 100 ms\tMemory Size: 256 MB\tMax Memory Used: 99 MB\t\n");
    let log = world.path("log");
    let json = world.layr(&["cost", "--log", log.to_str().unwrap(), "--calls", "40", "--json"]);
    assert_eq!(json.succeeded().json()["gb_seconds"], 1.0);
    for command in ["publish", "dry-run", "share", "deploy", "gc", "fleet", "use"] {
        let policy = world.layr(&["policy", command, "--account", "123456789012"]);
        assert_eq!(policy.succeeded().json()["Version"], "2012-10-17");
    }
}
