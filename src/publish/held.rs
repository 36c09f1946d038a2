//! Published layer versions held against what was built: whether Lambda has these very bytes.

use super::{Aws, PublishError, collect, on_threads};
use crate::manifest::Manifest;
use crate::model::{ArchiveDigest, LayerVersionArn};

/// A layer version that layers.json names, and what Lambda says of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Held {
    pub arn: LayerVersionArn,
    /// Of the zip that the build made.
    pub built: ArchiveDigest,
    /// `None` where the version was deleted.
    pub found: Option<ArchiveDigest>,
}

impl Held {
    pub fn is_same(&self) -> bool {
        self.found == Some(self.built)
    }
}

/// Asks for each version that layers.json names, by layer and region.
///
/// # Errors
///
/// All that failed.
pub fn hold(manifest: &Manifest, aws: &Aws) -> Result<Vec<Held>, PublishError> {
    let published = |layer| move |arn: &LayerVersionArn| (arn.clone(), layer);
    let versions: Vec<(LayerVersionArn, ArchiveDigest)> = manifest
        .layers
        .iter()
        .flat_map(|layer| layer.published.values().map(published(layer.zip_sha256)))
        .collect();
    let results = on_threads(&versions, |(arn, built)| {
        Ok(Held { arn: arn.clone(), built: *built, found: aws.archive(arn)? })
    });
    collect(versions.iter().map(|(arn, _)| arn.to_string()).zip(results).collect())
}
