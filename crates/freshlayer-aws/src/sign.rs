//! AWS Signer: zips are signed in the bucket before they are published. A signature is new each time, so a signed zip
//! is known by what its job signed, not by its own digest.

use std::time::Duration;

use aws_sdk_signer::Client;
use aws_sdk_signer::operation::describe_signing_job::DescribeSigningJobOutput;
use aws_sdk_signer::types::{
    Destination, S3Destination, S3SignedObject, S3Source, SigningStatus, Source,
};
use freshlayer::Digest;
use freshlayer::ports::Key;

use crate::{Fault, S3Store};

/// Where signed zips are written in the bucket; its lifecycle removes them when Lambda has its copy.
const SIGNED: &str = "signed/";
/// How long a job may take, and how long one waits between looks at first; each wait is twice the last, up to a bound.
const SIGNED_WITHIN: Duration = Duration::from_mins(5);
const FIRST_LOOK: Duration = Duration::from_millis(500);
const LOOKS_APART_MAX: Duration = Duration::from_secs(8);

/// Signs zips of one bucket.
pub(crate) struct Signer {
    client: Client,
}

impl Signer {
    pub(crate) fn new(client: Client) -> Self {
        Self { client }
    }

    /// Has a stored zip signed; returns the key of the signed one, in the same bucket.
    pub(crate) async fn sign(
        &self,
        profile: &str,
        store: &S3Store,
        key: &Key,
    ) -> Result<String, Fault> {
        let version = store.version(key).await?.ok_or_else(|| {
            let bucket = store.bucket();
            let words = format!(
                "{key} in bucket {bucket} has no version, and only versioned objects are signed: turn on the bucket's \
                 versioning, and copy an object that was there before onto itself (aws s3 cp)"
            );
            Fault::odd("StartSigningJob", words)
        })?;
        let odd = |error: aws_sdk_signer::error::BuildError| {
            Fault::odd("StartSigningJob", error.to_string())
        };
        let source = S3Source::builder()
            .bucket_name(store.bucket())
            .key(key.as_str())
            .version(version)
            .build()
            .map_err(odd)?;
        let destination = S3Destination::builder().bucket_name(store.bucket()).prefix(SIGNED);
        // The SDK gives each request a token, so its own second try starts no second job.
        let started = self
            .client
            .start_signing_job()
            .profile_name(profile)
            .source(Source::builder().s3(source).build())
            .destination(Destination::builder().s3(destination.build()).build())
            .send()
            .await
            .map_err(Fault::of("StartSigningJob"))?;
        self.signed(started.job_id().unwrap_or_default()).await
    }

    /// Waits until a job is done; returns the key that it wrote.
    async fn signed(&self, job: &str) -> Result<String, Fault> {
        let (mut wait, mut waited) = (FIRST_LOOK, Duration::ZERO);
        while waited < SIGNED_WITHIN {
            let job = self.job(job).await?;
            match job.status() {
                Some(SigningStatus::Succeeded) => {
                    let object = job.signed_object().and_then(|object| object.s3());
                    let key = object.and_then(S3SignedObject::key);
                    let odd = || Fault::odd("DescribeSigningJob", "it names no signed object");
                    return key.map(str::to_owned).ok_or_else(odd);
                }
                Some(SigningStatus::Failed) => {
                    let reason = job.status_reason().unwrap_or("it gives no reason");
                    let words = format!("the signing job failed: {reason}");
                    return Err(Fault::odd("DescribeSigningJob", words));
                }
                _ => tokio::time::sleep(wait).await,
            }
            waited += wait;
            wait = (wait * 2).min(LOOKS_APART_MAX);
        }
        let words = format!("signing job {job} is not done after {SIGNED_WITHIN:?}");
        Err(Fault::odd("DescribeSigningJob", words))
    }

    /// Returns the SHA-256 of the zip that a job signed, where that was one of this bucket's.
    pub(crate) async fn source(
        &self,
        job_arn: &str,
        store: &S3Store,
    ) -> Result<Option<Digest>, Fault> {
        let job = job_arn.rsplit('/').next().unwrap_or_default();
        let job = self.job(job).await?;
        let source = job.source().and_then(Source::s3);
        let ours = source.filter(|source| source.bucket_name() == store.bucket());
        Ok(ours.and_then(|source| Key::digest_of_blob(source.key())))
    }

    async fn job(&self, id: &str) -> Result<DescribeSigningJobOutput, Fault> {
        let asked = self.client.describe_signing_job().job_id(id).send().await;
        asked.map_err(Fault::of("DescribeSigningJob"))
    }
}
