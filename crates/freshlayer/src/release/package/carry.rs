//! Takes unchanged datasets out of the last release, without a download and without compressing them again.

use std::fs::File;
use std::io::BufReader;
use std::path::{Path, PathBuf};

use zip::{CompressionMethod, ZipArchive};

use super::own_path;
use crate::error::Error;
use crate::formats::deflate::Deflated;
use crate::formats::hashing::hash_through;
use crate::formats::pipe::{INPUT_BYTES, piped};
use crate::intake::inspect::{LayerFile, Proven};
use crate::names::Digest;
use crate::opt_path::{Mode, OptPath};
use crate::state::Snapshot;

/// Takes one dataset's files out of a release's zip, proving each against the record, and places it where
/// the definition wants it now.
pub(crate) fn carry(
    zip: &Path,
    snapshot: &Snapshot,
    path: &OptPath,
    folder: &Path,
) -> Result<Proven, Error> {
    let fault = |problem: String| Error::Proof {
        what: format!("dataset `{}` of the last release", snapshot.dataset),
        problem,
    };
    std::fs::create_dir_all(folder).map_err(Error::io("make the folder", folder))?;
    let file = File::open(zip).map_err(Error::io("open", zip))?;
    let mut archive = ZipArchive::new(BufReader::with_capacity(INPUT_BYTES, file))
        .map_err(|error| fault(error.to_string()))?;
    let mut files = Vec::new();
    let mut carried = Snapshot { path: path.clone(), files: Vec::new(), ..snapshot.clone() };
    for (number, recorded) in snapshot.files.iter().enumerate() {
        let sha256 = digest(&mut archive, &recorded.path, &fault)?;
        if sha256.as_str() != recorded.sha256 {
            let problem =
                format!("expected {} for {}, found {sha256}", recorded.sha256, recorded.path);
            return Err(fault(problem));
        }
        let target = folder.join(number.to_string());
        let deflated = copy(&mut archive, &recorded.path, target, &fault)?;
        let moved = OptPath::moved(&recorded.path, &snapshot.path, path);
        let moved = moved.ok_or_else(|| fault(format!("{} lies elsewhere", recorded.path)))?;
        let path = own_path(&moved)?;
        carried.files.push(freshlayer_reader::File { path: path.to_string(), ..recorded.clone() });
        let mode = Mode::recorded(&recorded.mode);
        files.push(LayerFile { path, mode, deflated, inflated: None });
    }
    Ok(Proven::carried(carried, files))
}

type Archive = ZipArchive<BufReader<File>>;

fn digest(
    archive: &mut Archive,
    name: &str,
    fault: &dyn Fn(String) -> Error,
) -> Result<Digest, Error> {
    let entry = archive.by_name(name).map_err(|error| fault(error.to_string()))?;
    let hashed =
        piped(entry, |pieces| hash_through(pieces, |error| fault(error.to_string()), |_| Ok(())));
    Ok(hashed?.sha256)
}

/// Copies an entry as it is compressed.
fn copy(
    archive: &mut Archive,
    name: &str,
    target: PathBuf,
    fault: &dyn Fn(String) -> Error,
) -> Result<Deflated, Error> {
    let index = archive.index_for_name(name);
    let index = index.ok_or_else(|| fault(format!("{name} is missing")))?;
    let mut entry = archive.by_index_raw(index).map_err(|error| fault(error.to_string()))?;
    if entry.compression() != CompressionMethod::Deflated {
        let problem = format!("expected {name} deflated, found {}", entry.compression());
        return Err(fault(problem));
    }
    let mut output = File::create(&target).map_err(Error::io("write", &target))?;
    std::io::copy(&mut entry, &mut output).map_err(Error::io("write", &target))?;
    Ok(Deflated {
        stream_bytes: entry.compressed_size(),
        size_bytes: entry.size(),
        crc32: entry.crc32(),
        file: target,
    })
}
