//! One layer in one region: found, or published, and never twice.

use std::collections::BTreeSet;
use std::path::PathBuf;

use super::aws::{Object, Place};
use super::{
    Aws, Bucket, Content, DIRECT_UPLOAD_BYTES, Latest, NewVersion, PublishError, PublishRequest, Published,
    describe,
};
use crate::manifest::ManifestLayer;
use crate::model::{ArchiveDigest, LayerVersionArn};
use crate::sys::{fs, hash};

pub(super) struct Job<'a> {
    pub(super) request: &'a PublishRequest<'a>,
    pub(super) layer: &'a ManifestLayer,
    pub(super) region: &'a str,
    /// The latest version of each layer of the region, where that was asked for.
    pub(super) latest: Option<&'a Latest>,
    pub(super) aws: &'a Aws,
}

impl Job<'_> {
    pub(super) fn run(&self) -> Result<Published, PublishError> {
        let versions = self.versions()?;
        let found = self.right_one(&versions, self.layer.published.get(self.region))?;
        let (arn, is_new) = match found {
            Some(arn) => (Some(arn), false),
            None if self.request.dry_run => {
                self.check_way()?;
                (None, true)
            }
            None => (Some(self.publish(versions)?), true),
        };
        Ok(Published { layer: self.layer.name.clone(), region: self.region.to_owned(), arn, is_new })
    }

    /// The versions of that name, oldest first.
    fn versions(&self) -> Result<Vec<LayerVersionArn>, PublishError> {
        match self.latest.map(|latest| latest.get(&self.layer.name)) {
            Some(None) => Ok(Vec::new()),
            Some(Some(only)) if only.version() == 1 => Ok(vec![only.clone()]),
            _ => Ok(self.aws.versions(self.region, &self.layer.name)?),
        }
    }

    /// The one with our bytes: `known`, which was held against them before, else the oldest,
    /// so that all who look take the same.
    fn right_one(
        &self,
        versions: &[LayerVersionArn],
        known: Option<&LayerVersionArn>,
    ) -> Result<Option<LayerVersionArn>, PublishError> {
        if let Some(known) = known.filter(|known| versions.contains(known)) {
            return Ok(Some(known.clone()));
        }
        for arn in versions {
            if self.aws.archive(arn)? == Some(self.layer.zip_sha256) {
                return Ok(Some(arn.clone()));
            }
        }
        Ok(None)
    }

    fn publish(&self, versions: Vec<LayerVersionArn>) -> Result<LayerVersionArn, PublishError> {
        let new = self.new_version()?;
        let mut others: BTreeSet<LayerVersionArn> = versions.into_iter().collect();
        let mut n_tried = 0;
        loop {
            let error = match self.aws.publish_version(self.region, &new) {
                Ok((arn, received)) => return self.settle(arn, received, &others),
                Err(error) => error,
            };
            n_tried += 1;
            if !error.cause.is_passing() || n_tried >= self.aws.attempts() {
                return Err(error.into());
            }
            self.aws.pause(n_tried, self.region)?;
            // It may be there although nobody told us.
            let versions = self.aws.versions(self.region, &self.layer.name)?;
            let unknown: Vec<_> = versions.into_iter().filter(|arn| !others.contains(arn)).collect();
            if let Some(arn) = self.right_one(&unknown, None)? {
                return Ok(arn);
            }
            others.extend(unknown);
        }
    }

    /// Checks what Lambda received, and gives way to whoever was first where two published
    /// at the same moment.
    fn settle(
        &self,
        arn: LayerVersionArn,
        received: ArchiveDigest,
        others: &BTreeSet<LayerVersionArn>,
    ) -> Result<LayerVersionArn, PublishError> {
        let expected = self.layer.zip_sha256;
        if received != expected {
            let (expected, found) = (expected.0.to_base64(), received.0.to_base64());
            return Err(PublishError::WrongBytes { arn: Box::new(arn), expected, found });
        }
        if arn.version() == 1 {
            return Ok(arn);
        }
        let mut versions = self.aws.versions(self.region, &self.layer.name)?;
        versions.retain(|other| other.version() < arn.version() && !others.contains(other));
        match self.right_one(&versions, None)? {
            Some(first) => {
                self.aws.delete_version(&arn)?;
                Ok(first)
            }
            None => Ok(arn),
        }
    }

    fn new_version(&self) -> Result<NewVersion, PublishError> {
        let manifest = self.request.manifest;
        Ok(NewVersion {
            name: self.layer.name.clone(),
            description: describe::description(self.layer, manifest),
            license: describe::license(self.layer, manifest),
            arch: manifest.arch,
            content: self.content()?,
        })
    }

    fn zip(&self) -> PathBuf {
        self.request.folder.join(&self.layer.zip)
    }

    /// The zip itself, or the place in S3 where it is by now.
    fn content(&self) -> Result<Content, PublishError> {
        let zip = self.zip();
        let is_direct = self.layer.zip_bytes <= DIRECT_UPLOAD_BYTES;
        if let Some(bucket) = self.request.bucket.filter(|bucket| !is_direct || bucket.by_reference) {
            let (sha256, _) = hash::sha256_of(fs::open(&zip)?).map_err(fs::at("read", &zip))?;
            self.check(ArchiveDigest(sha256))?;
            return self.upload(bucket);
        }
        if !is_direct {
            return Err(self.needs_bucket());
        }
        let bytes = fs::read(&zip)?;
        self.check(ArchiveDigest(hash::sha256(&bytes)))?;
        Ok(Content::Zip(bytes))
    }

    fn needs_bucket(&self) -> PublishError {
        PublishError::NeedsBucket { layer: self.layer.name.clone(), zip_bytes: self.layer.zip_bytes }
    }

    /// What a dry run can tell of the way the zip would go.
    fn check_way(&self) -> Result<(), PublishError> {
        match self.request.bucket {
            None if self.layer.zip_bytes > DIRECT_UPLOAD_BYTES => Err(self.needs_bucket()),
            _ => Ok(()),
        }
    }

    fn check(&self, found: ArchiveDigest) -> Result<(), PublishError> {
        let expected = self.layer.zip_sha256;
        if found == expected {
            return Ok(());
        }
        Err(PublishError::ZipChanged { zip: self.zip().display().to_string(), expected, found: found.0 })
    }

    /// Keys are made of the content, so what is there need not go there again.
    fn upload(&self, bucket: &Bucket) -> Result<Content, PublishError> {
        let name = bucket.name_in(self.region);
        let key = format!("layr/{}.zip", self.layer.zip_sha256);
        let place = Place { region: self.region, bucket: &name, key: &key };
        let there = self.aws.object(place)?.filter(|object| object.n_bytes == self.layer.zip_bytes);
        let object = match there {
            Some(object) => object,
            None => self.put(place, bucket)?,
        };
        let version = object.version;
        Ok(Content::Object { bucket: name.clone(), key, version, by_reference: bucket.by_reference })
    }

    fn put(&self, place: Place<'_>, bucket: &Bucket) -> Result<Object, PublishError> {
        if !self.aws.has_bucket(self.region, place.bucket)? {
            if !bucket.create {
                let (bucket, region) = (place.bucket.to_owned(), self.region.to_owned());
                return Err(PublishError::NoBucket { bucket, region });
            }
            self.aws.make_bucket(self.region, place.bucket)?;
        }
        Ok(self.aws.upload(place, &self.zip())?)
    }
}
