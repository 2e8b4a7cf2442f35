use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Release, STATE_FORMAT};
use crate::definition::{Dataset, Reader};
use crate::limits::Limits;
use crate::names::{AccountId, DatasetName, Digest, LayerName, LayerVersionArn, RegionName};
use crate::ports::{FunctionName, Validators};
use crate::problem::Problem;

/// How many rejections a head remembers (I11).
const REMEMBERED_MAX: usize = 100;

/// A layer's only mutable object.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Head {
    /// Number of the state format.
    pub format: u32,
    /// The layer.
    pub layer: LayerName,
    /// The newest release number that was given out.
    pub newest: u64,
    /// The release that consumers shall be on.
    pub current: Option<u64>,
    /// A copy of that release's record, so that a run which finds nothing new reads one object.
    pub record: Option<Release>,
    /// The last release that every consumer reached that could.
    pub stable: Option<u64>,
    /// The stable releases before it, oldest first; a rollback takes off what it leaves behind.
    #[serde(default)]
    pub stable_before: Vec<u64>,
    /// Layer versions by release and Region.
    #[serde(default)]
    pub versions: BTreeMap<u64, BTreeMap<RegionName, LayerVersionArn>>,
    /// Releases that are being deleted: the layer versions that are left of each. Nobody is led to these any more.
    #[serde(default)]
    pub leaving: BTreeMap<u64, BTreeMap<RegionName, LayerVersionArn>>,
    /// What each Region was last told to use.
    #[serde(default)]
    pub told: BTreeMap<RegionName, Told>,
    /// What was last seen of each upstream.
    #[serde(default)]
    pub upstream: BTreeMap<DatasetName, Seen>,
    /// Rejected snapshots and downloads.
    #[serde(default)]
    pub rejected: Vec<Rejection>,
    /// A person's order to stay.
    pub pin: Option<Pin>,
    /// The rollout that is not finished.
    pub rollout: Option<Rollout>,
    /// Who works on the layer.
    pub lease: Option<Lease>,
}

/// What a Region was told: which version to use, and who may.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Told {
    /// The version.
    pub version: LayerVersionArn,
    /// Who may use it, beside its own account.
    pub readers: BTreeSet<Reader>,
    /// The accounts whose functions were looked at.
    #[serde(default)]
    pub accounts: BTreeSet<AccountId>,
}

/// The last state of an upstream that was downloaded whole.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Seen {
    /// The source's definition at that time; with another one the validators say nothing.
    pub fingerprint: String,
    /// What names the state in the upstream's words.
    pub validators: Validators,
    /// The snapshot's digest, or the download's where nothing could be extracted.
    pub digest: Digest,
}

/// Why a digest is not released.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Rejection {
    /// The dataset.
    pub dataset: DatasetName,
    /// The snapshot's digest, or the download's where nothing could be extracted.
    pub digest: Digest,
    /// The expectations and limits at that time; a person who changes them asks for another try.
    pub fingerprint: String,
    /// When.
    pub at: Timestamp,
    /// What was wrong.
    pub problems: Vec<Problem>,
}

/// A person's order to stay on a release.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Pin {
    /// The release.
    pub seq: u64,
    /// When.
    #[schemars(with = "String")]
    pub at: Timestamp,
    /// Why, in the person's words.
    pub reason: Option<String>,
}

/// A rollout with its journal.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rollout {
    /// The release that consumers come from.
    pub from: Option<u64>,
    /// The release that consumers go to.
    pub to: u64,
    /// When it began.
    pub started: Timestamp,
    /// What became of each consumer so far, place by place.
    #[serde(default, rename = "places")]
    pub journal: Journal,
}

/// What became of each consumer, by place (`eu-west-1`, `eu-west-1 of 123456789012`) and function.
pub type Journal = BTreeMap<String, BTreeMap<FunctionName, ConsumerNote>>;

