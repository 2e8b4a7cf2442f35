//! What the gates of the open wave need: gathered from the hosts, and judged.

use std::collections::BTreeMap;
use std::time::Duration;

use futures_util::future::join_all;
use jiff::{SignedDuration, Timestamp};
use tokio::time::timeout;

use super::came::Came;
use super::judge::{self, Alarms, Heard, Measured, Moved, StandsIn};
use super::measure::{
    Function, InPart, OTHERS_MAX, Told, alarms, calls, counts_calls, moved, of_other_places,
    places_of,
};
use super::plan::{Standing, Waves};
use super::standing::serving;
use super::wave::Failure;
use crate::definition::Gates;
use crate::ports::{AlarmPattern, AlarmState, Region};
use crate::state::{Evidence, Rollout, Wave};

/// How long an answer about the alarms of a place may take while functions move.
const ALARMS_ANSWER_WITHIN: Duration = Duration::from_secs(30);

/// Listens to the alarms while functions move.
pub(super) struct Listening<'a> {
    pub(super) gates: &'a Gates,
    pub(super) regions: &'a [Region],
}

impl Listening<'_> {
    /// Names an alarm that began to ring since functions of its place move, where some have moved.
    pub(super) async fn rings(&self, moved: Vec<Function>, rollout: &Rollout) -> Option<Failure> {
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
        let says = judge::rings(self.gates, &told, rollout)?;
        Some(Failure::Wave { wave: rollout.waves.len(), says: vec![says] })
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
pub(super) async fn asked(
    (came, stable): (&Came, Option<u64>),
    regions: &[Region],
    heard: Option<Heard>,
    now: Timestamp,
) -> Option<Evidence> {
    let rollout = came.rollout.as_ref()?;
    let waves = &rollout.waves;
    let wave = waves.last()?;
    let mut gates = came.intent.gates.clone();
    if !counts_calls(regions) {
        return Some(judge::unwatched(&gates, wave, heard.as_ref(), now));
    }
    let alarms = match &mut gates.alarms {
        None => Told::default(),
        Some(gate) => heard_of_alarms(came, &mut gate.patterns, waves, regions).await,
    };
    let rings = || judge::rings(&gates, &alarms, rollout);
    if let Some(words) = gone(came, wave).filter(|_| rings().is_none()) {
        return Some(Evidence::out_of_sight(wave, &words, now));
    }
    let members = members_of(came, wave);
    let stands_in = StandsIn::of(gates.evidence, rollout.traffic.as_ref(), &members);
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
    let mut evidence = judge::wave(&gates, rollout, &measured, now)?;
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
pub(super) fn gone(came: &Came, wave: &Wave) -> Option<String> {
    let unlisted = unlisted(came, wave);
    (unlisted.len() == wave.members.len()).then(|| unlisted.first().cloned())?
}

fn unlisted(came: &Came, wave: &Wave) -> Vec<String> {
    let unlisted = came.world.unlisted(wave);
    unlisted.map(|(place, reason)| format!("{place}: {reason}")).collect()
}

/// The functions that are watched with a wave and have the new data.
pub(super) fn members_of(came: &Came, wave: &Wave) -> Vec<Function> {
    let known = came.plan.standings.iter();
    let known = known.filter(|(_, one)| matches!(one, Standing::Current | Standing::Partly(_)));
    let known = known.map(|(function, _)| function);
    known.filter(|(place, function)| wave.watches(place, function)).cloned().collect()
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
pub(super) fn is_on(came: &Came, release: Option<u64>, (place, function): &Function) -> bool {
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
