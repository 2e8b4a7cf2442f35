use std::fs::File;
use std::path::Path;

use memmap2::Mmap;

use crate::Error;

/// Maps a file into memory, read-only, without copying it.
///
/// An empty file gives an empty map.
///
/// # Errors
/// [`Error::Open`] where the file cannot be opened or mapped.
#[expect(unsafe_code, reason = "memory maps are the point: open without a copy at any size")]
pub fn map_file(path: &Path) -> Result<Mmap, Error> {
    let file = File::open(path).map_err(|error| Error::open(path, error))?;
    // SAFETY: a map is sound while nobody truncates or writes the file. Lambda gives an execution
    // environment its layers read-only and never changes them in place; freshlayer's own folders are
    // written once, renamed into place and never written again.
    unsafe { Mmap::map(&file) }.map_err(|error| Error::open(path, error))
}
