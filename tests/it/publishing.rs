//! Publishing: once each, whatever happens on the way.

use std::process::Stdio;
use std::time::Duration;

use xtask::cloud::Weather;

use crate::cloud::{Cloud, REGIONS, zip};
use crate::world::noise;

const PUBLISH: i32 = 15;

#[test]
fn what_is_published_is_published_once_and_the_aws_cli_sees_it() {
    let Some(cloud) = Cloud::new() else { return };
    let layers = cloud.dist("once", 4);
    let publish = ["publish", "--region", REGIONS];
    let dry = cloud.layr(&["publish", "--region", REGIONS, "--dry-run"]);
    assert_eq!(dry.succeeded().stdout.matches("would publish once-").count(), 12);
    assert_eq!(cloud.proxy.writes(), [""; 0]);

    cloud.proxy.forget_requests();
    let first = cloud.layr(&publish);
    assert_eq!(first.succeeded().stdout.lines().count(), 12);
    assert_eq!(cloud.proxy.n_over_rate(), 0);
    cloud.each_is_there_once(&layers);
    let seen = cloud.aws(
        "us-east-1",
        &["lambda", "get-layer-version", "--layer-name", &layers[0], "--version-number", "1"],
    );
    let zip = std::fs::read(cloud.world.path(&format!("project/dist/{}.zip", layers[0]))).unwrap();
    let digest = <sha2::Sha256 as sha2::Digest>::digest(&zip);
    let base64 = base64::Engine::encode(&base64::prelude::BASE64_STANDARD, digest);
    assert_eq!(seen["Content"]["CodeSha256"], base64.as_str());
    assert_eq!(seen["CompatibleRuntimes"], serde_json::json!(["provided.al2023"]));
    assert_eq!(seen["CompatibleArchitectures"], serde_json::json!(["x86_64"]));
    let description = seen["Description"].as_str().unwrap();
    assert!(description.contains("once 1.0") && description.contains("layr.lock cdcdcdcd"), "{description}");

    cloud.proxy.forget_requests();
    let again = cloud.layr(&publish);
    assert_eq!(again.succeeded().stdout, first.stdout);
    assert_eq!(cloud.proxy.writes(), [""; 0]);
    assert!(cloud.proxy.requests().iter().all(|request| request == "GET /2018-10-31/layers"));
}

#[test]
fn the_runtime_layer_beside_them_is_published_and_comes_first() {
    let Some(cloud) = Cloud::new() else { return };
    cloud.dist("beside", 2);
    let mut layer = cloud.layer("beside-runtime", zip(&[("bootstrap", b"#!")]));
    layer.as_object_mut().unwrap().retain(|field, _| field != "packages");
    let runtime = serde_json::json!({ "schema": 1, "r": "4.5.0", "arch": "x86_64", "layer": layer });
    cloud.world.write("project/dist/runtime.json", runtime.to_string());
    assert_eq!(cloud.layr(&["publish", "--region", "us-east-1"]).succeeded().stdout.lines().count(), 3);
    let told = cloud.layr(&["emit", "text"]).succeeded().stdout.clone();
    assert!(
        told.starts_with("score\tus-east-1\tarn:aws:lambda:us-east-1:123456789012:layer:beside-runtime-"),
        "{told}"
    );
}

#[test]
fn forty_layers_in_three_regions_that_are_there_take_a_few_lists_and_nothing_else() {
    let Some(cloud) = Cloud::new() else { return };
    cloud.dist("forty", 40);
    cloud.layr(&["publish", "--region", REGIONS]).succeeded();
    cloud.proxy.forget_requests();
    cloud.layr(&["publish", "--region", REGIONS]).succeeded();
    assert!(cloud.proxy.requests().iter().all(|request| request == "GET /2018-10-31/layers"));
    assert_eq!(cloud.proxy.n_over_rate(), 0);
}

#[test]
fn another_machine_finds_what_is_there_by_name_and_digest() {
    let Some(cloud) = Cloud::new() else { return };
    let layers = cloud.dist("machine", 2);
    let first = cloud.layr(&["publish", "--region", REGIONS]);
    first.succeeded();
    cloud.dist("machine", 2); // without ARNs, as built there
    cloud.proxy.forget_requests();
    let second = cloud.layr(&["publish", "--region", REGIONS]);
    assert_eq!(second.succeeded().stdout, first.stdout);
    assert_eq!(cloud.proxy.writes(), [""; 0]);
    cloud.each_is_there_once(&layers);
}

