//! What a run that finds nothing new needs to know of a release. It stands in the head, so such a run reads one object,
//! and it has no list of files, so the head stays small.

use freshlayer_reader::Format;
use jiff::Timestamp;
use semver::Version;
use serde::{Deserialize, Serialize};

use super::Release;
use crate::names::{DatasetName, Digest};
use crate::opt_path::OptPath;

/// A release in short.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Outline {
    /// Its number.
    pub seq: u64,
    /// Its data version.
    pub version: Version,
    /// Why it is that version.
    pub version_reasons: Vec<String>,
    /// Size of the zip in bytes.
    pub zip_bytes: u64,
    /// Size of all files in bytes.
    pub unzipped_bytes: u64,
    /// Its snapshots, in the order of the definition.
    pub snapshots: Vec<SnapshotOutline>,
}

/// A snapshot in short.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct SnapshotOutline {
    /// The dataset.
    pub dataset: DatasetName,
    /// Its format.
    pub format: Format,
    /// Its path below `/opt`.
    pub path: OptPath,
    /// Its digest.
    pub digest: Digest,
    /// When the upstream built it.
    pub built: Option<Timestamp>,
    /// When it was downloaded.
    pub fetched: Timestamp,
    /// When the upstream says that it last changed the file.
    pub last_modified: Option<Timestamp>,
}

impl SnapshotOutline {
    /// Returns the upstream's build time, or else the download's.
    pub fn built_or_fetched(&self) -> Timestamp {
        self.built.unwrap_or(self.fetched)
    }
}

impl Outline {
    /// Returns what stands here of one dataset.
    pub fn snapshot(&self, dataset: &DatasetName) -> Option<&SnapshotOutline> {
        self.snapshots.iter().find(|snapshot| snapshot.dataset == *dataset)
    }
}

impl Release {
    /// Returns the release in short.
    pub fn outline(&self) -> Outline {
        let snapshots = self.snapshots.iter().map(|snapshot| SnapshotOutline {
            dataset: snapshot.dataset.clone(),
            format: snapshot.format,
            path: snapshot.path.clone(),
            digest: snapshot.digest.clone(),
            built: snapshot.built,
            fetched: snapshot.fetched,
            last_modified: snapshot.upstream.last_modified,
        });
        Outline {
            seq: self.seq,
            version: self.version.clone(),
            version_reasons: self.version_reasons.clone(),
            zip_bytes: self.zip_bytes,
            unzipped_bytes: self.unzipped_bytes,
            snapshots: snapshots.collect(),
        }
    }
}
