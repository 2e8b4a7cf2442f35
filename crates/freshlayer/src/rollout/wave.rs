//! From wave to wave: opened, watched, judged by its gates, and back where one fails.

use std::collections::{BTreeMap, BTreeSet};

use jiff::{SignedDuration, Timestamp};

use super::act::{Failed, Stuck};
use super::came::{Came, GatesAsked};
use super::converge::Converge;
use super::end::{Moves, note_all};
use super::evidence::{Listening, asked, gone, is_on};
use super::hook::ask;
use super::measure::{Function, counts_calls, no_such_alarm, places_of, traffic};
use super::plan::{Goal, Intent, Next, Opening, Standing, Waves, brings_data};
use super::standing::Known;
use crate::definition::Binding;
use crate::error::Error;
use crate::names::Place;
use crate::ports::{FunctionName, Region, Step};
use crate::report::{ConsumerReport, Why, not_provisioned};
use crate::state::{Began, Evidence, Head, OpenRollout, Ordered, Says, Traffic, Wave};

/// How many superseded rollouts are read.
const SUPERSEDED_MAX: usize = 16;
/// CloudWatch keeps minutes for 15 days; the wave is watched, and the hours before are read.
const MINUTES_KEPT: SignedDuration = SignedDuration::from_hours(13 * 24);

/// A gate that failed.
pub(super) enum Failure {
    /// A function's answer.
    Probe(Failed),
    /// A function that cannot start.
    Start(Failed),
    /// What was measured while a wave baked.
    Wave { wave: usize, says: Vec<String> },
}

/// What became of the open wave.
pub(super) enum Turned {
    /// Something was written: plan anew.
    On,
    /// A gate failed, and every function goes back.
    Back,
    /// Nothing.
    Not,
}

impl Came {
    /// Tells whether the gates of the open wave are to be asked: once in a run, once all of it is there.
    pub(super) fn is_to_judge(&self) -> bool {
        let wave = self.rollout.as_ref().and_then(|rollout| rollout.waves.last());
        let complete = wave.is_some_and(|wave| wave.reached.is_some());
        let stopped = self.intent.frozen.is_some() || self.intent.paused.is_some();
        complete
            && !stopped
            && !self.intent.gates.is_empty()
            && self.intent.course.is_some()
            && self.gates == GatesAsked::No
            && !matches!(self.plan.next, Next::Act)
    }

    /// The verdict that an earlier run wrote, where it fails the release.
    fn condemned(&self) -> Option<Failure> {
        let waves = &self.rollout.as_ref()?.waves;
        let evidence = waves.last()?.evidence.as_ref()?;
        let stopped = self.intent.frozen.is_some() || self.intent.paused.is_some();
        let fails = evidence.says == Says::Fail && !self.intent.gates.is_empty();
        let says = evidence.sentences.clone();
        (fails && !stopped).then_some(Failure::Wave { wave: waves.len(), says })
    }

    /// A function whose version behind the alias cannot start with its provisioned concurrency: a gate that Lambda keeps.
    pub(super) fn not_provisioned(&self) -> Option<Failed> {
        let pinned = &self.intent.pinned_functions;
        self.plan.standings.iter().find_map(|((place, function), standing)| match standing {
            Standing::Held(Why::NotProvisioned { alias }) if !pinned.contains_key(function) => {
                let (place, function) = (place.clone(), function.clone());
                Some(Failed { place, function, words: not_provisioned(alias) })
            }
            _ => None,
        })
    }

    /// Notes in which places functions begin to move, and which functions come late: they are about to move, and their wave is
    /// watched already or over. Tells whether a note is new.
    pub(super) fn note_late(&mut self, now: Timestamp) -> bool {
        let moving = self.moving();
        let begin = self.begin(&moving);
        let Some(rollout) = &mut self.rollout else { return false };
        let late = moving.iter().filter(|(place, name)| rollout.note_late(place, name, now));
        let is_new = late.count() > 0 || !begin.is_empty();
        let from_now = Began { at: now, arrived: false, over: false };
        rollout.began.extend(begin.into_iter().map(|place| (place.to_string(), from_now)));
        is_new
    }

