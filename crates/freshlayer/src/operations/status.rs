use std::collections::{BTreeMap, BTreeSet};

use jiff::{SignedDuration, Timestamp};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::verify::DatasetGates;
use crate::definition::{Dataset, Definition};
use crate::engine::Engine;
use crate::error::Error;
use crate::intake::download::waits_until;
use crate::names::{DatasetName, Digest, LayerName, Place};
use crate::ports::CodeStorage;
use crate::problem::{Level, Problem};
use crate::report::{ConsumerReport, Reason, ReleaseReport, Why, minute};
use crate::rollout::{Known, Places, Target, outline_report, plan};
use crate::state::{
    Acceptance, FailedRun, Freeze, Head, LeftBehind, Ordered, Outline, Pin, Rollout, Session,
};

/// How a layer stands.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub struct LayerStatus {
    /// The layer.
    pub layer: LayerName,
    /// The release that consumers shall be on; absent before the first one.
    pub release: Option<ReleaseReport>,
    /// The last release that every movable consumer has reached.
    pub stable: Option<u64>,
    /// Age of each dataset in seconds, by the upstream's build time or else the download's.
    pub datasets: Vec<DatasetAge>,
    /// Every consumer.
    pub consumers: Vec<ConsumerReport>,
    /// How full each place's code storage is, where the host has a limit.
    pub storage: Vec<StorageLine>,
    /// The places whose consumers could not be asked, and why.
    pub unknown: Vec<String>,
    /// A person's order to stay on a release.
    pub pinned: Option<Pin>,
    /// A person's order that nothing moves.
    pub frozen: Option<Freeze>,
    /// A person's order to go back to what functions used before the layer was adopted.
    pub handed_back: Option<Ordered>,
    /// A person's order that the open rollout goes no further for now.
    pub paused: Option<Ordered>,
    /// The release of a rollout that is not finished.
    pub rolling_to: Option<u64>,
    /// For what that rollout waits for a person, by its code; absent where it goes on by itself.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(default)]
    pub held: Option<String>,
    /// Until when the upstream's newest build of a dataset waits, because it is younger than `expect.min_age_hours`.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    #[schemars(with = "BTreeMap<DatasetName, String>", default)]
    pub young: BTreeMap<DatasetName, Timestamp>,
    /// When a refresh last looked at all functions and wrote that down. A later one that found nothing new may have written nothing.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<String>", default)]
    pub looked: Option<Timestamp>,
    /// When the layer was last refreshed on the local host, whatever came of it.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<String>", default)]
    pub refreshed: Option<Timestamp>,
    /// Why the last refresh failed; absent where it did not.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(default)]
    pub failed: Option<FailedRun>,
    /// Why the upstream's newest data is not released.
    pub rejected: Vec<Problem>,
    /// The refused builds that a person may accept: the digest of each by its dataset.
    pub acceptable: BTreeMap<DatasetName, Digest>,
    /// What the release's data went through before it was released; absent where it was not asked for.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schemars(default)]
    pub gates: Vec<DatasetGates>,
    /// The release that is stored and not published yet: its scanner waits, or no Region took it.
    pub stored: Option<u64>,
    /// The builds that a person let pass and that are not released yet.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schemars(default)]
    pub accepted: Vec<Acceptance>,
    /// Who works on the layer, until when at the latest.
    pub lease: Option<String>,
}

/// The code storage of a place.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct StorageLine {
    /// The place.
    #[serde(flatten)]
    pub place: Place,
    /// How full it is.
    #[serde(flatten)]
    pub storage: CodeStorage,
}

/// The age of a dataset.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct DatasetAge {
    /// The dataset.
    pub name: DatasetName,
    /// Seconds since it was built.
    pub age_secs: i64,
}

/// Tells how a layer stands. Changes nothing.
///
/// # Errors
/// The store's and the host's errors.
pub async fn status(engine: &Engine, definition: &Definition) -> Result<LayerStatus, Error> {
    asked(engine, &engine.session(&definition.layer).await?, definition).await
}

/// As [`status`], with a head that was read.
pub(super) async fn asked(
    engine: &Engine,
    session: &Session<'_>,
    definition: &Definition,
) -> Result<LayerStatus, Error> {
    let (head, now) = (session.head(), engine.ports.clock.now());
    let Some(target) = Target::of(session).await? else {
        let young = young(head, definition, now);
        return Ok(LayerStatus { young, ..LayerStatus::by_state(head, None, now) });
    };
    let mut status = LayerStatus::by_state(head, Some(&target.outline), now);
    status.young = young(head, definition, now);
    let regions = engine.ports.regions.of(&definition.destinations).await;
    let places = Places::of(head, target.outline.seq, &regions);
    let mut world = places.observe(head, target.outline.seq).await;
    let storage = places.storage().await.into_iter();
    status.storage = storage.map(|(place, storage)| StorageLine { place, storage }).collect();
    let strays = places.look_closely(&mut world).await;
    let intent = target.intent(session, definition).await?;
    let rollout = session.rollout().await?;
    let (plan, moved) = (plan(&intent, &world, rollout.as_ref(), now), BTreeSet::new());
    let known =
        Known { world: &world, plan: &plan, strays: &strays, moved: &moved, left: Why::NextRun };
    let consumers = known.consumers().into_iter().map(|one| as_noted(one, rollout.as_ref()));
    status.seen(consumers.collect(), world.unknown());
    Ok(status)
}

