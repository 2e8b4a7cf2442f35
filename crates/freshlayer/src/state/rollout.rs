//! A rollout: the head names the open one, and its journal lies in an object of its own, kept after.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::ROLLOUT_FORMAT;
use super::began::Began;
use super::counted::Counted;
use super::orders::{Ordered, PastOrder};
use crate::names::{LayerName, LayerVersionArn, Place, RegionName};
use crate::ports::FunctionName;
use crate::report::Why;

/// Why a rollout began.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Cause {
    /// A new release was promoted.
    NewRelease,
    /// A Region or an account got the release later than the others.
    CatchUp,
    /// A person rolled back.
    Rollback,
    /// A person pinned a release.
    Pin,
    /// A person took a pin back.
    Unpin,
    /// A person handed the functions back to what they used before the layer was adopted.
    HandBack,
    /// A gate failed on the way to a release.
    Gate,
}

impl Cause {
    /// Tells whether functions go back to data that served before.
    pub(crate) fn is_way_back(self) -> bool {
        matches!(self, Self::Rollback | Self::HandBack | Self::Gate)
    }

    /// Returns the cause in words.
    pub fn words(self) -> &'static str {
        match self {
            Self::NewRelease => "new release",
            Self::CatchUp => "release came late to a Region or an account",
            Self::Rollback => "rollback",
            Self::Pin => "pin",
            Self::Unpin => "unpin",
            Self::Gate => "a gate failed",
            Self::HandBack => "back to what was before freshlayer",
        }
    }

    /// Tells whether functions come to data that none of them has had: it goes in waves, and is probed.
    pub(crate) fn brings_new_data(self) -> bool {
        matches!(self, Self::NewRelease | Self::Unpin)
    }
}

/// The rollout that is not finished, as the head names it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct OpenRollout {
    /// Its number: 1, 2, 3… in each layer.
    pub number: u64,
    /// The release that consumers come from.
    pub from: Option<u64>,
    /// The release that consumers go to.
    pub to: u64,
    /// Why it began.
    pub cause: Cause,
    /// Who ordered it; empty where the publisher did.
    pub by: String,
    /// Why: the person's words, or what the gate that failed said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// When it began.
    pub started: Timestamp,
    /// A person's order that it goes no further for now.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub paused: Option<Ordered>,
    /// A person's order that every function moves now, unwatched.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub promoted: Option<Ordered>,
    /// The code of the reason for which it waits for a person: told when the wait began, and not again.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub held: Option<String>,
    /// When the freeze ended that kept this way back: it is carried out before new data is looked for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub thawed: Option<Timestamp>,
    /// A journal that format 1 kept in the head, until it lies in the rollout's object.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub journal: Option<Journal>,
}

impl OpenRollout {
    /// Tells whether what functions make of the data is watched: it is new to them, and no person let them all move.
    pub fn is_judged(&self) -> bool {
        self.cause.brings_new_data() && self.promoted.is_none()
    }
}

/// A rollout with its journal.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Rollout {
    /// Number of the object's format.
    pub format: u32,
    /// The layer.
    pub layer: LayerName,
    /// Its number in the layer.
    pub number: u64,
    /// The release that consumers come from.
    pub from: Option<u64>,
    /// The release that consumers go to.
    pub to: u64,
    /// Why it began.
    pub cause: Cause,
    /// Who ordered it; empty where the publisher did.
    pub by: String,
    /// Why: the person's words, or what the gate that failed said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(default)]
    pub reason: Option<String>,
    /// When it began.
    #[schemars(with = "String")]
    pub started: Timestamp,
    /// When every consumer was where it should be; absent where it goes on or another rollout took its place.
    #[schemars(with = "Option<String>")]
    pub ended: Option<Timestamp>,
    /// How often it was tried again for failures that pass.
    pub tries: u32,
    /// By place: when its first functions began to move in waves. Lambda may have refused them long before.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    #[schemars(default)]
    pub began: BTreeMap<String, Began>,
    /// A person's order that every function moves at once, unwatched.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(default)]
    pub promoted: Option<Ordered>,
    /// The waves that are open, in their order; none where every function moves at once.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(default)]
    pub waves: Vec<Wave>,
    /// How often functions were called just before the first wave; absent where that was not counted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(default)]
    pub traffic: Option<Traffic>,
    /// What the hook asked to be told with the next question.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(default)]
    pub hook_state: Option<Value>,
    /// What became of each consumer so far, place by place.
    pub journal: Journal,
}

