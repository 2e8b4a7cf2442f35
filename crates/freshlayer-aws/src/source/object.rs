use aws_config::Region;
use aws_sdk_s3::Client;
use aws_sdk_s3::primitives::{ByteStream, DateTime};
use freshlayer::RegionName;
use freshlayer::definition::ChecksumSpec;
use freshlayer::ports::{
    Body, ExpectedChecksum, Fetch, Request, SourceError, UpstreamFacts, Validators,
};
use futures_util::stream::try_unfold;
use jiff::Timestamp;

use super::{AwsSource, Remedies, refused};
use crate::Fault;

const REMEDIES: Remedies<'static> = &[
    (&["NoSuchKey", "NotFound"], "there is no such object"),
    (&["NoSuchBucket"], "there is no such bucket"),
    (
        &["AccessDenied", "HTTP 403"],
        "it may not be read: allow s3:GetObject on it, and in the bucket's policy where the bucket is another account's",
    ),
    (
        &["PermanentRedirect", "HTTP 301", "AuthorizationHeaderMalformed"],
        "the bucket is in another Region: name it with `source.region`",
    ),
];

impl AwsSource {
    /// Reads an object, where it is another one than the caller knows.
    pub(super) async fn object(
        &self,
        request: &Request<'_>,
        region: &RegionName,
        bucket: &str,
        key: &str,
    ) -> Result<Fetch, SourceError> {
        let url = request.source.origin.to_string();
        let region = Region::new(region.to_string());
        let client = Client::new(&self.aws.sdk.to_builder().region(region).build());
        let known = request.known.and_then(|known| known.etag.clone());
        let asked = client.get_object().bucket(bucket).key(key).set_if_none_match(known.clone());
        let object = match asked.send().await.map_err(Fault::of("GetObject")) {
            Ok(object) => object,
            Err(fault) if known.is_some() && is_not_modified(&fault) => {
                return Ok(Fetch::Unchanged);
            }
            Err(fault) => return Err(refused(&url, &fault, REMEDIES)),
        };
        let etag = object.e_tag().map(str::to_owned);
        let checksums = match &request.source.checksum {
            Some(ChecksumSpec::Sha256(digest)) => {
                vec![ExpectedChecksum::TransferSha256(digest.clone())]
            }
            Some(ChecksumSpec::Sha256Url(_)) | None => Vec::new(),
        };
        let length_bytes = object.content_length().and_then(|bytes| u64::try_from(bytes).ok());
        Ok(Fetch::Body(Body {
            validators: Validators {
                etag: etag.clone(),
                build: object.version_id().filter(|id| *id != "null").map(str::to_owned),
                ..Validators::default()
            },
            facts: UpstreamFacts {
                url: url.clone(),
                etag,
                last_modified: object.last_modified().and_then(timestamp),
            },
            length_bytes,
            checksums,
            chunks: Box::pin(try_unfold(
                Reading { url, body: object.body, length_bytes, received: 0 },
                |mut reading| async move { Ok(reading.next().await?.map(|chunk| (chunk, reading))) },
            )),
        }))
    }
}

fn is_not_modified(fault: &Fault) -> bool {
    ["NotModified", "HTTP 304", "304"].iter().any(|code| fault.is(code))
}

fn timestamp(at: &DateTime) -> Option<Timestamp> {
    Timestamp::from_second(at.secs()).ok()
}

/// An object on its way. One that breaks off is read again by the next run.
struct Reading {
    url: String,
    body: ByteStream,
    length_bytes: Option<u64>,
    received: u64,
}

impl Reading {
    async fn next(&mut self) -> Result<Option<bytes::Bytes>, SourceError> {
        let chunk = self.body.try_next().await;
        match chunk.map_err(|error| self.broken(&freshlayer::chain(&error)))? {
            Some(chunk) => {
                self.received += chunk.len() as u64;
                Ok(Some(chunk))
            }
            None if self.length_bytes.is_some_and(|length| length != self.received) => {
                Err(self.broken("the object ended early"))
            }
            None => Ok(None),
        }
    }

    fn broken(&self, what: &str) -> SourceError {
        let reason = format!("{what} after {} bytes", self.received);
        SourceError::Unreachable { url: self.url.clone(), tries: 1, reason, source: None }
    }
}
