//! What upstreams gave: their last state, verdicts about it, and what was downloaded in a day.

use jiff::Timestamp;
use jiff::civil::Date;
use serde::{Deserialize, Serialize};

use crate::names::{DatasetName, Digest};
use crate::ports::Validators;
use crate::problem::Problem;

/// The downloads of one day that an upstream's account counts.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DailyDownloads {
    /// The day, in UTC.
    pub day: Date,
    /// How many there were.
    pub count: u32,
}

/// The last state of an upstream that was downloaded whole.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SeenUpstream {
    /// The source's definition at that time; with another one the validators say nothing.
    pub fingerprint: String,
    /// What names the state in the upstream's words.
    pub validators: Validators,
    /// The snapshot's digest, or the download's where nothing could be extracted.
    pub digest: Digest,
    /// When the build was made, where it is too young to be released.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub young_since: Option<Timestamp>,
}

/// A verdict: why a digest is not released.
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
