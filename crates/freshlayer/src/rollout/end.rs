//! How a rollout stands at the end of a run, and what is written and told of it. Pure.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;

use super::goal::{frozen, paused};
use super::plan::SetBack;
use crate::names::{LayerName, Place};
use crate::ports::FunctionName;
use crate::report::{
    ConsumerReport, ConsumerState, Outcome, PlaceReport, Reason, ReleaseReport, Report, Why,
};
use crate::state::{ConsumerNote, Head, Lease, Ordered, Outline, Pin, Rollout, SnapshotOutline};

/// How a rollout stands at the end of a run.
pub(super) struct RolloutEnd {
    /// Functions that are on the release.
    pub(super) there: usize,
    /// Functions that are on their way.
    pub(super) behind: usize,
    /// Functions that another try may move.
    pub(super) failed_for_now: usize,
    /// Every consumer is where it should be or where a person ordered it to stay.
    pub(super) converged: bool,
    /// The rollout has reached everyone it can: no function is still moving, and every other one waits for a person.
    /// One place or function that fails does not keep a release from being stable, unless more fail than arrive.
    pub(super) reached: bool,
    /// For what the open rollout waits for a person.
    pub(super) held: Option<Why>,
}

/// Whether waves are still to be opened or watched.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Course {
    GoesOn,
    Over,
}

impl RolloutEnd {
    pub(super) fn of(places: &[PlaceReport], consumers: &[ConsumerReport], course: Course) -> Self {
        let count = |states: &[ConsumerState]| {
            consumers.iter().filter(|consumer| states.contains(&consumer.state)).count()
        };
        let there = count(&[ConsumerState::Current, ConsumerState::Moved]);
        let behind = count(&[ConsumerState::Behind]);
        let failed = consumers.iter().filter(|c| c.state == ConsumerState::Failed);
        let failed_for_now = failed.filter(|consumer| consumer.is_on_its_way()).count();
        let well = places.iter().filter(|place| place.failure.is_none()).count();
        let nobody = consumers.is_empty() && well == places.len();
        Self {
            there,
            behind,
            failed_for_now,
            converged: course == Course::Over
                && well == places.len()
                && !consumers.iter().any(ConsumerReport::waits),
            reached: course == Course::Over
                && well > 0
                && behind == 0
                && failed_for_now <= there
                && (nobody || there > 0),
            held: None,
        }
    }
}

/// What a run did with functions, how often other hands set them back, and when it ends.
#[derive(Clone, Copy)]
pub(super) struct Moves<'a> {
    pub(super) moved: &'a BTreeSet<(Place, FunctionName)>,
    pub(super) set_back: &'a BTreeMap<(String, FunctionName), SetBack>,
    pub(super) at: Timestamp,
}

/// Writes into the journal what became of every consumer.
pub(super) fn note_all(
    rollout: &mut Rollout,
    consumers: &[ConsumerReport],
    came: Moves<'_>,
    head: &Head,
) {
    for consumer in consumers {
        let done = consumer.is_there();
        let outcome = match &consumer.reason {
            Some(reason) if done => format!("{}; {reason}", consumer.state.word()),
            Some(reason) => reason.text.clone(),
            None => consumer.state.word().to_owned(),
        };
        let in_part = matches!(consumer.why(), Some(Why::Partly { .. }));
        let failed = consumer.state == ConsumerState::Failed;
        let from = consumer.layer_version.clone();
        let foreign = from.as_ref().is_some_and(|from| !head.made(from));
        let key = (consumer.place.to_string(), consumer.function.clone());
        let is_moved = came.moved.contains(&(consumer.place.clone(), consumer.function.clone()));
        let set_back = match (came.set_back.get(&key), consumer.why()) {
            (None, _) => 0,
            (Some(_), Some(Why::RevertedByDeploy { times, .. })) => *times,
            (Some(known), Some(Why::Partly { .. })) if is_moved => known.in_part(),
            (Some(known), _) if consumer.state == ConsumerState::Moved => known.times(),
            (Some(known), _) => known.before,
        };
        if let Some(began) = rollout.began.get_mut(&key.0).filter(|_| done || in_part) {
            began.arrived = true;
        }
        let (at, order) = (Some(came.at), None);
        let note =
            ConsumerNote { from, foreign, outcome, done, in_part, failed, set_back, at, order };
        rollout.write(&consumer.place, &consumer.function, note);
    }
    rollout.began.values_mut().for_each(|began| began.over = true);
    let stays = consumers
        .iter()
        .filter(|consumer| matches!(consumer.state, ConsumerState::Held | ConsumerState::Failed));
    let stays: BTreeSet<_> =
        stays.map(|consumer| (consumer.place.to_string(), &consumer.function)).collect();
    rollout.keep_late(|place, function| !stays.contains(&(place.to_owned(), function)));
}

/// A person's order that keeps the layer where it is.
pub(crate) fn order(head: &Head) -> Option<Why> {
    if let Some(why) = frozen(head) {
        return Some(why);
    }
    if let Some(Ordered { at, by, .. }) = head.is_handed_back().cloned() {
        return Some(Why::HandedBack { by, at });
    }
    if let Some(why) = paused(head) {
        return Some(why);
    }
    let Pin { release, at, by, reason, until } = head.pinned()?.clone();
    Some(Why::Pinned { release, at, by, reason, until })
}

/// Another publisher works on the layer: look again when its lease ends.
pub(crate) fn busy(layer: &LayerName, lease: &Lease) -> Report {
    let Lease { owner, expires, .. } = lease.clone();
    let reason = Reason::from(Why::Busy { owner, until: expires });
    let report = Report::of(layer.clone(), Outcome::Held { reason });
    Report { wake_at: Some(expires), ..report }
}

/// Says what a release is.
pub(crate) fn outline_report(head: &Head, outline: &Outline) -> ReleaseReport {
    let snapshots = &outline.snapshots;
    ReleaseReport {
        seq: outline.seq,
        version: outline.version.to_string(),
        version_reasons: outline.version_reasons.clone(),
        oldest_data: snapshots.iter().map(SnapshotOutline::built_or_fetched).min(),
        upstream_modified: snapshots.iter().filter_map(|snapshot| snapshot.last_modified).min(),
        layer_versions: head.versions().get(&outline.seq).cloned().unwrap_or_default(),
        zip_bytes: outline.zip_bytes,
        unzipped_bytes: outline.unzipped_bytes,
    }
}
