use memmap2::Mmap;

use crate::{Error, Format, Layer, map_file};

/// A MaxMind DB reader over a memory map.
pub type MmdbReader = maxminddb::Reader<Mmap>;

impl Layer {
    /// Opens an mmdb dataset: a memory map and a parse of the metadata, no copy.
    ///
    /// # Errors
    /// [`Error::DatasetNotFound`], [`Error::WrongFormat`], [`Error::Damaged`] where the size differs from
    /// the manifest's, [`Error::Open`] where the file is missing or is no mmdb.
    pub fn mmdb(&self, dataset: &str) -> Result<MmdbReader, Error> {
        let (path, _) = self.single_file(dataset, Some(Format::Mmdb))?;
        MmdbReader::from_source(map_file(&path)?).map_err(|error| Error::open(path, error))
    }
}
