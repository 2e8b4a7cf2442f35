//! Writes the version to use where people's deployments look.

use std::collections::BTreeMap;

use futures_util::future::join_all;
use jiff::Timestamp;

use super::publish::Failures;
use crate::error::{Error, chain};
use crate::names::{LayerVersionArn, RegionName};
use crate::ports::{Announcement, Parameters, Region};
use crate::report::{Reason, Why};
use crate::state::{Head, Outline, Session};

/// Regions to be told, each with the version.
pub(crate) type Untold<'r> = BTreeMap<RegionName, (&'r Region, LayerVersionArn)>;

/// What Regions were told, and why others could not be.
#[derive(Default)]
pub(crate) struct Told {
    said: Vec<Said>,
    pub(crate) failures: Failures,
}

/// One Region that was told.
struct Said {
    region: RegionName,
    version: LayerVersionArn,
    parameters: Parameters,
}

impl Told {
    /// Notes what the Regions were told.
    pub(crate) fn write(&self, head: &mut Head, now: Timestamp) {
        for Said { region, version, parameters } in &self.said {
            if *parameters == Parameters::Written {
                head.renames(region, version, now);
            }
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

/// Writes the version of a release where deployments of those Regions look. The head learns first that a parameter may name
/// it, because this run may end in between: what a parameter may have named is not pruned.
pub(crate) async fn announce(
    session: &mut Session<'_>,
    outline: &Outline,
    untold: Untold<'_>,
    now: Timestamp,
) -> Result<Told, Error> {
    let written = untold.values().filter(|(region, _)| is_written(region));
    let written: Vec<LayerVersionArn> = written.map(|(_, version)| version.clone()).collect();
    if !written.is_empty() {
        let aim = session.head().aim();
        session.change(|head| head.may_have_named(&written, now)).await?;
        // A person's order may have come with that write.
        if session.head().aim() != aim || session.head().frozen().is_some() {
            return Ok(Told::default());
        }
    }
    let layer = session.head().layer();
    let telling = untold.into_iter().map(|(name, (region, version))| async move {
        let announcement = Announcement { layer, arn: &version, version: &outline.version };
        match region.registry.announce(announcement).await {
            Ok(()) => {
                let parameters = region.registry.parameters();
                Ok(Said { region: name, version, parameters })
            }
            Err(source) => {
                let (action, layer) = ("announce the version of", layer.clone());
                let error = chain(&Error::Registry { action, layer, source });
                Err((name, Reason::from(Why::Error { error })))
            }
        }
    });
    let mut told = Told::default();
    for said in join_all(telling).await {
        match said {
            Ok(said) => told.said.push(said),
            Err((region, reason)) => drop(told.failures.insert(region, reason)),
        }
    }
    Ok(told)
}

fn is_written(region: &Region) -> bool {
    region.registry.parameters() == Parameters::Written
}
