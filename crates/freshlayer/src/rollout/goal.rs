//! From the head and the definition to what is intended.

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};

use super::plan::{Foreign, GOES_ON_FOR_MAX, Goal, Intent, PinnedFunction, SetBack, Waves, World};
use crate::definition::{Definition, Gates, RollMajor};
use crate::error::Error;
use crate::names::LayerVersionArn;
use crate::ports::FunctionName;
use crate::report::Why;
use crate::state::{Aim, Cause, ConsumerNote, Head, OpenRollout, Ordered, Outline, Session};

/// While functions go back after a freeze, new data waits for at most this long.
const BACK_FIRST: SignedDuration = SignedDuration::from_hours(1);

/// Where consumers shall be, with what a report says of the release.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Target {
    pub(crate) aim: Aim,
    pub(crate) outline: Outline,
}

impl Target {
    /// Reads where consumers shall be; `None` where the layer has no release yet.
    pub(crate) async fn of(session: &Session<'_>) -> Result<Option<Self>, Error> {
        let head = session.head();
        let (Some(aim), Some(release)) = (head.aim(), head.desired()) else {
            return Ok(None);
        };
        let known = head.outline().filter(|outline| outline.seq == release).cloned();
        let outline = match known {
            Some(outline) => outline,
            None => session.release(release).await?.outline(),
        };
        Ok(Some(Self { aim, outline }))
    }

    /// Makes the planner's input of it.
    pub(crate) async fn intent(
        &self,
        session: &Session<'_>,
        definition: &Definition,
    ) -> Result<Intent, Error> {
        let head = session.head();
        let release = self.outline.seq;
        let goal = match self.aim {
            Aim::Before => Goal::Before(before(session).await?),
            Aim::Release(_) => Goal::Release {
                release,
                version: self.outline.version.clone(),
                targets: head.versions().get(&release).cloned().unwrap_or_default(),
            },
        };
        let spec = &definition.rollout;
        let new_data = head.rollout().filter(|open| open.is_judged());
        // A function that is held may keep a rollout open long after its release became stable.
        let unproven = new_data.filter(|open| head.stable() != Some(open.to));
        let ways_back = [Some(release), head.current(), head.stable(), head.fallback()];
        let ways_back = ways_back.into_iter().flatten().filter_map(|seq| head.versions().get(&seq));
        Ok(Intent {
            layer: head.layer().clone(),
            goal,
            releases: head.versions().clone(),
            architectures: definition.terms.architectures.clone(),
            foreign: foreign(head, definition),
            ways_back: ways_back.flat_map(|versions| versions.values().cloned()).collect(),
            left: head.left_behind().iter().map(|left| left.release).collect(),
            frozen: frozen(head),
            frozen_functions: frozen_functions(head),
            pinned_functions: pinned_functions(head),
            set_back: set_back(session, release).await?,
            paused: paused(head),
            course: new_data.filter(|_| !spec.course.is_all_at_once()).map(|_| spec.course.clone()),
            gates: match unproven {
                Some(_) => spec.gates.clone(),
                None => Gates { evidence: spec.gates.evidence, ..Gates::default() },
            },
            probe: new_data.and(spec.probe.clone()),
            roll: spec.roll,
            major_since: new_data
                .filter(|_| spec.roll_major == RollMajor::Hold)
                .and_then(|_| head.first_of_major(self.outline.version.major)),
        })
    }
}

/// Tells whether the open rollout goes on by itself from wave to wave: a newer release takes its place only where it waits
/// for a person, or once it is stable.
pub(crate) async fn goes_on(
    session: &Session<'_>,
    definition: &Definition,
    now: Timestamp,
) -> Result<bool, Error> {
    // Functions go back before any of them gets new data.
    let thawed = session.head().rollout().and_then(|open| open.thawed);
    if thawed.is_some_and(|at| now.duration_since(at) < BACK_FIRST) {
        return Ok(true);
    }
    let stable = session.head().stable();
    let Some(open) = session.head().rollout().filter(|open| stable != Some(open.to)) else {
        return Ok(false);
    };
    // A person's order that every function moves is carried out first.
    if let Some(promoted) = &open.promoted {
        return Ok(now.duration_since(promoted.at) < GOES_ON_FOR_MAX);
    }
    // It waits for a person; a pause keeps newer builds away, too.
    if open.held.is_some() && open.paused.is_none() {
        return Ok(false);
    }
    let rollout = session.rollout().await?;
    let spec = &definition.rollout;
    Ok(rollout.is_some_and(|rollout| Waves::go_on(spec, &rollout, now)))
}

