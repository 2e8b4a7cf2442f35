//! What the release differs in from the one before it, as far as the records keep numbers of it.

use std::collections::{BTreeMap, BTreeSet};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::Facts;
use crate::names::DatasetName;
use crate::state::{CountriesMoved, CountryMovement, Release, Snapshot};

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
    /// Which addresses changed country; absent where that is not known.
    pub countries: Option<CountriesDossier>,
}

/// The addresses that changed country, of those that had a record in the data that served when the release came.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct CountriesDossier {
    /// The release whose data served then; absent where its record was not read.
    pub since: Option<u64>,
    /// The field that says the country: `country.iso_code`.
    pub field: String,
    /// How many moved, in parts per million.
    pub all_ppm: u32,
    /// From which country to which: the largest movements, the largest one first.
    pub largest: Vec<CountryMovement>,
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
            let countries = CountriesDossier::of(facts, new.seq, snapshot);
            let differs = before.digest != snapshot.digest;
            differs.then(|| DatasetCounts::of(before, snapshot, countries))
        });
        Some(Self { from: old.seq, to: new.seq, datasets: datasets.collect() })
    }
}

impl DatasetCounts {
    fn of(before: &Snapshot, after: &Snapshot, countries: Option<CountriesDossier>) -> Self {
        let (old, new) = (&before.profile.counts, &after.profile.counts);
        let names: BTreeSet<&String> = old.keys().chain(new.keys()).collect();
        let counts = names.into_iter().map(|what| CountChange {
            what: what.clone(),
            before: old.get(what).copied(),
            after: new.get(what).copied(),
        });
        Self {
            name: after.dataset.clone(),
            counts: counts.collect(),
            shares_ppm: after.gates.shares().collect(),
            countries,
        }
    }
}

impl CountriesDossier {
    fn of(facts: &Facts<'_>, release: u64, snapshot: &Snapshot) -> Option<Self> {
        let CountriesMoved { since, field, all_ppm, largest } = snapshot.countries_moved.clone()?;
        let has_it = |record: &&Release| {
            record.seq < release
                && record.snapshot(&snapshot.dataset).is_some_and(|one| one.digest == since)
        };
        let since = facts.records.iter().find(has_it).map(|record| record.seq);
        Some(Self { since, field, all_ppm, largest })
    }
}
