use std::collections::BTreeMap;

use futures_util::{StreamExt as _, stream};
use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::engine::Engine;
use crate::error::Error;
use crate::names::{LayerName, LayerVersionArn, RegionName};
use crate::ports::FunctionName;
use crate::state::{
    Acceptance, Cause, FunctionPin, Head, Ordered, PastOrder, Release, Rollout, Session,
    read_release,
};

/// How many of a layer's rollouts are listed.
pub(super) const ROLLOUTS_LISTED_MAX: usize = 100;

/// How many records are read at the same time.
const READS_AT_ONCE: usize = 8;

/// What became of a layer, newest first.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct History {
    /// The releases.
    pub releases: Vec<HistoryLine>,
    /// The newest 100 rollouts.
    pub rollouts: Vec<RolloutLine>,
    /// The last 50 orders of persons, newest first.
    pub orders: Vec<PastOrder>,
    /// The builds that a person let pass, newest first.
    pub accepted: Vec<Acceptance>,
    /// The functions that a person keeps on a release of their own.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    #[schemars(default)]
    pub pinned_functions: BTreeMap<FunctionName, FunctionPin>,
}

/// One rollout in a layer's history.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct RolloutLine {
    /// Its number.
    pub number: u64,
    /// The release that consumers came from.
    pub from: Option<u64>,
    /// The release that consumers went to.
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
    /// How it stands.
    pub state: RolloutState,
    /// When every consumer was where it should be.
    #[schemars(with = "Option<String>")]
    pub ended: Option<Timestamp>,
    /// A person's order that every function moved at once, unwatched.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(default)]
    pub promoted: Option<Ordered>,
    /// The newest order about single functions that it carried out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(default)]
    pub order: Option<PastOrder>,
    /// How many consumers it met.
    pub consumers: usize,
    /// How many of them reached the release.
    pub reached: usize,
}

/// How a rollout in a layer's history stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum RolloutState {
    /// Every consumer is where it should be, or waits for a person.
    Ended,
    /// It goes on.
    Open,
    /// A later rollout took its place before it ended.
    Replaced,
}

/// One release in a layer's history.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct HistoryLine {
    /// Its number.
    pub seq: u64,
    /// Its data version.
    pub version: String,
    /// Why it is that version.
    pub version_reasons: Vec<String>,
    /// When it was made.
    #[schemars(with = "String")]
    pub created: Timestamp,
    /// Size of the zip in bytes.
    pub zip_bytes: u64,
    /// Its layer version in each Region; none for a release that was pruned, or never published.
    pub layer_versions: BTreeMap<RegionName, LayerVersionArn>,
    /// What it is now: `current`, `stable`, `pinned`, `brought back`.
    pub marks: Vec<String>,
}

/// Lists a layer's releases and rollouts, newest first.
///
/// # Errors
/// [`Error::NotPossible`] where the layer has no history, and the store's errors.
pub async fn history(engine: &Engine, layer: &LayerName) -> Result<History, Error> {
    let session = with_history(engine, layer).await?;
    Ok(History {
        releases: releases(engine, &session).await?,
        rollouts: rollouts(&session).await?,
        orders: session.head().orders().iter().rev().cloned().collect(),
        accepted: session.head().accepted().iter().rev().cloned().collect(),
        pinned_functions: session.head().pinned_functions().clone(),
    })
}

/// One rollout with what became of each consumer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct RolloutJournal {
    /// The rollout.
    #[serde(flatten)]
    pub rollout: Rollout,
    /// The rollout that took its place before it ended.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(default)]
    pub replaced_by: Option<RolloutLine>,
}

/// Returns one rollout with what became of each consumer.
///
/// # Errors
/// [`Error::NotPossible`] where the layer has no such rollout, and the store's errors.
pub async fn journal(
    engine: &Engine,
    layer: &LayerName,
    number: u64,
) -> Result<RolloutJournal, Error> {
    let session = with_history(engine, layer).await?;
    let rollout = session.read_rollout(number).await?;
    let mut rollout = rollout.ok_or_else(|| {
        let newest = session.head().rollouts();
        Error::NotPossible(format!(
            "layer `{layer}` has no rollout {number}: `freshlayer history {layer}` lists those up to {newest}"
        ))
    })?;
    let open = session.rollout().await?;
    if open.as_ref().is_none_or(|open| open.number != number) {
        rollout.end_moves();
    }
    let next = match open.filter(|open| open.number == number + 1) {
        Some(open) => Some(RolloutLine::of(&open, RolloutState::Open)),
        None => session
            .read_rollout(number + 1)
            .await?
            .map(|next| RolloutLine::of(&next, RolloutState::past(&next))),
    };
    Ok(RolloutJournal { replaced_by: next.filter(|_| rollout.ended.is_none()), rollout })
}

