//! How a run ended: the first rule that applies decides, and what needs a person comes first.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{
    ConsumerReport, ConsumerState, DatasetReport, DatasetState, Exit, PlaceReport, Reason, Why,
};
use crate::problem::{Code, Level, Problem};

/// The outcome of a run, as a value.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "kind", rename_all = "lowercase")]
pub enum Outcome {
    /// Nothing new, and nothing to do.
    Unchanged {
        /// Why.
        reason: Reason,
    },
    /// Consumers were moved, to a new release or to the one that they should have been on.
    Refreshed {
        /// What changed.
        reason: Reason,
    },
    /// New data was refused; the last good release keeps serving.
    Rejected {
        /// Why, in one sentence; the problems say the rest.
        reason: Reason,
    },
    /// Something waits: for a person, another publisher, or a consumer that could not be moved.
    Held {
        /// For what.
        reason: Reason,
    },
    /// The run could not be finished; the last good release keeps serving.
    Failed {
        /// The error with its causes.
        reason: Reason,
    },
}

impl Outcome {
    pub(crate) fn unchanged(why: Why) -> Self {
        Self::Unchanged { reason: why.into() }
    }

    pub(crate) fn refreshed(why: Why) -> Self {
        Self::Refreshed { reason: why.into() }
    }

    pub(crate) fn held(why: Why) -> Self {
        Self::Held { reason: why.into() }
    }

    pub(crate) fn failed(why: Why) -> Self {
        Self::Failed { reason: why.into() }
    }

    fn rejected(why: Why) -> Self {
        Self::Rejected { reason: why.into() }
    }

    /// Returns the outcome in one word, as logs, events and lines say it.
    pub fn word(&self) -> &'static str {
        match self {
            Self::Unchanged { .. } => "unchanged",
            Self::Refreshed { .. } => "refreshed",
            Self::Rejected { .. } => "rejected",
            Self::Held { .. } => "held",
            Self::Failed { .. } => "failed",
        }
    }

    /// Returns why.
    pub fn reason(&self) -> &Reason {
        match self {
            Self::Unchanged { reason }
            | Self::Refreshed { reason }
            | Self::Rejected { reason }
            | Self::Held { reason }
            | Self::Failed { reason } => reason,
        }
    }

    pub(crate) fn reason_mut(&mut self) -> &mut Reason {
        match self {
            Self::Unchanged { reason }
            | Self::Refreshed { reason }
            | Self::Rejected { reason }
            | Self::Held { reason }
            | Self::Failed { reason } => reason,
        }
    }

    /// Returns how a process with this outcome ends.
    pub fn exit(&self) -> Exit {
        match self {
            Self::Unchanged { .. } | Self::Refreshed { .. } => Exit::Done,
            Self::Rejected { .. } => Exit::Rejected,
            Self::Held { reason } if matches!(reason.why, Why::NoSuchAlarm { .. }) => Exit::Usage,
            Self::Held { .. } => Exit::Held,
            Self::Failed { .. } => Exit::Failed,
        }
    }
}

/// What the outcome of a run follows from.
pub(crate) struct Facts<'a> {
    /// The release that consumers shall be on.
    pub(crate) serving: Option<u64>,
    /// The release that this run made, with its data version.
    pub(crate) released: Option<(u64, String)>,
    /// Upstreams that could not be asked.
    pub(crate) failures: &'a [String],
    pub(crate) datasets: &'a [DatasetReport],
    pub(crate) problems: &'a [Problem],
    /// What the new release waits for before it is published.
    pub(crate) waits: Option<Why>,
    pub(crate) places: &'a [PlaceReport],
    pub(crate) consumers: &'a [ConsumerReport],
    /// A person's order that keeps the layer where it is.
    pub(crate) order: Option<Why>,
    /// The gate that failed in this run.
    pub(crate) gate: Option<Why>,
    /// What the open wave waits for, where the publisher looks again or a person has to.
    pub(crate) bake: Option<Why>,
    /// The release whose last wave was watched to its end in this run.
    pub(crate) stable: Option<BecameStable>,
}

/// A release whose last wave was watched to its end.
#[derive(Debug, Clone)]
pub(crate) struct BecameStable {
    pub(crate) release: u64,
    /// The waves that had too few calls to be judged.
    pub(crate) too_few: Vec<usize>,
    pub(crate) unjudged: usize,
}

