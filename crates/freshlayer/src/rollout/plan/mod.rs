//! The plan: a pure function of what is intended, what was observed, what the rollout noted, and the time. It looks at
//! all places at once.

mod choice;
mod function;
mod layers;
mod regions;
mod waves;

use std::collections::{BTreeMap, BTreeSet};

use jiff::{SignedDuration, Timestamp};
use semver::Version;

pub use choice::{Opening, WAVE_TAG};
pub(crate) use function::{Here, REAPPLIED_MAX};
pub(crate) use waves::{Admission, FAILURE_RUNS_MAX, GOES_ON_FOR_MAX, Waves};

use crate::definition::{Architecture, Course, FunctionProbe, Gates, Roll};
use crate::names::{LayerName, LayerVersionArn, Place, RegionName};
use crate::ports::{Consumer, FunctionName, Step};
use crate::report::{Reason, Why};
use crate::state::{Rollout, StaysOn, Versions, Wave};

/// What is intended.
#[derive(Debug, Clone)]
pub struct Intent {
    /// The layer.
    pub layer: LayerName,
    /// Where consumers shall be.
    pub goal: Goal,
    /// The layer versions of each release, for functions that are pinned by a tag.
    pub releases: BTreeMap<u64, Versions>,
    /// The processor architectures that the layer is made for; empty where it does not matter.
    pub architectures: Vec<Architecture>,
    /// What happens to functions on versions that freshlayer did not make.
    pub foreign: Foreign,
    /// Layer versions that a way back needs: published versions of functions that carry them are kept.
    pub ways_back: BTreeSet<LayerVersionArn>,
    /// The releases that were rolled back.
    pub left: BTreeSet<u64>,
    /// Why nothing may move.
    pub frozen: Option<Why>,
    /// The functions that a person lets stay where they are, and why.
    pub frozen_functions: BTreeMap<FunctionName, Why>,
    /// The functions that a person keeps on a release of their own.
    pub pinned_functions: BTreeMap<FunctionName, PinnedFunction>,
    /// How often other hands set a function back that the release had reached.
    pub set_back: BTreeMap<(String, FunctionName), SetBack>,
    /// Why the open rollout goes no further for now.
    pub paused: Option<Why>,
    /// In which waves functions move; absent where all move at once.
    pub course: Option<Course>,
    /// What is watched while a wave bakes.
    pub gates: Gates,
    /// What each function is asked with the new data.
    pub probe: Option<FunctionProbe>,
    /// Whose hands move functions.
    pub roll: Roll,
    /// The first release of the data's major version, where functions on an earlier one are held.
    pub major_since: Option<u64>,
}

impl Intent {
    /// Returns the release that consumers shall be on.
    pub fn release(&self) -> Option<u64> {
        match self.goal {
            Goal::Release { release, .. } => Some(release),
            Goal::Before(_) => None,
        }
    }
}

/// Where consumers shall be.
#[derive(Debug, Clone)]
pub enum Goal {
    /// On a release.
    Release {
        /// Its number.
        release: u64,
        /// Its data version.
        version: Version,
        /// Its layer version in each Region.
        targets: BTreeMap<RegionName, LayerVersionArn>,
    },
    /// On the layer version that each used before the layer was adopted, by place and function.
    Before(BTreeMap<(String, FunctionName), LayerVersionArn>),
}

/// A function that a person keeps on a release of its own.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PinnedFunction {
    /// Where it stays.
    pub to: StaysOn,
    /// Why.
    pub why: Why,
}

/// What happens to functions on versions that freshlayer did not make.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Foreign {
    /// They are left alone.
    Held,
    /// They move as the others do.
    Adopted,
}

/// How often other hands set a function back from a release that it had reached.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SetBack {
    /// How often before.
    pub before: u32,
    /// Whether it was there when the journal was last written: if it is not there now, it was set back once more.
    pub was_there: bool,
    /// Whether a part of its calls was there then: without that part it was set back once more, unless it moves on.
    pub was_in_part: bool,
}

impl SetBack {
    /// Counts the last time.
    pub fn times(self) -> u32 {
        self.before + u32::from(self.was_there)
    }

    /// Counts the last time of a function that lost its part.
    pub fn in_part(self) -> u32 {
        self.before + u32::from(self.was_there || self.was_in_part)
    }
}

/// What was observed.
#[derive(Debug, Clone, Default)]
pub struct World {
    /// Each place.
    pub places: Vec<PlaceView>,
}

impl World {
    /// Every consumer, by its place.
    pub(crate) fn functions(&self) -> impl Iterator<Item = (Place, FunctionName)> {
        self.places.iter().flat_map(|view| {
            let consumers = view.consumers.iter().flatten();
            consumers.map(|consumer| (view.place.clone(), consumer.function.clone()))
        })
    }

    /// The places of a wave of whose functions it is not known where they stand, and why.
    pub(crate) fn unlisted<'w>(
        &'w self,
        wave: &'w Wave,
    ) -> impl Iterator<Item = (&'w Place, &'w Reason)> {
        let views = self.places.iter();
        let unlisted = views.filter_map(|view| Some((&view.place, view.consumers.as_ref().err()?)));
        unlisted.filter(|(place, _)| wave.members.contains_key(&place.to_string()))
    }

    /// Names the places whose consumers are not known, with the reason.
    pub(crate) fn unknown(&self) -> Vec<String> {
        let unknown = self.places.iter().filter_map(|view| {
            let reason = view.consumers.as_ref().err()?;
            Some(format!("{}: {reason}", view.place))
        });
        unknown.collect()
    }
}

/// The versions of a function that were probed; `None` is `$LATEST`.
pub type Probed = BTreeSet<Option<u64>>;

