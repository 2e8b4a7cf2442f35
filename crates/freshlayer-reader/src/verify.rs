use std::io::Read;
use std::path::Path;

use sha2::{Digest, Sha256};

use crate::{Error, Layer};

impl Layer {
    /// Hashes every file of the layer and compares it with the manifest; the files of a dataset whose format
    /// this reader does not know are left out.
    ///
    /// It reads all bytes: about a quarter of a second per 100 MB, more from a cold disk. Opening does not
    /// do it; when it is worth the time is the caller's choice.
    ///
    /// # Errors
    /// [`Error::Damaged`] at the first file that differs, [`Error::Open`] where one cannot be read.
    pub fn verify(&self) -> Result<(), Error> {
        for file in self.manifest().datasets.iter().flat_map(|dataset| &dataset.files) {
            let path = self.root().join(&file.path);
            let found = sha256(&path).map_err(|error| Error::open(&path, error))?;
            if found != file.sha256 {
                let expected = format!("SHA-256 {}", file.sha256);
                return Err(Error::Damaged { path, expected, found });
            }
        }
        Ok(())
    }
}

fn sha256(path: &Path) -> std::io::Result<String> {
    let mut file = std::fs::File::open(path)?;
    let mut hasher = Sha256::new();
    let mut buffer = vec![0; 128 * 1024];
    loop {
        let read = file.read(&mut buffer)?;
        if read == 0 {
            return Ok(hasher.finalize().iter().map(|byte| format!("{byte:02x}")).collect());
        }
        hasher.update(&buffer[..read]);
    }
}