type Rule = fn(&Facts<'_>) -> Option<Outcome>;

/// The rules, in their rank.
const RANKED: [Rule; 15] = [
    upstream_failed,
    place_failed,
    gate_failed,
    frozen,
    still_rolled_back,
    bad_data,
    waits,
    no_wave_opens,
    some_unmoved,
    ordered,
    host_works,
    bakes,
    changed,
    stable,
    young,
];

/// Says how a run ended.
pub(crate) fn outcome(facts: &Facts<'_>) -> Outcome {
    let ranked = RANKED.iter().find_map(|rule| rule(facts));
    ranked.unwrap_or(Outcome::unchanged(Why::NothingNew))
}

impl Facts<'_> {
    fn count(&self, states: &[ConsumerState]) -> usize {
        self.consumers.iter().filter(|consumer| states.contains(&consumer.state)).count()
    }

    fn released(&self) -> Option<u64> {
        self.released.as_ref().map(|(seq, _)| *seq)
    }

    fn failing(&self) -> impl Iterator<Item = &Problem> {
        self.problems.iter().filter(|problem| problem.level == Level::Fail)
    }
}

fn upstream_failed(facts: &Facts<'_>) -> Option<Outcome> {
    let failures = facts.failures.to_vec();
    let (released, serving) = (facts.released(), facts.serving);
    let why = Why::Upstream { failures, released, serving };
    (!facts.failures.is_empty()).then(|| Outcome::failed(why))
}

/// Where there is only one place it needs no name.
fn place_failed(facts: &Facts<'_>) -> Option<Outcome> {
    let places = facts.places.len();
    let failed =
        facts.places.iter().filter_map(|report| Some((&report.place, report.failure.as_ref()?)));
    let failures: Vec<String> = match places {
        1 => failed.map(|(_, failure)| failure.to_string()).collect(),
        _ => failed.map(|(place, failure)| format!("{place}: {failure}")).collect(),
    };
    let done = places - failures.len();
    let adoption = facts.places.iter().find_map(|report| match report.failure.as_ref()?.why {
        Why::Foreign { .. } if done == 0 => report.failure.clone(),
        _ => None,
    });
    match (failures.is_empty(), adoption) {
        (true, _) => None,
        (false, Some(reason)) => Some(Outcome::Held { reason }),
        (false, None) => Some(Outcome::failed(Why::Places { failures, done, places })),
    }
}

fn gate_failed(facts: &Facts<'_>) -> Option<Outcome> {
    facts.gate.clone().map(Outcome::rejected)
}

/// A wave that is watched is as it should be, unless it waits for a person.
fn bakes(facts: &Facts<'_>) -> Option<Outcome> {
    if let Some(why @ Why::Undecided { until: None, .. }) = &facts.bake {
        return Some(Outcome::held(why.clone()));
    }
    let moved = facts.released.is_some() || facts.count(&[ConsumerState::Moved]) > 0;
    let outcome = if moved { Outcome::refreshed } else { Outcome::unchanged };
    facts.bake.clone().map(outcome)
}

fn frozen(facts: &Facts<'_>) -> Option<Outcome> {
    let order = facts.order.clone();
    order.filter(|why| matches!(why, Why::Frozen { .. } | Why::Paused { .. })).map(Outcome::held)
}

fn still_rolled_back(facts: &Facts<'_>) -> Option<Outcome> {
    let all = facts.failing().count() > 0 && facts.failing().all(|p| p.code == Code::RolledBack);
    let held = || Outcome::held(Why::StillRolledBack { serving: facts.serving });
    let others: [Rule; 4] = [no_wave_opens, some_unmoved, host_works, bakes];
    let watched = || facts.bake.as_ref().and_then(|_| others.iter().find_map(|rule| rule(facts)));
    all.then(|| watched().unwrap_or_else(held))
}

fn bad_data(facts: &Facts<'_>) -> Option<Outcome> {
    let refused = facts.datasets.iter().any(|dataset| dataset.state == DatasetState::Rejected);
    let bad = refused || facts.failing().count() > 0;
    let why = Why::BadData { released: facts.released(), serving: facts.serving };
    bad.then(|| Outcome::rejected(why))
}

fn waits(facts: &Facts<'_>) -> Option<Outcome> {
    facts.waits.clone().map(Outcome::held)
}

