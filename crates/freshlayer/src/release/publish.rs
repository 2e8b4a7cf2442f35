//! From a zip to a layer version in each Region, once, whatever happens to the reply.

use std::collections::BTreeMap;

use futures_util::future::join_all;

use super::foreign::foreign_to;
use crate::definition::Terms;
use crate::engine::Run;
use crate::error::{Error, chain};
use crate::names::{LayerName, RegionName};
use crate::ports::{LayerVersion, PortError, Publication, Region, Registry, Signature, Stage};
use crate::progress::Stages;
use crate::report::{Reason, Why};
use crate::state::{Head, LayerZip, Release, Versions};

/// Why some Regions do not have a release.
pub(crate) type Failures = BTreeMap<RegionName, Reason>;

/// Where a release was published, and where not.
#[derive(Default)]
pub(crate) struct Published {
    pub(crate) versions: Versions,
    pub(crate) failures: Failures,
}

/// Says which release a layer version is; the registry is searched by it. Lambda takes 256 characters.
pub(crate) fn description(release: &Release) -> String {
    let Release { layer, seq, version, content, .. } = release;
    format!("freshlayer {layer} {version} release {seq} content {content}")
}

/// Tells by the description of a layer version, or of a function's version, whether freshlayer made it.
pub(crate) fn made_by_freshlayer(description: &str, layer: &LayerName) -> bool {
    let rest = description.strip_prefix("freshlayer ");
    let rest = rest.and_then(|rest| rest.strip_prefix(layer.as_str()));
    rest.is_some_and(|rest| rest.starts_with(' '))
}

/// Publishes a new release in all its Regions at once.
///
/// # Errors
/// What the first Region said, where none took it.
pub(crate) async fn publish(
    run: &Run<'_>,
    head: &Head,
    release: &Release,
    zip: &LayerZip,
) -> Result<Published, Error> {
    let Run { engine, definition, stages } = *run;
    let regions = engine.ports.regions.of(&definition.destinations).await;
    let mut published = Published::default();
    let mut first = None;
    let made = regions.iter().map(|region| async move {
        match foreign_to(definition, head, region).await? {
            Some(why) => Ok(Err(why)),
            None => publish_in(region, &definition.terms, release, zip, stages).await.map(Ok),
        }
    });
    for (region, made) in regions.iter().zip(join_all(made).await) {
        let region = region.registry.region().clone();
        match made {
            Ok(Ok(version)) => drop(published.versions.insert(region, version.arn)),
            Ok(Err(why)) => drop(published.failures.insert(region, why.into())),
            Err(error) => {
                let why = Why::Error { error: chain(&error) };
                published.failures.insert(region, why.into());
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
    let found = find(registry, layer, &description).await;
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
            let found = find(registry, layer, &description).await.ok().flatten();
            found.filter(same).ok_or_else(|| fault(release, "publish")(error))
        }
    }
}

/// Finds the newest layer version with a description.
pub(crate) async fn find(
    registry: &dyn Registry,
    layer: &LayerName,
    description: &str,
) -> Result<Option<LayerVersion>, PortError> {
    let listed = registry.versions(layer).await?;
    match listed.into_iter().find(|version| version.description == description) {
        Some(version) => registry.read_back(&version.arn).await,
        None => Ok(None),
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
