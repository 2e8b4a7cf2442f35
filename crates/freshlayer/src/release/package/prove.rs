//! Opens a finished zip the way a consumer will, before anyone is moved to it.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{BufReader, Read, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use freshlayer_reader::{Format, Layer, Manifest};
use zip::CompressionMethod;
use zip::read::ZipFile;

use super::own_path;
use crate::error::Error;
use crate::formats::deflate::{Deflated, Inflated};
use crate::formats::hashing::{Hashed, hash_through};
use crate::formats::pipe::{INPUT_BYTES, piped};
use crate::intake::inspect::LayerFile;
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
    prove_made(zip, layer, &[], folder, progress)
}

/// As [`prove`], for a zip that was made of these files: a stream that was inflated already is compared by its hash.
pub(crate) fn prove_made(
    zip: &Path,
    layer: &LayerName,
    files: &[LayerFile],
    folder: &Path,
    progress: &dyn Fn(usize),
) -> Result<(Manifest, u64), Error> {
    let known = files.iter().filter_map(|file| {
        let known = Known { deflated: &file.deflated, inflated: file.inflated.as_ref()? };
        Some((file.path.as_str(), known))
    });
    let found = unpack(zip, &known.collect(), folder, progress)?;
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

/// A file of the zip whose stream was inflated before.
struct Known<'a> {
    deflated: &'a Deflated,
    inflated: &'a Inflated,
}

struct Found {
    files: Vec<Unpacked>,
    size_bytes: u64,
}

