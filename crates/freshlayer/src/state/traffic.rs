//! How often functions are called.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::wave::{Members, found};
use crate::names::{Place, RegionName};
use crate::ports::FunctionName;

/// How often functions were called in the minutes before a rollout's first wave.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Traffic {
    /// For how many minutes calls were counted: as many as the first wave is watched, 10 to 60.
    pub minutes: u32,
    /// How many calls let a wave pass its gate.
    pub enough: u64,
    /// The calls of each function, by place. One without a call is left out.
    pub calls: BTreeMap<String, BTreeMap<FunctionName, u64>>,
    /// The calls in the last 24 hours of each function that had none in those minutes and one in the last 14 days, by place.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    #[schemars(default)]
    pub rarely: BTreeMap<String, BTreeMap<FunctionName, u64>>,
    /// The functions that had no call in the last 14 days, by place.
    #[serde(default, skip_serializing_if = "Members::is_empty")]
    #[schemars(default)]
    pub silent: Members,
}

impl Traffic {
    /// Returns how often the functions of a Region were called.
    pub fn of_region(&self, region: &RegionName) -> u64 {
        let is_there = |place: &str| place.split(' ').next() == Some(region.as_str());
        let here = self.calls.iter().filter(|(place, _)| is_there(place));
        here.flat_map(|(_, calls)| calls.values()).sum()
    }

    /// Returns how often a function was called.
    pub fn of(&self, place: &Place, function: &FunctionName) -> u64 {
        found(&self.calls, place, function).unwrap_or(0)
    }

    /// Returns how often a function that had no call in those minutes was called in the last 24 hours.
    pub fn rarely_of(&self, place: &Place, function: &FunctionName) -> u64 {
        found(&self.rarely, place, function).unwrap_or(0)
    }

    /// Tells whether a function had no call in the last 14 days: it shows nothing of new data.
    pub fn is_silent(&self, place: &Place, function: &FunctionName) -> bool {
        let here = self.silent.get(&place.to_string());
        here.is_some_and(|silent| silent.contains(function))
    }
}
