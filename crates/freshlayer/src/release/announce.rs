//! Writes the version to use where people's deployments look.

use std::collections::BTreeMap;

use futures_util::future::join_all;

use super::publish::Failures;
use crate::error::{Error, chain};
use crate::names::{LayerVersionArn, RegionName};
use crate::ports::{Announcement, Region};
use crate::report::{Reason, Why};
use crate::state::{Head, Outline, Versions};

/// Regions to be told, each with the version.
pub(crate) type Untold<'r> = BTreeMap<RegionName, (&'r Region, LayerVersionArn)>;

/// What Regions were told, and why others could not be.
#[derive(Default)]
pub(crate) struct Told {
    pub(crate) versions: Versions,
    pub(crate) failures: Failures,
}

impl Told {
    /// Notes what the Regions were told.
    pub(crate) fn write(&self, head: &mut Head) {
        for (region, version) in &self.versions {
            head.announce(region.clone(), version.clone());
        }
    }
}

/// The Regions that have a release, and whose parameter may name another one.
pub(crate) fn untold<'r>(head: &Head, release: u64, regions: &'r [Region]) -> Untold<'r> {
    let untold = regions.iter().filter_map(|region| {
        let name = region.registry.region();
        let version = head.version(release, name)?;
        let told = head.is_announced(name, version);
        (!told).then(|| (name.clone(), (region, version.clone())))
    });
    untold.collect()
}

/// The Regions that have a release, and whose parameter names another one by all that is known, or none.
pub(crate) fn unnamed<'r>(head: &Head, release: u64, regions: &'r [Region]) -> Untold<'r> {
    let mut untold = untold(head, release, regions);
    untold.retain(|name, (_, version)| {
        head.parameters().get(name).is_none_or(|parameter| parameter.version != *version)
    });
    untold
}

/// Writes the version of a release where deployments of those Regions look.
pub(crate) async fn announce(head: &Head, outline: &Outline, untold: Untold<'_>) -> Told {
    let telling = untold.into_iter().map(|(name, (region, arn))| async move {
        let (layer, version) = (head.layer(), &outline.version);
        let announcement = Announcement { layer, arn: &arn, version };
        let told = region.registry.announce(announcement).await;
        let told = told.map_err(|source| {
            let (action, layer) = ("announce the version of", layer.clone());
            Reason::from(Why::Error { error: chain(&Error::Registry { action, layer, source }) })
        });
        (name, told.map(|()| arn))
    });
    let mut told = Told::default();
    for (name, outcome) in join_all(telling).await {
        match outcome {
            Ok(arn) => drop(told.versions.insert(name, arn)),
            Err(reason) => drop(told.failures.insert(name, reason)),
        }
    }
    told
}
