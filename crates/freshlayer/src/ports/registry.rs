use std::collections::BTreeSet;
use std::path::Path;

use async_trait::async_trait;

use semver::Version;

use super::PortError;
use crate::definition::{Origin, Reader, Terms};
use crate::names::{Digest, LayerName, LayerVersionArn, RegionName};

/// Layer versions in one Region of one account.
///
/// # Contract
/// - Versions of a layer are numbered 1, 2, 3…; numbers are never used again, versions never change.
/// - `publish` is not idempotent, as Lambda's is not: two calls make two versions. The caller looks with
///   `versions` before, and after a lost reply.
/// - `versions` sees every completed publish of this account; the list may lag for some seconds.
/// - `delete` is idempotent. Functions that use a deleted version keep running, but Lambda rejects every later update
///   of them. The caller must make sure that no function uses it.
/// - `share` is idempotent. It only adds readers: access that was granted to a version stays.
/// - `announce` is idempotent: the last call counts. Where [`Registry::parameters`] are absent it does nothing.
#[async_trait]
pub trait Registry: Send + Sync {
    /// Returns the Region's name, as it stands in state and reports.
    fn region(&self) -> &RegionName;

    /// Tells whether `announce` writes where people's deployments look.
    fn parameters(&self) -> Parameters;

    /// Lists all versions of a layer of this account, newest first.
    ///
    /// # Errors
    /// What the adapter says.
    async fn versions(&self, layer: &LayerName) -> Result<Vec<ListedVersion>, PortError>;

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

    /// Says where the zip of a version can be fetched, for some minutes at least; of any version that this account
    /// may read. `None` where it does not exist.
    ///
    /// # Errors
    /// What the adapter says.
    async fn locate(&self, arn: &LayerVersionArn) -> Result<Option<Located>, PortError>;

    /// Lets the readers use a version.
    ///
    /// # Errors
    /// What the adapter says.
    async fn share(
        &self,
        arn: &LayerVersionArn,
        readers: &BTreeSet<Reader>,
    ) -> Result<(), PortError>;

    /// Says where people's deployments look that a version is the one to use.
    ///
    /// # Errors
    /// What the adapter says.
    async fn announce(&self, announcement: Announcement<'_>) -> Result<(), PortError>;

    /// Lists who beside its own account may use a version: accounts by their twelve digits, organisations by their
    /// ids, `*` for everyone.
    ///
    /// # Errors
    /// What the adapter says.
    async fn readers(&self, arn: &LayerVersionArn) -> Result<BTreeSet<String>, PortError>;

    /// Deletes a version; one that is not there is deleted already.
    ///
    /// # Errors
    /// What the adapter says.
    async fn delete(&self, arn: &LayerVersionArn) -> Result<(), PortError>;
}

/// Where a layer version's zip is.
#[derive(Debug, Clone)]
pub struct Located {
    /// The SHA-256 of the zip.
    pub sha256: Digest,
    /// Where it can be fetched.
    pub origin: Origin,
}

/// Whether people's deployments look up the version to use.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Parameters {
    /// They do, in a parameter of the Region.
    Written,
    /// There is none: the head says which version is the one to use.
    Absent,
}

/// The version to use.
#[derive(Debug, Clone, Copy)]
pub struct Announcement<'a> {
    /// The layer.
    pub layer: &'a LayerName,
    /// Its version.
    pub arn: &'a LayerVersionArn,
    /// The data version that it carries.
    pub version: &'a Version,
}

/// What becomes a layer version.
#[derive(Debug, Clone, Copy)]
pub struct Publication<'a> {
    /// The layer.
    pub layer: &'a LayerName,
    /// At most 256 characters; holds the content digest by which it is found in [`Registry::versions`].
    pub description: &'a str,
    /// The zip on this machine.
    pub zip: &'a Path,
    /// The zip's SHA-256.
    pub sha256: &'a Digest,
    /// What it is published with.
    pub terms: &'a Terms,
}

/// Whether a layer version is signed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Signature {
    /// It is not.
    Unsigned,
    /// AWS Signer signed its zip.
    Signed,
}

/// A layer version as a list has it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ListedVersion {
    /// Its ARN.
    pub arn: LayerVersionArn,
    /// The description that it was published with.
    pub description: String,
}

/// One layer version.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LayerVersion {
    /// Its ARN.
    pub arn: LayerVersionArn,
    /// The description that it was published with.
    pub description: String,
    /// The SHA-256 of the zip that it was made of: the one that the registry holds (Lambda's `CodeSha256`, as hex), or
    /// the one that was signed before it was published.
    pub sha256: Digest,
    /// Whether it is signed.
    pub signature: Signature,
}
