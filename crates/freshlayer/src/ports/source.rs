use std::pin::Pin;

use async_trait::async_trait;
use bytes::Bytes;
use futures_util::Stream;
use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::PortError;
use crate::definition::SourceSpec;
use crate::limits::Limits;
use crate::names::Digest;

/// Where data comes from.
///
/// # Contract
/// - Conditional: with validators of the state that the caller has seen, an unchanged upstream costs one
///   request and answers [`Fetch::Unchanged`]. Without validators it never answers that.
/// - The body is the upstream's bytes, in order, each once. A broken transfer is taken up again only where
///   the upstream proves by a strong validator that it is the same file; otherwise the stream fails.
/// - A stream that ends without an error is complete by the upstream's own word (length).
/// - Reading is free of effects; calling again is safe. Tries, redirects and waiting are bounded by `limits`.
/// - `news` reads no body, and causes no download that the upstream counts.
/// - No error, fact or log holds a secret.
#[async_trait]
pub trait Source: Send + Sync {
    /// Asks for what is new.
    ///
    /// # Errors
    /// [`SourceError`], each variant a decision of the caller.
    async fn fetch(&self, request: Request<'_>) -> Result<Fetch, SourceError>;

    /// Tells whether something is new.
    ///
    /// # Errors
    /// As [`Source::fetch`].
    async fn news(&self, request: Request<'_>) -> Result<News, SourceError>;
}

/// What is asked of a source.
#[derive(Debug, Clone, Copy)]
pub struct Request<'a> {
    /// The upstream.
    pub source: &'a SourceSpec,
    /// What the upstream said of the state that the caller has seen.
    pub known: Option<&'a Validators>,
    /// How many of its addresses are passed over, because they broke off.
    pub passed_over: usize,
    /// The bounds.
    pub limits: &'a Limits,
}

/// Whether an upstream has something new.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum News {
    /// It still has what the validators name.
    Unchanged,
    /// It has something else, or cannot tell.
    Newer {
        /// Length of the body in bytes, where the upstream says.
        length_bytes: Option<u64>,
        /// When the upstream says that it last changed the file.
        changed: Option<Timestamp>,
    },
}

/// What names a state of an upstream file, in the upstream's words.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Validators {
    /// HTTP's `ETag`, as it came.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub etag: Option<String>,
    /// HTTP's `Last-Modified`, as it came; a file's size and time.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_modified: Option<String>,
    /// The MD5 and date by which MaxMind names a build; an object's version; the ARN of a layer version.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub build: Option<String>,
    /// The mirror that gave all this, as the definition writes it; absent for the source's own address.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub address: Option<String>,
}

impl Validators {
    /// Tells whether the upstream gave nothing to ask by.
    pub fn is_empty(&self) -> bool {
        self.etag.is_none() && self.last_modified.is_none() && self.build.is_none()
    }
}

/// What a release record keeps of where its data came from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct UpstreamFacts {
    /// The address as the definition writes it, variables not filled in.
    pub url: String,
    /// `ETag`, as it came.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub etag: Option<String>,
    /// When the upstream says that it last changed the file.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<String>")]
    pub last_modified: Option<Timestamp>,
}

/// A source's answer.
#[expect(clippy::large_enum_variant, reason = "there is one per download")]
pub enum Fetch {
    /// The upstream still has what the validators name.
    Unchanged,
    /// The upstream has something; its body follows.
    Body(Body),
}

impl Fetch {
    /// Returns what the answer tells without its body.
    pub fn news(self) -> News {
        match self {
            Self::Unchanged => News::Unchanged,
            Self::Body(Body { length_bytes, facts, .. }) => {
                News::Newer { length_bytes, changed: facts.last_modified }
            }
        }
    }
}

/// A body that is about to be read.
pub struct Body {
    /// What the upstream said of it, for the next request.
    pub validators: Validators,
    /// What the release record keeps.
    pub facts: UpstreamFacts,
    /// Length in bytes, where the upstream says.
    pub length_bytes: Option<u64>,
    /// Checksums that must match.
    pub checksums: Vec<ExpectedChecksum>,
    /// The bytes. Nothing is requested before the first poll that was not needed for the answer.
    pub chunks: Pin<Box<dyn Stream<Item = Result<Bytes, SourceError>> + Send>>,
}

/// A checksum by which the upstream or the definition names the right bytes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ExpectedChecksum {
    /// SHA-256 of the body as it is transferred.
    TransferSha256(Digest),
    /// A signature of minisign of the body as it is transferred.
    Minisign {
        /// The public key, in base64.
        key: String,
        /// The signature file's text.
        signature: String,
    },
    /// MD5 of the one extracted file, in hex.
    ExtractedMd5(String),
}

/// Why a source gave nothing. The caller keeps the last good release in every case.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SourceError {
    /// The upstream refuses: credentials, address or edition are wrong. Trying again does not help.
    #[error("{url}: the upstream refused the request: {reason}")]
    Refused {
        /// The address as the definition writes it.
        url: String,
        /// What the upstream said and what to do.
        reason: String,
    },
    /// The account's downloads are used up for the day. Trying again makes it worse.
    #[error("{url}: the daily download limit is reached; the next run asks again")]
    QuotaReached {
        /// The address as the definition writes it.
        url: String,
    },
    /// The layer has had as many downloads as it may have in one day, so that others have some left.
    #[error(
        "{url}: the layer has had {count} downloads from MaxMind today, as many as `limits.maxmind_downloads_per_day` \
         allows; the first run after midnight UTC asks again"
    )]
    BudgetSpent {
        /// The address as the definition writes it.
        url: String,
        /// How many there were.
        count: u32,
    },
    /// The upstream cannot be reached or breaks off, after all tries.
    #[error("{url} cannot be read after {}: {reason}", tries_in_words(*tries))]
    Unreachable {
        /// The address as the definition writes it.
        url: String,
        /// How many tries were made.
        tries: u32,
        /// What happened at the last one.
        reason: String,
        /// The cause.
        source: Option<PortError>,
    },
    /// Credentials are missing or a local file cannot be read.
    #[error("{0}")]
    Setup(String),
}

fn tries_in_words(tries: u32) -> String {
    if tries == 1 { "1 try".to_owned() } else { format!("{tries} tries") }
}
