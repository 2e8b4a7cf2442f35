//! Brings a release's zip to this machine, proved.

use std::path::{Path, PathBuf};

use tempfile::TempDir;

use crate::engine::Engine;
use crate::error::Error;
use crate::hashing::sha256_of;
use crate::names::LayerName;
use crate::ports::Key;
use crate::state::Session;

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
pub enum Wanted {
    /// The one that consumers shall be on.
    Current,
    /// The one that this layer version of the host's Region carries.
    LayerVersion(u64),
}

/// Downloads a release's zip into a folder, where it is not there already.
///
/// # Errors
/// [`Error::Order`] where there is no such release, [`Error::Proof`] where the zip is not the recorded one,
/// and the store's errors.
pub async fn pull(
    engine: &Engine,
    layer: &LayerName,
    wanted: Wanted,
    cache: &Path,
) -> Result<Pulled, Error> {
    let session = Session::open(engine, layer).await?;
    let head = session.head();
    let home = engine.home().await;
    let region = home.registry.region();
    let seq = match wanted {
        Wanted::Current => head.desired().ok_or_else(|| {
            Error::Order(format!(
                "layer `{layer}` has no version yet: run `freshlayer refresh {layer}` first"
            ))
        })?,
        Wanted::LayerVersion(number) => {
            let mut releases = head.versions.iter();
            let carries = |version: &&crate::LayerVersionArn| version.version() == number;
            let found =
                releases.find(|(_, regions)| regions.get(region).as_ref().is_some_and(carries));
            let (seq, _) = found.ok_or_else(|| {
                Error::Order(format!(
                    "no release of layer `{layer}` is version {number} in {region}"
                ))
            })?;
            *seq
        }
    };
    let release = session.release(seq).await?;
    let zip = cache.join(format!("{}.zip", release.zip_sha256));
    if !zip.exists() {
        std::fs::create_dir_all(cache).map_err(Error::io("make the folder", cache))?;
        let folder =
            TempDir::with_prefix_in("pull-", cache).map_err(Error::io("write in", cache))?;
        let fresh = folder.path().join("layer.zip");
        let key = Key::blob(&release.zip_sha256).to_string();
        if !engine.zip_to_file(&release, &fresh).await? {
            let problem = format!("release {seq} names this zip, and it is missing");
            return Err(Error::State { key, problem });
        }
        let found = sha256_of(&fresh).map_err(Error::io("read", &fresh))?;
        if found != release.zip_sha256 {
            let what = format!("the stored zip of release {seq}");
            let problem = format!("expected SHA-256 {}, found {found}", release.zip_sha256);
            return Err(Error::Proof { what, problem });
        }
        std::fs::rename(&fresh, &zip).map_err(Error::io("move", &fresh))?;
    }
    Ok(Pulled { seq, zip })
}
