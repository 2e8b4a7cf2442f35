//! Brings every Region to the release that consumers shall be on: publishes it where it is missing, lets the
//! readers in, and says that it is the one to use. Failures of one Region do not hold back the others.

use std::collections::{BTreeMap, BTreeSet};

use futures_util::future::join_all;

use crate::definition::Definition;
use crate::engine::Engine;
use crate::error::{Error, chain};
use crate::names::{AccountId, LayerVersionArn, RegionName};
use crate::ports::{Promotion, Region};
use crate::progress::Stages;
use crate::release::publish::{fault, publish_in};
use crate::state::LayerZip;
use crate::state::{Head, Lease, Leased, Release, Session, Told};

/// How far the Regions are.
pub(crate) enum Caught {
    /// Each Region has the release, or its failure stands here.
    Up(BTreeMap<RegionName, String>),
    /// Another publisher works on the layer.
    Busy(Lease),
}

/// What shall be in every Region.
pub(crate) struct Wanted<'a> {
    pub(crate) definition: &'a Definition,
    pub(crate) release: &'a Release,
    pub(crate) regions: &'a [Region],
    /// Regions that failed in this run already, and why: the next run tries them again.
    pub(crate) given_up: &'a BTreeMap<RegionName, String>,
}

/// How far one Region came.
struct Reached {
    version: Option<LayerVersionArn>,
    failure: Option<Error>,
}

pub(crate) async fn catch_up(
    engine: &Engine,
    session: &mut Session<'_>,
    wanted: &Wanted<'_>,
    stages: &Stages,
) -> Result<Caught, Error> {
    let mut failures = wanted.given_up.clone();
    let behind = wanted.behind(session.head());
    if behind.is_empty() {
        return Ok(Caught::Up(failures));
    }
    if let Leased::Theirs(lease) = session.lease().await? {
        return Ok(Caught::Busy(lease));
    }
    let folder = engine.run_folder()?;
    let head = session.head();
    let known = |region: &Region| {
        let region = region.registry.region();
        head.version(wanted.release.seq, region).cloned()
    };
    let zip = match behind.iter().any(|region| known(region).is_none()) {
        true => {
            let file = folder.path().join("layer.zip");
            Some(wanted.release.fetch_zip(engine.ports.store.as_ref(), &file).await)
        }
        false => None,
    };
    let steps =
        behind.iter().map(|region| wanted.reach(region, known(region), zip.as_ref(), stages));
    let reached = join_all(steps).await;
    let now = engine.ports.clock.now();
    let told: Vec<(RegionName, &Reached)> =
        behind.iter().map(|region| region.registry.region().clone()).zip(&reached).collect();
    session
        .change(|head| {
            for (region, reached) in &told {
                wanted.write_down(head, region, reached);
            }
            // Functions there may have been waiting for nothing but this.
            let anybody = told.iter().any(|(_, reached)| reached.failure.is_none());
            if anybody && head.rollout.is_none() && head.desired() == Some(wanted.release.seq) {
                head.roll(wanted.release.seq, now);
            }
        })
        .await?;
    for (region, reached) in &told {
        if let Some(error) = &reached.failure {
            failures.insert(region.clone(), chain(error));
        }
    }
    Ok(Caught::Up(failures))
}

impl Wanted<'_> {
    /// The Regions that lack the release, or were not told all of it.
    fn behind(&self, head: &Head) -> Vec<&Region> {
        let regions = self.regions.iter().filter(|region| {
            let name = region.registry.region();
            let version = head.version(self.release.seq, name);
            let told = version.is_some_and(|version| {
                head.told.get(name).is_some_and(|told| {
                    told.version == *version
                        && told.readers.is_superset(&self.definition.terms.readers)
                        && told.accounts.is_superset(&self.accounts())
                })
            });
            !told && !self.given_up.contains_key(name)
        });
        regions.collect()
    }

    fn accounts(&self) -> BTreeSet<AccountId> {
        let accounts = self.definition.destinations.accounts.iter();
        accounts.map(|account| account.id.clone()).collect()
    }

    async fn reach(
        &self,
        region: &Region,
        known: Option<LayerVersionArn>,
        zip: Option<&Result<LayerZip, Error>>,
        stages: &Stages,
    ) -> Reached {
        let (terms, release) = (&self.definition.terms, self.release);
        let version = match (known, zip) {
            (Some(arn), _) => Ok(arn),
            (None, Some(Ok(zip))) => {
                publish_in(region, terms, release, zip, stages).await.map(|version| version.arn)
            }
            (None, Some(Err(error))) => Err(Error::Proof {
                what: format!("the stored zip of release {}", release.seq),
                problem: chain(error),
            }),
            (None, None) => unreachable!("the zip is fetched where a version is missing"),
        };
        let arn = match version {
            Ok(arn) => arn,
            Err(error) => {
                return Reached { version: None, failure: Some(error) };
            }
        };
        let promotion = Promotion {
            layer: &release.layer,
            arn: &arn,
            version: &release.version,
            readers: &terms.readers,
        };
        let promoted = region.registry.promote(promotion).await;
        let failure = promoted.map_err(fault(release, "promote")).err();
        Reached { version: Some(arn), failure }
    }

    fn write_down(&self, head: &mut Head, region: &RegionName, reached: &Reached) {
        let Some(version) = &reached.version else {
            return;
        };
        let versions = head.versions.entry(self.release.seq).or_default();
        versions.insert(region.clone(), version.clone());
        if reached.failure.is_none() {
            let told = Told {
                version: version.clone(),
                readers: self.definition.terms.readers.clone(),
                accounts: self.accounts(),
            };
            head.told.insert(region.clone(), told);
        }
    }
}
