//! What the gates said of a wave.

use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::counted::Counted;
use super::is_zero;
use super::wave::Wave;

/// What the gates said of a wave.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Evidence {
    /// When they were asked.
    #[schemars(with = "String")]
    pub at: Timestamp,
    /// All in all.
    pub says: Says,
    /// How many looks in a row could not measure.
    #[serde(default)]
    pub unmeasured: u32,
    /// How many looks in a row found no place of the wave that could be read. What the gates said before stays.
    #[serde(default, skip_serializing_if = "is_zero")]
    #[schemars(default)]
    pub out_of_sight: u32,
    /// What each gate found, with its numbers.
    pub sentences: Vec<String>,
    /// The calls of the wave's functions when they were counted last; absent where they never were.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(default)]
    pub counted: Option<Counted>,
}

impl Evidence {
    /// A release that does harm while functions move.
    pub(crate) fn failing(sentences: Vec<String>, at: Timestamp) -> Self {
        let (unmeasured, out_of_sight, counted) = (0, 0, None);
        Self { at, says: Says::Fail, unmeasured, out_of_sight, sentences, counted }
    }

    /// A look at a wave of which no place can be read. What was measured before stays said.
    pub(crate) fn out_of_sight(wave: &Wave, words: &str, now: Timestamp) -> Self {
        let known = wave.evidence.clone().unwrap_or_else(|| Self {
            at: now,
            says: Says::TooFew,
            unmeasured: 0,
            out_of_sight: 0,
            sentences: Vec::new(),
            counted: None,
        });
        let measured = known.sentences.into_iter().filter(|_| known.out_of_sight == 0);
        let sentences = measured.chain([format!("out of sight: {words}")]).collect();
        Self { out_of_sight: known.out_of_sight + 1, sentences, ..known }
    }
}

/// What gates say. The worst one of all gates counts, and the order is theirs.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "kebab-case")]
pub enum Says {
    /// Nothing speaks against the release.
    Pass,
    /// No call failed, and there were too few to judge.
    TooFew,
    /// What was measured can be read both ways.
    Inconclusive,
    /// Something could not be measured.
    Unmeasured,
    /// A person is to decide.
    Hold,
    /// The release does harm.
    Fail,
}
