//! What persons ordered, kept apart from verdicts about data.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::SnapshotOutline;
use crate::names::{DatasetName, Digest, LayerVersionArn};
use crate::ports::FunctionName;
use crate::problem::{Code, Problem};

/// Who ordered something, when, and why.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Ordered {
    /// When.
    #[schemars(with = "String")]
    pub at: Timestamp,
    /// Who: a user with the machine, or a publisher.
    pub by: String,
    /// Why, in the person's words.
    pub reason: Option<String>,
}

impl Ordered {
    /// What no person ordered.
    pub(super) fn by_publisher(at: Timestamp) -> Self {
        Self { at, by: String::new(), reason: None }
    }
}

/// One of the orders that a head remembers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct PastOrder {
    /// What was ordered, in words.
    pub what: String,
    /// The single functions that it is about; empty where it is about the layer.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(default)]
    pub functions: Vec<FunctionName>,
    /// When, who, and why.
    #[serde(flatten)]
    pub order: Ordered,
}

/// An order to stay on a release.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Pin {
    /// The release.
    pub release: u64,
    /// When.
    #[schemars(with = "String")]
    pub at: Timestamp,
    /// Who.
    pub by: String,
    /// Why, in the person's words.
    pub reason: Option<String>,
    /// When it ends by itself; absent where only a person ends it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<String>", default)]
    pub until: Option<Timestamp>,
}

/// An order that one function stays on a release of its own, while all others go on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct FunctionPin {
    /// Where it stays.
    pub to: StaysOn,
    /// When, who, and why.
    #[serde(flatten)]
    pub order: Ordered,
    /// When it ends by itself; absent where only a person ends it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<String>", default)]
    pub until: Option<Timestamp>,
}

/// Where one function stays.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum StaysOn {
    /// On a release.
    Release(u64),
    /// On the layer version that it used before the layer was adopted, by place.
    Before(BTreeMap<String, LayerVersionArn>),
}

impl FunctionPin {
    /// Returns the release that the function stays on; `None` for what it used before the layer was adopted.
    pub fn release(&self) -> Option<u64> {
        match self.to {
            StaysOn::Release(release) => Some(release),
            StaysOn::Before(_) => None,
        }
    }
}

/// An order that nothing moves.
pub type Freeze = Ordered;

/// When a layer was taken over that had versions which freshlayer did not make.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Adopted {
    /// When.
    pub at: Timestamp,
    /// Who.
    pub by: String,
    /// The rollouts that moved functions off such versions: their journals say where each one stood.
    pub rollouts: BTreeSet<u64>,
}

/// A person's word that a build is right though it differs from the one that served. It holds for that build alone.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Acceptance {
    /// The dataset.
    pub dataset: DatasetName,
    /// The snapshot's digest.
    pub digest: Digest,
    /// When, who, and why.
    #[serde(flatten)]
    pub order: Ordered,
    /// What the build was refused for.
    pub problems: Vec<Problem>,
}

/// Data that a person or a gate brought back: it stays away whatever definition, limits or freshlayer version asks, until
/// a person says `--retry-rejected` or goes forward to it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LeftBehind {
    /// The dataset.
    pub dataset: DatasetName,
    /// The snapshot's digest.
    pub digest: Digest,
    /// The release that was left.
    pub release: u64,
    /// The release that functions went to.
    pub to: u64,
    /// When.
    pub at: Timestamp,
    /// Who; empty where a gate failed.
    pub by: String,
    /// Why: the person's words, or what the gate said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

impl LeftBehind {
    pub(super) fn new(snapshot: &SnapshotOutline, release: u64, to: u64, order: &Ordered) -> Self {
        Self {
            dataset: snapshot.dataset.clone(),
            digest: snapshot.digest.clone(),
            release,
            to,
            at: order.at,
            by: order.by.clone(),
            reason: order.reason.clone(),
        }
    }

    /// Tells whether this is about a dataset's snapshot.
    pub fn is(&self, dataset: &DatasetName, digest: &Digest) -> bool {
        self.dataset == *dataset && self.digest == *digest
    }

    /// Says why the data is not released.
    pub fn problem(&self) -> Problem {
        let Self { release, to, .. } = self;
        let found = match &self.reason {
            Some(reason) if self.by.is_empty() => {
                format!("{reason}, and functions went back to {to}")
            }
            Some(reason) => {
                format!("the data of release {release}, rolled back to {to} ({reason})")
            }
            None => format!("the data of release {release}, rolled back to {to}"),
        };
        let expected = "another build from the upstream, or a person's --retry-rejected";
        Problem::fail(Code::RolledBack, expected, found).of(&self.dataset)
    }
}
