//! Opens a finished zip the way a consumer will, before anyone is moved to it.

use std::fs::File;
use std::io::{BufReader, Read, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use freshlayer_reader::{Format, Layer, Manifest};

use super::own_path;
use crate::error::Error;
use crate::formats::hashing::{Hashed, hash_through};
use crate::formats::pipe::{INPUT_BYTES, piped};
use crate::names::{Digest, LayerName};
use crate::opt_path::Mode;

/// Unpacks a layer's zip into a new folder with a common inflater, compares every file with the manifest,
/// and opens each dataset with the consumer's reader.
///
/// Returns the manifest and the bytes that were unpacked.
///
/// # Errors
/// [`Error::Proof`] at the first thing that is not as the manifest says; [`Error::Io`].
pub fn prove(
    zip: &Path,
    layer: &LayerName,
    folder: &Path,
    progress: &dyn Fn(usize),
) -> Result<(Manifest, u64), Error> {
    let found = unpack(zip, folder, progress)?;
    let opened = Layer::open_in(folder, layer.as_str()).map_err(|error| fault(zip, &error))?;
    let manifest = opened.manifest();
    let mut said: Vec<Unpacked> = Vec::new();
    for file in manifest.datasets.iter().flat_map(|dataset| &dataset.files) {
        let sha256 = Digest::parse(&file.sha256).map_err(|problem| fault(zip, &problem))?;
        said.push(Unpacked { path: file.path.clone(), mode: file.mode.clone(), sha256 });
    }
    said.sort_by(|a, b| a.path.cmp(&b.path));
    let own = freshlayer_reader::manifest_path(layer.as_str());
    let data = found.files.iter().filter(|file| Path::new(&file.path) != own);
    if !data.eq(said.iter()) {
        let differs =
            found.files.iter().find(|file| Path::new(&file.path) != own && !said.contains(file));
        let name = differs.map_or("a file is missing", |file| file.path.as_str());
        return Err(fault(zip, &format!("expected the files of the manifest, found: {name}")));
    }
    for dataset in &manifest.datasets {
        open(&opened, &dataset.name, dataset.format).map_err(|error| {
            fault(zip, &format!("dataset {}: {}", dataset.name, crate::error::chain(&error)))
        })?;
    }
    Ok((manifest.clone(), found.size_bytes))
}

fn open(layer: &Layer, dataset: &str, format: Format) -> Result<(), freshlayer_reader::Error> {
    match format {
        Format::Mmdb => layer.mmdb(dataset).map(drop),
        Format::Sqlite => layer.sqlite(dataset).map(drop),
        Format::File => layer.bytes(dataset).map(drop),
        Format::Archive => layer.path(dataset).map(drop),
    }
}

#[derive(PartialEq, Eq)]
struct Unpacked {
    path: String,
    mode: String,
    sha256: Digest,
}

struct Found {
    files: Vec<Unpacked>,
    size_bytes: u64,
}

fn unpack(zip: &Path, folder: &Path, progress: &dyn Fn(usize)) -> Result<Found, Error> {
    let file = File::open(zip).map_err(Error::io("open", zip))?;
    let mut archive = zip::ZipArchive::new(BufReader::with_capacity(INPUT_BYTES, file))
        .map_err(|error| fault(zip, &error))?;
    let mut found = Found { files: Vec::new(), size_bytes: 0 };
    for index in 0..archive.len() {
        let entry = archive.by_index(index).map_err(|error| fault(zip, &error))?;
        let name = entry.name().map_err(|error| fault(zip, &error))?;
        let path = own_path(&name)?;
        let mode = format!("{:04o}", entry.unix_mode().unwrap_or(0) & 0o7777);
        let target = folder.join(path.as_str());
        if let Some(parent) = target.parent() {
            std::fs::create_dir_all(parent).map_err(Error::io("make the folder", parent))?;
        }
        let Hashed { sha256, size_bytes } =
            piped(entry, |pieces| copy(pieces, zip, &target, progress))?;
        if mode == Mode::Executable.as_str() {
            let executable = std::fs::Permissions::from_mode(Mode::Executable.bits());
            std::fs::set_permissions(&target, executable)
                .map_err(Error::io("make executable", &target))?;
        }
        found.size_bytes += size_bytes;
        found.files.push(Unpacked { path: path.to_string(), mode, sha256 });
    }
    found.files.sort_by(|a, b| a.path.cmp(&b.path));
    Ok(found)
}

fn copy(
    reader: &mut impl Read,
    zip: &Path,
    target: &Path,
    progress: &dyn Fn(usize),
) -> Result<Hashed, Error> {
    let mut output = File::create(target).map_err(Error::io("write", target))?;
    hash_through(
        reader,
        |error| fault(zip, &error),
        |piece| {
            progress(piece.len());
            output.write_all(piece).map_err(Error::io("write", target))
        },
    )
}

fn fault(zip: &Path, problem: &impl ToString) -> Error {
    let name = zip.file_name().unwrap_or_default().to_string_lossy();
    Error::Proof { what: format!("the zip {name}"), problem: problem.to_string() }
}
