//! Lambda's layer versions: list, look at, publish, delete, share.

use std::collections::BTreeMap;

use aws_sdk_lambda::primitives::Blob;
use aws_sdk_lambda::types::{
    Architecture as AwsArchitecture, LayerVersionContentInput, Runtime, S3ObjectStorageMode,
};

use super::super::error::{Cause, CloudError};
use super::super::grant::{Grantee, Statement, parse_policy};
use super::super::{Content, NewVersion};
use super::{Aws, Call};
use crate::model::{Architecture, ArchiveDigest, LayerVersionArn, Sha256Digest};

/// What a layer version says of itself, and where its zip can be had for some minutes.
pub(in super::super) type DescriptionAndPlace = (Option<String>, Option<String>);

/// Entries of a page; Lambda gives no more.
const PAGE: i32 = 50;

impl Aws {
    /// The latest version of each layer in a region, by the layer's name.
    ///
    /// # Errors
    ///
    /// As any call.
    pub fn layers(&self, region: &str) -> Result<BTreeMap<String, LayerVersionArn>, CloudError> {
        let call = Call::read("ListLayers", region);
        let client = self.lambda(region);
        let (mut found, mut marker) = (BTreeMap::new(), None::<String>);
        loop {
            let page =
                self.call(call, || client.list_layers().max_items(PAGE).set_marker(marker.clone()).send())?;
            for layer in page.layers() {
                let latest = layer.latest_matching_version().and_then(|version| version.layer_version_arn());
                let (Some(name), Some(arn)) = (layer.layer_name(), latest) else { continue };
                found.insert(name.to_owned(), parsed(Some(arn), call)?);
            }
            match page.next_marker {
                Some(next) if !next.is_empty() => marker = Some(next),
                _ => return Ok(found),
            }
        }
    }

    /// The versions of a layer, oldest first; none where there is no such layer.
    ///
    /// # Errors
    ///
    /// As any call.
    pub fn versions(&self, region: &str, name: &str) -> Result<Vec<LayerVersionArn>, CloudError> {
        let call = Call::read("ListLayerVersions", region);
        let client = self.lambda(region);
        let (mut found, mut marker) = (Vec::new(), None::<String>);
        loop {
            let ask = || {
                client
                    .list_layer_versions()
                    .layer_name(name)
                    .max_items(PAGE)
                    .set_marker(marker.clone())
                    .send()
            };
            let page = match self.call(call, ask) {
                Err(error) if error.is_not_found() => return Ok(Vec::new()),
                page => page?,
            };
            for version in page.layer_versions() {
                found.push(parsed(version.layer_version_arn(), call)?);
            }
            match page.next_marker {
                Some(next) if !next.is_empty() => marker = Some(next),
                _ => break,
            }
        }
        found.sort_by_key(LayerVersionArn::version);
        Ok(found)
    }

    /// The digest of a version's zip; `None` where the version was deleted.
    ///
    /// # Errors
    ///
    /// As any call.
    pub fn archive(&self, arn: &LayerVersionArn) -> Result<Option<ArchiveDigest>, CloudError> {
        let call = Call::read("GetLayerVersion", arn.region());
        let client = self.lambda(arn.region());
        let ask = || client.get_layer_version().layer_name(arn.name()).version_number(number(arn)).send();
        match self.call(call, ask) {
            Err(error) if error.is_not_found() => Ok(None),
            version => {
                let content = version?.content;
                digest(content.as_ref().and_then(|content| content.code_sha256()), call).map(Some)
            }
        }
    }

    /// A version's description, and where its zip can be had; `None` where it was deleted, or
    /// is not ours to see.
    pub(in super::super) fn layer_version(
        &self,
        arn: &LayerVersionArn,
    ) -> Result<Option<DescriptionAndPlace>, CloudError> {
        let call = Call::read("GetLayerVersion", arn.region());
        let client = self.lambda(arn.region());
        // By the layer's ARN: it may be another account's.
        let layer = arn.to_string().rsplit_once(':').map(|(layer, _)| layer.to_owned()).unwrap_or_default();
        let ask = || client.get_layer_version().layer_name(&layer).version_number(number(arn)).send();
        match self.call(call, ask) {
            Err(error) if error.is_not_found() || error.is_forbidden() => Ok(None),
            version => {
                let version = version?;
                let location = version.content.and_then(|content| content.location);
                Ok(Some((version.description, location)))
            }
        }
    }

