//! Layer zips to layer versions: each content once in each region, and shared.
//!
//! A layer's name is made of its content, so that the name tells whether it is there.
//! What a version holds is told by its `CodeSha256` alone; a version never changes, so one
//! that was held against it once need only be still there.

mod advice;
mod aws;
mod deploy;
mod describe;
mod error;
mod fleet;
mod gc;
mod grant;
mod held;
mod one;
mod pace;
mod policy;
mod share;

use std::collections::BTreeMap;
use std::path::Path;

pub use aws::Aws;
pub use deploy::{Answer, Code, DeployRequest, Deployed, FunctionState, Settings, deploy, invoke};
pub use error::{Cause, CloudError, PublishError};
pub use fleet::{FleetFunction, FleetLayer, fleet, location};
pub use gc::{Fate, GcRequest, Reason, delete, look};
pub use grant::{Grantee, Statement};
pub use held::{Held, hold};
pub use policy::{Command as PolicyCommand, Scope, policy};
pub use share::{Shared, list_shared, share, unshare};

use crate::manifest::{self, Manifest, ManifestLayer};
use crate::model::{Architecture, DIRECT_UPLOAD_BYTES, LayerVersionArn};
use crate::report::{Event, Report};
use crate::sys::fs;
use crate::sys::fs::PathError;
use crate::sys::threads::in_parallel;

/// Layers and regions that are worked on at the same time.
const N_WORKERS: usize = 8;
/// Up to so many layers, asking for each is quicker than listing all of a region's.
const FEW_LAYERS: usize = 2;

/// What to publish, where. No `Default`: each field is the caller's decision.
pub struct PublishRequest<'a> {
    pub manifest: &'a Manifest,
    /// The folder with the zips and layers.json.
    pub folder: &'a Path,
    pub regions: &'a [String],
    pub bucket: Option<&'a Bucket>,
    pub share: &'a [Grantee],
    /// Say what would be done; only reads.
    pub dry_run: bool,
}

/// Where large archives go.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Bucket {
    /// `{region}` stands for the region.
    pub name: String,
    /// Make it where it is not there.
    pub create: bool,
    /// Lambda keeps no copy, and reads the bucket's.
    pub by_reference: bool,
}

impl Bucket {
    fn name_in(&self, region: &str) -> String {
        self.name.replace("{region}", region)
    }
}

/// What became of one layer in one region.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Published {
    pub layer: String,
    pub region: String,
    /// `None` in a dry run, where it would be published.
    pub arn: Option<LayerVersionArn>,
    pub is_new: bool,
}

/// A version to be.
struct NewVersion {
    name: String,
    description: String,
    license: String,
    arch: Architecture,
    content: Content,
}

enum Content {
    Zip(Vec<u8>),
    Object { bucket: String, key: String, version: Option<String>, by_reference: bool },
}

/// Publishes what is not there yet, in all regions at the same time, and shares it all.
/// What was done is in layers.json even where something fails, or the process dies.
///
/// # Errors
///
/// All that failed, after everything else was done.
pub fn publish(
    request: &PublishRequest<'_>,
    aws: &Aws,
    report: &dyn Report,
) -> Result<Vec<Published>, PublishError> {
    if request.regions.is_empty() {
        return Err(PublishError::NoRegion);
    }
    let mut surveys = Vec::new();
    let mut done = Vec::new();
    for (region, survey) in request.regions.iter().zip(survey(request, aws)) {
        match survey {
            Ok(latest) => surveys.push((region, latest)),
            // Once for all of its layers; the other regions have theirs all the same.
            Err(error) => done.push((region.clone(), Err(error))),
        }
    }
    let record = Record { folder: request.folder };
    let jobs: Vec<one::Job<'_>> = request
        .manifest
        .layers
        .iter()
        .flat_map(|layer| surveys.iter().map(move |(region, latest)| (layer, region, latest)))
        .map(|(layer, region, latest)| one::Job { request, layer, region, latest: latest.as_ref(), aws })
        .collect();
    let results = on_threads(&jobs, |job| {
        let published = job.run()?;
        if let (Some(arn), false) = (&published.arn, request.dry_run) {
            record.keep(job.layer, arn)?;
            report.report(&Event::Published { arn: &arn.to_string(), is_new: published.is_new });
            share::grant_missing(arn, request.share, aws)?;
        }
        Ok(published)
    });
    let named = jobs.iter().map(|job| format!("{} in {}", job.layer.name, job.region));
    done.extend(named.zip(results));
    collect(done)
}

/// The latest version of every layer, by name.
type Latest = BTreeMap<String, LayerVersionArn>;

/// The latest versions in each region, where that is quicker than asking for each layer.
fn survey(request: &PublishRequest<'_>, aws: &Aws) -> Vec<Result<Option<Latest>, PublishError>> {
    let is_worth_it = request.manifest.layers.len() > FEW_LAYERS;
    on_threads(request.regions, |region| Ok(if is_worth_it { Some(aws.layers(region)?) } else { None }))
}

/// layers.json as the place where ARNs are remembered.
struct Record<'a> {
    folder: &'a Path,
}

impl Record<'_> {
    /// Reads the file anew each time, and alone: another publisher may be writing to it.
    fn keep(&self, layer: &ManifestLayer, arn: &LayerVersionArn) -> Result<(), PathError> {
        let _folder = fs::lock_folder(self.folder)?;
        let path = self.folder.join(manifest::FILE_NAME);
        let bytes = fs::read(&path)?;
        // One that was replaced by something else meanwhile is not ours to write to.
        let Ok(mut manifest) = Manifest::parse(&bytes, "") else { return Ok(()) };
        let same =
            |other: &&mut ManifestLayer| other.name == layer.name && other.zip_sha256 == layer.zip_sha256;
        if let Some(entry) = manifest.layers.iter_mut().find(same) {
            entry.published.insert(arn.region().to_owned(), arn.clone());
        }
        let text = manifest.render();
        if text.as_bytes() == bytes { Ok(()) } else { fs::write_atomic(&path, text.as_bytes()) }
    }
}

/// Does `work` for each of the jobs, several at a time; results are in the jobs' order.
fn on_threads<J: Sync, T: Send>(
    jobs: &[J],
    work: impl Fn(&J) -> Result<T, PublishError> + Sync,
) -> Vec<Result<T, PublishError>> {
    in_parallel(N_WORKERS, jobs, work)
}

/// All results, or all failures with what failed.
fn collect<T>(results: Vec<(String, Result<T, PublishError>)>) -> Result<Vec<T>, PublishError> {
    let n_wanted = results.len();
    let (mut done, mut failures) = (Vec::new(), Vec::new());
    for (what, result) in results {
        match result {
            Ok(value) => done.push(value),
            Err(error) => failures.push((what, error)),
        }
    }
    match failures.len() {
        0 => Ok(done),
        1 if n_wanted == 1 => Err(failures.swap_remove(0).1),
        _ => Err(PublishError::Several { n_wanted, failures }),
    }
}
