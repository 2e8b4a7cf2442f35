use std::collections::BTreeSet;
use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};

use async_trait::async_trait;
use freshlayer::definition::{Origin, Reader};
use freshlayer::ports::{
    Announcement, LayerVersion, ListedVersion, Located, Parameters, PortError, Publication,
    Registry, Signature,
};
use freshlayer::{Digest, LAYER_BYTES_MAX, LayerName, LayerVersionArn, RegionName};
use serde::{Deserialize, Serialize};

use crate::durable::{self, UNFINISHED};

/// The local host's only Region.
pub const REGION: &str = "local";
/// The local host's only account.
pub const ACCOUNT: &str = "000000000000";

const ZIP: &str = "layer.zip";
const RECORD: &str = "version.json";
/// Where `exec` unpacks a version, beside its zip.
pub(crate) const OPT: &str = "opt";

/// Layer versions in a folder: `<layer>/<number>/`, made whole by one rename and never changed.
#[derive(Debug, Clone)]
pub struct FolderRegistry {
    root: PathBuf,
    region: RegionName,
}

#[derive(Debug, Serialize, Deserialize)]
struct Record {
    description: String,
    sha256: Digest,
    size_bytes: u64,
    unzipped_bytes: u64,
}

impl FolderRegistry {
    /// Uses a folder; it is made at the first publish.
    ///
    /// # Panics
    /// Never: the Region's name is a name.
    pub fn new(root: impl Into<PathBuf>) -> Self {
        Self { root: root.into(), region: RegionName::parse(REGION).expect("a Region's name") }
    }

    /// Returns the ARN of a layer's version on this host.
    ///
    /// # Panics
    /// For version 0, which no layer has.
    pub fn arn(layer: &LayerName, version: u64) -> LayerVersionArn {
        LayerVersionArn::parse(&format!(
            "arn:aws:lambda:{REGION}:{ACCOUNT}:layer:{layer}:{version}"
        ))
        .expect("a layer name and a number from 1 make an ARN")
    }

    /// Returns the newest version of a layer, if there is one.
    ///
    /// # Errors
    /// Where the folder cannot be read.
    pub fn newest(&self, layer: &str) -> io::Result<Option<u64>> {
        Ok(self.numbers(layer)?.into_iter().max())
    }

    pub(crate) fn folder(&self, arn: &LayerVersionArn) -> PathBuf {
        self.root.join(arn.layer_name()).join(arn.version().to_string())
    }

    pub(crate) fn zip(&self, arn: &LayerVersionArn) -> PathBuf {
        self.folder(arn).join(ZIP)
    }

    /// Returns the unzipped size of a version in bytes; `None` where there is no such version.
    pub(crate) fn unzipped_bytes(&self, arn: &LayerVersionArn) -> io::Result<Option<u64>> {
        Ok(self.record(arn)?.map(|record| record.unzipped_bytes))
    }

    fn record(&self, arn: &LayerVersionArn) -> io::Result<Option<Record>> {
        let path = self.folder(arn).join(RECORD);
        match fs::read(&path) {
            Ok(bytes) => serde_json::from_slice(&bytes)
                .map(Some)
                .map_err(|error| durable::at("read", &path)(error.into())),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(durable::at("read", &path)(error)),
        }
    }

    fn numbers(&self, layer: &str) -> io::Result<Vec<u64>> {
        let folder = self.root.join(layer);
        let entries = match fs::read_dir(&folder) {
            Ok(entries) => entries,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            Err(error) => return Err(durable::at("list", &folder)(error)),
        };
        let names = entries.filter_map(|entry| entry.ok()?.file_name().into_string().ok());
        Ok(names.filter_map(|name| name.parse().ok()).collect())
    }

    /// Gives a finished folder the next number. Another publisher may take the same one first.
    fn number(&self, layer: &LayerName, finished: &Path) -> io::Result<LayerVersionArn> {
        loop {
            let next = self.newest(layer.as_str())?.unwrap_or(0) + 1;
            let arn = Self::arn(layer, next);
            let folder = self.folder(&arn);
            match fs::rename(finished, &folder) {
                Ok(()) => {
                    durable::sync_folder(&self.root.join(layer.as_str()))?;
                    return Ok(arn);
                }
                Err(error) if durable::is_taken(&error) => {}
                Err(error) => return Err(durable::at("write", &folder)(error)),
            }
        }
    }
}

#[async_trait]
impl Registry for FolderRegistry {
    fn region(&self) -> &RegionName {
        &self.region
    }

