use std::fmt;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

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

/// A manifest as the reader takes it: a dataset of an unknown format leaves the others usable.
#[derive(Debug, Clone)]
pub(crate) struct Listing {
    pub(crate) manifest: Manifest,
    pub(crate) unknown: Vec<UnknownDataset>,
}

/// A dataset whose format this reader does not know.
#[derive(Debug, Clone, Deserialize)]
pub(crate) struct UnknownDataset {
    pub(crate) name: String,
    pub(crate) format: String,
}

impl Listing {
    pub(crate) fn parse(bytes: &[u8]) -> Result<Self, serde_json::Error> {
        #[derive(Deserialize)]
        struct Raw<'a> {
            format: u32,
            layer: String,
            release: u64,
            version: String,
            #[serde(borrow)]
            datasets: Vec<&'a RawValue>,
        }
        let Raw { format, layer, release, version, datasets: raw } = serde_json::from_slice(bytes)?;
        let (mut datasets, mut unknown) = (Vec::new(), Vec::new());
        for dataset in raw {
            let named: UnknownDataset = serde_json::from_str(dataset.get())?;
            if Format::ALL.iter().any(|known| known.word() == named.format) {
                datasets.push(serde_json::from_str(dataset.get())?);
            } else {
                unknown.push(named);
            }
        }
        let manifest = Manifest { format, layer, release, version, datasets };
        Ok(Self { manifest, unknown })
    }
}

impl Format {
    const ALL: [Self; 4] = [Self::Mmdb, Self::Sqlite, Self::File, Self::Archive];

    fn word(self) -> &'static str {
        match self {
            Self::Mmdb => "mmdb",
            Self::Sqlite => "sqlite",
            Self::File => "file",
            Self::Archive => "archive",
        }
    }
}

impl fmt::Display for Format {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.word())
    }
}

#[cfg(test)]
mod tests {
    use crate::{Error, Layer};

    fn open(datasets: &str) -> Result<(tempfile::TempDir, Layer), Error> {
        let root = tempfile::tempdir().expect("a temporary folder");
        let manifest = format!(
            r#"{{"format": 1, "layer": "geo", "release": 3, "version": "1.0.2", "datasets": [{datasets}]}}"#
        );
        std::fs::create_dir(root.path().join("freshlayer")).expect("the folder is new");
        std::fs::write(root.path().join("freshlayer/geo.json"), manifest).expect("writable");
        std::fs::write(root.path().join("note"), "good").expect("writable");
        let layer = Layer::open_in(root.path(), "geo")?;
        Ok((root, layer))
    }

    const NOTE: &str = r#"{"name": "note", "format": "file", "path": "note", "fetched_unix_secs": 1,
        "files": [{"path": "note", "size_bytes": 4, "sha256": "", "mode": "0644"}]}"#;

    #[test]
    fn an_unknown_format_shuts_its_own_dataset_only() {
        let other = r#"{"name": "table", "format": "parquet", "shards": 7}"#;
        let (_root, layer) = open(&format!("{other}, {NOTE}")).expect("the manifest is read");
        assert_eq!(&*layer.bytes("note").expect("the other dataset opens"), b"good");
        let refused = layer.path("table").expect_err("its format is unknown").to_string();
        assert!(refused.contains("`table`") && refused.contains("\"parquet\""), "{refused}");
        assert!(refused.contains("update freshlayer-reader"), "{refused}");
        let missing = layer.path("nothing").expect_err("there is none").to_string();
        assert!(missing.contains("`note`, `table`"), "{missing}");
    }

    #[test]
    fn a_known_format_is_still_read_strictly() {
        let Err(error) = open(&NOTE.replace("size_bytes", "size")) else {
            panic!("a file without a size is no file");
        };
        assert!(error.to_string().contains("size_bytes"), "{error}");
    }
}
