//! The least IAM policy for each command. Pure.

use serde_json::{Value, json};

/// A command that speaks to AWS.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Command {
    Publish,
    /// `publish --dry-run`.
    DryRun,
    Share,
    Deploy,
    Gc,
    /// `audit fleet`.
    Fleet,
    /// What an account needs that layers are shared with.
    Use,
}

/// Whose and what.
pub struct Scope<'a> {
    /// How the layers' names begin.
    pub prefix: &'a str,
    /// `*` where it is not known.
    pub account: &'a str,
    /// Where large zips go, if anywhere.
    pub bucket: Option<&'a str>,
}

const LOOK: [&str; 2] = ["lambda:ListLayers", "lambda:ListFunctions"];

/// The policy document. Actions that AWS cannot bind to a resource are of all of them.
pub fn policy(command: Command, scope: &Scope<'_>) -> Value {
    let Scope { prefix, account, bucket } = scope;
    let layers = format!("arn:*:lambda:*:{account}:layer:{prefix}-*");
    let versions = format!("{layers}:*");
    let functions = format!("arn:*:lambda:*:{account}:function:*");
    let allow = |sid: &str, actions: &[&str], resources: &[&str]| json!({ "Sid": sid, "Effect": "Allow", "Action": actions, "Resource": resources });
    let find = || {
        vec![
            allow("List", &LOOK[..1], &["*"]),
            allow("Look", &["lambda:GetLayerVersion", "lambda:ListLayerVersions"], &[&layers, &versions]),
        ]
    };
    let share = || {
        let actions = [
            "lambda:AddLayerVersionPermission",
            "lambda:GetLayerVersionPolicy",
            "lambda:RemoveLayerVersionPermission",
        ];
        allow("Share", &actions, &[&versions])
    };
    let statements = match command {
        Command::DryRun => find(),
        Command::Publish => {
            let mut all = find();
            all.push(allow("Publish", &["lambda:PublishLayerVersion"], &[&layers]));
            all.push(allow("GiveWay", &["lambda:DeleteLayerVersion"], &[&versions]));
            all.push(share());
            all.extend(bucket.iter().flat_map(|bucket| for_bucket(&bucket.replace("{region}", "*"))));
            all
        }
        Command::Share => vec![share()],
        Command::Deploy => {
            let actions = [
                "lambda:CreateAlias",
                "lambda:CreateFunction",
                "lambda:GetAlias",
                "lambda:GetFunctionConfiguration",
                "lambda:InvokeFunction",
                "lambda:PublishVersion",
                "lambda:UpdateAlias",
                "lambda:UpdateFunctionCode",
                "lambda:UpdateFunctionConfiguration",
            ];
            let mut pass = allow("PassRole", &["iam:PassRole"], &[&format!("arn:*:iam::{account}:role/*")]);
            pass["Condition"] = json!({ "StringEquals": { "iam:PassedToService": "lambda.amazonaws.com" } });
            vec![
                allow("Deploy", &actions, &[&functions]),
                allow("Attach", &["lambda:GetLayerVersion"], &[&versions]),
                pass,
            ]
        }
        Command::Gc => vec![
            allow("List", &LOOK, &["*"]),
            allow(
                "Collect",
                &["lambda:DeleteLayerVersion", "lambda:GetLayerVersionPolicy", "lambda:ListLayerVersions"],
                &[&layers, &versions],
            ),
        ],
        // Functions may have layers of others, and these are looked into as well.
        Command::Fleet => vec![
            allow("List", &LOOK[1..], &["*"]),
            allow("Look", &["lambda:GetLayerVersion"], &["arn:*:lambda:*:*:layer:*:*"]),
        ],
        Command::Use => vec![allow("Use", &["lambda:GetLayerVersion"], &[&versions])],
    };
    json!({ "Version": "2012-10-17", "Statement": statements })
}

fn for_bucket(bucket: &str) -> Vec<Value> {
    let (all, objects) = (format!("arn:*:s3:::{bucket}"), format!("arn:*:s3:::{bucket}/layr/*"));
    let allow = |sid: &str, actions: &[&str], resource: &str| json!({ "Sid": sid, "Effect": "Allow", "Action": actions, "Resource": [resource] });
    vec![
        allow("Bucket", &["s3:CreateBucket", "s3:ListBucket", "s3:PutBucketVersioning"], &all),
        // Lambda reads the archive with the caller's rights.
        allow(
            "Objects",
            &["s3:AbortMultipartUpload", "s3:GetObject", "s3:GetObjectVersion", "s3:PutObject"],
            &objects,
        ),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_dry_run_and_a_look_at_the_fleet_may_change_nothing() {
        let scope = Scope { prefix: "acme", account: "123456789012", bucket: Some("acme-{region}") };
        let text =
            [Command::DryRun, Command::Fleet].map(|command| policy(command, &scope).to_string()).concat();
        for action in text.split("lambda:").skip(1) {
            let is_read = action.starts_with("Get") || action.starts_with("List") || action.starts_with('*');
            assert!(is_read, "{action}");
        }
    }

    #[test]
    fn publishing_is_bound_to_our_layers_and_our_bucket() {
        let scope = Scope { prefix: "acme", account: "123456789012", bucket: Some("acme-{region}") };
        let text = policy(Command::Publish, &scope).to_string();
        assert!(text.contains("arn:*:lambda:*:123456789012:layer:acme-*"));
        assert!(text.contains("arn:*:s3:::acme-*/layr/*"));
        assert!(!policy(Command::Publish, &Scope { bucket: None, ..scope }).to_string().contains("s3:"));
    }
}