fn unpack(
    zip: &Path,
    inflated: &BTreeMap<&str, Known<'_>>,
    folder: &Path,
    progress: &dyn Fn(usize),
) -> Result<Found, Error> {
    let file = File::open(zip).map_err(Error::io("open", zip))?;
    let mut archive = zip::ZipArchive::new(BufReader::with_capacity(INPUT_BYTES, file))
        .map_err(|error| fault(zip, &error))?;
    let mut found = Found { files: Vec::new(), size_bytes: 0 };
    for index in 0..archive.len() {
        let entry = archive.by_index_raw(index).map_err(|error| fault(zip, &error))?;
        let name = entry.name().map_err(|error| fault(zip, &error))?;
        let path = own_path(&name)?;
        let mode = format!("{:04o}", entry.unix_mode().unwrap_or(0) & 0o7777);
        let target = folder.join(path.as_str());
        if let Some(parent) = target.parent() {
            std::fs::create_dir_all(parent).map_err(Error::io("make the folder", parent))?;
        }
        let Hashed { sha256, size_bytes } = if let Some(known) = inflated.get(path.as_str()) {
            compare(entry, known, zip)?;
            place(&known.inflated.plain, &target)?;
            let size_bytes = known.deflated.size_bytes;
            progress(usize::try_from(size_bytes).unwrap_or(usize::MAX));
            Hashed { sha256: known.inflated.sha256.clone(), size_bytes }
        } else {
            drop(entry);
            let entry = archive.by_index(index).map_err(|error| fault(zip, &error))?;
            piped(entry, |pieces| copy(pieces, zip, &target, progress))?
        };
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

/// Compares an entry with the stream that was inflated: as it is compressed, and by what the zip says of it.
fn compare(
    mut entry: ZipFile<'_, BufReader<File>>,
    known: &Known<'_>,
    zip: &Path,
) -> Result<(), Error> {
    let Known { deflated, inflated } = known;
    let is_said = !entry.encrypted()
        && entry.compression() == CompressionMethod::Deflated
        && entry.size() == deflated.size_bytes
        && entry.crc32() == deflated.crc32;
    let hashed = hash_through(&mut entry, |error| fault(zip, &error), |_| Ok(()))?;
    if is_said && hashed.sha256 == inflated.stream_sha256 {
        return Ok(());
    }
    let name = entry.name().map_err(|error| fault(zip, &error))?;
    Err(fault(zip, &format!("{name} is another stream than the one that was inflated")))
}

/// Puts a file where the reader looks for it: linked, where the file system can.
fn place(plain: &Path, target: &Path) -> Result<(), Error> {
    match std::fs::hard_link(plain, target) {
        Ok(()) => Ok(()),
        // A copy onto a link would empty both.
        Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => {
            Err(Error::io("link", target)(error))
        }
        Err(_) => std::fs::copy(plain, target).map(drop).map_err(Error::io("copy to", target)),
    }
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

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;
    use crate::formats::deflate::deflate_file;
    use crate::formats::hashing::sha256_of;
    use crate::opt_path::OptPath;
    use crate::progress::Meter;
    use crate::release::package::zip_file::{self, Content, ZipEntry};

    /// A folder with a layer of one large file: its zip, and what the zip was made of.
    struct Made {
        folder: tempfile::TempDir,
        file: LayerFile,
        manifest: Vec<u8>,
    }

    impl Made {
        fn new() -> Self {
            let folder = tempfile::tempdir().expect("a folder");
            let plain = folder.path().join("plain");
            let bytes: Vec<u8> = (0..400_000_u32).flat_map(|n| (n / 3).to_le_bytes()).collect();
            fs::write(&plain, &bytes).expect("written");
            let sha256 = sha256_of(&plain).expect("read");
            let deflated = deflate_file(&plain, folder.path().join("stream")).expect("compressed");
            let inflated = Inflated::of(&deflated, &plain, &sha256).expect("read");
            let manifest = serde_json::json!({
                "format": 1, "layer": "geo", "release": 1, "version": "1.0.0",
                "datasets": [{
                    "name": "blob", "format": "file", "path": "geo/blob", "fetched_unix_secs": 0,
                    "files": [{
                        "path": "geo/blob", "size_bytes": bytes.len(),
                        "sha256": sha256.to_string(), "mode": "0644",
                    }],
                }],
            });
            let path = OptPath::parse("geo/blob").expect("valid");
            let file = LayerFile { path, mode: Mode::Plain, deflated, inflated };
            assert!(file.inflated.is_some());
            Self { folder, file, manifest: manifest.to_string().into_bytes() }
        }

        /// Makes a zip of a stream, and proves it as one of the layer's file.
        fn proved(&self, name: &str, deflated: &Deflated) -> Result<(Manifest, u64), String> {
            let zip = self.folder.path().join(format!("{name}.zip"));
            let own = freshlayer_reader::manifest_path("geo").to_string_lossy().into_owned();
            let entry = |path: &str, content| ZipEntry {
                path: path.to_owned(),
                mode: Mode::Plain,
                content,
            };
            let entries = [
                entry(&own, Content::Bytes(&self.manifest)),
                entry("geo/blob", Content::File(deflated)),
            ];
            zip_file::write(&zip, &entries, &Meter::unheard()).expect("written");
            let layer = LayerName::parse("geo").expect("valid");
            let opt = self.folder.path().join(format!("{name}-opt"));
            let files = std::slice::from_ref(&self.file);
            prove_made(&zip, &layer, files, &opt, &|_| ()).map_err(|error| error.to_string())
        }
    }

    #[test]
    fn a_zip_holds_the_very_stream_that_was_inflated() {
        let made = Made::new();
        let (_, bytes) = made.proved("good", &made.file.deflated).expect("the same stream");
        assert!(bytes > 1_600_000, "{bytes}");
        let plain = fs::read(made.folder.path().join("plain")).expect("read");
        let opened = fs::read(made.folder.path().join("good-opt/geo/blob")).expect("placed");
        assert!(plain == opened);

        let deflated = &made.file.deflated;
        let stream = fs::read(&deflated.file).expect("read");
        let mut flipped = stream.clone();
        flipped[stream.len() / 2] ^= 1;
        let with = |name: &str, bytes: &[u8]| {
            let file = made.folder.path().join(name);
            fs::write(&file, bytes).expect("written");
            Deflated { file, stream_bytes: bytes.len() as u64, ..deflated.clone() }
        };
        for (name, other) in [
            ("flipped", with("flipped", &flipped)),
            ("longer", with("longer", &[&stream[..], b"!"].concat())),
            ("crc", Deflated { crc32: deflated.crc32 ^ 1, ..deflated.clone() }),
            ("size", Deflated { size_bytes: deflated.size_bytes - 1, ..deflated.clone() }),
        ] {
            let problem = made.proved(name, &other).expect_err(name);
            assert!(problem.contains("another stream"), "{name}: {problem}");
        }
    }
}
