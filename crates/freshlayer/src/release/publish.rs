//! From a zip to a layer version in each Region, once, whatever happens to the reply.

use std::collections::BTreeMap;

use futures_util::future::join_all;

use crate::definition::{Definition, Terms};
use crate::engine::Engine;
use crate::error::{Error, chain};
use crate::names::{LayerVersionArn, RegionName};
use crate::ports::{LayerVersion, PortError, Publication, Region, Registry, Signature, Stage};
use crate::progress::Stages;
use crate::state::LayerZip;
use crate::state::Release;

/// Where a release was published, and where not.
#[derive(Default)]
pub(crate) struct Published {
    pub(crate) versions: BTreeMap<RegionName, LayerVersionArn>,
    pub(crate) failures: BTreeMap<RegionName, String>,
}

/// Says which release a layer version is; the registry is searched by it. Lambda takes 256 characters.
pub(crate) fn description(release: &Release) -> String {
    let Release { layer, seq, version, content, .. } = release;
    format!("freshlayer {layer} {version} release {seq} content {content}")
}

/// Publishes a new release in all its Regions at once.
///
/// # Errors
/// What the first Region said, where none took it.
pub(crate) async fn publish(
    engine: &Engine,
    definition: &Definition,
    release: &Release,
    zip: &LayerZip,
    stages: &Stages,
) -> Result<Published, Error> {
    let regions = engine.ports.regions.of(&definition.destinations).await;
    let mut published = Published::default();
    let mut first = None;
    let made =
        regions.iter().map(|region| publish_in(region, &definition.terms, release, zip, stages));
    for (region, made) in regions.iter().zip(join_all(made).await) {
        let region = region.registry.region().clone();
        match made {
            Ok(version) => drop(published.versions.insert(region, version.arn)),
            Err(error) => {
                published.failures.insert(region, chain(&error));
                first.get_or_insert(error);
            }
        }
    }
    match first {
        Some(error) if published.versions.is_empty() => Err(error),
        _ => Ok(published),
    }
}

/// Publishes a release's zip, or finds the version that an earlier run made of it.
///
/// Guarantees: one version per release, also after a crash or a lost reply. Assumes: the lease is held, so
/// that nobody else publishes the same release meanwhile. The version that comes back holds the zip's bytes.
pub(crate) async fn publish_in(
    region: &Region,
    terms: &Terms,
    release: &Release,
    zip: &LayerZip,
    stages: &Stages,
) -> Result<LayerVersion, Error> {
    let registry = region.registry.as_ref();
    let subject = registry.region().as_str();
    let running = stages.start(Stage::Publish, subject, Some(zip.size_bytes));
    let version = find_or_make(registry, terms, release, zip).await?;
    read_back(registry, release, &version, zip).await?;
    running.done(zip.size_bytes);
    Ok(version)
}

async fn find_or_make(
    registry: &dyn Registry,
    terms: &Terms,
    release: &Release,
    zip: &LayerZip,
) -> Result<LayerVersion, Error> {
    let layer = &release.layer;
    let description = description(release);
    // A state that was begun anew may describe other bytes (with another download's time) the same way.
    let same = |version: &LayerVersion| {
        let wanted = terms.signing_profile.is_none() || version.signature == Signature::Signed;
        version.sha256 == zip.sha256 && wanted
    };
    let found = registry.find(layer, &description).await;
    let found = found.map_err(fault(release, "look for a version of"))?;
    if let Some(version) = found.filter(same) {
        return Ok(version);
    }
    let publication = Publication {
        layer,
        description: &description,
        zip: &zip.path,
        sha256: &zip.sha256,
        terms,
    };
    match registry.publish(publication).await {
        Ok(version) => Ok(version),
        Err(error) => {
            // The reply may be lost and the version made: look before giving up.
            let found = registry.find(layer, &description).await.ok().flatten();
            found.filter(same).ok_or_else(|| fault(release, "publish")(error))
        }
    }
}

async fn read_back(
    registry: &dyn Registry,
    release: &Release,
    version: &LayerVersion,
    zip: &LayerZip,
) -> Result<(), Error> {
    let stored = registry.read_back(&version.arn).await;
    let stored = stored.map_err(fault(release, "read back"))?.map(|version| version.sha256);
    if stored.as_ref() == Some(&zip.sha256) {
        return Ok(());
    }
    let found = stored.map_or("no such version".to_owned(), |sha256| sha256.to_string());
    let problem = format!("expected SHA-256 {}, found {found}", zip.sha256);
    Err(Error::Proof { what: format!("layer version {}", version.arn), problem })
}

pub(crate) fn fault(release: &Release, action: &'static str) -> impl FnOnce(PortError) -> Error {
    let layer = release.layer.clone();
    move |source| Error::Registry { action, layer, source }
}