/// What became of one consumer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ConsumerNote {
    /// The layer version that it was on when the rollout met it.
    pub from: Option<LayerVersionArn>,
    /// `moved`, or why not.
    pub outcome: String,
}

/// The right to change a layer for a while.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Lease {
    /// The publisher, as [`crate::ports::Peers`] knows it.
    pub owner: String,
    /// When it ends by itself.
    pub expires: Timestamp,
}

impl Head {
    /// Makes the head of a layer that has no release yet.
    pub fn new(layer: LayerName) -> Self {
        Self {
            format: STATE_FORMAT,
            layer,
            newest: 0,
            current: None,
            record: None,
            stable: None,
            stable_before: Vec::new(),
            told: BTreeMap::new(),
            versions: BTreeMap::new(),
            leaving: BTreeMap::new(),
            upstream: BTreeMap::new(),
            rejected: Vec::new(),
            pin: None,
            rollout: None,
            lease: None,
        }
    }

    /// Returns the release that consumers shall be on, a pin before anything else.
    pub fn desired(&self) -> Option<u64> {
        self.pin.as_ref().map(|pin| pin.seq).or(self.current)
    }

    /// Returns the layer version of a release in a Region.
    pub fn version(&self, seq: u64, region: &RegionName) -> Option<&LayerVersionArn> {
        self.versions.get(&seq)?.get(region)
    }

    /// Returns why data is not released, unless the expectations or limits changed since.
    pub fn rejection(
        &self,
        dataset: &Dataset,
        limits: &Limits,
        digest: &Digest,
    ) -> Option<&Rejection> {
        let fingerprint = dataset.verdict_fingerprint(limits);
        self.rejected.iter().find(|known| {
            known.dataset == dataset.name
                && known.digest == *digest
                && known.fingerprint == fingerprint
        })
    }

    /// Remembers a rejection; the oldest ones are forgotten.
    pub fn reject(&mut self, rejection: Rejection) {
        self.rejected
            .retain(|known| known.dataset != rejection.dataset || known.digest != rejection.digest);
        self.rejected.push(rejection);
        let surplus = self.rejected.len().saturating_sub(REMEMBERED_MAX);
        self.rejected.drain(..surplus);
    }

    /// Makes a release the one that consumers shall be on, and opens its rollout.
    pub fn promote(&mut self, release: &Release, now: Timestamp) {
        let to = release.seq;
        self.newest = self.newest.max(to);
        self.stable_before.retain(|before| *before < to);
        if self.stable.is_some_and(|stable| stable > to) {
            self.stable = None;
        }
        self.current = Some(to);
        self.record = Some(release.clone());
        self.roll(to, now);
    }

    /// Opens a rollout: from now on consumers are looked at until every one is there.
    pub fn roll(&mut self, to: u64, now: Timestamp) {
        self.rollout = Some(Rollout {
            from: self.stable.filter(|from| *from != to),
            to,
            started: now,
            journal: BTreeMap::new(),
        });
    }

    /// Notes that every consumer that can be moved reached the rollout's release.
    pub fn reached(&mut self) {
        let Some(to) = self.rollout.as_ref().map(|rollout| rollout.to) else {
            return;
        };
        if let Some(before) = self.stable.replace(to).filter(|before| *before < to) {
            self.stable_before.push(before);
            let surplus = self.stable_before.len().saturating_sub(REMEMBERED_MAX);
            self.stable_before.drain(..surplus);
        }
    }

    /// Returns the release that a rollback without a number leads to: the last stable one before the current, or
    /// where there was none the newest before it.
    pub fn fallback(&self) -> Option<u64> {
        let current = self.current?;
        let before = self.stable_before.iter().chain(&self.stable).copied();
        before
            .filter(|seq| *seq < current && self.versions.contains_key(seq))
            .max()
            .or_else(|| self.versions.range(..current).next_back().map(|(seq, _)| *seq))
    }
}
