use std::path::Path;
use std::time::Duration;

use async_trait::async_trait;
use aws_sdk_s3::Client;
use aws_sdk_s3::config::Config;
use aws_sdk_s3::config::timeout::TimeoutConfig;
use aws_sdk_s3::operation::head_object::HeadObjectOutput;
use aws_sdk_s3::primitives::ByteStream;
use aws_sdk_s3::types::Tag;
use aws_smithy_types::base64;
use freshlayer::ports::{Created, Etag, Key, Payload, PortError, Replaced, Store, Stored};
use sha2::{Digest as _, Sha256};
use tokio::io::AsyncWriteExt as _;

use crate::Fault;
use crate::connect::ANSWERS_WITHIN;

/// A conflict means that another writer is at the same object right now; so many times one waits it out.
const CONFLICTS_MAX: u32 = 10;

/// The slowest upload that is waited for.
const UPLOAD_BYTES_PER_SEC_MIN: u64 = 50_000;

/// State in a bucket: `If-None-Match` makes a create, `If-Match` makes a replace.
///
/// S3 has been strongly consistent since 2020, so a read sees every completed write.
#[derive(Clone)]
pub struct S3Store {
    client: Client,
    bucket: String,
}

impl S3Store {
    pub(crate) fn new(client: Client, bucket: &str) -> Self {
        Self { client, bucket: bucket.to_owned() }
    }

    pub(crate) fn bucket(&self) -> &str {
        &self.bucket
    }

    pub(crate) async fn has(&self, key: &Key) -> Result<bool, Fault> {
        match self.head(key).await {
            Ok(_) => Ok(true),
            // Who may not list a bucket is told 403 of what is not there, too; the write says the rest.
            Err(fault) if ["NotFound", "NoSuchKey", "HTTP 403"].iter().any(|c| fault.is(c)) => {
                Ok(false)
            }
            Err(fault) => Err(fault),
        }
    }

    /// Returns the id of an object's version; `None` where the bucket keeps no versions.
    pub(crate) async fn version(&self, key: &Key) -> Result<Option<String>, Fault> {
        let version = self.head(key).await?.version_id;
        Ok(version.filter(|id| id != "null"))
    }

    /// Returns what others wrote on an object.
    pub(crate) async fn tags(&self, key: &Key) -> Result<Vec<Tag>, Fault> {
        let asked = self.client.get_object_tagging().bucket(&self.bucket);
        let found = asked.key(key.as_str()).send().await;
        found.map_err(Fault::of("GetObjectTagging")).map(|found| found.tag_set)
    }

    async fn head(&self, key: &Key) -> Result<HeadObjectOutput, Fault> {
        let asked = self.client.head_object().bucket(&self.bucket);
        let found = asked.key(key.as_str()).send().await;
        found.map_err(Fault::of("HeadObject"))
    }

    async fn get(&self, key: &Key) -> Result<Option<Object>, Fault> {
        let asked = self.client.get_object().bucket(&self.bucket);
        match asked.key(key.as_str()).send().await.map_err(Fault::of("GetObject")) {
            Ok(object) => Ok(Some(Object {
                etag: Etag(object.e_tag().unwrap_or_default().to_owned()),
                body: object.body,
            })),
            Err(fault) if fault.is("NoSuchKey") || fault.is("NotFound") => Ok(None),
            Err(fault) => Err(fault),
        }
    }

    /// Writes under a condition; `None` where it does not hold.
    async fn put(
        &self,
        key: &Key,
        condition: Condition<'_>,
        body: Body<'_>,
    ) -> Result<Option<Etag>, Fault> {
        for _ in 0..CONFLICTS_MAX {
            let write = self.client.put_object().bucket(&self.bucket).key(key.as_str());
            let write = match condition {
                Condition::Absent => write.if_none_match("*"),
                Condition::Still(etag) => write.if_match(&etag.0),
            };
            let write = write.set_content_type(content_type(key).map(str::to_owned));
            let write = write.checksum_sha256(&body.sha256).body(body.stream().await?);
            let patient = Config::builder().timeout_config(body.patience());
            let sent = write.customize().config_override(patient).send().await;
            match sent.map_err(Fault::of("PutObject")) {
                Ok(written) => return Ok(written.e_tag().map(|etag| Etag(etag.to_owned()))),
                Err(fault) if fault.is("PreconditionFailed") => return Ok(None),
                // If-Match on an object that is gone.
                Err(fault) if fault.is("NoSuchKey") || fault.is("NotFound") => return Ok(None),
                Err(fault) if fault.is("ConditionalRequestConflict") => {}
                Err(fault) => return Err(fault),
            }
        }
        let words = format!("other writers changed the object at each of {CONFLICTS_MAX} tries");
        Err(Fault::odd("PutObject", words))
    }
}

