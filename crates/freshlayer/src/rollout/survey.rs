use std::sync::Arc;

use futures_util::future::join_all;

use super::plan::{Desired, Plan, plan};
use crate::error::{Error, chain};
use crate::names::{Place, RegionName};
use crate::ports::{Consumer, Fleet, PortError, Region};
use crate::state::{Head, Release};

/// What a look at the consumers of every place found, before anything is done.
pub(crate) struct Survey {
    pub(super) looks: Vec<Look>,
}

/// One place: what is desired there, and what was found.
pub(super) struct Look {
    pub(super) place: Place,
    pub(super) fleet: Arc<dyn Fleet>,
    pub(super) found: Result<Found, String>,
}

pub(super) struct Found {
    pub(super) desired: Desired,
    pub(super) observed: Vec<Consumer>,
    pub(super) plan: Plan,
}

impl Survey {
    pub(crate) fn nothing_to_do(&self) -> bool {
        let mut found = self.looks.iter().filter_map(|look| look.found.as_ref().ok());
        found.all(|found| found.plan.steps.is_empty())
    }
}

/// How closely consumers are looked at.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Closely {
    /// Every consumer, with its aliases and tags.
    Each,
    /// Not at all where the host can tell cheaply that nothing happened.
    IfNeeded,
}

/// Observes the consumers of a release in every place, and plans their next steps.
pub(crate) async fn survey(head: &Head, release: &Release, regions: &[Region]) -> Survey {
    look(head, release, regions, Closely::Each).await
}

/// As [`survey`], but where the last rollout was finished a glance is enough to see that nothing happened.
pub(crate) async fn glance(head: &Head, release: &Release, regions: &[Region]) -> Survey {
    let closely = match head.rollout {
        Some(_) => Closely::Each,
        None => Closely::IfNeeded,
    };
    look(head, release, regions, closely).await
}

async fn look(head: &Head, release: &Release, regions: &[Region], closely: Closely) -> Survey {
    let places = regions.iter().flat_map(Region::places);
    let looks = places.map(|(place, fleet)| async move {
        let found = look_at(head, release, &place.region, fleet.as_ref(), closely).await;
        Look { place, fleet, found }
    });
    Survey { looks: join_all(looks).await }
}

async fn look_at(
    head: &Head,
    release: &Release,
    region: &RegionName,
    fleet: &dyn Fleet,
    closely: Closely,
) -> Result<Found, String> {
    let desired = desired(head, release, region)?;
    let told = |source| fault(&desired, source);
    let settled =
        closely == Closely::IfNeeded && fleet.is_settled(&desired.target).await.map_err(told)?;
    let observed = match settled {
        true => Vec::new(),
        false => fleet.observe(&desired.target).await.map_err(told)?,
    };
    let plan = plan(&desired, &observed);
    Ok(Found { desired, observed, plan })
}

pub(super) fn fault(desired: &Desired, source: PortError) -> String {
    let layer = desired.layer.clone();
    chain(&Error::Fleet { layer, source })
}

fn desired(head: &Head, release: &Release, region: &RegionName) -> Result<Desired, String> {
    let target = head.version(release.seq, region).cloned();
    let missing = || format!("release {} is not published there yet", release.seq);
    let releases = head.versions.iter();
    let releases = releases.filter_map(|(seq, in_regions)| Some((*seq, in_regions.get(region)?)));
    Ok(Desired {
        layer: release.layer.clone(),
        target: target.ok_or_else(missing)?,
        version: release.version.clone(),
        releases: releases.map(|(seq, arn)| (seq, arn.clone())).collect(),
    })
}
