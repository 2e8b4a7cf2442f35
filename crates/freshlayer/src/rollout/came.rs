//! How far the consumers came towards one target, and what follows from it for the next run.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};

use super::act::{Strays, Stuck};
use super::converge::Outset;
use super::end::{Course, RolloutEnd};
use super::plan::{
    FAILURE_RUNS_MAX, Intent, Next, Plan, REAPPLIED_MAX, Standing, Waves, World, plan,
};
use crate::names::Place;
use crate::ports::{CodeStorage, FunctionName};
use crate::release::publish::Failures;
use crate::report::{ConsumerReport, ConsumerState, Reason, Why};
use crate::state::Rollout;

/// How long after a run that ran out of time the next one begins.
const BREATH: SignedDuration = SignedDuration::from_mins(1);
/// How long after a failure that passes the next run begins; each later one waits twice as long.
const AFTER_FAILURE: SignedDuration = SignedDuration::from_mins(5);

/// How far the consumers came towards one target.
pub(super) struct Came {
    pub(super) intent: Intent,
    pub(super) world: World,
    pub(super) plan: Plan,
    pub(super) strays: Strays,
    pub(super) moved: BTreeSet<(Place, FunctionName)>,
    pub(super) rollout: Option<Rollout>,
    pub(super) steps: usize,
    pub(super) storage: BTreeMap<Place, CodeStorage>,
    pub(super) failures: Failures,
    /// Whether this run has asked the gates of the open wave.
    pub(super) gates: GatesAsked,
    /// Which alarms of the definition this run did not find.
    pub(super) no_such_alarm: Option<Why>,
    /// What failed, where functions have no release to go back to: the data goes no further without a person.
    pub(super) failed: Option<Why>,
}

/// Whether a run has asked the gates of the open wave.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum GatesAsked {
    Yes,
    No,
}

impl Came {
    /// Plans what comes next.
    pub(super) fn plan(&mut self, now: Timestamp) {
        self.plan = plan(&self.intent, &self.world, self.rollout.as_ref(), now);
        // A function that this run does not get any further with holds its wave back no longer, unless it could not be
        // probed: then it is not known whether the data is good.
        let paused = self.intent.paused.is_some();
        if self.plan.next == Next::Act && self.is_stuck() && self.intent.course.is_some() && !paused
        {
            let waves = Waves::of(&self.intent, self.rollout.as_ref());
            let next = waves.next(&self.world, &self.standings(), now);
            // One that comes late keeps no wave from its watch.
            let wave = self.rollout.as_ref().and_then(|rollout| rollout.waves.last());
            let is_watched = wave.is_some_and(|wave| wave.reached.is_some())
                && matches!(next, Some(Next::Reached(_) | Next::Wait(_)));
            let unmeasured = self.unmeasured().filter(|_| !is_watched).map(Next::Hold);
            self.plan.next = unmeasured.or(next).unwrap_or(Next::Done);
        }
        if let (Next::Open(_), Some(why)) = (&self.plan.next, &self.no_such_alarm) {
            self.plan.next = Next::Hold(why.clone());
        }
        if let Some(why) = self.failed.as_ref().filter(|_| !paused) {
            self.plan.next = Next::Hold(why.clone());
        }
    }

    /// Where everyone stands, with those that the host will refuse again.
    fn standings(&self) -> BTreeMap<(Place, FunctionName), Standing> {
        let refused = self.strays.iter().filter_map(|(key, stuck)| match stuck {
            Stuck::Refused(why) => Some((key.clone(), Standing::Held(why.clone()))),
            Stuck::ForNow(_) => None,
        });
        self.plan.standings.clone().into_iter().chain(refused).collect()
    }

    /// Why a probe brought no answer, for one function that it was to ask.
    fn unmeasured(&self) -> Option<Why> {
        self.strays.values().find_map(|stuck| match stuck {
            Stuck::ForNow(why @ Why::NotMeasured { .. }) => Some(why.clone()),
            _ => None,
        })
    }

    /// Waits, and lets what failed be tried again. Without another try it keeps no wave from its watch and its gates.
    pub(super) async fn try_again(&mut self, pause: Option<&Duration>) {
        if let Some(pause) = pause {
            tokio::time::sleep(*pause).await;
            self.strays.retain(|_, stuck| matches!(stuck, Stuck::Refused(_)));
        }
    }

    /// The functions that are looked at before any other step: all that need it where no rollout is open, those that the open
    /// one has moved, because other hands may have set them back, and those that come late.
    pub(super) fn looks_first(&self) -> Vec<(Place, FunctionName)> {
        let mut looks = self.plan.looks();
        // A look that failed is not made again in this run: the others go on without it.
        looks.retain(|key| !self.strays.contains_key(key));
        if let Some(rollout) = &self.rollout {
            let is_done = |(place, function): &(Place, FunctionName)| {
                rollout.note(place, function).is_some_and(|note| note.done)
            };
            let is_late =
                |(place, function): &(Place, FunctionName)| rollout.is_late(place, function);
            looks.retain(|key| is_done(key) || is_late(key));
        }
        looks
    }

