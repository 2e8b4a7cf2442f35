//! What today's gates would have made of a past rollout: the verdicts of the judge, at the looks that the publisher would
//! have taken, over the calls that were counted then. Pure.

use std::collections::{BTreeMap, BTreeSet};

use jiff::{SignedDuration, Timestamp};
use schemars::JsonSchema;
use serde::Serialize;

use super::judge::{self, Calls, Measured, StandsIn};
use super::measure::{self, Function, OTHERS_MAX};
use super::plan::{Next, Waves};
use crate::definition::{Binding, Gates, MetricsGate, RolloutSpec};
use crate::names::Place;
use crate::ports::Window;
use crate::state::{Evidence, Members, Rollout, Says, Wave};

/// What the gates would have made of a rollout.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(tag = "verdict", rename_all = "kebab-case")]
pub enum Would {
    /// Every wave would have passed.
    Pass {
        /// The waves that would have gone on although they had too few calls.
        too_few: Vec<usize>,
    },
    /// Every function would have gone back.
    Fail {
        /// In which wave, counted from 1.
        wave: usize,
        /// How many minutes after the wave was complete, rounded.
        minutes: i64,
        /// What the gates found, in one sentence.
        says: String,
    },
    /// It would have waited for a person.
    Wait {
        /// In which wave, counted from 1.
        wave: usize,
        /// How many minutes after the wave was complete, rounded.
        minutes: i64,
        /// What the gates found, in one sentence.
        says: String,
    },
    /// The gates could not tell for as long as functions had the data.
    Unclear {
        /// In which wave, counted from 1.
        wave: usize,
        /// What the gates found by then, in one sentence.
        says: String,
    },
    /// Functions left the data before the first look at their calls.
    Unseen,
    /// The host keeps the minutes of that time no longer.
    Gone,
    /// The calls could not be counted.
    Uncounted {
        /// Why not.
        why: String,
    },
}

/// Returns the rules with which past rollouts are judged: the gate `metrics` decides, also where it only observes, and alarms
/// are left out. `None` where calls are not watched.
pub(crate) fn deciding(spec: &RolloutSpec) -> Option<RolloutSpec> {
    let metrics = MetricsGate { binding: Binding::Decides, ..spec.gates.metrics? };
    let gates = Gates { alarms: None, metrics: Some(metrics), hook: None, ..spec.gates.clone() };
    Some(RolloutSpec { gates, ..spec.clone() })
}

/// A past rollout, with the rules of today.
pub(crate) struct Past<'a> {
    pub(crate) spec: &'a RolloutSpec,
    pub(crate) rollout: &'a Rollout,
    /// When its functions left the data, or now where they have it.
    pub(crate) over: Timestamp,
}

/// How a wave would have gone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Went {
    On(Says),
    Back(Told),
    Waits(Told),
    /// The gates had no answer by then.
    Unclear(Told),
    /// No look at its calls was taken by then.
    Unseen,
}

/// What the gates found at a look.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Told {
    minutes: i64,
    says: String,
}

impl Went {
    /// Tells whether more time might bring an answer.
    pub(super) fn is_open(&self) -> bool {
        matches!(self, Self::Unclear(_) | Self::Unseen)
    }
}

/// The functions of a rollout that are counted for one wave.
pub(super) struct Counted {
    /// Those of the wave.
    pub(super) members: Vec<Function>,
    /// Those that had not moved when it opened.
    pub(super) others: Vec<Function>,
    /// Their calls.
    pub(super) calls: Calls,
}