    /// The functions that are about to get the data, where they move in waves. One that is looked at first moves in the same walk.
    fn moving(&self) -> Vec<Function> {
        let Self { intent, plan, .. } = self;
        let moves = |(place, function): &Function| {
            let standing = plan.standings.get(&(place.clone(), function.clone()));
            standing == Some(&Standing::Moving) && !intent.pinned_functions.contains_key(function)
        };
        let wave = self.rollout.as_ref().and_then(|rollout| rollout.waves.last());
        let wave = wave.filter(|wave| wave.reached.is_none());
        let steps = plan.steps.iter().filter(|placed| match &placed.step {
            Step::Look { function } => wave.is_some_and(|wave| wave.has(&placed.place, function)),
            step => brings_data(step),
        });
        let steps = steps.map(|placed| (placed.place.clone(), placed.step.function().clone()));
        steps.filter(|_| intent.course.is_some()).filter(moves).collect()
    }

    /// The places where functions are about to move and none of a wave has had the data yet.
    fn begin(&self, moving: &[Function]) -> Vec<Place> {
        let waves = self.rollout.as_ref().map(|rollout| &rollout.waves[..]).unwrap_or_default();
        let Goal::Release { release, .. } = &self.intent.goal else { return Vec::new() };
        let is_member =
            |(place, name): &Function| waves.iter().any(|wave| wave.watches(place, name));
        // A function that is still to be probed may have the data.
        let there = self
            .plan
            .standings
            .iter()
            .filter(|(key, one)| has_data(one) || is_on(self, Some(*release), key));
        let there: BTreeSet<&Place> =
            there.filter(|(key, _)| is_member(key)).map(|((place, _), _)| place).collect();
        let began = |place: &Place| self.rollout.as_ref()?.began.get(&place.to_string());
        let arrived = |place: &Place| began(place).is_some_and(|one| one.arrived || !one.over);
        let mut places = places_of(moving);
        places.retain(|place| !there.contains(place) && !arrived(place));
        places
    }

    /// The functions of which it is known that they do not have the data, by the name of their place.
    fn without_data(&self) -> BTreeSet<(String, FunctionName)> {
        let without = self.plan.standings.iter().filter(|(_, one)| !has_data(one));
        without.map(|((place, function), _)| (place.to_string(), function.clone())).collect()
    }

    /// The functions of the wave that opens next that do not serve the stable release.
    fn opens_off(&self, stable: Option<u64>) -> Vec<Function> {
        let Next::Open(Opening { members, .. }) = &self.plan.next else { return Vec::new() };
        let is_member = |(place, function): &Function| {
            members.get(&place.to_string()).is_some_and(|members| members.contains(function))
        };
        let all = self.plan.standings.keys().filter(|key| is_member(key));
        all.filter(|key| !is_on(self, stable, key)).cloned().collect()
    }

    /// Notes which functions got the release, and what fails it: the rollout ends with that.
    fn note_failure(&mut self, failure: &Failure, head: &Head, now: Timestamp) {
        let Self { world, plan, strays, moved, .. } = &*self;
        let known = Known { world, plan, strays, moved, left: Why::NextRun };
        let mut consumers = known.consumers();
        consumers.retain(ConsumerReport::is_there);
        let Some(rollout) = &mut self.rollout else { return };
        let moves = Moves { moved: &self.moved, set_back: &self.intent.set_back, at: now };
        note_all(rollout, &consumers, moves, head);
        let (fails, says) = match failure {
            Failure::Wave { says, .. } => (None, says.clone()),
            Failure::Probe(failed) => (Some((failed, "fails its probe")), Vec::new()),
            Failure::Start(failed) => (Some((failed, "cannot start")), Vec::new()),
        };
        let words = fails.map(|(failed, how)| (failed, format!("{how} ({})", failed.words)));
        if let Some((failed, words)) = &words
            && let Some(note) = rollout.note_mut(&failed.place, &failed.function)
        {
            (note.outcome, note.at, note.failed) = (format!("it {words}"), Some(now), true);
        }
        let sentence = words.map(|(failed, words)| format!("function {} {words}", failed.function));
        if let Some(wave) = rollout.waves.last_mut() {
            wave.evidence =
                Some(Evidence::failing(says.into_iter().chain(sentence).collect(), now));
        }
    }

    /// How often functions are called, where the first wave is about to open and that is not known.
    async fn traffic_to_know(&self, regions: &[Region], now: Timestamp) -> Option<Traffic> {
        let rollout = self.rollout.as_ref()?;
        let begins = rollout.waves.is_empty() && rollout.traffic.is_none();
        match self.plan.next {
            Next::Open(_) if begins => {
                Box::pin(traffic(&self.intent, &self.world, regions, now)).await
            }
            _ => None,
        }
    }
}

fn has_data(standing: &Standing) -> bool {
    matches!(standing, Standing::Current | Standing::Partly(_) | Standing::Waiting(_))
}

