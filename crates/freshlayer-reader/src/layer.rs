use std::fs;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use memmap2::Mmap;

use crate::manifest::{FORMAT_NUMBER, Listing, MANIFEST_BYTES_MAX, UnknownDataset};
use crate::{Dataset, Error, File, Format, Manifest, manifest_path, map_file};

/// Where Lambda puts layers.
pub const DEFAULT_ROOT: &str = "/opt";

/// The environment variable that moves the root away from [`DEFAULT_ROOT`], for runs outside Lambda.
pub const ROOT_VARIABLE: &str = "FRESHLAYER_ROOT";

const SECS_PER_DAY: f64 = 86_400.0;

/// One opened layer: its manifest, and the way to its datasets.
#[derive(Debug, Clone)]
pub struct Layer {
    root: PathBuf,
    manifest: Manifest,
    unknown: Vec<UnknownDataset>,
}

impl Layer {
    /// Opens a layer under `/opt`, or under the folder that `FRESHLAYER_ROOT` names.
    ///
    /// # Errors
    /// [`Error::LayerNotFound`] and [`Error::Manifest`].
    #[expect(clippy::disallowed_methods, reason = "the root's variable is the reader's contract")]
    pub fn open(layer: &str) -> Result<Self, Error> {
        let root = std::env::var_os(ROOT_VARIABLE).filter(|root| !root.is_empty());
        Self::open_in(root.unwrap_or_else(|| DEFAULT_ROOT.into()), layer)
    }

    /// Opens a layer under a given root.
    ///
    /// # Errors
    /// As [`Layer::open`].
    pub fn open_in(root: impl Into<PathBuf>, layer: &str) -> Result<Self, Error> {
        let root = root.into();
        let path = root.join(manifest_path(layer));
        let Listing { manifest, unknown } = parse(&path, &read(&root, layer, &path)?)?;
        if manifest.layer != layer {
            let problem = format!("expected layer `{layer}`, found `{}`", manifest.layer);
            return Err(Error::Manifest { path, problem });
        }
        Ok(Self { root, manifest, unknown })
    }

    /// Returns the layer's name.
    pub fn name(&self) -> &str {
        &self.manifest.layer
    }

    /// Returns the release's number: 1, 2, 3…
    pub fn release(&self) -> u64 {
        self.manifest.release
    }

    /// Returns the data version, `MAJOR.MINOR.PATCH`.
    pub fn version(&self) -> &str {
        &self.manifest.version
    }

    /// Returns the age of the oldest dataset at this moment, by the upstream's build time, or by the
    /// time of the download where the upstream states none.
    ///
    /// It is computed at each call, so it stays right in an environment restored from a snapshot.
    pub fn age(&self) -> Option<Duration> {
        let built = u64::try_from(self.built_unix_secs()?).unwrap_or(0);
        Some(now()?.saturating_sub(Duration::from_secs(built)))
    }

    /// Returns the upstream's build time of the oldest dataset, or the time of its download where the upstream states none, in
    /// seconds since 1970.
    pub fn built_unix_secs(&self) -> Option<i64> {
        let datasets = self.manifest.datasets.iter();
        datasets.map(|one| one.built_unix_secs.unwrap_or(one.fetched_unix_secs)).min()
    }

    /// Returns a log line with the age of the data. Print it in the handler, at most once an hour: CloudWatch records it as the
    /// metric `ServedDataAgeDays`. Source: CloudWatch's specification of the embedded metric format.
    pub fn metric_line(&self) -> String {
        let days = self.age().map(|age| age.as_secs_f64() / SECS_PER_DAY);
        let line = serde_json::json!({
            "_aws": {
                "Timestamp": now().map(|now| u64::try_from(now.as_millis()).unwrap_or(u64::MAX)),
                "CloudWatchMetrics": [{
                    "Namespace": "freshlayer",
                    "Dimensions": [["Layer"]],
                    "Metrics": [{ "Name": "ServedDataAgeDays", "Unit": "None" }],
                }],
            },
            "Layer": self.name(),
            "Version": self.version(),
            "ServedDataAgeDays": days,
        });
        line.to_string()
    }

    /// Returns the manifest, without the datasets whose format this reader does not know.
    pub fn manifest(&self) -> &Manifest {
        &self.manifest
    }

    /// Returns a dataset's path on disk: of its file, or of an archive's folder.
    ///
    /// # Errors
    /// [`Error::DatasetNotFound`] and [`Error::UnknownFormat`].
    pub fn path(&self, dataset: &str) -> Result<PathBuf, Error> {
        Ok(self.root.join(&self.dataset(dataset)?.path))
    }