impl Past<'_> {
    /// Up to when to count the calls for a wave: the end of its bake, and where that brings no answer the longest wait.
    pub(super) fn horizons(&self, wave: &Wave) -> Vec<Timestamp> {
        let until = wave.until.or(wave.reached).unwrap_or(self.over);
        let last = until.saturating_add(self.spec.gates.wait).unwrap_or(self.over);
        let mut horizons = vec![until.min(self.over), last.min(self.over)];
        horizons.dedup();
        horizons
    }

    /// Chooses the functions to count for a wave. One that the journal holds elsewhere never had the data.
    pub(super) fn to_count(&self, number: usize, places: &[Place]) -> Counted {
        let (waves, later) = self.rollout.waves.split_at(number + 1);
        let late = |wave: &Wave| {
            let names = wave.late.iter();
            names.map(|(place, all)| (place.clone(), all.keys().cloned().collect())).collect()
        };
        let members = waves.last().into_iter().flat_map(|wave| {
            let own = functions(&wave.members, places);
            own.into_iter().chain(functions(&late(wave), places)).collect::<BTreeSet<_>>()
        });
        let had_it = |(place, function): &Function| {
            let note = self.rollout.note(place, function);
            note.is_none_or(|note| note.done || note.is_moving())
        };
        let others = later.iter().rev().flat_map(|wave| functions(&wave.members, places));
        let never = functions(&self.never_moved(), places);
        Counted {
            members: members.filter(had_it).collect(),
            others: never.into_iter().chain(others).take(OTHERS_MAX).collect(),
            calls: Calls::new(),
        }
    }

    /// The functions whose wave never opened.
    fn never_moved(&self) -> Members {
        let later = self.rollout.journal.iter().map(|(place, notes)| {
            let later = notes.iter().filter(|(_, note)| note.is_later());
            (place.clone(), later.map(|(function, _)| function.clone()).collect())
        });
        later.collect()
    }

    /// Names a place of the rollout that the definition does not have any more.
    pub(super) fn unknown_place(&self, places: &[Place]) -> Option<String> {
        let known = |name: &str| places.iter().any(|place| place.to_string() == name);
        let mut names = self.rollout.waves.iter().flat_map(|wave| wave.members.keys());
        names.find(|name| !known(name)).cloned()
    }

    /// Looks at the wave behind those that were judged, as the publisher would have, up to a time. Returns what its last look
    /// found, too.
    pub(super) fn went(
        &self,
        judged: &[Option<Evidence>],
        counted: &Counted,
        horizon: Timestamp,
    ) -> (Went, Option<Evidence>) {
        let number = judged.len();
        let mut rollout = self.up_to(judged);
        let is_replaced = number + 1 < self.rollout.waves.len();
        let Some(mut now) = rollout.waves[number].reached else {
            let went = if is_replaced { Went::On(Says::Pass) } else { Went::Unseen };
            return (went, None);
        };
        loop {
            let (went, next) = self.turn(&rollout, now);
            // The run that ended the rollout looked, too.
            let is_last = now < horizon && horizon == self.over;
            let next = match next {
                Some(next) if next <= horizon => next,
                Some(_) if is_last => horizon,
                _ => return (went, rollout.waves.pop().and_then(|wave| wave.evidence)),
            };
            let found = self.look(&rollout, counted, next);
            (now, rollout.waves[number].evidence) = (next, found);
        }
    }

    /// Says how the last wave goes by its last look, and when the publisher would look again.
    fn turn(&self, rollout: &Rollout, now: Timestamp) -> (Went, Option<Timestamp>) {
        let waves = Waves::recorded(self.spec, rollout);
        let next = Waves::on_record(self.spec, rollout, now);
        let look_at = match &next {
            Some(Next::Wait(why)) => waves.look_at(why, now),
            _ => None,
        };
        let wave = rollout.waves.last();
        let found = wave.and_then(|wave| wave.reached.zip(wave.evidence.as_ref()));
        let Some((reached, evidence)) = found else { return (Went::Unseen, look_at) };
        let since = now.duration_since(reached) + SignedDuration::from_secs(30);
        let minutes = since.as_mins();
        let told = Told { minutes, says: evidence.sentences.join("; ") };
        match next {
            _ if waves.sends_back(evidence, now) => (Went::Back(told), None),
            None => (Went::On(evidence.says), None),
            Some(Next::Hold(_)) => (Went::Waits(told), None),
            Some(_) => (Went::Unclear(told), look_at),
        }
    }

    /// The rollout as it was while the wave behind those that were judged was the last one, before any look at it.
    fn up_to(&self, judged: &[Option<Evidence>]) -> Rollout {
        let judged = judged.iter().cloned().chain([None]);
        let waves = self.rollout.waves.iter().zip(judged);
        let waves = waves.map(|(wave, evidence)| Wave { evidence, ..wave.clone() }).collect();
        Rollout { waves, journal: BTreeMap::new(), ..self.rollout.clone() }
    }

    /// What the gates would have said; what they said before where this look counts nothing.
    fn look(&self, rollout: &Rollout, counted: &Counted, now: Timestamp) -> Option<Evidence> {
        let wave = rollout.waves.last()?;
        let counts = Waves::recorded(self.spec, rollout).is_to_count(now);
        let Some(window) =
            judge::window(&self.spec.gates, wave, SignedDuration::ZERO, now).filter(|_| counts)
        else {
            return wave.evidence.clone();
        };
        let mut moved = within(&counted.calls, &counted.members, window);
        for (window, functions) in judge::proven_windows(wave, &counted.members, window) {
            for (function, minutes) in within(&counted.calls, &functions, window) {
                moved.entry(function).or_default().extend(minutes);
            }
        }
        let others = counted.others.iter().filter(|function| !self.had_moved(function, now));
        let others = within(&counted.calls, others, window);
        let moved = judge::Moved::from(moved);
        let bad = judge::looks_bad(&rollout.waves, &moved) && !others.is_empty();
        let (evidence, traffic) = (self.spec.gates.evidence, rollout.traffic.as_ref());
        let stands_in = StandsIn::of(evidence, traffic, &counted.members);
        let measured = Measured {
            alarms: measure::Told::default(),
            moved: Some(Ok(moved)),
            uncounted: Vec::new(),
            others: bad.then_some(others),
            heard: None,
            stands_in,
        };
        judge::wave(&self.spec.gates, rollout, &measured, now)
    }

    fn had_moved(&self, (place, function): &Function, now: Timestamp) -> bool {
        let mut waves = self.rollout.waves.iter();
        waves.any(|wave| wave.opened <= now && wave.has(place, function))
    }
}

