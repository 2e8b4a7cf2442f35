//! A rollout: the head names the open one, and its journal lies in an object of its own, kept after.

use std::collections::BTreeMap;

use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::ROLLOUT_FORMAT;
use super::began::Began;
use super::evidence::Says;
use super::journal::{ConsumerNote, Journal};
use super::orders::Ordered;
use super::traffic::Traffic;
use super::wave::Wave;
use crate::names::{LayerName, LayerVersionArn, Place};
use crate::ports::FunctionName;
use crate::report::ConsumerState;

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

    /// Says of functions that were on their way, or had to move later, at the last note what came between.
    pub(crate) fn end_moves(&mut self) {
        let (on_its_way, later) = match self.ended {
            None => (
                "on its way when the rollout was replaced",
                "it had not moved when the rollout was replaced",
            ),
            Some(_) => ("no longer found when the rollout ended", "it never moved"),
        };
        for note in self.journal.values_mut().flat_map(BTreeMap::values_mut) {
            if note.is_moving() {
                on_its_way.clone_into(&mut note.outcome);
            } else if note.is_left() {
                later.clone_into(&mut note.outcome);
            }
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

    /// Returns what was noted of a consumer.
    pub fn note(&self, place: &Place, function: &FunctionName) -> Option<&ConsumerNote> {
        self.journal.get(&place.to_string())?.get(function)
    }

    /// As [`Self::note`], to write on it.
    pub(crate) fn note_mut(
        &mut self,
        place: &Place,
        function: &FunctionName,
    ) -> Option<&mut ConsumerNote> {
        self.journal.get_mut(&place.to_string())?.get_mut(function)
    }

    /// Notes what became of a consumer. Where it stood at first stays noted.
    pub(crate) fn write(&mut self, place: &Place, function: &FunctionName, note: ConsumerNote) {
        let notes = self.journal.entry(place.to_string()).or_default();
        match notes.get_mut(function) {
            // It is where it was brought.
            Some(known) if known.done && note.outcome == ConsumerState::Current.word() => {}
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