/// How often functions were called in the minutes before a rollout's first wave.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Traffic {
    /// For how many minutes calls were counted: as many as the first wave is watched, 10 to 60.
    pub minutes: u32,
    /// How many calls let a wave pass its gate.
    pub enough: u64,
    /// The calls of each function, by place. One without a call is left out.
    pub calls: BTreeMap<String, BTreeMap<FunctionName, u64>>,
    /// The calls in the last 24 hours of each function that had none in those minutes and one in the last 14 days, by place.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    #[schemars(default)]
    pub rarely: BTreeMap<String, BTreeMap<FunctionName, u64>>,
    /// The functions that had no call in the last 14 days, by place.
    #[serde(default, skip_serializing_if = "Members::is_empty")]
    #[schemars(default)]
    pub silent: Members,
}

impl Traffic {
    /// Returns how often the functions of a Region were called.
    pub fn of_region(&self, region: &RegionName) -> u64 {
        let is_there = |place: &str| place.split(' ').next() == Some(region.as_str());
        let here = self.calls.iter().filter(|(place, _)| is_there(place));
        here.flat_map(|(_, calls)| calls.values()).sum()
    }

    /// Returns how often a function was called.
    pub fn of(&self, place: &Place, function: &FunctionName) -> u64 {
        found(&self.calls, place, function).unwrap_or(0)
    }

    /// Returns how often a function that had no call in those minutes was called in the last 24 hours.
    pub fn rarely_of(&self, place: &Place, function: &FunctionName) -> u64 {
        found(&self.rarely, place, function).unwrap_or(0)
    }

    /// Tells whether a function had no call in the last 14 days: it shows nothing of new data.
    pub fn is_silent(&self, place: &Place, function: &FunctionName) -> bool {
        let here = self.silent.get(&place.to_string());
        here.is_some_and(|silent| silent.contains(function))
    }
}

fn found<T: Copy>(
    all: &BTreeMap<String, BTreeMap<FunctionName, T>>,
    place: &Place,
    function: &FunctionName,
) -> Option<T> {
    all.get(&place.to_string())?.get(function).copied()
}

/// The functions of a wave, by place.
pub type Members = BTreeMap<String, BTreeSet<FunctionName>>;

/// Functions that move together and are watched together.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Wave {
    /// They are fixed when the wave opens.
    pub members: Members,
    /// How many of the calls of an alias come to the release, in percent; absent for all. A later wave brings the others.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(default)]
    pub percent: Option<u8>,
    /// When it opened.
    #[schemars(with = "String")]
    pub opened: Timestamp,
    /// By place: when a function of this wave left the stable release for a release that never became stable. The others were on
    /// the stable release when the wave opened.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    #[schemars(with = "BTreeMap<String, BTreeMap<FunctionName, String>>", default)]
    pub unproven: BTreeMap<String, BTreeMap<FunctionName, Timestamp>>,
    /// By place: functions of this wave and of earlier ones that could be moved only while this wave was the last one and others
    /// were watched, and since when. They are watched with it.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    #[schemars(with = "BTreeMap<String, BTreeMap<FunctionName, String>>", default)]
    pub late: BTreeMap<String, BTreeMap<FunctionName, Timestamp>>,
    /// When every member that can be moved was there: from then on they are watched.
    #[schemars(with = "Option<String>")]
    pub reached: Option<Timestamp>,
    /// Until when they are watched, unless the gates need longer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<String>", default)]
    pub until: Option<Timestamp>,
    /// What the gates said at the last look.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(default)]
    pub evidence: Option<Evidence>,
    /// When the next wave opened, or every function was where it belongs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<String>", default)]
    pub done: Option<Timestamp>,
}

