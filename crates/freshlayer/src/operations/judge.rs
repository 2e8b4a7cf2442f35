//! What today's gates would have done in past rollouts. It only reads: the state, and the calls that the host still knows.

use jiff::Timestamp;
use schemars::JsonSchema;
use serde::Serialize;

use crate::definition::Definition;
use crate::engine::Engine;
use crate::error::Error;
use crate::names::LayerName;
use crate::rollout::{Past, Would, counts_calls, deciding, replay};
use crate::state::{Cause, Head, Rollout, Says, Session};

/// How many rollouts are read at most to find those that can be judged.
const ROLLOUTS_READ_MAX: usize = 100;

/// What today's gates would have done in past rollouts of a layer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct PastGates {
    /// The layer.
    pub layer: LayerName,
    /// How many calls let a wave pass.
    pub calls_min: u64,
    /// The rollouts that brought new data in waves and are over, newest first.
    pub rollouts: Vec<PastRollout>,
    /// How many others were met on the way: open ones, and those without waves or new data.
    pub left_out: usize,
    /// How many entries `rollout.alarms` has; they are left out, because no history of alarms is kept.
    pub alarms_left_out: usize,
    /// Whether `rollout.hook` is left out: a hook is asked about the present.
    pub hook_left_out: bool,
    /// How many rollouts whose release became stable would have been stopped.
    pub good: StoppedOf,
    /// How many rollouts that were brought back would have been stopped.
    pub bad: StoppedOf,
}

/// How many of the rollouts whose calls could be looked at would have been stopped.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, JsonSchema)]
pub struct StoppedOf {
    /// Those that the gates would have brought back.
    pub stopped: usize,
    /// All.
    pub of: usize,
}

/// One past rollout.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct PastRollout {
    /// Its number in the layer.
    pub number: u64,
    /// The release that functions went to.
    pub to: u64,
    /// When it began.
    #[schemars(with = "String")]
    pub started: Timestamp,
    /// What became of it.
    pub fate: Fate,
    /// Who brought it back; empty where no person did.
    pub by: String,
    /// What the gates would have made of it.
    pub would: Would,
}

/// What became of a past rollout.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Fate {
    /// Its release became stable.
    Stable,
    /// A gate brought its functions back.
    GateFailed,
    /// A person brought its functions back, also after the release was stable.
    BroughtBack,
    /// Another release or a pin took its place before it was stable.
    Replaced,
}

impl Fate {
    fn is_bad(self) -> bool {
        matches!(self, Self::GateFailed | Self::BroughtBack)
    }
}

impl Would {
    /// Tells whether the calls of the rollout could be looked at.
    pub fn is_judged(&self) -> bool {
        !matches!(self, Self::Unseen | Self::Gone | Self::Uncounted { .. })
    }
}

/// Replays the gate `metrics` of the definition over the newest past rollouts, at most so many. Changes nothing.
///
/// # Errors
/// [`Error::NotPossible`] where the host counts no calls or the definition has no gate `metrics`, and the store's errors.
pub async fn judge_past(
    engine: &Engine,
    definition: &Definition,
    last: usize,
) -> Result<PastGates, Error> {
    let regions = engine.ports.regions.of(&definition.destinations).await;
    if !counts_calls(&regions) {
        let words = "this host counts no calls, so there is nothing to judge past rollouts by";
        return Err(Error::NotPossible(words.to_owned()));
    }
    let gates = &definition.rollout.gates;
    let (Some(spec), Some(gate)) = (deciding(&definition.rollout), gates.metrics) else {
        return Err(unwatched(&definition.layer));
    };
    let session = engine.session(&definition.layer).await?;
    let now = engine.ports.clock.now();
    let Found { all, past } = found(&session, last).await?;
    let mut rollouts = Vec::new();
    for at in &past {
        let (rollout, after) = (&all[*at], after(&all, *at));
        let over = after.map_or(now, |after| after.started);
        let would = replay(&Past { spec: &spec, rollout, over }, &regions, now).await;
        rollouts.push(line(rollout, after, session.head(), would));
    }
    Ok(PastGates {
        layer: definition.layer.clone(),
        calls_min: gate.calls_min,
        left_out: all.len() - past.len(),
        alarms_left_out: gates.alarms.as_ref().map_or(0, |alarms| alarms.patterns.len()),
        hook_left_out: gates.hook.is_some(),
        good: stopped(&rollouts, |fate| fate == Fate::Stable),
        bad: stopped(&rollouts, Fate::is_bad),
        rollouts,
    })
}