async fn with_history<'a>(engine: &'a Engine, layer: &LayerName) -> Result<Session<'a>, Error> {
    let session = engine.session(layer).await?;
    match session.head().newest() {
        0 => Err(Error::NotPossible(format!("layer `{layer}` has no release yet"))),
        _ => Ok(session),
    }
}

async fn releases(engine: &Engine, session: &Session<'_>) -> Result<Vec<HistoryLine>, Error> {
    let mut lines = Vec::new();
    read_records(engine, session, usize::MAX, |record| {
        lines.push(HistoryLine::of(&record, session.head()));
    })
    .await?;
    Ok(lines)
}

/// Reads the newest records of a layer, newest first. A number that was never recorded is left out.
pub(super) async fn read_records(
    engine: &Engine,
    session: &Session<'_>,
    most: usize,
    mut take: impl FnMut(Release),
) -> Result<(), Error> {
    let (store, head) = (engine.ports.store.as_ref(), session.head());
    let numbers = stream::iter((1..=head.newest()).rev().take(most));
    let reads = numbers.map(|seq| read_release(store, head.layer(), seq));
    let mut records = reads.buffered(READS_AT_ONCE);
    while let Some(record) = records.next().await {
        if let Some(record) = record? {
            take(record);
        }
    }
    Ok(())
}

async fn rollouts(session: &Session<'_>) -> Result<Vec<RolloutLine>, Error> {
    let mut lines = Vec::new();
    let each = |rollout: &Rollout, state| lines.push(RolloutLine::of(rollout, state));
    read_rollouts(session, ROLLOUTS_LISTED_MAX, each).await?;
    Ok(lines)
}

/// Reads the newest rollouts of a layer one by one, newest first: the journal of one may be large.
pub(super) async fn read_rollouts(
    session: &Session<'_>,
    most: usize,
    mut look: impl FnMut(&Rollout, RolloutState),
) -> Result<(), Error> {
    let open = session.rollout().await?;
    for number in (1..=session.head().rollouts()).rev().take(most) {
        if let Some(open) = open.as_ref().filter(|open| open.number == number) {
            look(open, RolloutState::Open);
        } else if let Some(rollout) = session.read_rollout(number).await? {
            look(&rollout, RolloutState::past(&rollout));
        }
    }
    Ok(())
}

impl RolloutState {
    /// How a rollout stands that is not open.
    fn past(rollout: &Rollout) -> Self {
        if rollout.ended.is_some() { Self::Ended } else { Self::Replaced }
    }
}

impl HistoryLine {
    pub(super) fn of(release: &Release, head: &Head) -> Self {
        let seq = release.seq;
        let marks = [
            ("current", head.current() == Some(seq)),
            ("stable", head.stable() == Some(seq)),
            ("pinned", head.pinned().is_some_and(|pin| pin.release == seq)),
            ("brought back", head.left_behind().iter().any(|left| left.release == seq)),
        ];
        Self {
            seq,
            version: release.version.to_string(),
            version_reasons: release.version_reasons.clone(),
            created: release.created,
            zip_bytes: release.zip_bytes,
            layer_versions: head.versions().get(&seq).cloned().unwrap_or_default(),
            marks: marks.iter().filter(|(_, is)| *is).map(|(m, _)| (*m).to_owned()).collect(),
        }
    }
}

impl RolloutLine {
    /// Returns why it began, who promoted it, and the words that they gave.
    pub fn why(&self) -> String {
        let told = |by: &str, reason: Option<&String>| {
            let by = if by.is_empty() { String::new() } else { format!(" by {by}") };
            by + &reason.map(|reason| format!(": {reason}")).unwrap_or_default()
        };
        let ordered = |order: &Ordered| told(&order.by, order.reason.as_ref());
        let single = self
            .order
            .as_ref()
            .map(|PastOrder { what, order, .. }| format!("{what}{}", ordered(order)));
        let own = format!("{}{}", self.cause.words(), told(&self.by, self.reason.as_ref()));
        let began = match single {
            Some(single) if self.cause == Cause::CatchUp => single,
            Some(single) => format!("{own}; {single}"),
            None => own,
        };
        let promoted = self.promoted.as_ref();
        began + &promoted.map(|one| format!("; promoted{}", ordered(one))).unwrap_or_default()
    }

    /// Tells of a rollout in short.
    pub fn of(rollout: &Rollout, state: RolloutState) -> Self {
        Self {
            number: rollout.number,
            from: rollout.from,
            to: rollout.to,
            cause: rollout.cause,
            by: rollout.by.clone(),
            reason: rollout.reason.clone(),
            started: rollout.started,
            state,
            ended: rollout.ended,
            promoted: rollout.promoted.clone(),
            order: rollout.notes().filter_map(|note| note.order.clone()).max_by_key(|o| o.order.at),
            consumers: rollout.notes().count(),
            reached: rollout.notes().filter(|note| note.done).count(),
        }
    }
}