/// What the gates said of a wave.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Evidence {
    /// When they were asked.
    #[schemars(with = "String")]
    pub at: Timestamp,
    /// All in all.
    pub says: Says,
    /// How many looks in a row could not measure.
    #[serde(default)]
    pub unmeasured: u32,
    /// How many looks in a row found no place of the wave that could be read. What the gates said before stays.
    #[serde(default, skip_serializing_if = "is_zero")]
    #[schemars(default)]
    pub out_of_sight: u32,
    /// What each gate found, with its numbers.
    pub sentences: Vec<String>,
    /// The calls of the wave's functions when they were counted last; absent where they never were.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(default)]
    pub counted: Option<Counted>,
}

impl Evidence {
    /// A release that does harm while functions move.
    pub(crate) fn failing(sentences: Vec<String>, at: Timestamp) -> Self {
        let (unmeasured, out_of_sight, counted) = (0, 0, None);
        Self { at, says: Says::Fail, unmeasured, out_of_sight, sentences, counted }
    }

    /// A look at a wave of which no place can be read. What was measured before stays said.
    pub(crate) fn out_of_sight(wave: &Wave, words: &str, now: Timestamp) -> Self {
        let known = wave.evidence.clone().unwrap_or_else(|| Self {
            at: now,
            says: Says::TooFew,
            unmeasured: 0,
            out_of_sight: 0,
            sentences: Vec::new(),
            counted: None,
        });
        let measured = known.sentences.into_iter().filter(|_| known.out_of_sight == 0);
        let sentences = measured.chain([format!("out of sight: {words}")]).collect();
        Self { out_of_sight: known.out_of_sight + 1, sentences, ..known }
    }
}

/// What gates say. The worst one of all gates counts, and the order is theirs.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "kebab-case")]
pub enum Says {
    /// Nothing speaks against the release.
    Pass,
    /// No call failed, and there were too few to judge.
    TooFew,
    /// What was measured can be read both ways.
    Inconclusive,
    /// Something could not be measured.
    Unmeasured,
    /// A person is to decide.
    Hold,
    /// The release does harm.
    Fail,
}

/// The last wave, and those just before it that no function was moved in: they gave way to it.
pub(crate) fn unreached_with_last(waves: &[Wave]) -> &[Wave] {
    let Some((_, before)) = waves.split_last() else { return waves };
    let first = before.iter().rposition(|wave| wave.reached.is_some()).map_or(0, |last| last + 1);
    &waves[first..]
}

impl Wave {
    /// A wave that opens.
    pub(crate) fn open(members: Members, percent: Option<u8>, opened: Timestamp) -> Self {
        Self {
            members,
            percent,
            opened,
            unproven: BTreeMap::new(),
            late: BTreeMap::new(),
            reached: None,
            until: None,
            evidence: None,
            done: None,
        }
    }

    /// Until when a function of it was on the stable release: its calls of then are what new data is held against.
    pub(crate) fn proven_until(&self, place: &Place, function: &FunctionName) -> Timestamp {
        found(&self.unproven, place, function).unwrap_or(self.opened)
    }

    /// When a function of it left the stable release, with this wave or before.
    pub(crate) fn left_stable(&self, place: &str, function: &FunctionName) -> Option<Timestamp> {
        let is_member = self.members.get(place).is_some_and(|members| members.contains(function));
        let before = || self.unproven.get(place)?.get(function).copied();
        is_member.then(|| before().unwrap_or(self.opened))
    }

    /// Notes that every member that can be moved is there, or that one came late: then they are watched for longer.
    pub(crate) fn watch(&mut self, from: Timestamp, until: Timestamp) {
        self.reached.get_or_insert(from);
        self.until = Some(until);
    }

    /// Tells whether a function is watched with this wave.
    pub(crate) fn watches(&self, place: &Place, function: &FunctionName) -> bool {
        self.has(place, function) || self.late_since(place, function).is_some()
    }

    /// Since when a function that came late is watched with this wave.
    pub(crate) fn late_since(&self, place: &Place, function: &FunctionName) -> Option<Timestamp> {
        found(&self.late, place, function)
    }