    /// Says of a function that this run moved where other hands had set it back.
    pub(super) fn told_again(&self, consumer: ConsumerReport) -> ConsumerReport {
        let key = (consumer.place.to_string(), consumer.function.clone());
        let set_back = self.intent.set_back.get(&key).filter(|known| known.was_there);
        let is_moved = consumer.state == ConsumerState::Moved && consumer.reason.is_none();
        let Some(set_back) = set_back.filter(|_| is_moved) else { return consumer };
        let why = Why::MovedAgain { times: set_back.times(), times_max: REAPPLIED_MAX };
        ConsumerReport { reason: Some(Reason::from(why)), ..consumer }
    }

    /// What the open wave waits for, where it is watched.
    pub(super) fn watch(&self) -> Option<&Why> {
        match &self.plan.next {
            Next::Wait(
                why @ (Why::Bakes { .. } | Why::Undecided { .. } | Why::OutsideWindow { .. }),
            )
            | Next::Hold(why @ (Why::Undecided { .. } | Why::NoSuchAlarm { .. })) => Some(why),
            _ => None,
        }
    }

    /// Why no other wave opens, where Lambda refused several in a row.
    pub(super) fn none_moved(&self) -> Option<&Why> {
        match &self.plan.next {
            Next::Hold(why @ Why::NoneMoved { .. }) => Some(why),
            _ => None,
        }
    }

    /// What keeps the rollout from its end, though every function may be there.
    fn keeps_open(&self) -> Option<&Why> {
        let held = match &self.plan.next {
            Next::Hold(why @ Why::NotMeasured { .. }) => Some(why),
            _ => None,
        };
        let stopped = || self.intent.paused.as_ref().or(self.intent.frozen.as_ref());
        self.watch().or(held).or(self.none_moved()).or(self.failed.as_ref()).or_else(stopped)
    }

    /// Tells whether the rollout is over but for what holds single functions: every wave was opened and watched.
    pub(super) fn course(&self) -> Course {
        if self.keeps_open().is_some() || self.is_due() || self.arrives_later() {
            Course::GoesOn
        } else {
            Course::Over
        }
    }

    /// Tells whether a wave is to be opened or watched by the next run.
    fn is_due(&self) -> bool {
        matches!(self.plan.next, Next::Open(_) | Next::Reached(_))
    }

    /// Tells whether the last wave has no function there yet, and another try, or a look at a place that is out of reach, may
    /// find one.
    pub(super) fn arrives_later(&self) -> bool {
        let waves = self.rollout.as_ref().map(|rollout| &rollout.waves[..]).unwrap_or_default();
        let unreached = waves.last().filter(|wave| wave.reached.is_none());
        let Some(wave) = unreached.filter(|_| self.intent.course.is_some()) else { return false };
        let is_coming = |one: &Standing| matches!(one, Standing::Moving | Standing::Waiting(_));
        let moving = self.plan.standings.iter().filter(|(_, one)| is_coming(one));
        let mut moving = moving.filter(|((place, function), _)| wave.has(place, function));
        moving.next().is_some() || self.world.unlisted(wave).next().is_some()
    }

    /// When the next run goes on, where this one ended before a wave was opened or watched.
    pub(super) fn goes_on_at(&self, now: Timestamp) -> Option<Timestamp> {
        let stopped = self.intent.frozen.is_some() || self.intent.paused.is_some();
        (self.is_due() && !stopped).then(|| now.checked_add(BREATH).ok())?
    }

    /// When to look at the open wave again.
    fn look_at(&self, now: Timestamp) -> Option<Timestamp> {
        let waves = Waves::of(&self.intent, self.rollout.as_ref());
        waves.look_at(self.watch()?, now)
    }

    /// Tells whether only functions are left that this run does not get any further with.
    pub(super) fn is_stuck(&self) -> bool {
        let key = |placed: &super::Placed| (placed.place.clone(), placed.step.function().clone());
        self.plan.steps.iter().all(|placed| self.strays.contains_key(&key(placed)))
    }

    pub(super) fn fails_for_now(&self) -> bool {
        self.strays.values().any(|stuck| match stuck {
            Stuck::ForNow(why) => !matches!(why, Why::NotRetired { .. }),
            Stuck::Refused(_) => false,
        })
    }

    /// Tells whether an open rollout has to be written, also where no step was done.
    pub(super) fn is_worth_a_note(&self, end: &RolloutEnd) -> bool {
        if self.watch().is_some() {
            return self.steps > 0;
        }
        let tries = self.rollout.as_ref().map_or(0, |rollout| rollout.tries);
        let is_left = end.behind + end.failed_for_now > 0 || self.arrives_later();
        end.converged || (is_left && tries < FAILURE_RUNS_MAX)
    }

    /// Says when to go on before the next schedule. A run that made no progress is not repeated at once.
    pub(super) fn wake_at(
        &mut self,
        end: &RolloutEnd,
        outset: &Outset,
        now: Timestamp,
    ) -> Option<Timestamp> {
        if self.watch().is_some() {
            return self.look_at(now);
        }
        if self.failed.is_some() {
            return None;
        }
        let progress = self.steps > 0 || outset.released.is_some();
        if end.behind > 0 && progress {
            return now.checked_add(BREATH).ok();
        }
        let is_left = end.failed_for_now + end.behind > 0 || self.arrives_later();
        let rollout = self.rollout.as_mut().filter(|_| is_left)?;
        let stopped = self.intent.frozen.is_some() || self.intent.paused.is_some();
        if rollout.tries >= FAILURE_RUNS_MAX || stopped {
            return None;
        }
        let pause = AFTER_FAILURE * (1 << rollout.tries);
        rollout.tries += 1;
        now.checked_add(pause).ok()
    }
}