/// Browsers and the console show a page as a page only where the bucket calls it one.
fn content_type(key: &Key) -> Option<&'static str> {
    (*key == Key::page()).then_some("text/html; charset=utf-8")
}

/// When a write may happen.
#[derive(Clone, Copy)]
enum Condition<'a> {
    Absent,
    Still(&'a Etag),
}

struct Object {
    etag: Etag,
    body: ByteStream,
}

/// What is written, with the SHA-256 that S3 holds it against.
struct Body<'a> {
    payload: Payload<'a>,
    sha256: String,
}

impl<'a> Body<'a> {
    fn of(payload: Payload<'a>) -> Result<Self, PortError> {
        let sha256 = match payload {
            Payload::Bytes(bytes) => base64::encode(Sha256::digest(bytes)),
            Payload::File(file) => {
                let digest = freshlayer::sha256_of(file)?;
                base64::encode(bytes_of(digest.as_str()))
            }
        };
        Ok(Self { payload, sha256 })
    }

    /// How long a write may take. The SDK's time for an answer begins before the body is sent, so a large zip over a
    /// slow line needs more of it.
    fn patience(&self) -> TimeoutConfig {
        let size_bytes = match self.payload {
            Payload::Bytes(bytes) => bytes.len() as u64,
            Payload::File(file) => file.metadata().map_or(0, |found| found.len()),
        };
        TimeoutConfig::builder().read_timeout(time_for(size_bytes)).build()
    }

    async fn stream(&self) -> Result<ByteStream, Fault> {
        match self.payload {
            Payload::Bytes(bytes) => Ok(ByteStream::from(bytes.to_vec())),
            Payload::File(file) => ByteStream::from_path(file)
                .await
                .map_err(|error| Fault::odd("PutObject", format!("{}: {error}", file.display()))),
        }
    }
}

fn bytes_of(hex: &str) -> Vec<u8> {
    let digits = hex.as_bytes().chunks_exact(2);
    digits.filter_map(|pair| u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok()).collect()
}

#[async_trait]
impl Store for S3Store {
    async fn read(&self, key: &Key) -> Result<Option<Stored>, PortError> {
        let Some(Object { etag, body }) = self.get(key).await? else {
            return Ok(None);
        };
        let bytes = body.collect().await?.to_vec();
        Ok(Some(Stored { bytes, etag }))
    }

    async fn size_bytes(&self, key: &Key) -> Result<Option<u64>, PortError> {
        match self.head(key).await {
            Ok(found) => Ok(found.content_length().and_then(|bytes| u64::try_from(bytes).ok())),
            Err(fault) if fault.is("NotFound") || fault.is("NoSuchKey") => Ok(None),
            Err(fault) => Err(fault.into()),
        }
    }

    async fn read_to_file(&self, key: &Key, file: &Path) -> Result<bool, PortError> {
        let Some(Object { mut body, .. }) = self.get(key).await? else {
            return Ok(false);
        };
        let mut output = tokio::fs::File::create_new(file).await?;
        while let Some(bytes) = body.try_next().await? {
            output.write_all(&bytes).await?;
        }
        output.flush().await?;
        Ok(true)
    }

    async fn create(&self, key: &Key, payload: Payload<'_>) -> Result<Created, PortError> {
        let etag = self.put(key, Condition::Absent, Body::of(payload)?).await?;
        Ok(etag.map_or(Created::Exists, Created::Created))
    }

    async fn replace(&self, key: &Key, seen: &Etag, bytes: &[u8]) -> Result<Replaced, PortError> {
        let body = Body::of(Payload::Bytes(bytes))?;
        let etag = self.put(key, Condition::Still(seen), body).await?;
        Ok(etag.map_or(Replaced::Lost, Replaced::Replaced))
    }

    /// A versioned bucket keeps what was deleted for as long as its lifecycle says.
    async fn delete(&self, key: &Key) -> Result<(), PortError> {
        let asked = self.client.delete_object().bucket(&self.bucket);
        let deleted = asked.key(key.as_str()).send().await;
        Ok(deleted.map_err(Fault::of("DeleteObject")).map(drop)?)
    }
}

/// How long a write of so many bytes may take.
fn time_for(size_bytes: u64) -> Duration {
    ANSWERS_WITHIN + Duration::from_secs(size_bytes / UPLOAD_BYTES_PER_SEC_MIN)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// F19: a time limit for the answer counted the upload, so that 250 MB needed 17 Mbit/s.
    #[test]
    fn a_large_zip_has_time_for_a_slow_line() {
        for (size_bytes, secs) in [(0, 0), (1_000_000, 20), (250_000_000, 5_000)] {
            let patience = time_for(size_bytes);
            assert_eq!(patience, ANSWERS_WITHIN + Duration::from_secs(secs));
        }
    }
}
