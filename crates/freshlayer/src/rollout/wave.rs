//! From wave to wave: opened, watched, judged by its gates, and back where one fails.

use std::collections::BTreeMap;
use std::time::Duration;

use futures_util::future::join_all;
use jiff::{SignedDuration, Timestamp};
use tokio::time::timeout;

use super::act::{Failed, Stuck};
use super::came::{Came, GatesAsked};
use super::converge::Converge;
use super::hook::ask;
use super::judge::{self, Alarms, Heard, Measured, Moved, StandsIn};
use super::measure::{
    Function, InPart, OTHERS_MAX, Told, alarms, calls, counts_calls, moved, no_such_alarm,
    of_other_places, places_of, traffic,
};
use super::plan::{Intent, Next, Opening, Standing, Waves};
use super::standing::serving;
use crate::definition::{Binding, Gates};
use crate::error::Error;
use crate::ports::FunctionName;
use crate::ports::{AlarmPattern, AlarmState, Region};
use crate::report::{Why, not_provisioned};
use crate::state::{Evidence, Members, OpenRollout, Ordered, Says, Traffic, Wave};

/// How long an answer about the alarms of a place may take while functions move.
const ALARMS_ANSWER_WITHIN: Duration = Duration::from_secs(30);
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

/// Listens to the alarms while functions move.
pub(super) struct Listening<'a> {
    gates: &'a Gates,
    regions: &'a [Region],
}

