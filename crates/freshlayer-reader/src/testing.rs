//! Layers for the unit tests of a consumer: a few records or rows, no release and no network.
//!
//! ```
//! # #[cfg(all(feature = "mmdb", feature = "sqlite"))] {
//! use freshlayer_reader::testing::LayerFolder;
//! use serde_json::json;
//!
//! let folder = LayerFolder::new("geo")
//!     .mmdb("country", [("192.0.2.0/24", json!({ "country": { "iso_code": "DE" } }))])
//!     .sqlite("zones", |zones| zones.execute_batch("CREATE TABLE zones (name TEXT)"));
//! let country = folder.open().mmdb("country").unwrap();
//! assert!(country.lookup("192.0.2.7".parse().unwrap()).unwrap().has_data());
//! # }
//! ```
//!
//! The folder has what `/opt` has: a program that opens the layer by itself finds it where `FRESHLAYER_ROOT` names
//! [`LayerFolder::root`].

use std::fs;
use std::path::Path;
use std::time::{SystemTime, UNIX_EPOCH};

#[cfg(feature = "mmdb")]
use serde::Serialize;
use sha2::{Digest, Sha256};
use tempfile::TempDir;

use crate::{Dataset, FORMAT_NUMBER, File, Format, Layer, Manifest, manifest_path};

/// A layer in a temporary folder, which goes away with it.
///
/// Each dataset lies where a definition without a `path` puts it.
#[derive(Debug)]
pub struct LayerFolder {
    root: TempDir,
    manifest: Manifest,
}

impl LayerFolder {
    /// Makes a layer without a dataset: release 1, version 1.0.0.
    ///
    /// # Panics
    /// Where the temporary folder cannot be written; so do all methods.
    pub fn new(layer: &str) -> Self {
        let root = tempfile::tempdir().expect("a temporary folder can be made");
        let manifest = Manifest {
            format: FORMAT_NUMBER,
            layer: layer.to_owned(),
            release: 1,
            version: "1.0.0".to_owned(),
            datasets: Vec::new(),
        };
        let folder = Self { root, manifest };
        folder.write_manifest();
        folder
    }

    /// Adds an mmdb with the records of some networks; what is `None` or `null` is left out.
    ///
    /// A value gets the type that it has in Rust, and the reader takes no other: a `u16` is read as `u16` only. The whole
    /// numbers of a [`serde_json::Value`] are `uint64`, and it has no negative ones, so records of the types that `freshlayer codegen` writes are the
    /// better ones.
    ///
    /// # Panics
    /// Where a network is none, or a record holds what an mmdb cannot.
    #[cfg(feature = "mmdb")]
    #[must_use]
    pub fn mmdb<'a>(
        self,
        dataset: &str,
        records: impl IntoIterator<Item = (&'a str, impl Serialize)>,
    ) -> Self {
        let path = format!("{}/{dataset}.mmdb", self.manifest.layer);
        self.with(dataset, Format::Mmdb, &path, &[(path.clone(), written_mmdb(dataset, records))])
    }

    /// Adds a SQLite database that `fill` makes tables and rows in.
    ///
    /// # Panics
    /// Where `fill` fails.
    #[cfg(feature = "sqlite")]
    #[must_use]
    pub fn sqlite(
        self,
        dataset: &str,
        fill: impl FnOnce(&rusqlite::Connection) -> rusqlite::Result<()>,
    ) -> Self {
        let path = format!("{}/{dataset}.sqlite", self.manifest.layer);
        let bytes = written_sqlite(fill).expect("the statements hold");
        self.with(dataset, Format::Sqlite, &path, &[(path.clone(), bytes)])
    }

    /// Adds a file.
    #[must_use]
    pub fn file(self, dataset: &str, bytes: &[u8]) -> Self {
        let path = format!("{}/{dataset}", self.manifest.layer);
        self.with(dataset, Format::File, &path, &[(path.clone(), bytes.to_vec())])
    }

    /// Adds an archive: files by their path below its folder.
    #[must_use]
    pub fn archive<'a>(
        self,
        dataset: &str,
        files: impl IntoIterator<Item = (&'a str, &'a [u8])>,
    ) -> Self {
        let folder = format!("{}/{dataset}", self.manifest.layer);
        let files =
            files.into_iter().map(|(path, bytes)| (format!("{folder}/{path}"), bytes.into()));
        self.with(dataset, Format::Archive, &folder, &files.collect::<Vec<_>>())
    }

    /// Opens the layer. Keep the folder: what is opened later is gone with it.
    ///
    /// # Panics
    /// Where a test broke the manifest.
    pub fn open(&self) -> Layer {
        Layer::open_in(self.root(), &self.manifest.layer).expect("it was written just now")
    }

    /// Returns the folder that stands for `/opt`.
    pub fn root(&self) -> &Path {
        self.root.path()
    }

    fn with(mut self, name: &str, format: Format, path: &str, files: &[(String, Vec<u8>)]) -> Self {
        let mut files: Vec<File> =
            files.iter().map(|(path, bytes)| self.write(path, bytes)).collect();
        files.sort_by(|one, other| one.path.cmp(&other.path));
        self.manifest.datasets.push(Dataset {
            name: name.to_owned(),
            format,
            path: path.to_owned(),
            built_unix_secs: None,
            fetched_unix_secs: now_unix_secs(),
            files,
        });
        self.write_manifest();
        self
    }

    fn write(&self, path: &str, bytes: &[u8]) -> File {
        let file = self.root().join(path);
        let folder = file.parent().expect("it lies below the root");
        fs::create_dir_all(folder).expect("the temporary folder is writable");
        fs::write(&file, bytes).expect("the temporary folder is writable");
        File {
            path: path.to_owned(),
            size_bytes: bytes.len() as u64,
            sha256: Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect(),
            mode: "0644".to_owned(),
        }
    }

    fn write_manifest(&self) {
        let path = manifest_path(&self.manifest.layer);
        let text = serde_json::to_vec(&self.manifest).expect("a manifest is JSON");
        self.write(&path.to_string_lossy(), &text);
    }
}

#[expect(clippy::disallowed_methods, reason = "a consumer has no Clock port")]
fn now_unix_secs() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_secs()).unwrap_or(i64::MAX)
}

#[cfg(feature = "mmdb")]
fn written_mmdb<'a>(
    database_type: &str,
    records: impl IntoIterator<Item = (&'a str, impl Serialize)>,
) -> Vec<u8> {
    let mut writer = mmdb_writer::Writer::new(database_type);
    for (network, record) in records {
        let network: mmdb_writer::ipnet::IpNet =
            network.parse().unwrap_or_else(|error| panic!("{network:?} is no network: {error}"));
        writer.insert(network, &record).expect("an mmdb holds it");
    }
    writer.to_bytes().expect("memory takes it")
}

#[cfg(feature = "sqlite")]
fn written_sqlite(
    fill: impl FnOnce(&rusqlite::Connection) -> rusqlite::Result<()>,
) -> rusqlite::Result<Vec<u8>> {
    let folder = tempfile::tempdir().expect("a temporary folder can be made");
    let path = folder.path().join("made.sqlite");
    let connection = rusqlite::Connection::open(&path)?;
    fill(&connection)?;
    connection.close().map_err(|(_, error)| error)?;
    Ok(fs::read(&path).expect("it was written just now"))
}