    /// Tells whether a function is of this wave.
    pub fn has(&self, place: &Place, function: &FunctionName) -> bool {
        self.members.get(&place.to_string()).is_some_and(|members| members.contains(function))
    }

    /// Returns how many functions it has.
    pub fn count(&self) -> usize {
        self.members.values().map(BTreeSet::len).sum()
    }
}

/// What became of each consumer, by place (`eu-west-1`, `eu-west-1 of 123456789012`) and function.
pub type Journal = BTreeMap<String, BTreeMap<FunctionName, ConsumerNote>>;

/// What became of one consumer.
#[allow(
    clippy::struct_excessive_bools,
    reason = "each one is a fact of its own in the stored object"
)]
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ConsumerNote {
    /// The layer version that it was on when the rollout met it.
    pub from: Option<LayerVersionArn>,
    /// Whether freshlayer did not make that version.
    #[serde(default)]
    pub foreign: bool,
    /// `moved`, or why not.
    pub outcome: String,
    /// Whether it reached the release.
    #[serde(default)]
    pub done: bool,
    /// Whether a part of its calls reached the release.
    #[serde(default, skip_serializing_if = "is_false")]
    #[schemars(default)]
    pub in_part: bool,
    /// Whether the last run could not bring it there.
    #[serde(default, skip_serializing_if = "is_false")]
    #[schemars(default)]
    pub failed: bool,
    /// How often other hands set it back after that.
    #[serde(default, skip_serializing_if = "is_zero")]
    #[schemars(default)]
    pub set_back: u32,
    /// When the outcome became this one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<String>", default)]
    pub at: Option<Timestamp>,
    /// A person's order about single functions, because of which it moved.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(default)]
    pub order: Option<PastOrder>,
}

impl ConsumerNote {
    /// The outcome of a function whose run has not written down yet what became of it.
    pub(crate) const MOVING: &'static str = "moving";

    /// Tells whether a run has begun with it and has not written down yet what became of it.
    pub fn is_moving(&self) -> bool {
        self.outcome == Self::MOVING
    }

    /// Tells whether it moves with a later wave, as the last run that came to its end wrote it.
    pub fn is_later(&self) -> bool {
        self.outcome == Why::LaterWave.to_string()
    }
}

#[allow(clippy::trivially_copy_pass_by_ref, reason = "serde asks with a reference")]
fn is_zero(count: &u32) -> bool {
    *count == 0
}

#[allow(clippy::trivially_copy_pass_by_ref, reason = "serde asks with a reference")]
fn is_false(told: &bool) -> bool {
    !told
}

impl Rollout {
    pub(super) fn of(layer: &LayerName, open: &OpenRollout) -> Self {
        Self {
            format: ROLLOUT_FORMAT,
            layer: layer.clone(),
            number: open.number,
            from: open.from,
            to: open.to,
            cause: open.cause,
            by: open.by.clone(),
            reason: open.reason.clone(),
            started: open.started,
            ended: None,
            tries: 0,
            began: BTreeMap::new(),
            promoted: None,
            waves: Vec::new(),
            traffic: None,
            hook_state: None,
            journal: open.journal.clone().unwrap_or_default(),
        }
    }

    /// A rollout that has not begun.
    pub(crate) fn imagined(layer: &LayerName, to: u64, now: Timestamp) -> Self {
        Self::of(
            layer,
            &OpenRollout {
                number: 0,
                from: None,
                to,
                cause: Cause::NewRelease,
                by: String::new(),
                reason: None,
                started: now,
                paused: None,
                promoted: None,
                held: None,
                thawed: None,
                journal: None,
            },
        )
    }

    /// Says of functions that were on their way at the last note what came between.
    pub(crate) fn end_moves(&mut self) {
        let outcome = match self.ended {
            None => "on its way when the rollout was replaced",
            Some(_) => "no longer found when the rollout ended",
        };
        let notes = self.journal.values_mut().flat_map(BTreeMap::values_mut);
        for note in notes.filter(|note| note.is_moving()) {
            outcome.clone_into(&mut note.outcome);
        }
    }

