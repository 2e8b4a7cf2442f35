//! What a head notes of Regions and functions.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::definition::Reader;
use crate::names::{AccountId, DatasetName, Digest, LayerVersionArn};

/// The version of the current release in a Region, with those who may use it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Shared {
    /// The version.
    pub version: LayerVersionArn,
    /// Who may use it, beside its own account.
    pub readers: BTreeSet<Reader>,
    /// The accounts whose functions were looked at.
    #[serde(default)]
    pub accounts: BTreeSet<AccountId>,
}

/// What a Region's parameter names, so that people's deployments take it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Parameter {
    /// The version.
    pub version: LayerVersionArn,
    /// Whether it does for certain: once consumers go elsewhere, a write that was cut off may have changed it.
    pub confirmed: bool,
}

/// A release that is recorded and stored, and that no Region took yet.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Unpublished {
    /// The release.
    pub release: u64,
    /// The digest of each of its snapshots.
    pub digests: BTreeMap<DatasetName, Digest>,
}

/// What the last whole look at the functions found.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Looked {
    /// When.
    pub at: Timestamp,
    /// How many functions use the layer.
    pub consumers: usize,
    /// How many of them were not where they should be.
    pub behind: usize,
    /// How many used another version of the layer in `$LATEST`.
    pub elsewhere: usize,
    /// A digest over the functions' tags for this layer.
    pub tags: String,
}

/// Why the last refresh failed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct FailedRun {
    /// When a refresh failed so for the first time; each one since then failed for the same reason.
    #[schemars(with = "String")]
    pub since: Timestamp,
    /// The reason.
    pub reason: String,
}
