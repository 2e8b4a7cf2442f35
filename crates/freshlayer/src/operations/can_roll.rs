//! What would stop each function, asked before anything moves.

use std::collections::{BTreeMap, BTreeSet};

use schemars::JsonSchema;
use semver::Version;
use serde::Serialize;

use super::inspect::{Against, Judged, judged};
use crate::definition::{Definition, RollMajor};
use crate::engine::Engine;
use crate::error::Error;
use crate::names::{DatasetName, LayerName, LayerVersionArn};
use crate::problem::GateReport;
use crate::report::{ConsumerReport, ConsumerState, Exit, Reason, Why};
use crate::rollout::{Goal, Intent, Known, Places, Target, frozen, plan};
use crate::state::{Decision, Head, Session, Snapshot, decide, read_release};

/// What functions would roll to.
#[derive(Debug, Clone)]
pub enum Ahead {
    /// The release that they shall be on already.
    Current,
    /// The release that a file or an address would become as data of a dataset.
    Data {
        /// The address, or an absolute path.
        source: String,
        /// The dataset.
        dataset: DatasetName,
    },
}

/// Whether a layer can roll, function by function.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub struct CanRoll {
    /// The layer.
    pub layer: LayerName,
    /// The data version that functions would get; absent where the data is refused.
    pub version: Option<String>,
    /// Whether the data is new: what was handed in may be what the current release has.
    pub is_new: bool,
    /// Why it is that version.
    pub version_reasons: Vec<String>,
    /// Every check of the data, where data was handed in.
    pub checks: GateReport,
    /// A person's orders that keep the whole layer where it is.
    pub orders: Vec<Reason>,
    /// Every consumer: `behind` is one that would follow.
    pub consumers: Vec<ConsumerReport>,
    /// The places whose consumers could not be asked, and why.
    pub unknown: Vec<String>,
}

impl CanRoll {
    /// Returns the functions that would not follow.
    pub fn stopped(&self) -> impl Iterator<Item = &ConsumerReport> {
        use ConsumerState::{Failed, Held, Ordered};
        self.consumers.iter().filter(|one| matches!(one.state, Held | Ordered | Failed))
    }

    /// Returns how a process with this result ends.
    pub fn exit(&self) -> Exit {
        let free = self.orders.is_empty() && self.unknown.is_empty();
        match self.version {
            None => Exit::Rejected,
            Some(_) if free && self.stopped().next().is_none() => Exit::Done,
            Some(_) => Exit::Held,
        }
    }
}

/// Tells which functions would follow the current release, or the release that new data would become, and what would
/// stop each. Changes nothing.
///
/// # Errors
/// [`Error::NotPossible`] where the layer has no release; [`Error::Source`] where the data cannot be had; the store's
/// and the host's errors.
pub async fn can_roll(
    engine: &Engine,
    definition: &Definition,
    ahead: &Ahead,
) -> Result<CanRoll, Error> {
    let session = engine.session(&definition.layer).await?;
    let Some(target) = Target::of(&session).await? else {
        return Err(Error::NotPossible(format!(
            "layer `{}` has no release yet, so no function can be on it",
            definition.layer
        )));
    };
    let intent = target.intent(&session, definition).await?;
    let mut intent = Intent { course: None, paused: None, probe: None, ..intent };
    let mut said = CanRoll {
        layer: definition.layer.clone(),
        version: Some(target.outline.version.to_string()),
        is_new: false,
        version_reasons: target.outline.version_reasons.clone(),
        checks: GateReport::default(),
        orders: orders(session.head()),
        consumers: Vec::new(),
        unknown: Vec::new(),
    };
    if let Ahead::Data { source, dataset } = ahead {
        let against = Against::Dataset(Box::new(definition.clone()), dataset.clone());
        let Judged { inspection, snapshot } = judged(engine, source, against).await?;
        said.checks = inspection.checks;
        let Some(snapshot) = snapshot else {
            return Ok(CanRoll { version: None, version_reasons: Vec::new(), ..said });
        };
        if let Some(decision) = next_version(engine, &session, snapshot).await? {
            let major = decision.version.major;
            intent = would_be(intent, &decision.version);
            let first = if major > target.outline.version.major {
                intent.release()
            } else {
                session.head().first_of_major(major)
            };
            let holds_major = definition.rollout.roll_major == RollMajor::Hold;
            intent.major_since = first.filter(|_| holds_major);
            said.version = Some(decision.version.to_string());
            said.version_reasons = decision.reasons;
            said.is_new = true;
        }
    }
    let regions = engine.ports.regions.of(&definition.destinations).await;
    let places = Places::of(session.head(), target.outline.seq, &regions);
    let mut world = places.observe(session.head(), target.outline.seq).await;
    let strays = places.look_closely(&mut world).await;
    let (plan, moved) = (plan(&intent, &world, None, engine.ports.clock.now()), BTreeSet::new());
    let known =
        Known { world: &world, plan: &plan, strays: &strays, moved: &moved, left: Why::NextRun };
    said.consumers = known.consumers();
    said.unknown = world.unknown();
    Ok(said)
}

/// Decides the version of a release with another snapshot; `None` where it is what the live release has.
async fn next_version(
    engine: &Engine,
    session: &Session<'_>,
    snapshot: Snapshot,
) -> Result<Option<Decision>, Error> {
    let Some(live) = session.current_release().await? else { return Ok(None) };
    let head = session.head();
    let store = engine.ports.store.as_ref();
    let newest = read_release(store, head.layer(), head.newest()).await?;
    let mut next = live.snapshots.clone();
    match next.iter_mut().find(|known| known.dataset == snapshot.dataset) {
        Some(known) if known.digest == snapshot.digest => return Ok(None),
        Some(known) => *known = snapshot,
        None => next.push(snapshot),
    }
    let versions = [Some(&live), newest.as_ref()].into_iter().flatten();
    let highest = versions.map(|release| &release.version).max();
    Ok(Some(decide(highest.zip(Some(&live.snapshots[..])), &next)))
}

/// What would be intended, were there one more release: its layer versions have numbers that none has yet.
pub(super) fn would_be(intent: Intent, version: &Version) -> Intent {
    let release = intent.releases.keys().next_back().map_or(1, |newest| newest + 1);
    let known = intent.releases.values().flatten();
    let targets = known.filter_map(|(region, arn)| {
        let next = LayerVersionArn::parse(&format!("{}:{}", arn.layer(), u64::MAX)).ok()?;
        Some((region.clone(), next))
    });
    let targets: BTreeMap<_, _> = targets.collect();
    let goal = Goal::Release { release, version: version.clone(), targets };
    Intent { goal, set_back: BTreeMap::new(), ..intent }
}

/// What a person ordered for the whole layer.
pub(super) fn orders(head: &Head) -> Vec<Reason> {
    let pinned = head.pinned().map(|pin| Why::Pinned {
        release: pin.release,
        at: pin.at,
        by: pin.by.clone(),
        reason: pin.reason.clone(),
        until: pin.until,
    });
    let handed_back =
        head.is_handed_back().map(|order| Why::HandedBack { by: order.by.clone(), at: order.at });
    let layer = head.layer().as_str();
    let orders = [frozen(head), pinned, handed_back].into_iter().flatten();
    orders.map(|why| Reason::of(why, layer, None)).collect()
}
