//! One of the two things that are compared, unpacked on this machine.

use std::path::{Path, PathBuf};

use freshlayer_reader::{Format, Manifest};

use super::Compared;
use crate::engine::Engine;
use crate::error::Error;
use crate::formats::hashing::sha256_of;
use crate::formats::pipe::blocking;
use crate::intake::recognise::recognise_file;
use crate::names::LayerName;
use crate::operations::inspect::{Unpacked, unpacked};
use crate::opt_path::Mode;
use crate::release::package::prove;

/// What a thing holds.
pub(super) struct Side {
    pub(super) name: String,
    pub(super) datasets: Vec<Dataset>,
}

/// One dataset on this machine.
#[derive(Clone)]
pub(super) struct Dataset {
    pub(super) name: String,
    pub(super) format: Format,
    /// Sorted by path.
    pub(super) files: Vec<DataFile>,
}

/// One of its files.
#[derive(Clone)]
pub(super) struct DataFile {
    /// Its path below the dataset's folder; of a single file, its place below `/opt`.
    pub(super) path: String,
    pub(super) mode: String,
    pub(super) size_bytes: u64,
    pub(super) sha256: String,
    pub(super) file: PathBuf,
}

impl Dataset {
    pub(super) fn size_bytes(&self) -> u64 {
        self.files.iter().map(|file| file.size_bytes).sum()
    }

    /// Tells whether all bytes are the same.
    pub(super) fn is_same(&self, other: &Self) -> bool {
        let single = self.format != Format::Archive;
        let facts = |file: &DataFile| {
            let path = if single { String::new() } else { file.path.clone() };
            (path, file.mode.clone(), file.sha256.clone())
        };
        self.files.iter().map(facts).eq(other.files.iter().map(facts))
    }

    /// Returns the file of a database, with what a message calls it.
    pub(super) fn single(&self) -> Result<&DataFile, Error> {
        match &self.files[..] {
            [file] => Ok(file),
            files => Err(self.fault(format!("expected one file, found {}", files.len()))),
        }
    }

    pub(super) fn fault(&self, problem: String) -> Error {
        Error::Unreadable { what: format!("dataset `{}`", self.name), problem }
    }
}

/// Brings one side to this machine.
pub(super) async fn open(
    engine: &Engine,
    compared: &Compared,
    folder: &Path,
) -> Result<Side, Error> {
    match compared {
        Compared::Zip { name, layer, zip } => {
            std::fs::create_dir_all(folder).map_err(Error::io("make the folder", folder))?;
            let (name, layer, zip, folder) =
                (name.clone(), layer.clone(), zip.clone(), folder.to_owned());
            blocking(move || of_zip(name, &layer, &zip, &folder)).await
        }
        Compared::Source(source) => {
            if let Some(side) = in_place(source)? {
                return Ok(side);
            }
            let Unpacked { format, files } = unpacked(engine, source, folder).await?;
            let last = source.trim_end_matches('/').rsplit('/').next().unwrap_or(source);
            let root = files.first().map_or("", |file| file.path.as_str());
            let below: String = root.split('/').take(2).collect::<Vec<_>>().join("/");
            let files = files.iter().map(|file| DataFile {
                path: below_of(file.path.as_str(), &below),
                mode: file.mode.to_string(),
                size_bytes: file.size_bytes,
                sha256: file.sha256.to_string(),
                file: file.file.clone(),
            });
            let datasets = vec![Dataset { name: last.to_owned(), format, files: files.collect() }];
            Ok(Side { name: source.clone(), datasets })
        }
    }
}

/// Takes a database that lies on this machine unpacked as it is.
pub(super) fn in_place(source: &str) -> Result<Option<Side>, Error> {
    let path = Path::new(source);
    let fault = |error| Error::io("read", path)(error);
    if !path.is_file() {
        return Ok(None);
    }
    let format = recognise_file(path).map_err(fault)?;
    if format == Format::File {
        return Ok(None);
    }
    let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
    let file = DataFile {
        path: name.clone(),
        mode: Mode::Plain.to_string(),
        size_bytes: path.metadata().map_err(fault)?.len(),
        sha256: sha256_of(path).map_err(fault)?.to_string(),
        file: path.to_owned(),
    };
    Ok(Some(Side {
        name: source.to_owned(),
        datasets: vec![Dataset { name, format, files: vec![file] }],
    }))
}

fn of_zip(name: String, layer: &LayerName, zip: &Path, folder: &Path) -> Result<Side, Error> {
    let (manifest, _) = prove(zip, layer, folder, &|_| ())?;
    Ok(Side { name, datasets: of_manifest(&manifest, folder) })
}

fn of_manifest(manifest: &Manifest, folder: &Path) -> Vec<Dataset> {
    let of = |dataset: &freshlayer_reader::Dataset| {
        let files = dataset.files.iter().map(|file| DataFile {
            path: below_of(&file.path, &dataset.path),
            mode: file.mode.clone(),
            size_bytes: file.size_bytes,
            sha256: file.sha256.clone(),
            file: folder.join(&file.path),
        });
        Dataset { name: dataset.name.clone(), format: dataset.format, files: files.collect() }
    };
    manifest.datasets.iter().map(of).collect()
}

fn below_of(path: &str, folder: &str) -> String {
    let below = path.strip_prefix(folder).unwrap_or(path).trim_start_matches('/');
    if below.is_empty() { path.to_owned() } else { below.to_owned() }
}
