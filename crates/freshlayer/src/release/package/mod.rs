//! One zip per layer: the same files give the same bytes, whatever the number of cores.

mod carry;
mod prove;
mod zip_file;

use std::path::Path;

pub(crate) use carry::carry;
pub use prove::prove;

use crate::error::Error;
use crate::intake::extract::Names;
use crate::intake::inspect::{LayerFile, Proven};
use crate::limits::LAYER_BYTES_MAX;
use crate::names::Digest;
use crate::opt_path::{Mode, OptPath};
use crate::problem::{Code, Problem};
use crate::progress::Meter;
use crate::state::{LayerZip, Release, Snapshot, content_digest};
use zip_file::{Content, ZipEntry};

/// A complete set of proven snapshots with their files, ready to become a release.
pub(crate) struct Assembled {
    pub(crate) snapshots: Vec<Snapshot>,
    pub(crate) files: Vec<LayerFile>,
    pub(crate) content: Digest,
}

/// Puts proven snapshots together; says what keeps them from being one layer.
pub(crate) fn assemble(proven: Vec<Proven>) -> Result<Assembled, Vec<Problem>> {
    let mut snapshots = Vec::new();
    let mut files = Vec::new();
    for part in proven {
        let (snapshot, its_files) = part.into_parts();
        snapshots.push(snapshot);
        files.extend(its_files);
    }
    files.sort_by(|a, b| a.path.as_str().cmp(b.path.as_str()));
    let mut names = Names::default();
    let mut problems: Vec<Problem> =
        files.iter().filter_map(|file| names.take(&file.path).err()).collect();
    let size_bytes: u64 = files.iter().map(|file| file.deflated.size_bytes).sum();
    // Leaves room for the manifest, so that the refusal comes before the work.
    let most = LAYER_BYTES_MAX - 1024 - 256 * files.len() as u64;
    if size_bytes > most {
        let expected = format!("at most {most} bytes unzipped, Lambda's limit less the manifest");
        let found = format!("{size_bytes} bytes");
        problems.push(Problem::fail(Code::LayerTooLarge, expected, found));
    }
    if !problems.is_empty() {
        return Err(problems);
    }
    let content = content_digest(&snapshots);
    Ok(Assembled { snapshots, files, content })
}

/// Writes the zip of a release. Its bytes follow from the record and the files alone.
pub(crate) fn package(
    release: &Release,
    files: &[LayerFile],
    folder: &Path,
    meter: &Meter,
) -> Result<LayerZip, Error> {
    let path = folder.join("layer.zip");
    let mut manifest = serde_json::to_vec_pretty(&release.manifest())
        .expect("a manifest holds no map with odd keys");
    manifest.push(b'\n');
    let mut entries: Vec<ZipEntry<'_>> = files
        .iter()
        .map(|file| ZipEntry {
            path: file.path.as_str().to_owned(),
            mode: file.mode,
            content: Content::File(&file.deflated),
        })
        .collect();
    let manifest_path = freshlayer_reader::manifest_path(release.layer.as_str());
    entries.push(ZipEntry {
        path: manifest_path.to_string_lossy().into_owned(),
        mode: Mode::Plain,
        content: Content::Bytes(&manifest),
    });
    entries.sort_by(|a, b| a.path.cmp(&b.path));
    let (sha256, size_bytes) = zip_file::write(&path, &entries, meter)?;
    Ok(LayerZip { path, sha256, size_bytes })
}

/// Checks a path that comes from a record of our own before it is used on this machine.
fn own_path(text: &str) -> Result<OptPath, Error> {
    OptPath::parse(text)
        .map_err(|problem| Error::Proof { what: "a file's path".to_owned(), problem })
}
