//! What became of each consumer in a rollout.

use std::collections::BTreeMap;

use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::is_zero;
use super::orders::PastOrder;
use crate::names::LayerVersionArn;
use crate::ports::FunctionName;
use crate::report::Why;

/// What became of each consumer, by place (`eu-west-1`, `eu-west-1 of 123456789012`) and function.
pub type Journal = BTreeMap<String, BTreeMap<FunctionName, ConsumerNote>>;

/// What became of one consumer.
#[allow(
    clippy::struct_excessive_bools,
    reason = "each one is a fact of its own in the stored object"
)]
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ConsumerNote {
    /// The layer version that it was on when the rollout met it.
    pub from: Option<LayerVersionArn>,
    /// Whether freshlayer did not make that version.
    #[serde(default)]
    pub foreign: bool,
    /// `moved`, or why not.
    pub outcome: String,
    /// Whether it reached the release.
    #[serde(default)]
    pub done: bool,
    /// Whether a part of its calls reached the release.
    #[serde(default, skip_serializing_if = "is_false")]
    #[schemars(default)]
    pub in_part: bool,
    /// Whether the last run could not bring it there.
    #[serde(default, skip_serializing_if = "is_false")]
    #[schemars(default)]
    pub failed: bool,
    /// How often other hands set it back after that.
    #[serde(default, skip_serializing_if = "is_zero")]
    #[schemars(default)]
    pub set_back: u32,
    /// When the outcome became this one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<String>", default)]
    pub at: Option<Timestamp>,
    /// A person's order about single functions, because of which it moved.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(default)]
    pub order: Option<PastOrder>,
}

impl ConsumerNote {
    /// The outcome of a function whose run has not written down yet what became of it.
    pub(crate) const MOVING: &'static str = "moving";

    /// Tells whether a run has begun with it and has not written down yet what became of it.
    pub fn is_moving(&self) -> bool {
        self.outcome == Self::MOVING
    }

    /// Tells whether a later run was to move it, as the last run that came to its end wrote it.
    pub(crate) fn is_left(&self) -> bool {
        self.is_later()
            || [Why::NextRun, Why::OutOfTime].iter().any(|why| self.outcome == why.to_string())
    }

    /// Notes that a later order about it is carried out. Tells whether that is new.
    pub(crate) fn follow(&mut self, order: Option<PastOrder>) -> bool {
        let is_new = order.is_some() && order != self.order;
        if is_new {
            self.order = order;
        }
        is_new
    }

    /// Tells whether it moves with a later wave, as the last run that came to its end wrote it.
    pub fn is_later(&self) -> bool {
        self.outcome == Why::LaterWave.to_string()
    }
}

#[allow(clippy::trivially_copy_pass_by_ref, reason = "serde asks with a reference")]
fn is_false(told: &bool) -> bool {
    !told
}
