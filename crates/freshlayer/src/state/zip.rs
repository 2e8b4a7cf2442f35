//! The zip of a release: fetched from the store and proved by its digest, in this one place.

use std::path::{Path, PathBuf};

use super::Release;
use crate::error::Error;
use crate::formats::hashing::sha256_of;
use crate::names::Digest;
use crate::ports::{Key, Store};

/// A layer's zip on this machine.
#[derive(Debug, Clone)]
pub(crate) struct LayerZip {
    pub(crate) path: PathBuf,
    pub(crate) sha256: Digest,
    pub(crate) size_bytes: u64,
}

impl Release {
    /// Brings the stored zip of this release to a file.
    ///
    /// # Errors
    /// [`Error::Store`]; [`Error::ZipMissing`] where the store lacks it; [`Error::Proof`] where its bytes are not the
    /// recorded ones.
    pub(crate) async fn fetch_zip(
        &self,
        store: &dyn Store,
        file: &Path,
    ) -> Result<LayerZip, Error> {
        let key = Key::blob(&self.zip_sha256);
        let found = store.read_to_file(&key, file).await;
        let found = found.map_err(|source| Error::Store { key: key.to_string(), source })?;
        if !found {
            return Err(Error::ZipMissing { release: self.seq, key: key.to_string() });
        }
        prove_zip(file, &self.zip_sha256, &format!("the stored zip of release {}", self.seq))?;
        let (path, sha256) = (file.to_owned(), self.zip_sha256.clone());
        Ok(LayerZip { path, sha256, size_bytes: self.zip_bytes })
    }
}

/// Holds a zip on this machine against the digest that it must have.
///
/// # Errors
/// [`Error::Proof`] where it has another one, [`Error::Io`] where it cannot be read.
pub(crate) fn prove_zip(file: &Path, expected: &Digest, what: &str) -> Result<(), Error> {
    let found = sha256_of(file).map_err(Error::io("read", file))?;
    if found == *expected {
        return Ok(());
    }
    let problem = format!("expected SHA-256 {expected}, found {found}");
    Err(Error::Proof { what: what.to_owned(), problem })
}
