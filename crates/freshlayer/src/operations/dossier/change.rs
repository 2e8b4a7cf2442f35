//! What the release differs in from the one before it, as far as the records keep numbers of it.

use std::collections::{BTreeMap, BTreeSet};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::Facts;
use crate::names::DatasetName;
use crate::state::Snapshot;

/// What a release differs in from the one before it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ChangeDossier {
    /// The release before.
    pub from: u64,
    /// The release.
    pub to: u64,
    /// The datasets that have other data; none where only the layer's files changed.
    pub datasets: Vec<DatasetCounts>,
}

/// What a dataset differs in.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct DatasetCounts {
    /// The dataset.
    pub name: DatasetName,
    /// Its counts in both releases.
    pub counts: Vec<CountChange>,
    /// The shares that checks measured of what served before, by check, in parts per million.
    pub shares_ppm: BTreeMap<String, u32>,
}

/// One count in both releases.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct CountChange {
    /// What is counted: `bytes`, `nodes`, `rows of cities`…
    pub what: String,
    /// In the release before; absent where it was not counted.
    pub before: Option<u64>,
    /// In the release.
    pub after: Option<u64>,
}

impl ChangeDossier {
    pub(super) fn of(facts: &Facts<'_>) -> Option<Self> {
        let new = facts.serving()?;
        let old = facts.records.iter().find(|record| record.seq < new.seq)?;
        let datasets = new.snapshots.iter().filter_map(|snapshot| {
            let before = old.snapshot(&snapshot.dataset)?;
            (before.digest != snapshot.digest).then(|| DatasetCounts::of(before, snapshot))
        });
        Some(Self { from: old.seq, to: new.seq, datasets: datasets.collect() })
    }
}

impl DatasetCounts {
    fn of(before: &Snapshot, after: &Snapshot) -> Self {
        let (old, new) = (&before.profile.counts, &after.profile.counts);
        let names: BTreeSet<&String> = old.keys().chain(new.keys()).collect();
        let counts = names.into_iter().map(|what| CountChange {
            what: what.clone(),
            before: old.get(what).copied(),
            after: new.get(what).copied(),
        });
        let shares = after.gates.shares().map(|(code, ppm)| (code.to_string(), ppm));
        Self { name: after.dataset.clone(), counts: counts.collect(), shares_ppm: shares.collect() }
    }
}
