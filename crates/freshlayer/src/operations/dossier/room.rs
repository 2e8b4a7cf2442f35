//! What takes room, and what a prune would free.

use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Facts, KEEP};
use crate::operations::prune::Pruned;
use crate::operations::status::StorageLine;

/// What takes room.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct RoomDossier {
    /// How full each place's code storage is, where the host has a limit.
    pub storage: Vec<StorageLine>,
    /// How many releases have a layer version and a zip.
    pub releases: usize,
    /// The size of their zips in bytes, of the releases that are listed.
    pub zip_bytes: u64,
    /// What a prune would do now; absent where that was not asked, or is not known.
    pub prune: Option<PruneDossier>,
    /// Why it is not known what a prune would do.
    pub unasked: Option<String>,
    /// The releases that a prune has condemned and may delete later.
    pub condemned: Vec<CondemnedRelease>,
}

/// A release that a prune may delete later.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct CondemnedRelease {
    /// Its number.
    pub release: u64,
    /// When a prune found that nothing leads to it.
    #[schemars(with = "String")]
    pub since: Timestamp,
}

/// What a prune would do now.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct PruneDossier {
    /// How many of the newest releases it keeps, used or not.
    pub keep: usize,
    /// The releases that would go, oldest first.
    pub releases: Vec<u64>,
    /// The size of their zips in bytes.
    pub freed_bytes: u64,
    /// The releases that would stay, oldest first, each with the reason.
    pub kept: Vec<KeptRelease>,
    /// The releases that stay longer than the licence of their data allows, one sentence each.
    pub kept_too_long: Vec<String>,
}

/// A release that a prune would leave.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct KeptRelease {
    /// Its number.
    pub release: u64,
    /// Why it stays.
    pub reason: String,
}

impl RoomDossier {
    pub(super) fn of(facts: &Facts<'_>) -> Self {
        let head = facts.head;
        let have_zips = facts.records.iter().filter(|one| head.versions().contains_key(&one.seq));
        let (prune, unasked) = match &facts.pruned {
            Some(Ok(pruned)) => (Some(PruneDossier::of(pruned)), None),
            Some(Err(words)) => (None, Some(words.clone())),
            None => (None, None),
        };
        let condemned = head.condemned().iter();
        let condemned =
            condemned.map(|(&release, &since)| CondemnedRelease { release, since }).collect();
        Self {
            storage: facts.status.storage.clone(),
            releases: head.versions().len(),
            zip_bytes: have_zips.map(|record| record.zip_bytes).sum(),
            prune,
            unasked,
            condemned,
        }
    }
}

impl PruneDossier {
    fn of(pruned: &Pruned) -> Self {
        let kept = pruned.kept.iter();
        let kept = kept.map(|kept| KeptRelease { release: kept.seq, reason: kept.reason.clone() });
        Self {
            keep: KEEP,
            releases: pruned.releases.iter().map(|release| release.seq).collect(),
            freed_bytes: pruned.releases.iter().map(|release| release.zip_bytes).sum(),
            kept: kept.collect(),
            kept_too_long: pruned.kept_too_long.iter().map(|late| late.text.clone()).collect(),
        }
    }
}
