//! Writes the version to use where people's deployments look.

use std::collections::BTreeMap;

use futures_util::future::join_all;
use jiff::Timestamp;

use super::publish::Failures;
use crate::error::{Error, chain};
use crate::names::{LayerVersionArn, RegionName};
use crate::ports::{Announcement, Parameters, Region};
use crate::report::{Reason, Why};
use crate::state::{Head, Outline};

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
    write: Write,
}

/// How the write of a Region's parameter ended.
#[derive(PartialEq, Eq)]
enum Write {
    Done,
    /// It failed, or its reply was lost.
    Doubtful,
}

impl Told {
    /// Notes what the Regions were told.
    pub(crate) fn write(&self, head: &mut Head, now: Timestamp) {
        for Said { region, version, parameters, write } in &self.said {
            match (parameters, write) {
                (Parameters::Written, Write::Done) => head.renames(region, version, now),
                (Parameters::Written, Write::Doubtful) => head.may_have_named(version, now),
                (Parameters::Absent, _) => {}
            }
            if *write == Write::Done {
                head.announce(region.clone(), version.clone());
            }
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
    let telling = untold.into_iter().map(|(name, (region, version))| async move {
        let (layer, data_version) = (head.layer(), &outline.version);
        let announcement = Announcement { layer, arn: &version, version: data_version };
        let told = region.registry.announce(announcement).await;
        let write = if told.is_ok() { Write::Done } else { Write::Doubtful };
        let failure = told.err().map(|source| {
            let (action, layer) = ("announce the version of", layer.clone());
            Reason::from(Why::Error { error: chain(&Error::Registry { action, layer, source }) })
        });
        let parameters = region.registry.parameters();
        (Said { region: name, version, parameters, write }, failure)
    });
    let mut told = Told::default();
    for (said, failure) in join_all(telling).await {
        told.failures.extend(failure.map(|reason| (said.region.clone(), reason)));
        told.said.push(said);
    }
    told
}
