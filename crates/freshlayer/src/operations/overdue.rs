//! Builds that are kept longer than their licence allows.

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};

use crate::definition::Definition;
use crate::error::Error;
use crate::names::{DatasetName, Digest};
use crate::ports::Store;
use crate::report::minute;
use crate::state::{Head, Release, read_release};

/// A build that a release carries longer than `replaced_days_max` allows.
pub(super) struct Overdue {
    pub(super) release: u64,
    pub(super) dataset: DatasetName,
    /// When the release with the newer build was made.
    pub(super) replaced: Timestamp,
    pub(super) days_max: u32,
}

impl Overdue {
    /// Says what is kept, and since when it should be gone.
    pub(super) fn text(&self) -> String {
        let Self { release, dataset, replaced, days_max } = self;
        let replaced = minute(*replaced);
        format!(
            "release {release} carries a build of {dataset} that a newer one replaced at {replaced}, \
             more than {days_max} days ago (`replaced_days_max`)"
        )
    }
}

/// Finds the builds of some releases whose time is over. Each is read at most once.
pub(super) async fn overdue(
    store: &dyn Store,
    head: &Head,
    definition: &Definition,
    releases: impl IntoIterator<Item = u64>,
    now: Timestamp,
) -> Result<Vec<Overdue>, Error> {
    let limits: Vec<(&DatasetName, u32)> = definition
        .datasets
        .iter()
        .filter_map(|dataset| Some((&dataset.name, dataset.replaced_days_max?)))
        .collect();
    let mut found = Vec::new();
    if limits.is_empty() {
        return Ok(found);
    }
    let mut records = Records { store, head, read: BTreeMap::new() };
    for release in releases {
        for &(dataset, days_max) in &limits {
            let Some(replaced) = records.replaced(release, dataset).await? else { continue };
            let allowed = SignedDuration::from_hours(24 * i64::from(days_max));
            if now.duration_since(replaced) > allowed {
                found.push(Overdue { release, dataset: dataset.clone(), replaced, days_max });
            }
        }
    }
    Ok(found)
}

struct Records<'s> {
    store: &'s dyn Store,
    head: &'s Head,
    read: BTreeMap<u64, Option<Release>>,
}

impl Records<'_> {
    /// Returns when the first later release was made that carries another build of a dataset.
    async fn replaced(
        &mut self,
        release: u64,
        dataset: &DatasetName,
    ) -> Result<Option<Timestamp>, Error> {
        let Some(own) = self.digest(release, dataset).await? else { return Ok(None) };
        for later in release + 1..=self.head.newest() {
            if self.digest(later, dataset).await?.is_some_and(|digest| digest != own) {
                return Ok(self.read[&later].as_ref().map(|record| record.created));
            }
        }
        Ok(None)
    }

    async fn digest(
        &mut self,
        release: u64,
        dataset: &DatasetName,
    ) -> Result<Option<Digest>, Error> {
        if !self.read.contains_key(&release) {
            let record = read_release(self.store, self.head.layer(), release).await?;
            self.read.insert(release, record);
        }
        let snapshot = self.read[&release].as_ref().and_then(|record| record.snapshot(dataset));
        Ok(snapshot.map(|snapshot| snapshot.digest.clone()))
    }
}