impl Listening<'_> {
    /// Names an alarm that began to ring since functions of its place move, where some have moved.
    pub(super) async fn rings(&self, moved: Vec<Function>, waves: &[Wave]) -> Option<Failure> {
        let gate = self.gates.alarms.as_ref()?;
        let asked = places_of(&moved).into_iter().map(|place| {
            let here: Vec<Function> = moved.iter().filter(|(p, _)| *p == place).cloned().collect();
            timeout(ALARMS_ANSWER_WITHIN, alarms_of(&gate.patterns, self.regions, here))
        });
        // A place that does not answer in time says nothing.
        let told = join_all(asked).await.into_iter().flatten();
        let told = told.fold(Told::<Alarms>::default(), |mut all, told| {
            all.found.extend(told.found);
            all
        });
        let says = judge::rings(self.gates, &told, waves)?;
        Some(Failure::Wave { wave: waves.len(), says: vec![says] })
    }
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
        let Some(rollout) = &mut came.rollout else { return Ok(Turned::Not) };
        if traffic.is_some() {
            rollout.traffic = traffic;
            self.write_rollout(came).await?;
            return Ok(Turned::On);
        }
        match &came.plan.next {
            Next::Open(Opening { members, percent }) => {
                let unproven = self.unproven(members, now).await?;
                // The version beside a part would be the replaced release.
                let percent = percent.filter(|_| unproven.is_empty());
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
        let stable = self.session.head().stable();
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
        functions: &Members,
        now: Timestamp,
    ) -> Result<BTreeMap<String, BTreeMap<FunctionName, Timestamp>>, Error> {
        let mut found: BTreeMap<String, BTreeMap<FunctionName, Timestamp>> = BTreeMap::new();
        let head = self.session.head();
        let (Some(stable), Some(open)) = (head.stable(), head.rollout()) else { return Ok(found) };
        for number in (1..open.number).rev().take(SUPERSEDED_MAX) {
            let Some(before) = self.session.read_rollout(number).await? else { continue };
            if before.to == stable {
                break;
            }
            for (place, function) in
                functions.iter().flat_map(|(p, all)| all.iter().map(move |f| (p, f)))
            {
                let left = before.waves.iter().filter_map(|wave| wave.left_stable(place, function));
                let left = left.filter(|left| now.duration_since(*left) < MINUTES_KEPT).min();
                let Some(left) = left else { continue };
                let known = found.entry(place.clone()).or_default().entry(function.clone());
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

    /// Writes into the open wave what fails the release while functions move, and sends every function back.
    pub(super) async fn fail(&mut self, came: &mut Came, failure: Failure) -> Result<(), Error> {
        let now = self.run.engine.ports.clock.now();
        let wave = came.rollout.as_mut().and_then(|rollout| rollout.waves.last_mut());
        if let (Failure::Wave { says, .. }, Some(wave)) = (&failure, wave) {
            wave.evidence = Some(Evidence::failing(says.clone(), now));
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

async fn alarms_of(
    patterns: &[AlarmPattern],
    regions: &[Region],
    functions: Vec<Function>,
) -> Told<Alarms> {
    alarms(patterns, regions, &functions).await
}

/// Measures what the gates of the open wave need, and judges it.
async fn asked(
    (came, stable): (&Came, Option<u64>),
    regions: &[Region],
    heard: Option<Heard>,
    now: Timestamp,
) -> Option<Evidence> {
    let waves = &came.rollout.as_ref()?.waves;
    let wave = waves.last()?;
    let mut gates = came.intent.gates.clone();
    if !counts_calls(regions) {
        return Some(judge::unwatched(&gates, wave, heard.as_ref(), now));
    }
    let alarms = match &mut gates.alarms {
        None => Told::default(),
        Some(gate) => heard_of_alarms(came, &mut gate.patterns, waves, regions).await,
    };
    if let Some(words) = gone(came, wave).filter(|_| judge::rings(&gates, &alarms, waves).is_none())
    {
        return Some(Evidence::out_of_sight(wave, &words, now));
    }
    let members = members_of(came, wave);
    let traffic = came.rollout.as_ref().and_then(|rollout| rollout.traffic.as_ref());
    let stands_in = StandsIn::of(gates.evidence, traffic, &members);
    // Where a person took every function of the wave elsewhere, what was counted before stays said.
    let counts =
        !members.is_empty() && Waves::of(&came.intent, came.rollout.as_ref()).is_to_count(now);
    let window = judge::window(&gates, wave, longest_call(came, &members), now);
    let window = window.filter(|_| counts);
    let in_part = in_part(came, &members);
    let whole: Vec<Function> =
        members.into_iter().filter(|function| !in_part.contains_key(function)).collect();
    let (moved, uncounted) = match window {
        None => (None, Vec::new()),
        Some(window) => as_far_as_counted(moved(regions, wave, (&whole, &in_part), window).await),
    };
    // Those that have a replaced release say nothing of the stable one.
    let is_proven = |function: &Function| wave.unproven.is_empty() || is_on(came, stable, function);
    let others: Vec<_> = later_than(came).filter(is_proven).take(OTHERS_MAX).collect();
    let others = match (&moved, window) {
        (Some(Ok(moved)), Some(window)) if judge::looks_bad(waves, moved) && !others.is_empty() => {
            // Those that cannot be counted excuse nothing.
            Some(calls(regions, &others, window).await.found)
        }
        _ => None,
    };
    let measured = Measured { alarms, moved, uncounted, others, heard, stands_in };
    let mut evidence = judge::wave(&gates, waves, &measured, now)?;
    let left_out = unlisted(came, wave).into_iter().map(|place| format!("left out: {place}"));
    evidence.sentences.extend(left_out);
    Some(evidence)
}

/// Reads the alarms of the open wave's places, and which alarms ring where functions moved earlier: data may do harm long after
/// it came. Leaves out what no alarm of these places can match.
async fn heard_of_alarms(
    came: &Came,
    patterns: &mut Vec<AlarmPattern>,
    waves: &[Wave],
    regions: &[Region],
) -> Told<Alarms> {
    let Some((open, earlier)) = waves.split_last() else { return Told::default() };
    let members = members_of(came, open);
    let mut told = alarms(patterns, regions, &members).await;
    let is_elsewhere = |(place, _): &Function| members.iter().all(|(here, _)| here != place);
    let moved: Vec<Function> =
        earlier.iter().flat_map(|wave| members_of(came, wave)).filter(is_elsewhere).collect();
    let elsewhere = alarms(patterns, regions, &moved).await.found.into_iter();
    told.found.extend(elsewhere.filter(|(_, alarm)| alarm.state == AlarmState::Rings));
    let elsewhere = of_other_places(patterns, &told, regions, &came.world).await;
    patterns.retain(|pattern| !elsewhere.contains(pattern));
    told
}

/// The calls that were counted, and which could not be; an error where none was.
fn as_far_as_counted(told: Told<Moved>) -> (Option<Result<Moved, String>>, Vec<String>) {
    let Told { found, unread } = told;
    if found.calls.is_empty() && !unread.is_empty() {
        return (Some(Err(unread.join("; "))), Vec::new());
    }
    (Some(Ok(found)), unread)
}

/// How long a call of some functions may take.
fn longest_call(came: &Came, functions: &[Function]) -> SignedDuration {
    let all = functions.iter().filter_map(|(place, name)| came.world.consumer(place, name));
    let longest = all.map(|consumer| consumer.timeout_secs).max().unwrap_or(0);
    SignedDuration::from_secs(i64::from(longest))
}

/// Why the wave cannot be judged at all: no place of it can be read.
fn gone(came: &Came, wave: &Wave) -> Option<String> {
    let unlisted = unlisted(came, wave);
    (unlisted.len() == wave.members.len()).then(|| unlisted.first().cloned())?
}

fn unlisted(came: &Came, wave: &Wave) -> Vec<String> {
    let unlisted = came.world.unlisted(wave);
    unlisted.map(|(place, reason)| format!("{place}: {reason}")).collect()
}

/// The functions of a wave that have the new data.
pub(super) fn members_of(came: &Came, wave: &Wave) -> Vec<Function> {
    let known = came.plan.standings.iter();
    let known = known.filter(|(_, one)| matches!(one, Standing::Current | Standing::Partly(_)));
    let known = known.map(|(function, _)| function);
    known.filter(|(place, function)| wave.has(place, function)).cloned().collect()
}

/// Those of some functions whose aliases send a part of their calls to the new data.
fn in_part(came: &Came, functions: &[Function]) -> BTreeMap<Function, InPart> {
    let is_partly = |function: &&Function| {
        matches!(came.plan.standings.get(*function), Some(Standing::Partly(_)))
    };
    let partly = functions.iter().filter(is_partly).filter_map(|function| {
        let consumer = came.world.consumer(&function.0, &function.1)?;
        Some((function.clone(), InPart::of(consumer)?))
    });
    partly.collect()
}

/// Tells whether callers of a function get a release.
fn is_on(came: &Came, release: Option<u64>, (place, function): &Function) -> bool {
    let version = release.and_then(|seq| came.intent.releases.get(&seq)?.get(&place.region));
    let view = came.world.places.iter().find(|view| view.place == *place);
    let consumer = came.world.consumer(place, function);
    let serves = view.zip(consumer).and_then(|(view, consumer)| serving(view, consumer));
    version.is_some() && version == serves
}

fn later_than(came: &Came) -> impl Iterator<Item = Function> {
    let standings = came.plan.standings.iter();
    standings.filter(|(_, one)| **one == Standing::Later).map(|(function, _)| function.clone())
}