#[test]
fn a_version_of_that_name_with_other_bytes_is_not_taken_for_ours() {
    let Some(cloud) = Cloud::new() else { return };
    let layers = cloud.dist("impostor", 1);
    cloud.world.write("project/other.zip", zip(&[("other", b"bytes")]));
    let publish = ["lambda", "publish-layer-version", "--zip-file", "fileb://other.zip", "--layer-name"];
    cloud.aws("us-east-1", &[&publish[..], &[&layers[0]]].concat());
    cloud.layr(&["publish", "--region", "us-east-1"]).succeeded();
    assert!(cloud.recorded(&layers[0], "us-east-1").unwrap().ends_with(":2"));
}

#[test]
fn of_two_publishers_at_the_same_moment_both_end_with_the_same_versions() {
    let Some(cloud) = Cloud::new() else { return };
    let layers = cloud.dist("race", 3);
    let args = ["publish", "--region", REGIONS];
    let run = |dist: &str| {
        let mut command = cloud.command(&args);
        command.args(["--dist", dist]).stdout(Stdio::piped()).stderr(Stdio::piped());
        command.spawn().unwrap()
    };
    let copy = cloud.world.path("project/dist2");
    std::fs::create_dir(&copy).unwrap();
    for entry in std::fs::read_dir(cloud.world.path("project/dist")).unwrap() {
        let entry = entry.unwrap();
        std::fs::copy(entry.path(), copy.join(entry.file_name())).unwrap();
    }
    let both = [run("dist"), run("dist2")].map(|child| child.wait_with_output().unwrap());
    assert!(both.iter().all(|output| output.status.success()), "{both:?}");
    assert_eq!(both[0].stdout, both[1].stdout);
    cloud.each_is_there_once(&layers);
}

#[test]
fn two_publishers_of_one_folder_note_all_that_both_found() {
    let Some(cloud) = Cloud::new() else { return };
    let layers = cloud.dist("together", 8);
    let regions = ["eu-central-1", "us-east-1"];
    cloud.layr(&["publish", "--region", &regions.join(",")]).succeeded();
    for _ in 0..4 {
        cloud.dist("together", 8); // without ARNs, so that each of them is noted anew
        let start = |region| {
            let mut command = cloud.command(&["publish", "--region", region]);
            command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap()
        };
        for mut publisher in regions.map(start) {
            assert!(publisher.wait().unwrap().success());
        }
        for (layer, region) in layers.iter().flat_map(|layer| regions.map(|region| (layer, region))) {
            assert!(cloud.recorded(layer, region).is_some(), "{layer} in {region}");
        }
    }
}

#[test]
fn a_region_that_cannot_be_asked_keeps_no_other_from_its_layers() {
    let Some(cloud) = Cloud::new() else { return };
    let layers = cloud.dist("elsewhere", 3);
    let refused = cloud.layr(&["publish", "--region", "us-east-1,no-such-region-1"]);
    refused.failed(PUBLISH, &["1 of 4 failed", "no-such-region-1: ListLayers in no-such-region-1"]);
    for layer in layers {
        assert!(cloud.recorded(&layer, "us-east-1").is_some(), "{layer}");
    }
}

#[test]
fn a_third_of_all_requests_may_fail_and_nothing_is_lost_or_done_twice() {
    let Some(cloud) = Cloud::new() else { return };
    let layers = cloud.dist("storm", 4);
    cloud.proxy.set_weather(Weather { percent: 30, seed: 11 });
    cloud.layr(&["publish", "--region", REGIONS]).succeeded();
    cloud.proxy.set_weather(Weather::FAIR);
    cloud.each_is_there_once(&layers);
}

