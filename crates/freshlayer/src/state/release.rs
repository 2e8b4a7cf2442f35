use std::collections::{BTreeMap, BTreeSet};

use freshlayer_reader::{Dataset, File, Format, Manifest};
use jiff::Timestamp;
use semver::Version;
use serde::{Deserialize, Serialize};
use sha2::Digest as _;

use crate::names::{DatasetName, Digest, LayerName};
use crate::opt_path::OptPath;
use crate::ports::UpstreamFacts;
use crate::problem::{GateReport, Problem};
use crate::schema::{Contract, NamedValues, ValueTypes};

use super::CountriesMoved;

/// The record of one release: written once, never changed.
///
/// Where it is published stands in the head, because that grows after the record is written.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Release {
    /// Number of the state format.
    pub format: u32,
    /// The layer.
    pub layer: LayerName,
    /// 1, 2, 3…
    pub seq: u64,
    /// The data version, decided by the machine.
    pub version: Version,
    /// Why it is that version.
    pub version_reasons: Vec<String>,
    /// The content digest: path, mode and SHA-256 of every file.
    pub content: Digest,
    /// SHA-256 of the zip.
    pub zip_sha256: Digest,
    /// Size of the zip in bytes.
    pub zip_bytes: u64,
    /// Size of all files in bytes.
    pub unzipped_bytes: u64,
    /// When the record was made.
    pub created: Timestamp,
    /// The snapshots, in the order of the definition.
    pub snapshots: Vec<Snapshot>,
    /// What inspection noted without refusing.
    pub warnings: Vec<Problem>,
}

/// One downloaded state of a dataset.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Snapshot {
    /// The dataset.
    pub dataset: DatasetName,
    /// Its format.
    pub format: Format,
    /// Its path below `/opt`.
    pub path: OptPath,
    /// SHA-256 of the extracted bytes; of an archive, of the list of its files.
    pub digest: Digest,
    /// Its files, sorted by path.
    pub files: Vec<File>,
    /// Where it came from.
    pub upstream: UpstreamFacts,
    /// When the upstream built it, by the data's own word or else by `Last-Modified`.
    pub built: Option<Timestamp>,
    /// When it was downloaded.
    pub fetched: Timestamp,
    /// What drift and the data version are judged by.
    pub profile: Profile,
    /// What the definition promised of it.
    #[serde(default, skip_serializing_if = "Contract::is_empty")]
    pub contract: Contract,
    /// Every check that its data went through; empty in records of versions that did not keep it.
    #[serde(default, skip_serializing_if = "GateReport::is_empty")]
    pub gates: GateReport,
    /// Which addresses changed country; absent where no data served that this could be compared with.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub countries_moved: Option<CountriesMoved>,
}

/// A snapshot in numbers and names.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Profile {
    /// Counts by which drift is judged: `bytes`, `nodes`, `rows of cities`…
    pub counts: BTreeMap<String, u64>,
    /// How much each of the last releases differed from the one before, by check and count, and of SQLite by check and table
    /// or column, in parts per million; the newest is this one's.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub changes: Vec<BTreeMap<String, u32>>,
    /// The shape that consumers rely on: fields with types, columns, executables.
    pub shape: BTreeSet<String>,
    /// SQLite: the types that the values have, whatever their columns are declared as; empty in records of versions that did
    /// not count them.
    #[serde(default, skip_serializing_if = "ValueTypes::is_empty")]
    pub value_types: ValueTypes,
    /// How many networks or rows have each value that the contract lists; empty in older records.
    #[serde(default, skip_serializing_if = "NamedValues::is_empty")]
    pub named_values: NamedValues,
}

impl Snapshot {
    /// Returns the upstream's build time, or else the download's.
    pub fn built_or_fetched(&self) -> Timestamp {
        self.built.unwrap_or(self.fetched)
    }

    /// Returns the size of all files in bytes.
    pub fn size_bytes(&self) -> u64 {
        self.files.iter().map(|file| file.size_bytes).sum()
    }
}

impl Release {
    /// Returns the manifest that the layer carries: a function of this record alone.
    pub fn manifest(&self) -> Manifest {
        Manifest {
            format: freshlayer_reader::FORMAT_NUMBER,
            layer: self.layer.to_string(),
            release: self.seq,
            version: self.version.to_string(),
            datasets: self.snapshots.iter().map(manifest_dataset).collect(),
        }
    }

    /// Returns the record of one dataset.
    pub fn snapshot(&self, dataset: &DatasetName) -> Option<&Snapshot> {
        self.snapshots.iter().find(|snapshot| snapshot.dataset == *dataset)
    }
}

fn manifest_dataset(snapshot: &Snapshot) -> Dataset {
    Dataset {
        name: snapshot.dataset.to_string(),
        format: snapshot.format,
        path: snapshot.path.to_string(),
        built_unix_secs: snapshot.built.map(Timestamp::as_second),
        fetched_unix_secs: snapshot.fetched.as_second(),
        files: snapshot.files.clone(),
    }
}

/// Computes the content digest of a set of snapshots: path, mode and SHA-256 of each file, and which
/// dataset and format it belongs to. Not the manifest, not the compression, not the times.
pub fn content_digest(snapshots: &[Snapshot]) -> Digest {
    let mut hasher = sha2::Sha256::new();
    for snapshot in snapshots {
        hasher.update(format!("{} {} {}\n", snapshot.dataset, snapshot.format, snapshot.path));
        for file in &snapshot.files {
            hasher.update(format!("{} {} {}\n", file.mode, file.sha256, file.path));
        }
    }
    Digest::of(hasher)
}