/// What was observed in one place.
#[derive(Debug, Clone)]
pub struct PlaceView {
    /// The place.
    pub place: Place,
    /// A version of the layer in the place's Region, where there is one: it names the layer there.
    pub version: Option<LayerVersionArn>,
    /// Its consumers, or why they are not known.
    pub consumers: Result<Vec<Consumer>, Reason>,
    /// The layer versions in use there that freshlayer did not make.
    pub foreign: BTreeSet<LayerVersionArn>,
    /// The versions of functions that were probed in this run and did not fail; `None` is `$LATEST`.
    pub probed: BTreeMap<FunctionName, Probed>,
}

impl PlaceView {
    pub(crate) fn without_consumers(&self) -> Self {
        Self { consumers: Ok(Vec::new()), ..self.clone() }
    }
}

/// What is to be done, and where everyone stands.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Plan {
    /// At most one step per function; the next one follows from what it answers.
    pub steps: Vec<Placed>,
    /// Every consumer.
    pub standings: BTreeMap<(Place, FunctionName), Standing>,
    /// What comes next.
    pub next: Next,
}

impl Plan {
    /// Tells whether any step changes what a function uses.
    pub(crate) fn moves(&self) -> bool {
        self.steps.iter().any(|placed| brings_data(&placed.step))
    }

    /// The functions that have to be looked at before more is known.
    pub(crate) fn looks(&self) -> Vec<(Place, FunctionName)> {
        let looks = self.steps.iter().filter(|placed| matches!(placed.step, Step::Look { .. }));
        looks.map(|placed| (placed.place.clone(), placed.step.function().clone())).collect()
    }
}

/// Tells whether a step is one of the way to new data.
pub(super) fn brings_data(step: &Step) -> bool {
    !matches!(step, Step::Look { .. } | Step::RetireVersion { .. })
}

/// A step in a place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Placed {
    /// The place.
    pub place: Place,
    /// The step.
    pub step: Step,
}

/// What comes next.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum Next {
    /// The steps are done.
    Act,
    /// The next wave opens.
    Open(Opening),
    /// Every function of the open wave that can be moved is there: from now until then the wave is watched.
    Reached(Timestamp),
    /// The host works on something: look again later.
    Wait(Why),
    /// Someone has to do something first.
    Hold(Why),
    /// Every consumer is where it should be.
    #[default]
    Done,
}

/// Where a consumer stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Standing {
    /// Where it should be.
    Current,
    /// On its way.
    Moving,
    /// The host works on it.
    Waiting(Why),
    /// So many of its calls get the release, in percent; the others follow with a later wave.
    Partly(u8),
    /// It moves with a later wave.
    Later,
    /// Where a person ordered it to stay.
    Ordered(Why),
    /// Not to be moved without a person.
    Held(Why),
}

impl Standing {
    /// Tells whether a later wave brings it on.
    pub(crate) fn has_a_later_wave(&self) -> bool {
        matches!(self, Self::Later | Self::Partly(_))
    }
}

/// Plans the next step of every consumer that may move by now, and says what comes then.
pub fn plan(intent: &Intent, world: &World, rollout: Option<&Rollout>, now: Timestamp) -> Plan {
    let (mut steps, mut standings) = (Vec::new(), BTreeMap::new());
    let (waves, never) = (Waves::of(intent, rollout), Probed::new());
    for view in &world.places {
        let here = Here { intent, view, rollout, recent: recent(rollout, now), waves };
        for consumer in view.consumers.iter().flatten() {
            let probed = view.probed.get(&consumer.function).unwrap_or(&never);
            let (step, standing) = here.next(consumer, probed);
            let place = view.place.clone();
            steps.extend(step.map(|step| Placed { place: place.clone(), step }));
            standings.insert((place, consumer.function.clone()), standing);
        }
    }
    if intent.frozen.is_some() {
        steps.clear();
    } else if intent.paused.is_some() {
        // A pause keeps waves back, and no order for a single function.
        steps.retain(|placed| intent.pinned_functions.contains_key(placed.step.function()));
    }
    let next = next(intent, &steps, &standings);
    let is_stopped = intent.frozen.is_some() || intent.paused.is_some();
    let of_waves = match next {
        Next::Done | Next::Hold(_) if !is_stopped => waves.next(world, &standings, now),
        _ => None,
    };
    let next = of_waves.unwrap_or(next);
    Plan { steps, standings, next }
}

/// How long a rollout's notes spare a second look at what it brought there.
const NOTES_HOLD: SignedDuration = SignedDuration::from_hours(24);

/// A rollout may stay open for months, for one function that is held. Others may be moved by other hands meanwhile.
pub(crate) fn recent(rollout: Option<&Rollout>, now: Timestamp) -> Option<&Rollout> {
    rollout.filter(|rollout| now.duration_since(rollout.started) < NOTES_HOLD)
}

fn next(
    intent: &Intent,
    steps: &[Placed],
    standings: &BTreeMap<(Place, FunctionName), Standing>,
) -> Next {
    if !steps.is_empty() {
        return Next::Act;
    }
    if let Some(why) = intent.frozen.as_ref().or(intent.paused.as_ref()) {
        return Next::Hold(why.clone());
    }
    let waiting = standings.values().find_map(|standing| match standing {
        Standing::Waiting(why) => Some(why.clone()),
        _ => None,
    });
    let held = standings.values().find_map(|standing| match standing {
        Standing::Held(why) => Some(why.clone()),
        _ => None,
    });
    match (waiting, held) {
        (Some(why), _) => Next::Wait(why),
        (None, Some(why)) => Next::Hold(why),
        (None, None) => Next::Done,
    }
}
