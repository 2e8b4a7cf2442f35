use std::collections::BTreeMap;

use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Release, STATE_FORMAT};
use crate::definition::Dataset;
use crate::limits::Limits;
use crate::names::{DatasetName, Digest, LayerName, LayerVersionArn};
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
    /// The last release that every consumer reached.
    pub stable: Option<u64>,
    /// Layer versions by release and Region.
    #[serde(default)]
    pub versions: BTreeMap<u64, BTreeMap<String, LayerVersionArn>>,
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
    /// What became of each consumer so far.
    #[serde(default)]
    pub journal: BTreeMap<FunctionName, ConsumerNote>,
}

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
            versions: BTreeMap::new(),
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
    pub fn version(&self, seq: u64, region: &str) -> Option<&LayerVersionArn> {
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
        self.stable = self.stable.filter(|stable| *stable <= to);
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

    /// Ends the open rollout: every consumer reached its release.
    pub fn converged(&mut self) {
        if let Some(rollout) = self.rollout.take() {
            self.stable = Some(rollout.to);
        }
    }
}