fn unwatched(layer: &LayerName) -> Error {
    Error::NotPossible(format!(
        "layer `{layer}` has no gate `metrics`: with `rollout.metrics = {{ observe = true }}` and waves that bake it has one that decides nothing"
    ))
}

/// Rollouts, newest first.
struct Found {
    all: Vec<Rollout>,
    /// The places in `all` of those that can be judged.
    past: Vec<usize>,
}

async fn found(session: &Session<'_>, last: usize) -> Result<Found, Error> {
    let (head, open) = (session.head(), session.rollout().await?);
    let mut found = Found { all: Vec::new(), past: Vec::new() };
    for number in (1..=head.rollouts()).rev().take(ROLLOUTS_READ_MAX) {
        if found.past.len() >= last {
            break;
        }
        let known = open.as_ref().filter(|open| open.number == number).cloned();
        let rollout = match known {
            Some(open) => Some(open),
            None => session.read_rollout(number).await?,
        };
        let Some(rollout) = rollout else { continue };
        if is_past(&rollout, head) {
            found.past.push(found.all.len());
        }
        found.all.push(rollout);
    }
    Ok(found)
}

/// Tells whether a rollout brought new data in waves, and is over.
fn is_past(rollout: &Rollout, head: &Head) -> bool {
    let is_open = head.rollout().is_some_and(|open| open.number == rollout.number);
    let is_over = !is_open || head.stable() == Some(rollout.to);
    rollout.cause.brings_new_data() && !rollout.waves.is_empty() && is_over
}

/// The rollout that took the data of another one away from its functions.
fn after(newest_first: &[Rollout], at: usize) -> Option<&Rollout> {
    let to = newest_first[at].to;
    let mut later = newest_first[..at].iter().rev();
    later.find(|later| later.to != to || later.cause == Cause::HandBack)
}

fn line(rollout: &Rollout, after: Option<&Rollout>, head: &Head, would: Would) -> PastRollout {
    let fate = fate(rollout, after, head);
    let by = after.filter(|_| fate == Fate::BroughtBack).map(|after| after.by.clone());
    PastRollout {
        number: rollout.number,
        to: rollout.to,
        started: rollout.started,
        fate,
        by: by.unwrap_or_default(),
        would,
    }
}

fn fate(rollout: &Rollout, after: Option<&Rollout>, head: &Head) -> Fate {
    let back = after.filter(|after| after.to < rollout.to || after.cause == Cause::HandBack);
    match back.map(|back| back.cause) {
        Some(Cause::Gate) => Fate::GateFailed,
        Some(Cause::Rollback | Cause::HandBack) => Fate::BroughtBack,
        _ if rollout.ended.is_some() || head.stable() == Some(rollout.to) => Fate::Stable,
        _ if after.is_some_and(|after| was_whole(rollout, after.started)) => Fate::Stable,
        _ => Fate::Replaced,
    }
}

/// Tells whether a rollout was watched to its end before a time: functions that a person held may have kept it open.
fn was_whole(rollout: &Rollout, at: Timestamp) -> bool {
    let Some(wave) = rollout.waves.last() else { return false };
    let passed = wave.evidence.as_ref().is_none_or(|evidence| evidence.says == Says::Pass);
    passed && rollout.later() == 0 && wave.until.is_some_and(|until| until <= at)
}

fn stopped(rollouts: &[PastRollout], is_such: impl Fn(Fate) -> bool) -> StoppedOf {
    let such = || rollouts.iter().filter(|one| is_such(one.fate) && one.would.is_judged());
    let stopped = such().filter(|one| matches!(one.would, Would::Fail { .. })).count();
    StoppedOf { stopped, of: such().count() }
}