    /// Makes a new version, and says what Lambda has received. Tried once: whoever gets no
    /// answer has to look whether it is there.
    pub(in super::super) fn publish_version(
        &self,
        region: &str,
        new: &NewVersion,
    ) -> Result<(LayerVersionArn, ArchiveDigest), CloudError> {
        let call = Call::read("PublishLayerVersion", region).once().large();
        let content = LayerVersionContentInput::builder();
        let content = match &new.content {
            Content::Zip(bytes) => content.zip_file(Blob::new(bytes.clone())),
            Content::Object { bucket, key, version, by_reference } => content
                .s3_bucket(bucket)
                .s3_key(key)
                .set_s3_object_version(version.clone())
                .set_s3_object_storage_mode(by_reference.then_some(S3ObjectStorageMode::Reference)),
        };
        let content = content.build();
        let client = self.lambda(region);
        let answer = self.call(call, || {
            client
                .publish_layer_version()
                .layer_name(&new.name)
                .description(&new.description)
                .license_info(&new.license)
                .content(content.clone())
                .compatible_runtimes(Runtime::from("provided.al2023"))
                .compatible_architectures(architecture(new.arch))
                .send()
        })?;
        let arn = parsed(answer.layer_version_arn(), call)?;
        let received = answer.content.as_ref().and_then(|content| content.code_sha256());
        Ok((arn, digest(received, call)?))
    }

    /// Deletes a version; one that is gone is fine. Functions that have it keep it.
    ///
    /// # Errors
    ///
    /// As any call.
    pub fn delete_version(&self, arn: &LayerVersionArn) -> Result<(), CloudError> {
        let call = Call::read("DeleteLayerVersion", arn.region());
        let client = self.lambda(arn.region());
        let ask = || client.delete_layer_version().layer_name(arn.name()).version_number(number(arn)).send();
        match self.call(call, ask) {
            Err(error) if error.is_not_found() => Ok(()),
            done => done.map(|_| ()),
        }
    }

    /// Who may use a version, besides its owner.
    ///
    /// # Errors
    ///
    /// As any call.
    pub fn statements(&self, arn: &LayerVersionArn) -> Result<Vec<Statement>, CloudError> {
        let call = Call::read("GetLayerVersionPolicy", arn.region());
        let client = self.lambda(arn.region());
        let ask =
            || client.get_layer_version_policy().layer_name(arn.name()).version_number(number(arn)).send();
        match self.call(call, ask) {
            // A version that nobody shared has no policy.
            Err(error) if error.is_not_found() => Ok(Vec::new()),
            policy => Ok(parse_policy(policy?.policy().unwrap_or_default())),
        }
    }

    /// Lets somebody use a version.
    ///
    /// # Errors
    ///
    /// As any call.
    pub fn grant(&self, arn: &LayerVersionArn, to: &Grantee) -> Result<(), CloudError> {
        let call = Call::read("AddLayerVersionPermission", arn.region());
        let client = self.lambda(arn.region());
        let ask = || {
            client
                .add_layer_version_permission()
                .layer_name(arn.name())
                .version_number(number(arn))
                .statement_id(to.statement_id())
                .action("lambda:GetLayerVersion")
                .principal(to.principal())
                .set_organization_id(to.organization().map(str::to_owned))
                .send()
        };
        match self.call(call, ask) {
            // Our first try got through without an answer, or somebody was quicker: the
            // name of a statement says to whom it is.
            Err(error) if error.is("ResourceConflictException") => Ok(()),
            done => done.map(|_| ()),
        }
    }

    /// Takes a permission back; one that is gone is fine.
    ///
    /// # Errors
    ///
    /// As any call.
    pub fn revoke(&self, arn: &LayerVersionArn, statement_id: &str) -> Result<(), CloudError> {
        let call = Call::read("RemoveLayerVersionPermission", arn.region());
        let client = self.lambda(arn.region());
        let ask = || {
            client
                .remove_layer_version_permission()
                .layer_name(arn.name())
                .version_number(number(arn))
                .statement_id(statement_id)
                .send()
        };
        match self.call(call, ask) {
            Err(error) if error.is_not_found() => Ok(()),
            done => done.map(|_| ()),
        }
    }
}

fn parsed(arn: Option<&str>, call: Call<'_>) -> Result<LayerVersionArn, CloudError> {
    arn.and_then(|arn| arn.parse().ok())
        .ok_or_else(|| call.fails(Cause::Incomplete { field: "LayerVersionArn" }))
}

fn digest(text: Option<&str>, call: Call<'_>) -> Result<ArchiveDigest, CloudError> {
    text.and_then(Sha256Digest::from_base64)
        .map(ArchiveDigest)
        .ok_or_else(|| call.fails(Cause::Incomplete { field: "CodeSha256" }))
}

fn number(arn: &LayerVersionArn) -> i64 {
    i64::try_from(arn.version()).unwrap_or(i64::MAX)
}

pub(super) fn architecture(arch: Architecture) -> AwsArchitecture {
    AwsArchitecture::from(arch.as_str())
}
