use std::fmt;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

/// The manifest format that this crate reads and the engine writes.
pub const FORMAT_NUMBER: u32 = 1;

/// The largest manifest that is read, in bytes: room for about 200,000 files of an archive.
pub const MANIFEST_BYTES_MAX: u64 = 32 * 1024 * 1024;

/// Returns a layer's manifest path below the root: `freshlayer/<layer>.json`.
pub fn manifest_path(layer: &str) -> PathBuf {
    PathBuf::from("freshlayer").join(format!("{layer}.json"))
}

/// What a layer says of itself: the contract between the publisher and the reader.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Manifest {
    /// Number of the manifest's format; [`FORMAT_NUMBER`] is the one understood here.
    pub format: u32,
    /// The layer's name.
    pub layer: String,
    /// The release's number: 1, 2, 3…
    pub release: u64,
    /// The data version, `MAJOR.MINOR.PATCH`.
    pub version: String,
    /// The datasets, in the order of the definition.
    pub datasets: Vec<Dataset>,
}

/// One dataset of a layer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Dataset {
    /// The dataset's name, as [`crate::Layer`] is asked for it.
    pub name: String,
    /// What kind of data it is.
    pub format: Format,
    /// Path below the root: of the file, or of the folder of an archive.
    pub path: String,
    /// When the upstream built the data, in seconds since 1970-01-01 UTC; absent where nobody says.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub built_unix_secs: Option<i64>,
    /// When freshlayer fetched the data, in seconds since 1970-01-01 UTC.
    pub fetched_unix_secs: i64,
    /// Every file of the dataset, sorted by path.
    pub files: Vec<File>,
}

/// One file of a dataset.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct File {
    /// Path below the root.
    pub path: String,
    /// Size in bytes.
    pub size_bytes: u64,
    /// SHA-256 of the content, in hex.
    pub sha256: String,
    /// Permission bits: `0644`, or `0755` for what can be run.
    pub mode: String,
}

/// The kinds of data that a layer carries.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Format {
    /// A MaxMind DB file.
    Mmdb,
    /// A SQLite 3 database.
    Sqlite,
    /// Opaque bytes.
    File,
    /// A tree of files, executable bits kept.
    Archive,
}

impl fmt::Display for Format {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Mmdb => "mmdb",
            Self::Sqlite => "sqlite",
            Self::File => "file",
            Self::Archive => "archive",
        })
    }
}
