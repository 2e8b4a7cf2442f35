use std::path::Path;

use async_trait::async_trait;

use super::PortError;
use crate::names::{Digest, LayerName, LayerVersionArn};

/// Layer versions in one Region of one account.
///
/// # Contract
/// - Versions of a layer are numbered 1, 2, 3…; numbers are never used again, versions never change.
/// - `publish` is not idempotent, as Lambda's is not: two calls make two versions. The caller looks with
///   `find` before, and after a lost reply.
/// - `find` sees every completed publish of this account, newest first by number.
#[async_trait]
pub trait Registry: Send + Sync {
    /// Returns the Region's name, as it stands in state and reports.
    fn region(&self) -> &str;

    /// Finds the newest version that was published with this description.
    ///
    /// # Errors
    /// What the adapter says.
    async fn find(
        &self,
        layer: &LayerName,
        description: &str,
    ) -> Result<Option<LayerVersion>, PortError>;

    /// Makes a new version.
    ///
    /// # Errors
    /// What the adapter says, such as a zip that unpacks to more than 262,144,000 bytes.
    async fn publish(&self, publication: Publication<'_>) -> Result<LayerVersion, PortError>;

    /// Reads one version back; `None` where it does not exist.
    ///
    /// # Errors
    /// What the adapter says.
    async fn read_back(&self, arn: &LayerVersionArn) -> Result<Option<LayerVersion>, PortError>;
}

/// What becomes a layer version.
#[derive(Debug, Clone, Copy)]
pub struct Publication<'a> {
    /// The layer.
    pub layer: &'a LayerName,
    /// At most 256 characters; holds the content digest by which [`Registry::find`] finds it.
    pub description: &'a str,
    /// The zip on this machine.
    pub zip: &'a Path,
    /// The zip's SHA-256.
    pub sha256: &'a Digest,
}

/// One layer version.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LayerVersion {
    /// Its ARN.
    pub arn: LayerVersionArn,
    /// The description that it was published with.
    pub description: String,
    /// The SHA-256 of the zip that the registry holds (Lambda's `CodeSha256`, as hex).
    pub sha256: Digest,
}