fn no_wave_opens(facts: &Facts<'_>) -> Option<Outcome> {
    let bake = facts.bake.clone();
    let holds = |why: &Why| matches!(why, Why::NoSuchAlarm { .. } | Why::NoneMoved { .. });
    bake.filter(holds).map(Outcome::held)
}

fn some_unmoved(facts: &Facts<'_>) -> Option<Outcome> {
    let found = if facts.bake.is_some() { Watched::LooksAgain } else { Watched::No };
    unmoved(facts.consumers, found).map(Outcome::held)
}

/// Whether the publisher looks at the open rollout again by itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Watched {
    LooksAgain,
    No,
}

/// Says which functions wait for more than their wave.
pub(crate) fn unmoved(consumers: &[ConsumerReport], watched: Watched) -> Option<Why> {
    use ConsumerState::{Behind, Failed, Held};
    let waits = |one: &&ConsumerReport| [Behind, Failed, Held].contains(&one.state);
    let looks_again = watched == Watched::LooksAgain;
    let waiting = consumers.iter().filter(waits).filter(|one| {
        let why = one.reason.as_ref().map(|reason| &reason.why);
        let comes =
            why.is_some_and(|why| has_a_later_wave(why) || (looks_again && is_host_work(why)));
        !comes
    });
    let worst = [Failed, Held, Behind];
    let first = worst.iter().find_map(|state| waiting.clone().find(|one| one.state == *state))?;
    Some(Why::Unmoved {
        waiting: waiting.count(),
        example: example(first),
        functions: consumers.len(),
    })
}

fn has_a_later_wave(why: &Why) -> bool {
    matches!(why, Why::LaterWave | Why::Partly { .. })
}

/// Functions that wait for the host alone, and for no person: the publisher looks again.
fn host_works(facts: &Facts<'_>) -> Option<Outcome> {
    facts.bake.as_ref().filter(|why| is_host_work(why))?;
    let waiting = facts
        .consumers
        .iter()
        .filter(|one| one.reason.as_ref().is_some_and(|reason| is_host_work(&reason.why)));
    let why = Why::HostWorks {
        waiting: waiting.clone().count(),
        example: example(waiting.clone().next()?),
        functions: facts.consumers.len(),
    };
    Some(Outcome::refreshed(why))
}

fn is_host_work(why: &Why) -> bool {
    matches!(why, Why::Shifting { .. } | Why::Updating)
}

fn example(consumer: &ConsumerReport) -> String {
    let reason = consumer.reason.as_ref().map_or("no reason", |reason| &reason.text);
    format!("{}: {reason}", consumer.function)
}

/// A pinned layer is where a person wants it.
fn ordered(facts: &Facts<'_>) -> Option<Outcome> {
    let outcome = match facts.order {
        Some(Why::Pinned { .. }) if facts.count(&[ConsumerState::Moved]) > 0 => Outcome::refreshed,
        Some(Why::Pinned { .. }) => Outcome::unchanged,
        _ => Outcome::held,
    };
    facts.order.clone().map(outcome)
}

fn young(facts: &Facts<'_>) -> Option<Outcome> {
    let waiting = facts.datasets.iter().filter_map(|one| Some((one.waits_until?, &one.name)));
    let (until, dataset) = waiting.min()?;
    Some(Outcome::unchanged(Why::Young { dataset: dataset.clone(), until }))
}

fn stable(facts: &Facts<'_>) -> Option<Outcome> {
    let BecameStable { release, too_few, unjudged } = facts.stable.clone()?;
    let there = facts.count(&[ConsumerState::Current, ConsumerState::Moved]);
    let functions = facts.consumers.len();
    Some(Outcome::refreshed(Why::Stable { release, there, functions, too_few, unjudged }))
}

fn changed(facts: &Facts<'_>) -> Option<Outcome> {
    let (moved, functions) = (facts.count(&[ConsumerState::Moved]), facts.consumers.len());
    match &facts.released {
        Some((release, version)) => {
            let (release, version) = (*release, version.clone());
            Some(Outcome::refreshed(Why::Released { release, version, moved, functions }))
        }
        None if facts.stable.is_some() => None,
        None => (moved > 0).then(|| Outcome::refreshed(Why::Moved { moved, functions })),
    }
}