    fn parameters(&self) -> Parameters {
        Parameters::Absent
    }

    async fn versions(&self, layer: &LayerName) -> Result<Vec<ListedVersion>, PortError> {
        let mut numbers = self.numbers(layer.as_str())?;
        numbers.sort_unstable_by(|a, b| b.cmp(a));
        let mut listed = Vec::new();
        for number in numbers {
            let arn = Self::arn(layer, number);
            if let Some(record) = self.record(&arn)? {
                listed.push(ListedVersion { arn, description: record.description });
            }
        }
        Ok(listed)
    }

    async fn publish(&self, publication: Publication<'_>) -> Result<LayerVersion, PortError> {
        let folder = self.root.join(publication.layer.as_str());
        fs::create_dir_all(&folder).map_err(durable::at("make the folder", &folder))?;
        let unzipped_bytes = unzipped_bytes(publication.zip)?;
        if unzipped_bytes > LAYER_BYTES_MAX {
            return Err(
                format!("Unzipped size must be smaller than {LAYER_BYTES_MAX} bytes").into()
            );
        }
        let fresh = tempfile::Builder::new()
            .prefix(UNFINISHED)
            .tempdir_in(&folder)
            .map_err(durable::at("write in", &folder))?;
        durable::create_copy(&fresh.path().join(ZIP), publication.zip)?;
        let size_bytes = publication.zip.metadata()?.len();
        let description = publication.description.to_owned();
        let sha256 = publication.sha256.clone();
        let record = Record { description, sha256, size_bytes, unzipped_bytes };
        durable::create(&fresh.path().join(RECORD), &serde_json::to_vec_pretty(&record)?)?;
        let arn = self.number(publication.layer, fresh.path())?;
        let Record { description, sha256, .. } = record;
        Ok(LayerVersion { arn, description, sha256, signature: Signature::Unsigned })
    }

    async fn read_back(&self, arn: &LayerVersionArn) -> Result<Option<LayerVersion>, PortError> {
        let Some(record) = self.record(arn)? else {
            return Ok(None);
        };
        let zip = self.zip(arn);
        let sha256 = freshlayer::sha256_of(&zip).map_err(durable::at("read", &zip))?;
        Ok(Some(LayerVersion {
            arn: arn.clone(),
            description: record.description,
            sha256,
            signature: Signature::Unsigned,
        }))
    }

    async fn locate(&self, arn: &LayerVersionArn) -> Result<Option<Located>, PortError> {
        // Another host's version may have the same name and number.
        let ours = is_ours(arn)?;
        let record = self.record(arn)?.filter(|_| ours);
        Ok(record.map(|record| Located {
            sha256: record.sha256,
            origin: Origin::File { path: self.zip(arn) },
        }))
    }

    /// There is nobody to let in.
    async fn share(
        &self,
        _arn: &LayerVersionArn,
        _readers: &BTreeSet<Reader>,
    ) -> Result<(), PortError> {
        Ok(())
    }

    /// The head says which version is the one to use.
    async fn announce(&self, _announcement: Announcement<'_>) -> Result<(), PortError> {
        Ok(())
    }

    async fn readers(&self, _arn: &LayerVersionArn) -> Result<BTreeSet<String>, PortError> {
        Ok(BTreeSet::new())
    }

    /// The folder stays empty, so that its number is never given to another version. A process that still maps a file
    /// keeps it until it ends.
    async fn delete(&self, arn: &LayerVersionArn) -> Result<(), PortError> {
        if !is_ours(arn)? {
            return Err(format!("{arn} is not a layer version of this host").into());
        }
        let folder = self.folder(arn);
        durable::remove(&folder.join(RECORD))?;
        durable::remove(&self.zip(arn))?;
        match fs::remove_dir_all(folder.join(OPT)) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error.into()),
            _ => Ok(()),
        }
    }
}

fn is_ours(arn: &LayerVersionArn) -> Result<bool, String> {
    let layer = LayerName::parse(arn.layer_name())?;
    Ok(arn.layer() == FolderRegistry::arn(&layer, 1).layer())
}

fn unzipped_bytes(zip: &Path) -> Result<u64, PortError> {
    let file = File::open(zip).map_err(durable::at("open", zip))?;
    let mut archive = zip::ZipArchive::new(io::BufReader::new(file))?;
    let mut total = 0;
    for index in 0..archive.len() {
        total += archive.by_index_raw(index)?.size();
    }
    Ok(total)
}
