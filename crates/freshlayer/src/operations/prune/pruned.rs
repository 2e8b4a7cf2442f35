//! What a prune tells.

use jiff::Timestamp;
use schemars::JsonSchema;
use serde::Serialize;

use super::{Prune, Stays};
use crate::error::{Error, chain};
use crate::names::{DatasetName, Digest, LayerName, LayerVersionArn};
use crate::operations::overdue::Overdue;
use crate::report::{Exit, Reason};

/// What was pruned.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Pruned {
    /// The layer.
    pub layer: LayerName,
    /// Whether anything was deleted.
    pub mode: Prune,
    /// The releases that are gone, or would be, oldest first.
    pub releases: Vec<PrunedRelease>,
    /// The releases that nothing leads to and that a later prune may delete, oldest first.
    pub condemned: Vec<Condemned>,
    /// The releases that stay, oldest first.
    pub kept: Vec<Kept>,
    /// The releases that stay longer than the licence of their data allows, oldest first.
    pub kept_too_long: Vec<KeptTooLong>,
    /// What could not be deleted, and why; the next prune tries again.
    pub failures: Vec<String>,
    /// Why nothing was done.
    pub held: Option<Reason>,
}

/// A release that is gone, or would be.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct PrunedRelease {
    /// Its number.
    pub seq: u64,
    /// Size of its zip in bytes.
    pub zip_bytes: u64,
    /// SHA-256 of its zip.
    pub zip_sha256: Digest,
    /// Its layer versions.
    pub layer_versions: Vec<LayerVersionArn>,
}

/// A release that nothing leads to, and that is not deleted yet.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Condemned {
    /// Its number.
    pub seq: u64,
    /// When a prune found that nothing leads to it.
    #[schemars(with = "String")]
    pub since: Timestamp,
    /// From when on the publisher's prune may delete it, where still nothing leads to it.
    #[schemars(with = "String")]
    pub may_go: Timestamp,
}

/// A release that stays.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Kept {
    /// Its number.
    pub seq: u64,
    /// Why, as a value.
    pub why: Stays,
    /// Why, as a sentence.
    pub reason: String,
}

/// A release that stays longer than the licence of its data allows.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct KeptTooLong {
    /// Its number.
    pub seq: u64,
    /// The dataset.
    pub dataset: DatasetName,
    /// When a release with a newer build of it was made.
    #[schemars(with = "String")]
    pub replaced: Timestamp,
    /// How many days more its build may be kept.
    pub replaced_days_max: u32,
    /// The functions that use the release.
    pub functions: Vec<String>,
    /// What is kept and why, as a sentence.
    pub text: String,
}

impl Pruned {
    pub(super) fn nothing(layer: &LayerName, mode: Prune) -> Self {
        Self {
            layer: layer.clone(),
            mode,
            releases: Vec::new(),
            condemned: Vec::new(),
            kept: Vec::new(),
            kept_too_long: Vec::new(),
            failures: Vec::new(),
            held: None,
        }
    }

    /// Says that a layer could not be pruned, and why.
    pub fn failed(layer: &LayerName, mode: Prune, error: &Error) -> Self {
        Self { failures: vec![chain(error)], ..Self::nothing(layer, mode) }
    }

    pub(super) fn fail(&mut self, seq: u64, error: &Error) {
        self.failures.push(format!("release {seq}: {}", chain(error)));
    }

    /// Returns how a process with this result ends.
    pub fn exit(&self) -> Exit {
        if !self.failures.is_empty() {
            Exit::Failed
        } else if self.held.is_some() || !self.kept_too_long.is_empty() {
            Exit::Held
        } else {
            Exit::Done
        }
    }
}

impl KeptTooLong {
    pub(super) fn of(late: &Overdue, functions: Vec<String>, kept: &[Kept]) -> Self {
        let reason = kept.iter().find(|kept| kept.seq == late.release);
        let reason = reason.map(|kept| kept.reason.as_str()).unwrap_or_default();
        let why = match &functions[..] {
            [] => reason.to_owned(),
            [one] => format!("{one} uses it"),
            all => format!("{} use it", all.join(", ")),
        };
        Self {
            seq: late.release,
            dataset: late.dataset.clone(),
            replaced: late.replaced,
            replaced_days_max: late.days_max,
            functions,
            text: format!("{}; {why}", late.text()),
        }
    }
}
