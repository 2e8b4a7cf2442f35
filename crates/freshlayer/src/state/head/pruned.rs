//! What a prune notes, and until when Regions named what they name no more.

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};

use super::{Head, Versions};
use crate::names::{LayerVersionArn, RegionName};

/// How long a version stays that a Region's parameter named. A deployment that fails goes back to the version that it
/// took before: a stack to the ARN of its last template, and it is stuck where that version is gone.
const NAMED_STAYS: SignedDuration = SignedDuration::from_hours(30 * 24);

/// Which releases a prune may delete.
impl Head {
    /// Returns the releases that a prune condemned, each with the time when it did.
    pub fn condemned(&self) -> &BTreeMap<u64, Timestamp> {
        &self.condemned
    }

    /// Notes that nothing leads to a release. One that is condemned already keeps its time.
    pub(crate) fn condemn(&mut self, release: u64, now: Timestamp) {
        if self.versions.contains_key(&release) {
            self.condemned.entry(release).or_insert(now);
        }
    }

    /// Notes that something leads to a release again.
    pub(crate) fn pardon(&mut self, release: u64) {
        self.condemned.remove(&release);
    }

    /// Takes a condemned release away from all that refers to it, before its layer versions are deleted. One that was
    /// pardoned meanwhile stays.
    pub(crate) fn start_deleting(&mut self, release: u64, versions: Versions) {
        let is_condemned = self.condemned.remove(&release).is_some();
        if is_condemned || self.deleting.contains_key(&release) {
            self.versions.remove(&release);
            self.served.remove(&release);
            self.named.retain(|named, _| versions.values().all(|version| version != named));
            self.deleting.insert(release, versions);
        }
    }

    /// Notes that nothing is left of a release but its record.
    pub(crate) fn deleted(&mut self, release: u64) {
        self.deleting.remove(&release);
    }

    /// Returns until when a version stays that a Region's parameter named before.
    pub(crate) fn named_stays_until(&self, version: &LayerVersionArn) -> Option<Timestamp> {
        let ended = self.named.get(version)?;
        Some(ended.saturating_add(NAMED_STAYS).unwrap_or(Timestamp::MAX))
    }

    /// Notes that a Region's parameter names another version than before, if it does. What was named long ago is
    /// forgotten.
    pub(crate) fn renames(&mut self, region: &RegionName, to: &LayerVersionArn, now: Timestamp) {
        let before = self.parameters.get(region).map(|parameter| parameter.version.clone());
        self.named.extend(before.filter(|before| before != to).map(|before| (before, now)));
        self.named.remove(to);
        self.named.retain(|_, ended| now.duration_since(*ended) < NAMED_STAYS);
    }

    /// Notes that writes which begin may put these versions into Regions' parameters.
    pub(crate) fn may_have_named(&mut self, versions: &[LayerVersionArn], now: Timestamp) {
        self.named.extend(versions.iter().map(|version| (version.clone(), now)));
    }
}
