//! What the next refresh would do. Changes nothing, and downloads nothing.

use std::collections::BTreeSet;

use jiff::Timestamp;
use schemars::JsonSchema;
use semver::Version;
use serde::Serialize;

use super::can_roll::{orders, would_be};
use crate::definition::{Definition, RollMajor};
use crate::engine::{Engine, Retry};
use crate::error::{Error, chain};
use crate::intake::download::{UpstreamNews, news};
use crate::names::{DatasetName, LayerName, RegionName};
use crate::ports::Region;
use crate::problem::Problem;
use crate::release::make::rearranged;
use crate::report::{ConsumerReport, Exit, Reason, Why};
use crate::rollout::{
    Foreseen, Intent, Known, Next, Places, Plan, Target, foresee, goes_on, no_such_alarm, paused,
    traffic,
};
use crate::state::{Head, Rollout, Session};

/// What the next refresh of a layer would do.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub struct LayerPlan {
    /// The layer.
    pub layer: LayerName,
    /// A person's orders that keep the whole layer where it is.
    pub orders: Vec<Reason>,
    /// Why the open rollout keeps a newer release back: it is paused, or goes on from wave to wave.
    pub open: Option<Reason>,
    /// For what the open rollout waits for a person; its next waves are not foreseen then.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(default)]
    pub waits: Option<Waits>,
    /// What each upstream has; empty where the layer is kept where it is.
    pub datasets: Vec<DatasetPlan>,
    /// The release that would be made, if its data passes every check.
    pub release: Option<NextRelease>,
    /// How functions would move; absent before the first release.
    pub rollout: Option<Foreseen>,
    /// The functions that would stay where they are, and why.
    pub stay: Vec<ConsumerReport>,
    /// The places whose consumers could not be asked, and why.
    pub unknown: Vec<String>,
}

/// A rollout that waits for a person.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Waits {
    /// The wave that was opened last; 0 where none is open.
    pub wave: usize,
    /// Why.
    pub reason: Reason,
}

/// What the upstream of a dataset has.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub struct DatasetPlan {
    /// The dataset.
    pub name: DatasetName,
    /// What it has.
    #[serde(flatten)]
    pub upstream: UpstreamState,
}

/// What an upstream has.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
#[serde(tag = "state", rename_all = "lowercase")]
pub enum UpstreamState {
    /// What the current release has.
    Unchanged,
    /// Something else; it would be downloaded.
    Newer {
        /// Its length in bytes, where the upstream says.
        length_bytes: Option<u64>,
        /// When the upstream says that it last changed.
        #[schemars(with = "Option<String>")]
        changed: Option<Timestamp>,
    },
    /// A build that is known, and too young to be released.
    Young {
        /// Until when it waits.
        #[schemars(with = "String")]
        until: Timestamp,
    },
    /// A build that is known, and refused.
    Refused {
        /// Why.
        problems: Vec<Problem>,
    },
    /// It could not be asked.
    Failed {
        /// What happened.
        error: String,
    },
}

/// A release that would be made.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct NextRelease {
    /// Its number.
    pub release: u64,
    /// Why it would be made.
    pub because: Because,
    /// The Regions that it would be published in.
    pub regions: Vec<RegionName>,
}

/// Why a release would be made.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Because {
    /// An upstream has something newer.
    Data,
    /// The definition says that the layer holds something else.
    Definition,
    /// It is stored, and no Region has it yet.
    Stored,
}

impl DatasetPlan {
    /// Tells whether the upstream could not be asked.
    pub fn is_unknown(&self) -> bool {
        matches!(self.upstream, UpstreamState::Failed { .. })
    }
}

impl LayerPlan {
    /// Returns how a process with this result ends.
    pub fn exit(&self) -> Exit {
        let unasked = self.datasets.iter().any(DatasetPlan::is_unknown) || !self.unknown.is_empty();
        if unasked { Exit::Failed } else { Exit::Done }
    }
}