    /// Lists the waves that had too few calls to be judged, by their numbers.
    pub(crate) fn with_too_few_calls(&self) -> Vec<usize> {
        let is_one = |wave: &Wave| {
            wave.evidence.as_ref().is_some_and(|evidence| evidence.says == Says::TooFew)
        };
        (1..).zip(&self.waves).filter(|(_, wave)| is_one(wave)).map(|(number, _)| number).collect()
    }

    /// Tells whether a function shows nothing of the data: it had no call for two weeks before, and no call of its wave was
    /// counted.
    pub(crate) fn is_unjudged(&self, place: &Place, function: &FunctionName) -> bool {
        let is_silent = self.traffic.as_ref().is_some_and(|one| one.is_silent(place, function));
        let was_counted = |wave: &Wave| {
            let counted = wave.evidence.as_ref().and_then(|evidence| evidence.counted.as_ref());
            counted.is_some_and(|counted| counted.tally.new.calls > 0)
        };
        let mut waves = self.waves.iter().filter(|wave| wave.watches(place, function));
        is_silent && !waves.any(was_counted)
    }

    /// Tells whether a function comes late if it is moved now: its wave is watched, or went on without it.
    pub(crate) fn is_late(&self, place: &Place, function: &FunctionName) -> bool {
        let Some((last, before)) = self.waves.split_last() else { return false };
        if last.has(place, function) {
            return last.reached.is_some();
        }
        before.iter().any(|wave| wave.has(place, function))
    }

    /// Notes a function that could not be moved with its wave, and is about to move while the last wave is watched.
    pub(crate) fn note_late(
        &mut self,
        place: &Place,
        function: &FunctionName,
        now: Timestamp,
    ) -> bool {
        let is_late = self.is_late(place, function);
        let Some((last, before)) = self.waves.split_last_mut().filter(|_| is_late) else {
            return false;
        };
        let own = before.iter().rev().find(|wave| wave.has(place, function));
        let place_name = place.to_string();
        if let Some(left) = own.and_then(|own| found(&own.unproven, place, function)) {
            last.unproven.entry(place_name.clone()).or_default().insert(function.clone(), left);
        }
        last.late.entry(place_name).or_default().insert(function.clone(), now);
        true
    }

    /// Forgets the late functions that did not reach the release.
    pub(crate) fn keep_late(&mut self, mut comes: impl FnMut(&str, &FunctionName) -> bool) {
        for wave in &mut self.waves {
            for (place, late) in &mut wave.late {
                late.retain(|function, _| comes(place, function));
            }
            wave.late.retain(|_, late| !late.is_empty());
        }
    }

    /// Returns what was noted of a consumer.
    pub fn note(&self, place: &Place, function: &FunctionName) -> Option<&ConsumerNote> {
        self.journal.get(&place.to_string())?.get(function)
    }

    /// Notes what became of a consumer. Where it stood at first stays noted.
    pub(crate) fn write(&mut self, place: &Place, function: &FunctionName, note: ConsumerNote) {
        let notes = self.journal.entry(place.to_string()).or_default();
        match notes.get_mut(function) {
            Some(known) => {
                if known.outcome != note.outcome {
                    known.at = note.at;
                }
                known.order = note.order.or(known.order.take());
                (known.outcome, known.done) = (note.outcome, note.done);
                (known.in_part, known.failed) = (note.in_part, note.failed);
                known.set_back = known.set_back.max(note.set_back);
            }
            None => drop(notes.insert(function.clone(), note)),
        }
    }

    /// Returns the layer version of each consumer that the rollout met on one that freshlayer did not make.
    pub fn taken_over(&self) -> impl Iterator<Item = (&str, &FunctionName, &LayerVersionArn)> {
        self.journal.iter().flat_map(|(place, notes)| {
            let notes = notes.iter().filter(|(_, note)| note.foreign);
            notes.filter_map(|(function, note)| {
                Some((place.as_str(), function, note.from.as_ref()?))
            })
        })
    }
}
