//! Brings every Region to the release that consumers shall be on: publishes it in every Region that lacks it, and grants
//! access to the readers. Failures of one Region do not hold back the others.

use std::collections::BTreeSet;

use futures_util::future::join_all;

use crate::definition::Definition;
use crate::engine::Run;
use crate::error::{Error, chain};
use crate::names::{AccountId, LayerVersionArn, RegionName};
use crate::ports::Region;
use crate::progress::Stages;
use crate::release::foreign::foreign_to;
use crate::release::publish::{Failures, publish_in};
use crate::release::recover::zip_of;
use crate::report::{Reason, Why};
use crate::state::{Head, LayerZip, Lease, Leased, Outline, Release, Session, Shared, Work};

/// How far the Regions are.
pub(crate) enum Caught {
    /// Each Region has the release, or its failure stands here.
    Up(Failures),
    /// Another publisher works on the layer.
    Busy(Lease),
}

/// What shall be in every Region.
pub(crate) struct Assigned<'a> {
    pub(crate) definition: &'a Definition,
    pub(crate) outline: &'a Outline,
    pub(crate) regions: &'a [Region],
    /// Regions that failed in this run already, and why: the next run tries them again.
    pub(crate) given_up: &'a Failures,
}

/// What a missing version is published from.
struct Stored {
    release: Release,
    zip: LayerZip,
}

/// How far one Region came.
struct Reached {
    version: Option<LayerVersionArn>,
    failure: Option<Reason>,
}

pub(crate) async fn catch_up(
    run: &Run<'_>,
    session: &mut Session<'_>,
    wanted: &Assigned<'_>,
) -> Result<Caught, Error> {
    let engine = run.engine;
    let mut failures = wanted.given_up.clone();
    let behind = wanted.behind(session.head());
    if behind.is_empty() {
        return Ok(Caught::Up(failures));
    }
    if let Leased::Theirs(lease) = session.lease(Work::Preparing).await? {
        return Ok(Caught::Busy(lease));
    }
    let folder = engine.run_folder()?;
    let head = session.head();
    let known =
        |region: &Region| head.version(wanted.outline.seq, region.registry.region()).cloned();
    let stored = if behind.iter().any(|region| known(region).is_none()) {
        Some(wanted.stored(run, session, &folder.path().join("layer.zip")).await)
    } else {
        None
    };
    let steps = behind
        .iter()
        .map(|region| wanted.reach(head, region, known(region), stored.as_ref(), run.stages));
    let reached = join_all(steps).await;
    let now = engine.ports.clock.now();
    let reached: Vec<(RegionName, &Reached)> =
        behind.iter().map(|region| region.registry.region().clone()).zip(&reached).collect();
    session
        .change(|head| {
            for (region, reached) in &reached {
                wanted.write_down(head, region, reached);
            }
            // Functions there may have been waiting for nothing but this.
            let anybody = reached.iter().any(|(_, reached)| reached.failure.is_none());
            if anybody && head.rollout().is_none() && head.desired() == Some(wanted.outline.seq) {
                head.roll_again(wanted.outline.seq, now);
            }
        })
        .await?;
    for (region, reached) in &reached {
        if let Some(reason) = &reached.failure {
            failures.insert(region.clone(), reason.clone());
        }
    }
    Ok(Caught::Up(failures))
}

impl Assigned<'_> {
    /// The Regions that lack the release, or whose readers are not those that are wanted.
    fn behind(&self, head: &Head) -> Vec<&Region> {
        let regions = self.regions.iter().filter(|region| {
            let name = region.registry.region();
            let version = head.version(self.outline.seq, name);
            let is_shared = version.is_some_and(|version| {
                head.shared().get(name).is_some_and(|shared| {
                    shared.version == *version
                        && shared.readers.is_superset(&self.definition.terms.readers)
                        && shared.accounts.is_superset(&self.accounts())
                })
            });
            !is_shared && !self.given_up.contains_key(name)
        });
        regions.collect()
    }

    fn accounts(&self) -> BTreeSet<AccountId> {
        let accounts = self.definition.destinations.accounts.iter();
        accounts.map(|account| account.id.clone()).collect()
    }

    async fn stored(
        &self,
        run: &Run<'_>,
        session: &Session<'_>,
        file: &std::path::Path,
    ) -> Result<Stored, Error> {
        let release = session.release(self.outline.seq).await?;
        let zip = zip_of(run.engine, run.definition, session.head(), &release, file).await?;
        Ok(Stored { release, zip })
    }

    async fn reach(
        &self,
        head: &Head,
        region: &Region,
        known: Option<LayerVersionArn>,
        stored: Option<&Result<Stored, Error>>,
        stages: &Stages,
    ) -> Reached {
        let version = match (known, stored) {
            (Some(arn), _) => Ok(arn),
            (None, Some(Ok(stored))) => self.publish(head, region, stored, stages).await,
            (None, Some(Err(error))) => Err(Why::Error { error: chain(error) }.into()),
            (None, None) => unreachable!("the zip is fetched where a version is missing"),
        };
        let arn = match version {
            Ok(arn) => arn,
            Err(reason) => return Reached { version: None, failure: Some(reason) },
        };
        let readers = &self.definition.terms.readers;
        let failure = region.registry.share(&arn, readers).await.err().map(|source| {
            let (action, layer) = ("share the version of", head.layer().clone());
            let error = Error::Registry { action, layer, source };
            Reason::from(Why::Error { error: chain(&error) })
        });
        Reached { version: Some(arn), failure }
    }

    async fn publish(
        &self,
        head: &Head,
        region: &Region,
        stored: &Stored,
        stages: &Stages,
    ) -> Result<LayerVersionArn, Reason> {
        let failed = |error: &Error| Reason::from(Why::Error { error: chain(error) });
        let foreign = foreign_to(self.definition, head, region).await;
        if let Some(why) = foreign.map_err(|error| failed(&error))? {
            return Err(why.into());
        }
        let terms = &self.definition.terms;
        let made = publish_in(region, terms, &stored.release, &stored.zip, stages).await;
        made.map(|version| version.arn).map_err(|error| failed(&error))
    }

    fn write_down(&self, head: &mut Head, region: &RegionName, reached: &Reached) {
        let Some(version) = &reached.version else {
            return;
        };
        head.published(self.outline.seq, [(region.clone(), version.clone())].into());
        if reached.failure.is_none() {
            let shared = Shared {
                version: version.clone(),
                readers: self.definition.terms.readers.clone(),
                accounts: self.accounts(),
            };
            head.share(region.clone(), shared);
        }
    }
}