impl Intent {
    /// Counts a function as set back no more where a deployment gave it the version that it was told to take.
    pub(super) fn excuse_deployments(&mut self, world: &World, head: &Head) {
        let Goal::Release { targets, .. } = &self.goal else { return };
        let named = head.parameters().values().map(|parameter| &parameter.version);
        let named: Vec<_> = named.filter(|arn| targets.values().all(|to| to != *arn)).collect();
        for ((place, function), set_back) in &mut self.set_back {
            let view = world.places.iter().find(|view| view.place.to_string() == *place);
            let consumer = view.and_then(|view| world.consumer(&view.place, function));
            let mut layers = consumer.into_iter().flat_map(|one| &one.latest.layers);
            if layers.any(|arn| named.contains(&arn)) {
                (set_back.was_there, set_back.was_in_part) = (false, false);
            }
        }
    }

    /// Takes over what persons ordered since it was made, where that changes neither aim nor data.
    pub(super) fn obey(&mut self, head: &Head) {
        self.frozen = frozen(head);
        self.frozen_functions = frozen_functions(head);
        self.pinned_functions = pinned_functions(head);
        self.paused = paused(head);
    }
}

/// The release that people's deployments may take while consumers are on their way to another one: where functions are
/// watched with it, that is the one before, until it is stable. A person's order is carried out at once.
pub(super) fn for_deployments(head: &Head, definition: &Definition, release: u64) -> Option<u64> {
    let is_ordered =
        |open: &OpenRollout| !open.is_judged() && !matches!(open.cause, Cause::CatchUp);
    let ordered = head.rollout().is_some_and(is_ordered);
    if ordered || !definition.rollout.is_watched() || head.stable() == Some(release) {
        return Some(release);
    }
    head.before_rollout()
}

/// A person's order that the open rollout goes no further for now.
pub(crate) fn paused(head: &Head) -> Option<Why> {
    let Ordered { at, by, reason } = head.rollout()?.paused.clone()?;
    Some(Why::Paused { at, by, reason })
}

/// Whether functions move off versions that freshlayer did not make.
pub(crate) fn foreign(head: &Head, definition: &Definition) -> Foreign {
    if head.adopted().is_some() || definition.adopt { Foreign::Adopted } else { Foreign::Held }
}

/// Why nothing may move.
pub(crate) fn frozen(head: &Head) -> Option<Why> {
    let freeze = head.frozen()?.clone();
    Some(Why::Frozen { at: freeze.at, by: freeze.by, reason: freeze.reason })
}

/// The functions that a person lets stay where they are.
pub(super) fn frozen_functions(head: &Head) -> BTreeMap<FunctionName, Why> {
    let frozen = head.frozen_functions().iter().map(|(function, freeze)| {
        let Ordered { at, by, reason } = freeze.clone();
        (function.clone(), Why::FunctionFrozen { at, by, reason })
    });
    frozen.collect()
}

/// The functions that a person keeps on a release of their own.
pub(super) fn pinned_functions(head: &Head) -> BTreeMap<FunctionName, PinnedFunction> {
    let pinned = head.pinned_functions().iter().map(|(function, pin)| {
        let Ordered { at, by, reason } = pin.order.clone();
        let (release, until) = (pin.release(), pin.until);
        let why = Why::FunctionPinned { release, at, by, reason, until };
        (function.clone(), PinnedFunction { to: pin.to.clone(), why })
    });
    pinned.collect()
}

/// How often other hands set functions back that a release had reached, as the journal of the last rollout says. One that
/// reached it and is not on it now was set back once more.
async fn set_back(
    session: &Session<'_>,
    release: u64,
) -> Result<BTreeMap<(String, FunctionName), SetBack>, Error> {
    let last = session.read_rollout(session.head().rollouts()).await?;
    let Some(last) = last.filter(|last| last.to == release) else { return Ok(BTreeMap::new()) };
    let notes = last.journal.into_iter().flat_map(|(place, notes)| {
        notes.into_iter().map(move |(function, note)| ((place.clone(), function), note))
    });
    let set_back = notes.map(|(key, note)| {
        let ConsumerNote { set_back: before, done: was_there, in_part: was_in_part, .. } = note;
        (key, SetBack { before, was_there, was_in_part })
    });
    Ok(set_back.filter(|(_, set_back)| set_back.in_part() > 0).collect())
}

/// What each function was on before the layer was adopted, as the journals of the rollouts say that took it over.
pub(crate) async fn before(
    session: &Session<'_>,
) -> Result<BTreeMap<(String, FunctionName), LayerVersionArn>, Error> {
    let mut before = BTreeMap::new();
    let adopted = session.head().adopted();
    let rollouts = adopted.map(|adopted| adopted.rollouts.clone()).unwrap_or_default();
    for number in rollouts {
        let Some(rollout) = session.read_rollout(number).await? else { continue };
        for (place, function, version) in rollout.taken_over() {
            let key = (place.to_owned(), function.clone());
            before.entry(key).or_insert_with(|| version.clone());
        }
    }
    Ok(before)
}
