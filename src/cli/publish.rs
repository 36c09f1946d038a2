//! `layr publish`

use std::io::Write;

use serde_json::json;

use super::Global;
use super::cloud::CloudArgs;
use crate::error::Error;
use crate::manifest::{self, Manifest, RuntimeFile};
use crate::publish::{self, Bucket, Grantee, PublishRequest, Published};
use crate::sys::fs;

#[derive(Debug, clap::Args)]
#[expect(clippy::struct_excessive_bools, reason = "flags are what they are")]
pub(super) struct Args {
    #[command(flatten)]
    cloud: CloudArgs,
    /// S3 bucket for zips that Lambda does not take directly; `{region}` stands for the region
    #[arg(long, value_name = "NAME")]
    bucket: Option<String>,
    /// Make the bucket where it is not there
    #[arg(long)]
    create_bucket: bool,
    /// Let Lambda read the layers from the bucket instead of keeping copies
    #[arg(long)]
    by_reference: bool,
    /// Say what would be published; only reads
    #[arg(long)]
    dry_run: bool,
    /// Print the result as JSON
    #[arg(long)]
    pub(super) json: bool,
}

pub(super) fn run(args: &Args, global: &Global, stdout: &mut dyn Write) -> Result<(), Error> {
    let manifest = with_runtime(args)?.for_lambda();
    let cloud = args.cloud.open(global)?;
    let settings = &cloud.config.publish;
    let by_reference = args.by_reference || settings.by_reference;
    let bucket = args.bucket.clone().or_else(|| settings.bucket.clone()).map(|name| Bucket {
        name,
        create: args.create_bucket,
        by_reference,
    });
    if by_reference && bucket.is_none() {
        return Err(Error::Usage(
            "--by-reference needs a bucket that Lambda reads from: name it with --bucket, or as `publish.bucket` \
             in layr.toml"
                .to_owned(),
        ));
    }
    let share: Result<Vec<Grantee>, _> = settings.share.iter().map(|text| text.parse()).collect();
    let share = share?;
    let request = PublishRequest {
        manifest: &manifest,
        folder: &args.cloud.dist,
        regions: &cloud.regions,
        bucket: bucket.as_ref(),
        share: &share,
        dry_run: args.dry_run,
    };
    let published = publish::publish(&request, &cloud.aws, &cloud.report)?;
    let text = if args.json { as_json(&published) } else { as_text(&published) };
    write!(stdout, "{text}").map_err(Error::Output)
}

/// layers.json with the runtime layer that lies beside it, which is noted there, too, so that
/// it is attached first from here on.
fn with_runtime(args: &Args) -> Result<Manifest, Error> {
    let path = args.cloud.dist.join(RuntimeFile::FILE_NAME);
    let Some(bytes) = fs::read_if_there(&path)? else { return args.cloud.manifest() };
    let _folder = fs::lock_folder(&args.cloud.dist)?;
    let mut manifest = args.cloud.manifest()?;
    let before = manifest.clone();
    manifest.attach_runtime(RuntimeFile::parse(&bytes, &path.display().to_string())?)?;
    if manifest != before && !args.dry_run {
        let path = args.cloud.dist.join(manifest::FILE_NAME);
        fs::write_atomic(&path, manifest.render().as_bytes())?;
    }
    Ok(manifest)
}

/// One line for each layer in each region: its ARN, or what would be done.
fn as_text(published: &[Published]) -> String {
    let line = |one: &Published| match &one.arn {
        Some(arn) => format!("{arn}\n"),
        None => format!("would publish {} in {}\n", one.layer, one.region),
    };
    published.iter().map(line).collect()
}

fn as_json(published: &[Published]) -> String {
    let one = |one: &Published| {
        let arn = one.arn.as_ref().map(ToString::to_string);
        json!({ "layer": one.layer, "region": one.region, "arn": arn, "new": one.is_new })
    };
    let layers: Vec<_> = published.iter().map(one).collect();
    format!("{:#}\n", json!({ "schema": 1, "layers": layers }))
}
