//! S3: the place of archives that are too large for Lambda's own API.

use std::path::Path;

use aws_sdk_s3::primitives::{ByteStream, Length};
use aws_sdk_s3::types::{
    BucketLocationConstraint, BucketVersioningStatus, CompletedMultipartUpload, CompletedPart,
    CreateBucketConfiguration, VersioningConfiguration,
};

use super::super::error::{Cause, CloudError};
use super::{Aws, Call};
use crate::sys::threads::try_in_parallel;

/// Parts of a large upload, in bytes; S3 takes 10,000 of 5 MiB or more.
const PART_BYTES: u64 = 16 << 20;
/// Parts that are under way at the same time.
const N_PARTS: usize = 4;

/// An object as S3 has it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in super::super) struct Object {
    pub(in super::super) n_bytes: u64,
    /// In a bucket that keeps versions.
    pub(in super::super) version: Option<String>,
}

/// Where an object is or is to be.
#[derive(Clone, Copy)]
pub(in super::super) struct Place<'a> {
    pub(in super::super) region: &'a str,
    pub(in super::super) bucket: &'a str,
    pub(in super::super) key: &'a str,
}

impl Aws {
    /// The object, or `None` where there is none.
    pub(in super::super) fn object(&self, place: Place<'_>) -> Result<Option<Object>, CloudError> {
        let call = Call::read("HeadObject", place.region).unpaced();
        let client = self.s3(place.region);
        match self.call(call, || client.head_object().bucket(place.bucket).key(place.key).send()) {
            Err(error) if error.is_not_found() => Ok(None),
            object => {
                let object = object?;
                let n_bytes = object.content_length().and_then(|length| u64::try_from(length).ok());
                Ok(Some(Object { n_bytes: n_bytes.unwrap_or(0), version: object.version_id }))
            }
        }
    }

    /// Whether the bucket is there and ours to use.
    pub(in super::super) fn has_bucket(&self, region: &str, bucket: &str) -> Result<bool, CloudError> {
        let call = Call::read("HeadBucket", region).unpaced();
        let client = self.s3(region);
        match self.call(call, || client.head_bucket().bucket(bucket).send()) {
            Err(error) if error.is_not_found() => Ok(false),
            done => done.map(|_| true),
        }
    }

    /// Makes a bucket that keeps versions, as references to its objects need.
    pub(in super::super) fn make_bucket(&self, region: &str, bucket: &str) -> Result<(), CloudError> {
        let call = Call::read("CreateBucket", region).unpaced();
        let client = self.s3(region);
        // The oldest region has no name here.
        let place = (region != "us-east-1").then(|| {
            CreateBucketConfiguration::builder()
                .location_constraint(BucketLocationConstraint::from(region))
                .build()
        });
        let ask =
            || client.create_bucket().bucket(bucket).set_create_bucket_configuration(place.clone()).send();
        match self.call(call, ask) {
            Err(error) if error.is("BucketAlreadyOwnedByYou") => {}
            done => _ = done?,
        }
        let call = Call { operation: "PutBucketVersioning", ..call };
        let on = VersioningConfiguration::builder().status(BucketVersioningStatus::Enabled).build();
        let ask =
            || client.put_bucket_versioning().bucket(bucket).versioning_configuration(on.clone()).send();
        self.call(call, ask).map(|_| ())
    }

    /// Puts a file there, in parts and several at a time where it is large. What is there
    /// appears whole or not at all.
    pub(in super::super) fn upload(&self, place: Place<'_>, file: &Path) -> Result<Object, CloudError> {
        let call = Call::read("PutObject", place.region).unpaced().large();
        let unreadable = |error: std::io::Error| call.fails(Cause::NotSent { detail: error.to_string() });
        let n_bytes = file.metadata().map_err(unreadable)?.len();
        if n_bytes > PART_BYTES {
            return self.upload_in_parts(place, file, n_bytes);
        }
        let client = self.s3(place.region);
        let done = self.call(call, || async {
            let body = body(file, 0, n_bytes).await;
            client.put_object().bucket(place.bucket).key(place.key).body(body).send().await
        })?;
        Ok(Object { n_bytes, version: done.version_id })
    }

    fn upload_in_parts(&self, place: Place<'_>, file: &Path, n_bytes: u64) -> Result<Object, CloudError> {
        let call = Call::read("CreateMultipartUpload", place.region).unpaced().large();
        let client = self.s3(place.region);
        let (bucket, key) = (place.bucket, place.key);
        let begun = self.call(call, || client.create_multipart_upload().bucket(bucket).key(key).send())?;
        let id = begun.upload_id.ok_or_else(|| call.fails(Cause::Incomplete { field: "UploadId" }))?;
        let finish = |parts| {
            let parts = CompletedMultipartUpload::builder().set_parts(Some(parts)).build();
            let call = Call { operation: "CompleteMultipartUpload", ..call };
            self.call(call, || {
                let complete = client.complete_multipart_upload().bucket(bucket).key(key);
                complete.upload_id(&id).multipart_upload(parts.clone()).send()
            })
        };
        let result = self.upload_parts(place, (file, n_bytes), &id).and_then(finish);
        if result.is_err() {
            // Parts cost money until they are given up. Failing at this, too, changes nothing.
            let call = Call { operation: "AbortMultipartUpload", ..call };
            _ = self
                .call(call, || client.abort_multipart_upload().bucket(bucket).key(key).upload_id(&id).send());
        }
        Ok(Object { n_bytes, version: result?.version_id })
    }

    fn upload_parts(
        &self,
        place: Place<'_>,
        (file, n_bytes): (&Path, u64),
        id: &str,
    ) -> Result<Vec<CompletedPart>, CloudError> {
        let call = Call { operation: "UploadPart", ..Call::read("", place.region).unpaced().large() };
        let client = self.s3(place.region);
        let parts: Vec<u64> = (0..n_bytes.div_ceil(PART_BYTES)).collect();
        try_in_parallel(N_PARTS, &parts, |&at| {
            let length = PART_BYTES.min(n_bytes - at * PART_BYTES);
            let number = i32::try_from(at + 1).unwrap_or(i32::MAX);
            let client = &client;
            let done = self.call(call, || async move {
                let part = client.upload_part().bucket(place.bucket).key(place.key).upload_id(id);
                part.part_number(number).body(body(file, at * PART_BYTES, length).await).send().await
            })?;
            Ok(CompletedPart::builder().part_number(number).set_e_tag(done.e_tag).build())
        })
    }
}

/// A stretch of a file as a body that can be sent again. A file that went away meanwhile is
/// an empty body, which the digest that Lambda reports will tell from the real one.
async fn body(file: &Path, offset: u64, length: u64) -> ByteStream {
    let read = ByteStream::read_from().path(file).offset(offset).length(Length::Exact(length));
    read.build().await.unwrap_or_default()
}
