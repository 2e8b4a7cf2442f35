use std::io;
use std::path::{Path, PathBuf};

use async_trait::async_trait;
use freshlayer::Digest;
use freshlayer::ports::{Created, Etag, Key, Payload, PortError, Replaced, Store, Stored};
use sha2::Sha256;

use crate::durable;

/// State in a folder.
///
/// An etag is the content's SHA-256. Replacing takes a lock beside the object, compares, and renames.
#[derive(Debug, Clone)]
pub struct FolderStore {
    root: PathBuf,
}

impl FolderStore {
    /// Uses a folder; it is made at the first write.
    pub fn new(root: impl Into<PathBuf>) -> Self {
        Self { root: root.into() }
    }

    fn path(&self, key: &Key) -> PathBuf {
        self.root.join(key.as_str())
    }
}

fn etag(bytes: &[u8]) -> Etag {
    use sha2::Digest as _;
    Etag(Digest::of(Sha256::new_with_prefix(bytes)).to_string())
}

fn read(path: &Path) -> io::Result<Option<Vec<u8>>> {
    match std::fs::read(path) {
        Ok(bytes) => Ok(Some(bytes)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(durable::at("read", path)(error)),
    }
}

#[async_trait]
impl Store for FolderStore {
    async fn read(&self, key: &Key) -> Result<Option<Stored>, PortError> {
        let stored = read(&self.path(key))?.map(|bytes| Stored { etag: etag(&bytes), bytes });
        Ok(stored)
    }

    async fn size_bytes(&self, key: &Key) -> Result<Option<u64>, PortError> {
        let path = self.path(key);
        match path.metadata() {
            Ok(found) => Ok(Some(found.len())),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(durable::at("read", &path)(error).into()),
        }
    }

    async fn read_to_file(&self, key: &Key, file: &Path) -> Result<bool, PortError> {
        let path = self.path(key);
        if !path.exists() {
            return Ok(false);
        }
        std::fs::copy(&path, file).map_err(durable::at("copy", &path))?;
        Ok(true)
    }

    async fn create(&self, key: &Key, payload: Payload<'_>) -> Result<Created, PortError> {
        let path = self.path(key);
        let (created, etag) = match payload {
            Payload::Bytes(bytes) => (durable::create(&path, bytes)?, etag(bytes)),
            Payload::File(file) => (durable::create_from(&path, file)?, Etag(String::new())),
        };
        Ok(if created { Created::Created(etag) } else { Created::Exists })
    }

    async fn replace(&self, key: &Key, seen: &Etag, bytes: &[u8]) -> Result<Replaced, PortError> {
        let path = self.path(key);
        let _lock = durable::lock(&path)?;
        match read(&path)? {
            Some(found) if etag(&found) == *seen => {
                durable::replace(&path, bytes)?;
                Ok(Replaced::Replaced(etag(bytes)))
            }
            _ => Ok(Replaced::Lost),
        }
    }

    async fn delete(&self, key: &Key) -> Result<(), PortError> {
        Ok(durable::remove(&self.path(key))?)
    }
}
