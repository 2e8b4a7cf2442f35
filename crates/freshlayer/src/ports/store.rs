use std::fmt;
use std::path::Path;

use async_trait::async_trait;

use super::PortError;
use crate::names::{Digest, LayerName};

/// Durable state: a folder, a bucket.
///
/// # Contract
/// - `create` is atomic and durable: after `Created` every reader sees the whole object, after a crash
///   before that none does. It never changes what exists.
/// - `replace` is atomic: of two writers with one etag exactly one gets `Replaced`, the other `Lost`, and
///   what is stored is wholly the winner's. A missing object gives `Lost`.
/// - Reads after a completed write see it (strong consistency, as in S3).
/// - A lost reply may hide a success. Callers read again and compare; that is always safe.
#[async_trait]
pub trait Store: Send + Sync {
    /// Reads a small object whole.
    ///
    /// # Errors
    /// What the adapter says; a missing object is `None`.
    async fn read(&self, key: &Key) -> Result<Option<Stored>, PortError>;

    /// Returns the size of an object in bytes; `None` where there is no such object.
    ///
    /// # Errors
    /// What the adapter says.
    async fn size_bytes(&self, key: &Key) -> Result<Option<u64>, PortError>;

    /// Copies a large object into a new file; `false` where there is no such object.
    ///
    /// # Errors
    /// What the adapter says.
    async fn read_to_file(&self, key: &Key, file: &Path) -> Result<bool, PortError>;

    /// Writes an object that must not exist yet.
    ///
    /// # Errors
    /// What the adapter says; an existing object is not an error.
    async fn create(&self, key: &Key, payload: Payload<'_>) -> Result<Created, PortError>;

    /// Replaces an object that is still the one that was read.
    ///
    /// # Errors
    /// What the adapter says; a lost race is not an error.
    async fn replace(&self, key: &Key, seen: &Etag, bytes: &[u8]) -> Result<Replaced, PortError>;

    /// Deletes an object; one that is not there is deleted already.
    ///
    /// # Errors
    /// What the adapter says.
    async fn delete(&self, key: &Key) -> Result<(), PortError>;
}

/// An object's name: parts joined by `/`, made by the engine only.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Key(String);

impl Key {
    /// A layer's only mutable object.
    pub fn head(layer: &LayerName) -> Self {
        Self(format!("layers/{layer}/head.json"))
    }

    /// A release's record.
    pub fn release(layer: &LayerName, seq: u64) -> Self {
        Self(format!("layers/{layer}/releases/{seq}.json"))
    }

    /// What is known of a release beside its record.
    pub fn evidence(layer: &LayerName, seq: u64, file_name: &str) -> Self {
        Self(format!("layers/{layer}/releases/{seq}/{file_name}"))
    }

    /// A rollout with its journal.
    pub fn rollout(layer: &LayerName, number: u64) -> Self {
        Self(format!("layers/{layer}/rollouts/{number}.json"))
    }

    /// The page of all layers.
    pub fn page() -> Self {
        Self("reports/index.html".to_owned())
    }

    /// What the page of all layers shows of one.
    pub fn dossier(layer: &LayerName) -> Self {
        Self(format!("reports/layers/{layer}.json"))
    }

    /// A layer's zip, by its own SHA-256.
    pub fn blob(sha256: &Digest) -> Self {
        Self(format!("blobs/{sha256}.zip"))
    }

    /// Returns the SHA-256 that a zip's key says; `None` where the text is no zip's key.
    pub fn digest_of_blob(text: &str) -> Option<Digest> {
        let name = text.strip_prefix("blobs/")?.strip_suffix(".zip")?;
        Digest::parse(name).ok()
    }

    /// Returns the text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// What names one state of an object.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Etag(pub String);

/// An object as it was read.
#[derive(Debug, Clone)]
pub struct Stored {
    /// The whole content.
    pub bytes: Vec<u8>,
    /// Its state, for [`Store::replace`].
    pub etag: Etag,
}

/// What is written.
#[derive(Debug, Clone, Copy)]
pub enum Payload<'a> {
    /// Bytes in memory.
    Bytes(&'a [u8]),
    /// A finished file on the same machine. It is not changed and may be linked.
    File(&'a Path),
}

/// How a `create` ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Created {
    /// The object is new.
    Created(Etag),
    /// It was there before, and is unchanged.
    Exists,
}

/// How a `replace` ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Replaced {
    /// It is replaced; this is its new state.
    Replaced(Etag),
    /// Someone else changed or removed it; nothing was written.
    Lost,
}
