//! Brings a release's zip, or any layer version's, to this machine, proved.

use std::path::{Path, PathBuf};

use tempfile::TempDir;

use crate::definition::Destinations;
use crate::engine::Engine;
use crate::error::Error;
use crate::names::{Digest, LayerName, LayerVersionArn, RegionName};
use crate::ports::{PortError, Region};
use crate::release::recover::fetch;
use crate::state::prove_zip;

/// A release on this machine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pulled {
    /// The release.
    pub seq: u64,
    /// Its zip; its name is its SHA-256.
    pub zip: PathBuf,
}

/// Which release of a layer is wanted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Which {
    /// The one that consumers shall be on.
    Current,
    /// The one with this number.
    Release(u64),
    /// The one that this layer version of the host's Region carries.
    LayerVersion(u64),
}

/// Downloads a release's zip into a folder, unless an undamaged copy is there.
///
/// # Errors
/// [`Error::NotPossible`] where there is no such release, [`Error::Proof`] where the zip is not the recorded one,
/// and the store's errors.
pub async fn pull(
    engine: &Engine,
    layer: &LayerName,
    wanted: Which,
    cache: &Path,
) -> Result<Pulled, Error> {
    let session = engine.session(layer).await?;
    let head = session.head();
    let home = engine.home().await;
    let region = home.registry.region();
    let seq = match wanted {
        Which::Current => head.desired().ok_or_else(|| {
            Error::NotPossible(format!(
                "layer `{layer}` has no release yet: run `freshlayer refresh {layer}` first"
            ))
        })?,
        Which::Release(seq) => seq,
        Which::LayerVersion(number) => {
            let mut releases = head.versions().iter();
            let carries = |version: &&LayerVersionArn| version.version() == number;
            let found =
                releases.find(|(_, regions)| regions.get(region).as_ref().is_some_and(carries));
            let (seq, _) = found.ok_or_else(|| {
                Error::NotPossible(format!(
                    "no release of layer `{layer}` has layer version {number} in {region}; `freshlayer history {layer}` \
                     lists them"
                ))
            })?;
            *seq
        }
    };
    let release = session.release(seq).await?;
    let zip = cache.join(format!("{}.zip", release.zip_sha256));
    if !is_there(&zip, &release.zip_sha256) {
        std::fs::create_dir_all(cache).map_err(Error::io("make the folder", cache))?;
        let folder =
            TempDir::with_prefix_in("pull-", cache).map_err(Error::io("write in", cache))?;
        let fresh = folder.path().join("layer.zip");
        release.fetch_zip(engine.ports.store.as_ref(), &fresh).await?;
        std::fs::rename(&fresh, &zip).map_err(Error::io("move", &fresh))?;
    }
    Ok(Pulled { seq, zip })
}

/// Downloads the zip of any layer version that this account may read into a folder, where it is not there
/// already; its name is its SHA-256.
///
/// # Errors
/// [`Error::NotPossible`] where there is no such version, [`Error::Proof`] where the zip is not the one that the
/// registry names, and what registry and source say.
pub async fn pull_version(
    engine: &Engine,
    arn: &LayerVersionArn,
    cache: &Path,
) -> Result<PathBuf, Error> {
    let fault = |source: PortError| Error::LayerVersion { arn: arn.clone(), source };
    let region = region_of(engine, arn).await.map_err(|e| fault(e.into()))?;
    let located = region.registry.locate(arn).await.map_err(fault)?;
    let located =
        located.ok_or_else(|| Error::NotPossible(format!("layer version {arn} does not exist")))?;
    let zip = cache.join(format!("{}.zip", located.sha256));
    if is_there(&zip, &located.sha256) {
        return Ok(zip);
    }
    std::fs::create_dir_all(cache).map_err(Error::io("make the folder", cache))?;
    let folder = TempDir::with_prefix_in("pull-", cache).map_err(Error::io("write in", cache))?;
    let fresh = folder.path().join("layer.zip");
    fetch(engine, &located, &fresh).await.map_err(|error| fault(error.into()))?;
    prove_zip(&fresh, &located.sha256, &format!("the zip of layer version {arn}"))?;
    std::fs::rename(&fresh, &zip).map_err(Error::io("move", &fresh))?;
    Ok(zip)
}

/// Tells whether a zip was downloaded before, and is whole.
fn is_there(zip: &Path, sha256: &Digest) -> bool {
    zip.exists() && prove_zip(zip, sha256, "a pulled zip").is_ok()
}

async fn region_of(engine: &Engine, arn: &LayerVersionArn) -> Result<Region, String> {
    let destinations =
        Destinations { regions: vec![RegionName::parse(arn.region())?], ..Destinations::default() };
    let mut regions = engine.ports.regions.of(&destinations).await;
    Ok(regions.swap_remove(0))
}
