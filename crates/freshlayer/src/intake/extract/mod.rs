//! From a downloaded body to files.
//!
//! Threats, and the defence for each:
//! - a body that expands without end: bytes, ratio and entries are counted while they pass ([`Budget`]);
//! - a name or attribute that fills memory: [`tarball`] reads the first 64 KiB of them;
//! - a name that leaves its folder, takes another file's place or folds onto it: [`Names`];
//! - a link, a device, a pipe: refused by type, never created;
//! - a body cut short: every container is read to its end, checksums included;
//! - an executable bit that the definition does not ask for: modes become 0644 or 0755, nothing else survives.
//!
//! What is wrong with the data comes back as problems, all of one pass; what is wrong with this machine
//! comes back as an error.

mod budget;
mod container;
mod files;
mod names;
mod selection;
mod tarball;
mod zstd;

use std::fs::File;
use std::path::{Path, PathBuf};

pub(crate) use budget::Budget;
pub(crate) use container::begun;
pub(crate) use files::{StagedFile, deflated_beside, reserved};
pub(crate) use names::Names;

use crate::definition::{Dataset, FormatSpec, Origin};
use crate::error::Error;
use crate::formats::deflate::deflate_file;
use crate::limits::Limits;
use crate::names::Digest;
use crate::opt_path::Mode;
use crate::problem::{Code, Problem};
use crate::progress::Meter;
use container::Container;
use files::Taker;
use freshlayer_reader::Format;

/// A body on disk.
#[derive(Debug, Clone)]
pub(crate) struct Staged {
    pub(crate) file: PathBuf,
    pub(crate) size_bytes: u64,
    pub(crate) sha256: Digest,
}

/// Which digests an extraction computes beside SHA-256.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ExtraDigest {
    Md5,
    Nothing,
}

/// Takes a dataset's files out of a body, into a folder.
///
/// Gives the files, sorted by path, or every problem.
pub(crate) fn extract(
    dataset: &Dataset,
    limits: &Limits,
    body: &Staged,
    folder: &Path,
    extra_digest: ExtraDigest,
    meter: &Meter,
) -> Result<Result<Vec<StagedFile>, Vec<Problem>>, Error> {
    std::fs::create_dir_all(folder).map_err(Error::io("make the folder", folder))?;
    let mut file = File::open(&body.file).map_err(Error::io("open", &body.file))?;
    let container = container::recognise(&mut file).map_err(Error::io("read", &body.file))?;
    let whole = dataset.format() == Format::File && dataset.source.select.globs.is_empty();
    if whole && comes_from_folder(dataset) {
        let problem = Problem::fail(Code::WrongType, "a file", "a folder: format `archive`");
        return Ok(Err(vec![problem.of(&dataset.name)]));
    }
    if container == Container::None || whole {
        return whole_file(dataset, limits, body, folder, extra_digest);
    }
    let budget = Budget::new(limits, body.size_bytes);
    let mut taker = Taker::new(dataset, limits, folder, extra_digest, budget, meter);
    container::unpack(container, file, &body.file, &mut taker)?;
    Ok(taker.finish())
}

/// A folder that came after the definition was checked would be packaged as the tar that carries it.
fn comes_from_folder(dataset: &Dataset) -> bool {
    matches!(&dataset.source.origin, Origin::File { path } if path.is_dir())
}

/// The body is the dataset: it is moved, and its digest is known from the download.
fn whole_file(
    dataset: &Dataset,
    limits: &Limits,
    body: &Staged,
    folder: &Path,
    extra_digest: ExtraDigest,
) -> Result<Result<Vec<StagedFile>, Vec<Problem>>, Error> {
    if dataset.format() == Format::Archive {
        let found = "another format, judged by its first bytes";
        let problem = Problem::fail(Code::WrongType, "a tar or zip, compressed or not", found);
        return Ok(Err(vec![problem.of(&dataset.name)]));
    }
    if body.size_bytes > limits.unpacked_bytes_max {
        let expected = format!("at most {} bytes", limits.unpacked_bytes_max);
        let found = format!("{} bytes", body.size_bytes);
        let problem = Problem::fail(Code::ExpansionLimit, expected, found);
        return Ok(Err(vec![problem.of(&dataset.name)]));
    }
    let mode = match dataset.spec {
        FormatSpec::File { mode, .. } => mode,
        _ => Mode::Plain,
    };
    let md5 = match extra_digest {
        ExtraDigest::Md5 => Some(files::md5_of(&body.file)?),
        ExtraDigest::Nothing => None,
    };
    let file = folder.join("0");
    std::fs::rename(&body.file, &file).map_err(Error::io("move", &body.file))?;
    let deflated = deflated_beside(&file);
    let deflated = deflate_file(&file, deflated).map_err(Error::io("compress", &file))?;
    Ok(Ok(vec![StagedFile {
        path: dataset.path.clone(),
        mode,
        size_bytes: body.size_bytes,
        sha256: body.sha256.clone(),
        md5,
        file,
        deflated,
    }]))
}