/// Says of a function that the next refresh tries again why the last one could not move it.
fn as_noted(consumer: ConsumerReport, rollout: Option<&Rollout>) -> ConsumerReport {
    let note = rollout.and_then(|rollout| rollout.note(&consumer.place, &consumer.function));
    match (note.filter(|note| note.failed), consumer.why()) {
        (Some(note), Some(Why::NextRun)) => {
            let reason = Some(Reason { why: Why::NextRun, text: note.outcome.clone() });
            ConsumerReport { reason, ..consumer }
        }
        _ => consumer,
    }
}

impl LayerStatus {
    /// What the state alone says.
    pub(super) fn by_state(head: &Head, outline: Option<&Outline>, now: Timestamp) -> Self {
        let snapshots = outline.into_iter().flat_map(|outline| &outline.snapshots);
        let ages = snapshots.map(|snapshot| DatasetAge {
            name: snapshot.dataset.clone(),
            age_secs: age_secs(now, snapshot.built_or_fetched()),
        });
        let lease = head.lease();
        Self {
            layer: head.layer().clone(),
            release: outline.map(|outline| outline_report(head, outline)),
            stable: head.stable(),
            datasets: ages.collect(),
            consumers: Vec::new(),
            storage: Vec::new(),
            unknown: Vec::new(),
            pinned: head.pinned().cloned(),
            frozen: head.frozen().cloned(),
            handed_back: head.is_handed_back().cloned(),
            paused: head.rollout().and_then(|rollout| rollout.paused.clone()),
            rolling_to: head.rollout().map(|rollout| rollout.to),
            held: head.rollout().and_then(|rollout| rollout.held.clone()),
            young: BTreeMap::new(),
            looked: head.looked().map(|looked| looked.at),
            refreshed: None,
            failed: head.failed().cloned(),
            rejected: refused(head),
            acceptable: acceptable(head),
            gates: Vec::new(),
            stored: head.unpublished().map(|unpublished| unpublished.release),
            accepted: accepted(head),
            lease: lease.map(|lease| format!("{} until {}", lease.owner, minute(lease.expires))),
        }
    }

    /// Adds what was seen of the functions.
    pub(super) fn seen(&mut self, consumers: Vec<ConsumerReport>, unknown: Vec<String>) {
        (self.consumers, self.unknown) = (consumers, unknown);
        if self.is_where_it_belongs() && self.stable == self.rolling_to {
            self.rolling_to = None;
        }
    }

    /// Returns the datasets that are older than `max`, each with what it is older by.
    pub fn older_than(&self, max: SignedDuration) -> Vec<(&DatasetName, SignedDuration)> {
        let ages = self.datasets.iter().map(|dataset| {
            (&dataset.name, SignedDuration::from_secs(dataset.age_secs).saturating_sub(max))
        });
        ages.filter(|(_, beyond)| beyond.is_positive()).collect()
    }

    /// A rollout is told of only while some function is still on its way, or its last wave is watched.
    fn is_where_it_belongs(&self) -> bool {
        let on_the_way = self.consumers.iter().any(ConsumerReport::is_on_its_way);
        self.unknown.is_empty() && !on_the_way
    }
}

/// Until when builds that are too young wait.
fn young(head: &Head, definition: &Definition, now: Timestamp) -> BTreeMap<DatasetName, Timestamp> {
    if head.asks_no_upstream() {
        return BTreeMap::new();
    }
    let waits = |dataset: &Dataset| Some((dataset.name.clone(), waits_until(head, dataset, now)?));
    definition.datasets.iter().filter_map(waits).collect()
}

/// Why the newest data of each upstream is not released.
fn refused(head: &Head) -> Vec<Problem> {
    let newest = |dataset: &DatasetName, digest: &Digest| {
        head.upstream(dataset).is_some_and(|seen| seen.digest == *digest)
    };
    let verdicts = head.rejected().iter().filter(|known| newest(&known.dataset, &known.digest));
    let left = head.left_behind().iter().filter(|left| newest(&left.dataset, &left.digest));
    let problems = verdicts.flat_map(|verdict| &verdict.problems);
    let verdicts = problems.filter(|problem| problem.level == Level::Fail).cloned();
    verdicts.chain(left.map(LeftBehind::problem)).collect()
}

/// The newest data of each upstream, where it is refused for nothing but what differs from the live release.
fn acceptable(head: &Head) -> BTreeMap<DatasetName, Digest> {
    let newest = head.rejected().iter().filter(|known| {
        head.upstream(&known.dataset).is_some_and(|seen| seen.digest == known.digest)
            && !known.problems.iter().any(Problem::is_beyond_acceptance)
    });
    newest.map(|known| (known.dataset.clone(), known.digest.clone())).collect()
}

/// The newest data of each upstream, where a person let it pass and the next refresh releases it.
fn accepted(head: &Head) -> Vec<Acceptance> {
    let waits = |order: &&Acceptance| {
        let newest = head.upstream(&order.dataset).is_some_and(|seen| seen.digest == order.digest);
        let mut served = head.outline().into_iter().flat_map(|outline| &outline.snapshots);
        let is_left = head.left_behind().iter().any(|left| left.digest == order.digest);
        newest && !is_left && !served.any(|snapshot| snapshot.digest == order.digest)
    };
    head.accepted().iter().filter(waits).cloned().collect()
}

fn age_secs(now: Timestamp, then: Timestamp) -> i64 {
    now.as_second().saturating_sub(then.as_second())
}
