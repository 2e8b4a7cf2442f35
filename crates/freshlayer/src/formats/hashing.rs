use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

use sha2::{Digest as _, Sha256};

use crate::names::Digest;

const BUFFER_BYTES: usize = 256 * 1024;

/// What was read.
pub(crate) struct Hashed {
    pub(crate) sha256: Digest,
    pub(crate) size_bytes: u64,
}

/// Reads to the end while hashing, and hands every piece on.
pub(crate) fn hash_through<E>(
    reader: &mut impl Read,
    unreadable: impl FnOnce(io::Error) -> E,
    mut each: impl FnMut(&[u8]) -> Result<(), E>,
) -> Result<Hashed, E> {
    let mut sha256 = Sha256::new();
    let mut size_bytes = 0;
    let mut buffer = vec![0; BUFFER_BYTES];
    loop {
        match reader.read(&mut buffer) {
            Ok(0) => {
                return Ok(Hashed { sha256: Digest::of(sha256), size_bytes });
            }
            Ok(read) => {
                sha256.update(&buffer[..read]);
                size_bytes += read as u64;
                each(&buffer[..read])?;
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(unreadable(error)),
        }
    }
}

/// Hashes a file.
///
/// # Errors
/// Where it cannot be read.
pub fn sha256_of(path: &Path) -> io::Result<Digest> {
    let mut file = File::open(path)?;
    Ok(hash_through(&mut file, |error| error, |_| Ok(()))?.sha256)
}
