//! What gates say about new data. Pure: what was measured goes in, a verdict comes out.

mod alarms;
mod evalue;
mod hook;
mod metrics;
mod pairs;
mod probe;

use std::collections::BTreeMap;

use jiff::Timestamp;

use super::measure::{Function, Told};
use crate::definition::{Binding, EvidenceBy, Gates, MetricsGate};
use crate::names::Place;
use crate::ports::{FunctionName, Minutes};
use crate::state::{Counted, Evidence, Rollout, Says, Traffic, Wave};

pub(super) use alarms::{Found as Alarms, missing};
pub(super) use hook::Reply;
pub(super) use metrics::{last_counted, looks_bad, proven_windows, window};
pub(super) use probe::{Verdict, probe};

/// The minutes of each function, by place.
pub(super) type Calls = BTreeMap<(Place, FunctionName), Minutes>;

/// The calls of functions that have the new data.
#[derive(Debug, Clone, Default)]
pub(super) struct Moved {
    /// Their calls; of a function in part, those of the version with the new data.
    pub(super) calls: Calls,
    /// The calls of functions in part that the version before answered in the same minutes.
    pub(super) beside: Calls,
}

impl From<Calls> for Moved {
    fn from(calls: Calls) -> Self {
        Self { calls, beside: Calls::new() }
    }
}

/// What was measured of the open wave.
#[derive(Debug, Clone, Default)]
pub(super) struct Measured {
    /// The alarms of the places where functions have moved.
    pub(super) alarms: Told<Alarms>,
    /// The calls of the wave's functions, or why they could not be counted. `None` where this look does not count them.
    pub(super) moved: Option<Result<Moved, String>>,
    /// Why calls of some of the wave's functions could not be counted, where those of others could.
    pub(super) uncounted: Vec<String>,
    /// The calls of functions that have not moved yet, where the wave's own look bad.
    pub(super) others: Option<Calls>,
    /// What the hook answered, where there is one.
    pub(super) heard: Option<Heard>,
    /// What lets the wave pass with too few calls, none of which failed.
    pub(super) stands_in: Option<StandsIn>,
}

/// What lets a wave with too few calls pass.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum StandsIn {
    /// Each of its functions passed its probe, and the definition says that this is enough.
    Probe,
    /// None of its functions has calls that could be waited for.
    Silence,
}

impl StandsIn {
    /// Says what it is for some functions.
    pub(super) fn of(
        evidence: EvidenceBy,
        traffic: Option<&Traffic>,
        functions: &[Function],
    ) -> Option<Self> {
        if evidence == EvidenceBy::Probe {
            return Some(Self::Probe);
        }
        let traffic = traffic?;
        let are_silent = functions.iter().all(|(place, name)| traffic.is_silent(place, name));
        (are_silent && !functions.is_empty()).then_some(Self::Silence)
    }
}

/// What the hook answered, or why there is no verdict.
pub(super) type Heard = Result<Reply, String>;

/// Judges the open wave, the last one of a rollout's. `None` where no wave is open.
pub(super) fn wave(
    gates: &Gates,
    rollout: &Rollout,
    measured: &Measured,
    now: Timestamp,
) -> Option<Evidence> {
    let waves = metrics::Waves::of(&rollout.waves)?;
    let wave = waves.open;
    let (mut said, mut counted) = (Vec::new(), None);
    if let Some(gate) = &gates.alarms {
        said.push(alarms::judge(gate, &measured.alarms, rollout));
    }
    if let Some(gate) = &gates.metrics {
        let judged = calls(gate, &waves, measured, now);
        said.push(judged.0);
        counted = judged.1;
    }
    said.extend(heard(gates, measured.heard.as_ref()));
    Some(Evidence { counted, ..evidence(said, wave, now) })
}

/// Names an alarm that fails the release.
pub(super) fn rings(gates: &Gates, told: &Told<Alarms>, rollout: &Rollout) -> Option<String> {
    let said = alarms::judge(gates.alarms.as_ref()?, told, rollout);
    (said.says == Says::Fail).then_some(said.sentence)
}

/// Judges the calls. Where some could not be counted, the others can only fail; what was counted before stays.
fn calls(
    gate: &MetricsGate,
    waves: &metrics::Waves<'_>,
    measured: &Measured,
    now: Timestamp,
) -> (Said, Option<Counted>) {
    if measured.uncounted.is_empty() {
        return metrics::judge(gate, waves, measured, now);
    }
    let decides = MetricsGate { binding: Binding::Decides, ..*gate };
    let (Said { says, sentence }, counted) = metrics::judge(&decides, waves, measured, now);
    let unread = format!("calls cannot be counted: {}", measured.uncounted.join("; "));
    if says == Says::Fail {
        return (observed(gate.binding, Said::of(says, format!("{sentence}; {unread}"))), counted);
    }
    let known = waves.open.evidence.as_ref().and_then(|evidence| evidence.counted.clone());
    let words = format!("{unread}; elsewhere {sentence}");
    (observed(gate.binding, Said::of(Says::Unmeasured, words)), known)
}

/// Judges the open wave where nothing counts calls or rings.
pub(super) fn unwatched(
    gates: &Gates,
    wave: &Wave,
    by_hook: Option<&Heard>,
    now: Timestamp,
) -> Evidence {
    let mut said = Vec::new();
    if gates.alarms.is_some() || gates.metrics.is_some() {
        said.push(Said::of(Says::Pass, "this host has no alarms and counts no calls"));
    }
    said.extend(heard(gates, by_hook));
    evidence(said, wave, now)
}

fn heard(gates: &Gates, by_hook: Option<&Heard>) -> Option<Said> {
    Some(hook::judge(gates.hook.as_ref()?, by_hook?))
}

fn evidence(said: Vec<Said>, wave: &Wave, now: Timestamp) -> Evidence {
    let says = said.iter().map(|one| one.says).max().unwrap_or(Says::Pass);
    let before = wave.evidence.as_ref().map_or(0, |known| known.unmeasured);
    Evidence {
        at: now,
        says,
        unmeasured: if says == Says::Unmeasured { before + 1 } else { 0 },
        out_of_sight: 0,
        sentences: said.into_iter().map(|one| one.sentence).collect(),
        counted: None,
    }
}

/// What a gate says where its verdict counts, or does not.
fn observed(binding: Binding, said: Said) -> Said {
    let would = match (binding, said.says) {
        (Binding::Decides, _) => return said,
        (Binding::Observes, Says::Pass) => "pass",
        (Binding::Observes, Says::TooFew | Says::Inconclusive) => "be inconclusive",
        (Binding::Observes, Says::Unmeasured | Says::Hold) => "hold",
        (Binding::Observes, Says::Fail) => "fail",
    };
    Said::of(Says::Pass, format!("{} (only observed: it would {would})", said.sentence))
}

/// What one gate says.
struct Said {
    says: Says,
    sentence: String,
}

impl Said {
    fn of(says: Says, sentence: impl Into<String>) -> Self {
        Self { says, sentence: sentence.into() }
    }
}