/// What a wave says of the whole rollout; `None` where the next wave goes on.
pub(super) fn ends(number: usize, went: Went, too_few: &mut Vec<usize>) -> Option<Would> {
    let wave = number + 1;
    match went {
        Went::On(says) => {
            too_few.extend((says == Says::TooFew).then_some(wave));
            None
        }
        Went::Back(Told { minutes, says }) => Some(Would::Fail { wave, minutes, says }),
        Went::Waits(Told { minutes, says }) => Some(Would::Wait { wave, minutes, says }),
        Went::Unclear(Told { says, .. }) => Some(Would::Unclear { wave, says }),
        Went::Unseen if number == 0 => Some(Would::Unseen),
        Went::Unseen => Some(Would::Unclear { wave, says: "no call was counted".to_owned() }),
    }
}

fn functions(members: &Members, places: &[Place]) -> Vec<Function> {
    let here = |place: &Place| members.get(&place.to_string()).into_iter().flatten().cloned();
    places.iter().flat_map(|place| here(place).map(|name| (place.clone(), name))).collect()
}

fn within<'f>(
    calls: &Calls,
    functions: impl IntoIterator<Item = &'f Function>,
    window: Window,
) -> Calls {
    let of = |function: &Function| {
        let minutes = calls.get(function)?.range(window.from..window.until);
        Some((function.clone(), minutes.map(|(at, calls)| (*at, *calls)).collect()))
    };
    functions.into_iter().filter_map(of).collect()
}
