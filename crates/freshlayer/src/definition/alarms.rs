use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::Binding;
use crate::ports::AlarmPattern;

/// Alarms that must not begin to ring while a wave is watched.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AlarmsGate {
    /// Which alarms; at least one entry.
    pub patterns: Vec<AlarmPattern>,
    /// What an alarm with too little data counts as.
    pub without_data: WithoutData,
    /// Whether its verdict counts.
    pub binding: Binding,
}

/// What an alarm with too little data counts as.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum WithoutData {
    /// It is quiet.
    #[default]
    Quiet,
    /// It is inconclusive.
    Wait,
}