#[test]
fn a_publisher_may_be_killed_at_any_moment() {
    let Some(cloud) = Cloud::new() else { return };
    let layers = cloud.dist("killed", 4);
    cloud.proxy.set_weather(Weather { percent: 30, seed: 5 });
    for moment in 1..=20 {
        let mut child = cloud
            .command(&["publish", "--region", REGIONS])
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        std::thread::sleep(Duration::from_millis(moment * 25));
        child.kill().ok();
        child.wait().unwrap();
    }
    cloud.layr(&["publish", "--region", REGIONS]).succeeded();
    cloud.proxy.set_weather(Weather::FAIR);
    cloud.each_is_there_once(&layers);
}

#[test]
fn a_zip_that_lambda_does_not_take_directly_goes_through_s3_once() {
    let Some(cloud) = Cloud::new() else { return };
    let large = zip(&[("R/library/big/data", &noise(51 << 20))]);
    let layers = cloud.manifest(&[cloud.layer("large", large)]);
    let publish = ["publish", "--region", "eu-central-1,us-east-1"];
    cloud.layr(&publish).failed(PUBLISH, &["cannot be sent to Lambda but through S3", "--bucket"]);

    let bucket = [&publish[..], &["--bucket", "layers-{region}"]].concat();
    cloud
        .layr(&bucket)
        .failed(PUBLISH, &["there is no bucket `layers-eu-central-1` in eu-central-1", "--create-bucket"]);
    cloud.layr(&[&bucket[..], &["--create-bucket"]].concat()).succeeded();
    assert!(cloud.recorded(&layers[0], "us-east-1").is_some());
    let objects = cloud.aws("eu-central-1", &["s3api", "list-objects-v2", "--bucket", "layers-eu-central-1"]);
    assert_eq!(objects["Contents"].as_array().unwrap().len(), 1);

    // The layer went, the archive stayed: it is not sent again.
    let delete = ["lambda", "delete-layer-version", "--layer-name", &layers[0], "--version-number", "1"];
    cloud.aws("eu-central-1", &delete);
    cloud.proxy.forget_requests();
    cloud.layr(&bucket).succeeded();
    let writes = cloud.proxy.writes();
    assert_eq!(writes, [format!("POST /2018-10-31/layers/{}/versions", layers[0])]);
}

#[test]
fn by_reference_every_zip_is_read_from_the_bucket_and_from_one_version_of_it() {
    let Some(cloud) = Cloud::new() else { return };
    let layers = cloud.dist("referred", 2);
    let publish = ["publish", "--region", "eu-central-1", "--by-reference"];
    cloud.layr(&publish).failed(2, &["--by-reference needs a bucket"]);
    let to_bucket = [&publish[..], &["--bucket", "referred-{region}", "--create-bucket"]].concat();
    cloud.layr(&to_bucket).succeeded();
    let contents = cloud.proxy.contents();
    assert_eq!(contents.len(), layers.len());
    for content in &contents {
        assert_eq!(content["S3ObjectStorageMode"], "REFERENCE");
        assert_eq!(content["S3Bucket"], "referred-eu-central-1");
        let version = content["S3ObjectVersion"].as_str().unwrap();
        let key = content["S3Key"].as_str().unwrap();
        let head = ["s3api", "head-object", "--bucket", "referred-eu-central-1", "--key", key];
        let head = cloud.aws("eu-central-1", &[&head[..], &["--version-id", version]].concat());
        assert!(head["ContentLength"].as_u64() > Some(0), "{head}");
    }

    cloud.proxy.forget_requests();
    cloud.layr(&to_bucket).succeeded();
    assert_eq!(cloud.proxy.writes(), [""; 0]);
}

#[test]
fn a_zip_that_changed_since_the_build_is_refused_before_it_is_sent() {
    let Some(cloud) = Cloud::new() else { return };
    let layers = cloud.dist("changed", 1);
    cloud.world.write(&format!("project/dist/{}.zip", layers[0]), zip(&[("x", b"y")]));
    cloud.layr(&["publish", "--region", "us-east-1"]).failed(PUBLISH, &["has other bytes", "layr build"]);
    assert_eq!(cloud.proxy.writes(), [""; 0]);
}

