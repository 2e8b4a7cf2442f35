//! The calls that were counted for a wave, as its rollout keeps them.

use std::ops::Add;

use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::Says;

/// A count of the calls of a wave's functions, and what the gate `metrics` said of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Counted {
    /// When they were counted.
    #[schemars(with = "String")]
    pub at: Timestamp,
    /// What it said.
    pub says: Says,
    /// Why, with the numbers.
    pub sentence: String,
    /// The numbers of this wave, which later waves add to theirs.
    pub tally: Tally,
}

/// Calls with the new data beside calls before it. Each minute of a function with the new data is held against one before.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Tally {
    /// Since the wave was complete.
    pub new: Sums,
    /// In as many minutes before it opened.
    pub old: Sums,
    /// In how many minutes a larger share of calls failed than in the one before. One minute of many functions counts at most
    /// five more of these than of `better`.
    pub worse: u64,
    /// In how many minutes a smaller share of calls failed than in the one before.
    pub better: u64,
}

/// Calls of functions, added up.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Sums {
    /// How many there were.
    pub calls: u64,
    /// How many of them failed.
    pub errors: u64,
    /// In how many minutes of a function at least one failed. A minute counts where the function was called in both.
    pub bad_minutes: u64,
}

impl Add for Sums {
    type Output = Self;

    fn add(self, other: Self) -> Self {
        Self {
            calls: self.calls + other.calls,
            errors: self.errors + other.errors,
            bad_minutes: self.bad_minutes + other.bad_minutes,
        }
    }
}

impl Add for Tally {
    type Output = Self;

    fn add(self, other: Self) -> Self {
        Self {
            new: self.new + other.new,
            old: self.old + other.old,
            worse: self.worse + other.worse,
            better: self.better + other.better,
        }
    }
}