impl Converge<'_, '_, '_> {
    /// Asks the gates of the open wave, opens the next one, or notes that the open one is where it should be; the journal
    /// comes before the act.
    pub(super) async fn turn_wave(
        &mut self,
        came: &mut Came,
        regions: &[Region],
    ) -> Result<Turned, Error> {
        let is_judged = self.is_judged();
        if let Some(failed) = came.not_provisioned().filter(|_| self.is_unproven()) {
            self.retreat(came, Failure::Start(failed)).await?;
            return Ok(Turned::Back);
        }
        // A verdict that was written holds, also where the run that wrote it could not follow it.
        if let Some(failure) = came.condemned().filter(|_| is_judged && self.way_back().is_some()) {
            self.retreat(came, failure).await?;
            return Ok(Turned::Back);
        }
        if came.is_to_judge() {
            let Some(failure) = self.judge_wave(came, regions).await? else {
                return Ok(Turned::On);
            };
            self.retreat(came, failure).await?;
            return Ok(Turned::Back);
        }
        let (seen, rollout) = ((&came.world, &came.plan), came.rollout.as_ref());
        let alarms = Box::pin(no_such_alarm(&came.intent, seen, rollout, regions)).await;
        if alarms.is_some() {
            came.no_such_alarm = alarms;
            return Ok(Turned::On);
        }
        let now = self.run.engine.ports.clock.now();
        let traffic = came.traffic_to_know(regions, now).await;
        let unproven =
            self.unproven(&came.opens_off(self.session.head().last_stable()), now).await?;
        let without = came.without_data();
        let Some(rollout) = &mut came.rollout else { return Ok(Turned::Not) };
        if traffic.is_some() {
            rollout.traffic = traffic;
            self.write_rollout(came).await?;
            return Ok(Turned::On);
        }
        match &came.plan.next {
            Next::Open(Opening { members, percent }) => {
                // The version beside a part would be the replaced release.
                let percent = percent.filter(|_| unproven.is_empty());
                rollout.keep_late(|place, function| {
                    !without.contains(&(place.to_owned(), function.clone()))
                });
                if let Some(last) = rollout.waves.last_mut() {
                    last.done.get_or_insert(now);
                }
                rollout.waves.push(Wave { unproven, ..Wave::open(members.clone(), percent, now) });
                self.write_rollout(came).await?;
                self.session.tell(came.opened(now));
            }
            Next::Reached(until) => {
                rollout.tries = 0;
                if let Some(wave) = rollout.waves.last_mut() {
                    wave.watch(now, *until);
                }
                self.write_rollout(came).await?;
            }
            _ => return Ok(Turned::Not),
        }
        Ok(Turned::On)
    }

    /// The alarms that are looked at while functions move, where any decides and the data has a way back.
    pub(super) fn listening<'a>(
        &self,
        intent: &'a Intent,
        regions: &'a [Region],
    ) -> Option<Listening<'a>> {
        let gate = intent.gates.alarms.as_ref()?;
        let decides = gate.binding == Binding::Decides && counts_calls(regions);
        let stopped = intent.frozen.is_some() || intent.paused.is_some();
        let goes_back = self.is_judged() && self.way_back().is_some() && !stopped;
        (decides && goes_back).then_some(Listening { gates: &intent.gates, regions })
    }

    /// Tells whether what functions make of the data is watched.
    pub(super) fn is_judged(&self) -> bool {
        self.session.head().rollout().is_some_and(OpenRollout::is_judged)
    }

    /// Tells whether a function that fails stops the data: it is watched, and not stable yet.
    pub(super) fn is_unproven(&self) -> bool {
        let head = self.session.head();
        self.is_judged() && head.stable() != head.rollout().map(|open| open.to)
    }

    /// Asks the gates about the open wave, and writes down what they say before anything follows from it.
    async fn judge_wave(
        &mut self,
        came: &mut Came,
        regions: &[Region],
    ) -> Result<Option<Failure>, Error> {
        came.gates = GatesAsked::Yes;
        let now = self.run.engine.ports.clock.now();
        let wave = came.rollout.as_ref().and_then(|rollout| rollout.waves.last());
        let heard = match wave.and_then(|wave| gone(came, wave)) {
            Some(words) => came.intent.gates.hook.is_some().then_some(Err(words)),
            None => Box::pin(ask(&self.run, came, now)).await,
        };
        let stable = self.session.head().last_stable();
        let state = heard.iter().flatten().find_map(|reply| reply.state.clone());
        let Some(evidence) = Box::pin(asked((came, stable), regions, heard, now)).await else {
            return Ok(None);
        };
        let waves = Waves::of(&came.intent, came.rollout.as_ref());
        let failed = waves.sends_back(&evidence, now);
        let Some(rollout) = &mut came.rollout else { return Ok(None) };
        rollout.hook_state = state.or(rollout.hook_state.take());
        let says = evidence.sentences.clone();
        let wave = rollout.waves.len();
        if let Some(wave) = rollout.waves.last_mut() {
            wave.evidence = Some(evidence);
        }
        self.write_rollout(came).await?;
        Ok(failed.then_some(Failure::Wave { wave, says }))
    }

    /// When functions left the stable release for one that never became stable, as far as minutes of then are kept.
    async fn unproven(
        &self,
        functions: &[Function],
        now: Timestamp,
    ) -> Result<BTreeMap<String, BTreeMap<FunctionName, Timestamp>>, Error> {
        let mut found: BTreeMap<String, BTreeMap<FunctionName, Timestamp>> = BTreeMap::new();
        let head = self.session.head();
        let (Some(stable), Some(open)) = (head.last_stable(), head.rollout()) else {
            return Ok(found);
        };
        if functions.is_empty() {
            return Ok(found);
        }
        for number in (1..open.number).rev().take(SUPERSEDED_MAX) {
            let Some(before) = self.session.read_rollout(number).await? else { continue };
            // One on its way back left functions on other releases.
            if before.to == stable && before.ended.is_some() {
                break;
            }
            for (place, function) in functions {
                let place = place.to_string();
                let left =
                    before.waves.iter().filter_map(|wave| wave.left_stable(&place, function));
                let left = left.filter(|left| now.duration_since(*left) < MINUTES_KEPT).min();
                let Some(left) = left else { continue };
                let known = found.entry(place).or_default().entry(function.clone());
                known.and_modify(|at| *at = left.min(*at)).or_insert(left);
            }
        }
        Ok(found)
    }

    /// The release that functions go back to where new data fails.
    fn way_back(&self) -> Option<u64> {
        let head = self.session.head();
        let is_stable = head.stable() == head.rollout().map(|open| open.to);
        head.before_rollout().filter(|_| !is_stable)
    }

    /// Writes into the rollout what fails the release while functions move, and sends every function back.
    pub(super) async fn fail(&mut self, came: &mut Came, failure: Failure) -> Result<(), Error> {
        let now = self.run.engine.ports.clock.now();
        if self.way_back().is_some() {
            came.note_failure(&failure, self.session.head(), now);
            self.write_rollout(came).await?;
        }
        self.retreat(came, failure).await
    }

    /// Sends every function back to the last stable release, and keeps the data that failed away. Where no release came
    /// before, functions stay where they are, and the report says what failed.
    pub(super) async fn retreat(&mut self, came: &mut Came, failure: Failure) -> Result<(), Error> {
        let (Some(to), Some(release)) = (self.way_back(), self.session.head().desired()) else {
            let (key, why) = match failure {
                Failure::Probe(Failed { place, function, words }) => {
                    ((place, function), Why::ProbeFailed { words })
                }
                Failure::Start(Failed { place, function, words }) => {
                    ((place, function), Why::Refused { words })
                }
                Failure::Wave { .. } => return Ok(()),
            };
            came.failed = Some(why.clone());
            came.strays.insert(key, Stuck::Refused(why));
            return Ok(());
        };
        let target = self.session.release(to).await?;
        let why = match failure {
            Failure::Probe(Failed { function, words, .. }) => {
                Why::GateFailed { release, to, function, words }
            }
            Failure::Start(Failed { function, words, .. }) => {
                Why::NotStarted { release, to, function, words }
            }
            Failure::Wave { wave, says } => Why::WaveFailed { release, to, wave, says },
        };
        let at = self.run.engine.ports.clock.now();
        let order = Ordered { at, by: String::new(), reason: Some(why.failure()) };
        self.session
            .order(|head| {
                // A person may have ordered otherwise meanwhile.
                let is_judged = head.rollout().is_some_and(OpenRollout::is_judged);
                if is_judged && head.desired() == Some(release) && !head.is_told_to_stay() {
                    head.retreat(&target, &order);
                }
                Ok(())
            })
            .await?;
        self.outset.gate = (self.session.head().desired() == Some(to)).then_some(why);
        Ok(())
    }
}