#[test]
fn layers_are_shared_once_listed_and_taken_back() {
    let Some(cloud) = Cloud::new() else { return };
    let layers = cloud.dist("shared", 2);
    cloud
        .world
        .write("project/layr.toml", "[publish]\nregions = [\"us-east-1\"]\nshare = [\"o-a1b2c3d4e5\"]\n");
    cloud.layr(&["publish"]).succeeded();
    let who = ["share", "--account", "210987654321"];
    assert_eq!(cloud.layr(&who).succeeded().stdout, "2 permissions given\n");
    assert_eq!(cloud.layr(&who).succeeded().stdout, "0 permissions given\n");
    let listed = cloud.layr(&["share", "--list"]);
    assert_eq!(listed.succeeded().stdout.matches("\to-a1b2c3d4e5, 210987654321\n").count(), 2);
    let policy = ["lambda", "get-layer-version-policy", "--version-number", "1", "--layer-name", &layers[0]];
    let policy = cloud.aws("us-east-1", &policy)["Policy"].as_str().unwrap().to_owned();
    assert!(policy.contains("210987654321") && policy.contains("aws:PrincipalOrgID"), "{policy}");

    let back = ["share", "--revoke", "--organization", "o-a1b2c3d4e5"];
    assert_eq!(cloud.layr(&back).succeeded().stdout, "2 permissions taken back\n");
    assert_eq!(cloud.layr(&back).succeeded().stdout, "0 permissions taken back\n");
    assert_eq!(cloud.layr(&["share", "--list"]).stdout.matches("\t210987654321\n").count(), 2);
}

#[test]
fn without_credentials_or_region_the_error_says_what_to_do() {
    let Some(cloud) = Cloud::new() else { return };
    cloud.dist("nobody", 1);
    let mut command = cloud.command(&["publish", "--region", "us-east-1"]);
    command.env_remove("AWS_SECRET_ACCESS_KEY");
    crate::world::ran(&mut command).failed(PUBLISH, &["could not be asked", "aws configure"]);
    cloud.layr(&["publish"]).failed(2, &["no region is given", "--region"]);
    let all = cloud.layr(&["-v", "publish", "--region", "us-east-1"]);
    assert!(!all.stderr.contains("wJalr") && !all.stdout.contains("wJalr"));
}

#[test]
fn what_lambda_holds_is_held_against_layers_json_and_layr_lock() {
    let Some(cloud) = Cloud::new() else { return };
    cloud.world.lock(&["held"]);
    let layers = cloud.dist("held", 2);
    let verify = ["verify", "--published", "--json"];
    cloud.layr(&verify).failed(PUBLISH, &["no published layer version", "layr publish"]);
    cloud.layr(&["publish", "--region", "us-east-1,eu-central-1"]).succeeded();
    cloud.proxy.forget_requests();
    let path = cloud.world.path("project/dist/layers.json");
    let manifest: serde_json::Value = serde_json::from_slice(&std::fs::read(&path).unwrap()).unwrap();
    let other_lock = cloud.layr(&verify);
    assert_eq!((other_lock.code, &other_lock.json()["layr_lock"]), (23, &false.into()));

    let lock = "version = 1\n";
    cloud.world.write("project/layr.lock", lock);
    let mut right = manifest.clone();
    right["layr_lock_sha256"] = hex::encode(<sha2::Sha256 as sha2::Digest>::digest(lock)).into();
    std::fs::write(&path, right.to_string()).unwrap();
    let held = cloud.layr(&verify);
    assert_eq!(held.succeeded().json()["versions"].as_array().unwrap().len(), 4);
    assert_eq!(cloud.proxy.writes(), [""; 0]);

    let arn = right["layers"][0]["published"]["us-east-1"].as_str().unwrap().to_owned();
    right["layers"][1]["zip_sha256"] = "00".repeat(32).into();
    std::fs::write(&path, right.to_string()).unwrap();
    let gone = ["lambda", "delete-layer-version", "--layer-name", &layers[0], "--version-number", "1"];
    cloud.aws("us-east-1", &gone);
    let differs = cloud.layr(&["verify", "--published"]);
    assert_eq!(differs.code, 23);
    assert!(differs.stdout.starts_with("1 of 4 layer versions hold what was built\n"), "{}", differs.stdout);
    assert!(differs.stdout.contains(&format!("{arn} was deleted\n")), "{}", differs.stdout);
    assert_eq!(differs.stdout.matches("has CodeSha256 ").count(), 2, "{}", differs.stdout);
}