    /// Maps a single-file dataset of any format into memory.
    ///
    /// # Errors
    /// As [`Layer::path`], [`Error::WrongFormat`] for an archive, [`Error::Damaged`] where the
    /// size differs from the manifest's, and [`Error::Open`].
    pub fn bytes(&self, dataset: &str) -> Result<Mmap, Error> {
        let (path, _) = self.single_file(dataset, None)?;
        map_file(&path)
    }

    pub(crate) fn dataset(&self, name: &str) -> Result<&Dataset, Error> {
        let datasets = &self.manifest.datasets;
        if let Some(dataset) = datasets.iter().find(|dataset| dataset.name == name) {
            return Ok(dataset);
        }
        if let Some(unknown) = self.unknown.iter().find(|dataset| dataset.name == name) {
            let (dataset, format) = (name.to_owned(), unknown.format.clone());
            return Err(Error::UnknownFormat { dataset, format });
        }
        let names = datasets.iter().map(|dataset| &dataset.name);
        let names = names.chain(self.unknown.iter().map(|dataset| &dataset.name));
        Err(Error::DatasetNotFound {
            layer: self.manifest.layer.clone(),
            dataset: name.to_owned(),
            known: names.map(|name| format!("`{name}`")).collect(),
        })
    }

    /// Returns the path of a dataset's only file after comparing its size with the manifest's: that
    /// catches a cut or swapped file for the price of one `stat`.
    pub(crate) fn single_file(
        &self,
        name: &str,
        expected: Option<Format>,
    ) -> Result<(PathBuf, &File), Error> {
        let dataset = self.dataset(name)?;
        let wrong = |expected| Error::WrongFormat {
            dataset: name.to_owned(),
            expected,
            found: dataset.format,
        };
        if let Some(expected) = expected.filter(|expected| *expected != dataset.format) {
            return Err(wrong(expected));
        }
        let [file] = &dataset.files[..] else {
            return Err(wrong(Format::File));
        };
        let path = self.root.join(&file.path);
        let metadata = fs::metadata(&path).map_err(|error| Error::open(&path, error))?;
        if metadata.len() != file.size_bytes {
            return Err(Error::Damaged {
                path,
                expected: format!("{} bytes", file.size_bytes),
                found: format!("{} bytes", metadata.len()),
            });
        }
        Ok((path, file))
    }

    #[cfg(feature = "verify")]
    pub(crate) fn root(&self) -> &Path {
        &self.root
    }
}

fn read(root: &Path, layer: &str, path: &Path) -> Result<Vec<u8>, Error> {
    let file = fs::File::open(path).map_err(|error| match error.kind() {
        std::io::ErrorKind::NotFound => Error::LayerNotFound {
            layer: layer.to_owned(),
            manifest: path.to_owned(),
            found: layers_under(root),
        },
        _ => Error::open(path, error),
    })?;
    let mut bytes = Vec::new();
    file.take(MANIFEST_BYTES_MAX)
        .read_to_end(&mut bytes)
        .map_err(|error| Error::open(path, error))?;
    Ok(bytes)
}

fn parse(path: &Path, bytes: &[u8]) -> Result<Listing, Error> {
    #[derive(serde::Deserialize)]
    struct Numbered {
        format: u32,
    }
    let bad = |problem: String| Error::Manifest { path: path.to_owned(), problem };
    let numbered: Numbered =
        serde_json::from_slice(bytes).map_err(|error| bad(error.to_string()))?;
    if numbered.format != FORMAT_NUMBER {
        return Err(bad(format!(
            "expected manifest format {FORMAT_NUMBER}, found {}: update freshlayer-reader",
            numbered.format
        )));
    }
    Listing::parse(bytes).map_err(|error| bad(error.to_string()))
}

#[expect(clippy::disallowed_methods, reason = "a consumer has no Clock port")]
fn now() -> Option<Duration> {
    SystemTime::now().duration_since(UNIX_EPOCH).ok()
}

fn layers_under(root: &Path) -> Vec<String> {
    let Ok(entries) = fs::read_dir(root.join("freshlayer")) else {
        return Vec::new();
    };
    let mut layers: Vec<String> = entries
        .filter_map(|entry| entry.ok()?.file_name().into_string().ok())
        .filter_map(|name| Some(name.strip_suffix(".json")?.to_owned()))
        .collect();
    layers.sort();
    layers
}
