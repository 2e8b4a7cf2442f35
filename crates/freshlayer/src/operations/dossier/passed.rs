//! The releases and rollouts of a layer, and how long data took to reach every function.

use std::collections::BTreeMap;

use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::Facts;
use crate::names::{DatasetName, Digest};
use crate::operations::history::{HistoryLine, RolloutLine, RolloutState};
use crate::problem::{GateReport, Problem};
use crate::state::{Cause, Release, Rollout, Snapshot};

/// One release with its data.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct ReleaseDossier {
    /// Its number, version, time, zip and layer versions.
    #[serde(flatten)]
    pub line: HistoryLine,
    /// Size of its files in bytes.
    pub unzipped_bytes: u64,
    /// Its datasets, in the order of the definition.
    pub datasets: Vec<ReleaseDataset>,
    /// What inspection noted without refusing.
    pub warnings: Vec<Problem>,
    /// When the last wave of its first rollout was watched to its end; absent where that is not known.
    #[schemars(with = "Option<String>")]
    pub stable_at: Option<Timestamp>,
    /// The seconds from the upstream's build of its newest data until then.
    pub stable_after_secs: Option<i64>,
}

/// One dataset of a release.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct ReleaseDataset {
    /// The dataset.
    pub name: DatasetName,
    /// SHA-256 of the extracted bytes.
    pub digest: Digest,
    /// When the upstream built it.
    #[schemars(with = "Option<String>")]
    pub built: Option<Timestamp>,
    /// Size of its files in bytes.
    pub size_bytes: u64,
    /// Counts by which drift is judged: `nodes`, `rows of cities`…
    pub counts: BTreeMap<String, u64>,
    /// How much it differed from the release before, by check and count, in parts per million.
    pub changes_ppm: BTreeMap<String, u32>,
    /// Every check that its data went through.
    pub gates: GateReport,
}

/// One rollout in short.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct RolloutDossier {
    /// Its number, releases, cause, times and functions.
    #[serde(flatten)]
    pub line: RolloutLine,
    /// How many waves it opened.
    pub waves: usize,
    /// When its last wave was watched to its end, or else when it ended.
    #[schemars(with = "Option<String>")]
    pub reached_at: Option<Timestamp>,
}

impl RolloutDossier {
    pub(super) fn of(rollout: &Rollout, state: RolloutState) -> Self {
        let last = rollout.waves.last().and_then(|wave| wave.done);
        Self {
            line: RolloutLine::of(rollout, state),
            waves: rollout.waves.len(),
            reached_at: last.or(rollout.ended),
        }
    }
}

/// The releases, newest first.
pub(super) fn releases(facts: &Facts<'_>) -> Vec<ReleaseDossier> {
    facts.records.iter().map(|record| release(facts, record)).collect()
}

fn release(facts: &Facts<'_>, record: &Release) -> ReleaseDossier {
    let stable_at = first_reached(&facts.rollouts, record.seq);
    let newest = record.snapshots.iter().filter_map(|snapshot| snapshot.built).max();
    let after = stable_at.zip(newest).map(|(at, built)| at.duration_since(built).as_secs());
    ReleaseDossier {
        line: HistoryLine::of(record, facts.head),
        unzipped_bytes: record.unzipped_bytes,
        datasets: record.snapshots.iter().map(dataset).collect(),
        warnings: record.warnings.clone(),
        stable_at,
        stable_after_secs: after.filter(|secs| *secs >= 0),
    }
}

fn dataset(snapshot: &Snapshot) -> ReleaseDataset {
    ReleaseDataset {
        name: snapshot.dataset.clone(),
        digest: snapshot.digest.clone(),
        built: snapshot.built,
        size_bytes: snapshot.size_bytes(),
        counts: snapshot.profile.counts.clone(),
        changes_ppm: snapshot.profile.changes.last().cloned().unwrap_or_default(),
        gates: snapshot.gates.clone(),
    }
}

/// When the rollout that brought a release was through. A later way back to it says nothing of its data.
fn first_reached(rollouts: &[RolloutDossier], release: u64) -> Option<Timestamp> {
    let mut oldest_first = rollouts.iter().rev();
    let brought = |rollout: &&RolloutDossier| {
        rollout.line.to == release && rollout.line.cause == Cause::NewRelease
    };
    oldest_first.find(brought)?.reached_at
}

/// The median of the times that are known; of an even number the lower one of the two in the middle.
pub(super) fn median(releases: &[ReleaseDossier]) -> Option<i64> {
    let mut times: Vec<i64> = releases.iter().filter_map(|one| one.stable_after_secs).collect();
    times.sort_unstable();
    times.get(times.len().checked_sub(1)? / 2).copied()
}
