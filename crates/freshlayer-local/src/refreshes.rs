//! When layers were refreshed on this machine. It lies beside the state, which a run that finds nothing new does not write.

use std::fs;
use std::path::PathBuf;

use freshlayer::LayerName;
use jiff::Timestamp;

/// The times of the last refreshes, one file per layer.
#[derive(Debug, Clone)]
pub struct Refreshes {
    folder: PathBuf,
}

impl Refreshes {
    /// Uses a folder.
    pub fn new(folder: impl Into<PathBuf>) -> Self {
        Self { folder: folder.into() }
    }

    /// Notes a refresh, whatever came of it. A time that a crash cuts off is unknown.
    ///
    /// # Errors
    /// The operating system's.
    pub fn note(&self, layer: &LayerName, at: Timestamp) -> std::io::Result<()> {
        fs::create_dir_all(&self.folder)?;
        fs::write(self.file(layer), format!("{at}\n"))
    }

    /// Returns when a layer was last refreshed, where that is known.
    pub fn last(&self, layer: &LayerName) -> Option<Timestamp> {
        fs::read_to_string(self.file(layer)).ok()?.trim().parse().ok()
    }

    fn file(&self, layer: &LayerName) -> PathBuf {
        self.folder.join(layer.as_str())
    }
}