/// Tells what the next refresh of a layer would do: what it downloads, releases and publishes, which functions move when,
/// and which stay, and why. `retry` is that of the refresh.
///
/// # Errors
/// The store's and the host's errors.
pub async fn plan(
    engine: &Engine,
    definition: &Definition,
    retry: Retry,
) -> Result<LayerPlan, Error> {
    let session = engine.session(&definition.layer).await?;
    let head = session.head();
    let regions = engine.ports.regions.of(&definition.destinations).await;
    let mut planned = LayerPlan {
        layer: definition.layer.clone(),
        orders: orders(head),
        open: open(&session, definition, engine.ports.clock.now()).await?,
        waits: None,
        datasets: Vec::new(),
        release: None,
        rollout: None,
        stay: Vec::new(),
        unknown: Vec::new(),
    };
    if planned.orders.is_empty() && planned.open.is_none() {
        planned.datasets = asked(engine, definition, head, retry).await;
        planned.release = next_release(definition, head, &planned.datasets, &regions);
    }
    let Some(target) = Target::of(&session).await? else { return Ok(planned) };
    let places = Places::of(head, target.outline.seq, &regions);
    let mut world = places.observe(head, target.outline.seq).await;
    let strays = places.look_closely(&mut world).await;
    let now = engine.ports.clock.now();
    let imagined = |release| Rollout::imagined(&definition.layer, release, now);
    let (intent, rollout) = if let Some(next) = &planned.release {
        (intent_with(&session, definition, &target).await?, imagined(next.release))
    } else {
        let known = session.rollout().await?;
        let intent = target.intent(&session, definition).await?;
        (intent, known.unwrap_or_else(|| imagined(target.outline.seq)))
    };
    let mut rollout = rollout;
    if rollout.waves.is_empty() && rollout.traffic.is_none() {
        rollout.traffic = traffic(&intent, &world, &regions, now).await;
    }
    let mut today = crate::rollout::plan(&intent, &world, Some(&rollout), now);
    if let Some(why) = no_such_alarm(&intent, (&world, &today), Some(&rollout), &regions).await {
        today.next = Next::Hold(why);
    }
    planned.waits = waits(&today.next, &rollout);
    let (foreseen, standings) = match planned.waits {
        Some(_) => (Foreseen::default(), today.standings),
        None => foresee(&intent, &world, rollout, now),
    };
    let (plan, moved) = (Plan { standings, ..Plan::default() }, BTreeSet::new());
    let known =
        Known { world: &world, plan: &plan, strays: &strays, moved: &moved, left: Why::NextRun };
    let consumers = known.consumers();
    planned.stay = consumers.into_iter().filter(|one| one.reason.is_some()).collect();
    planned.rollout = Some(foreseen);
    planned.unknown = world.unknown();
    Ok(planned)
}

/// Tells for what a rollout waits for a person.
fn waits(next: &Next, rollout: &Rollout) -> Option<Waits> {
    let Next::Hold(why @ (Why::Undecided { .. } | Why::Paused { .. } | Why::NoSuchAlarm { .. })) =
        next
    else {
        return None;
    };
    let reason = Reason::of(why.clone(), rollout.layer.as_str(), None);
    Some(Waits { wave: rollout.waves.len(), reason })
}

async fn open(
    session: &Session<'_>,
    definition: &Definition,
    now: Timestamp,
) -> Result<Option<Reason>, Error> {
    let head = session.head();
    if let Some(why) = paused(head) {
        return Ok(Some(Reason::of(why, head.layer().as_str(), None)));
    }
    let release = head.desired().unwrap_or_default();
    let goes_on = goes_on(session, definition, now).await?;
    Ok(goes_on.then(|| Why::GoesOn { release }.into()))
}

async fn asked(
    engine: &Engine,
    definition: &Definition,
    head: &Head,
    retry: Retry,
) -> Vec<DatasetPlan> {
    let mut head = head.clone();
    if retry == Retry::Now {
        head.forget_rejections();
    }
    let datasets = &definition.datasets;
    let answers = news(engine, &head, datasets, &definition.limits, retry).await;
    let plans = datasets.iter().zip(answers).map(|(dataset, answer)| DatasetPlan {
        name: dataset.name.clone(),
        upstream: match answer {
            UpstreamNews::Unchanged => UpstreamState::Unchanged,
            UpstreamNews::Young(until) => UpstreamState::Young { until },
            UpstreamNews::Refused(problems) => UpstreamState::Refused { problems },
            UpstreamNews::Newer { length_bytes, changed } => {
                UpstreamState::Newer { length_bytes, changed }
            }
            UpstreamNews::Failed(error) => UpstreamState::Failed { error: chain(&error) },
        },
    });
    plans.collect()
}

fn next_release(
    definition: &Definition,
    head: &Head,
    datasets: &[DatasetPlan],
    regions: &[Region],
) -> Option<NextRelease> {
    let newer = |one: &DatasetPlan| matches!(one.upstream, UpstreamState::Newer { .. });
    let stored = head.unpublished().map(|stored| (stored.release, Because::Stored));
    let new = (head.newest() + 1, Because::Data);
    let (release, because) = if datasets.iter().any(newer) {
        new
    } else if head.outline().is_some() && rearranged(definition, head.outline()) {
        (new.0, Because::Definition)
    } else {
        stored?
    };
    let regions = regions.iter().map(|region| region.registry.region().clone()).collect();
    Some(NextRelease { release, because, regions })
}

/// What would be intended, were the next release made. Its data version is not known before its data: the lowest one is
/// assumed.
async fn intent_with(
    session: &Session<'_>,
    definition: &Definition,
    target: &Target,
) -> Result<Intent, Error> {
    let Version { major, minor, patch, .. } = target.outline.version;
    let intent = target.intent(session, definition).await?;
    let intent = would_be(intent, &Version::new(major, minor, patch + 1));
    let spec = &definition.rollout;
    Ok(Intent {
        course: (!spec.course.is_all_at_once()).then(|| spec.course.clone()),
        gates: spec.gates.clone(),
        probe: spec.probe.clone(),
        major_since: (spec.roll_major == RollMajor::Hold)
            .then(|| session.head().first_of_major(major))
            .flatten(),
        ..intent
    })
}
