//! Who publishes: the ways in which tools of AWS come to credentials, as users have them in
//! `~/.aws`, and no trace of any afterwards.

use serde_json::json;

use crate::cloud::Cloud;
use crate::host::{Host, Reply};
use crate::world::{Ran, ran};

const SECRET: &str = "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY";
/// The session's name, as the names of cached tokens have it.
const SHA1_OF_CORP: &str = "ee0bfd2552fbd840c02cc48b6e823320543c450f";
const CONFIG: &str = "\
[profile base]
aws_access_key_id = AKIAIOSFODNN7EXAMPLE
aws_secret_access_key = wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY

[profile deployer]
role_arn = arn:aws:iam::123456789012:role/deployer
source_profile = base
region = us-east-1

[profile process]
credential_process = sh keys.sh

[profile sso]
sso_session = corp
sso_account_id = 123456789012
sso_role_name = Publisher

[sso-session corp]
sso_region = us-east-1
sso_start_url = https://corp.awsapps.com/start
";

/// `layr publish` of one layer by a profile.
fn publish(cloud: &Cloud, profile: &str, variables: &[(&str, &str)]) -> Ran {
    cloud.world.write(".aws/config", CONFIG);
    let mut command = cloud.command(&["-v", "publish", "--region", "us-east-1"]);
    for variable in ["AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"] {
        command.env_remove(variable);
    }
    command.env("HOME", cloud.world.path("")).env("AWS_PROFILE", profile).envs(variables.iter().copied());
    ran(&mut command)
}

/// Holds that the layer is there, and that nothing that was said or written has a secret.
#[track_caller]
fn is_published(cloud: &Cloud, published: &Ran, (layer, secret): (&str, &str)) {
    published.succeeded();
    assert_eq!(cloud.versions("us-east-1", layer), [1]);
    let manifest = cloud.world.read("project/dist/layers.json");
    for text in [&published.stdout, &published.stderr, &manifest] {
        assert!(!text.contains(secret), "{text}");
    }
}

#[test]
fn a_profile_assumes_a_role() {
    let Some(cloud) = Cloud::new() else { return };
    let layers = cloud.dist("assumed", 1);
    let published = publish(&cloud, "deployer", &[]);
    is_published(&cloud, &published, (&layers[0], SECRET));
    let first = cloud.proxy.requests().remove(0);
    assert_eq!(first, "POST /", "STS is asked for the role before Lambda is");
}

#[test]
fn a_profile_asks_a_program() {
    let Some(cloud) = Cloud::new() else { return };
    let layers = cloud.dist("processed", 1);
    let keys = json!({ "Version": 1, "AccessKeyId": "ASIAPROCESS", "SecretAccessKey": "canary-process" });
    cloud.world.write("project/keys.sh", format!("echo '{keys}'\n"));
    let published = publish(&cloud, "process", &[]);
    is_published(&cloud, &published, (&layers[0], "canary-process"));
}

#[test]
fn a_profile_signs_on_once_for_all() {
    let Some(cloud) = Cloud::new() else { return };
    let layers = cloud.dist("signed-on", 1);
    let portal = Host::start(|asked| {
        if asked.target.starts_with("/federation/credentials?") {
            let keys = json!({
                "accessKeyId": "ASIAPORTAL", "secretAccessKey": "canary-portal", "sessionToken": "canary-session",
                "expiration": 4_102_444_800_000_u64,
            });
            return Reply::ok(json!({ "roleCredentials": keys }).to_string().as_bytes());
        }
        Reply::status("404 Not Found")
    });
    // What `aws sso login` leaves.
    let token = json!({
        "accessToken": "canary-token", "expiresAt": "2099-01-01T00:00:00Z",
        "region": "us-east-1", "startUrl": "https://corp.awsapps.com/start",
    });
    cloud.world.write(&format!(".aws/sso/cache/{SHA1_OF_CORP}.json"), token.to_string());
    let published = publish(&cloud, "sso", &[("AWS_ENDPOINT_URL_SSO", &portal.url)]);
    is_published(&cloud, &published, (&layers[0], "canary-"));
    assert!(portal.asked()[0].target.contains("role_name=Publisher"), "{:?}", portal.asked());

    std::fs::remove_dir_all(cloud.world.path(".aws/sso")).unwrap();
    publish(&cloud, "sso", &[]).failed(15, &["could not be asked", "aws sso login"]);
}
