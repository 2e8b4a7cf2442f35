//! The right to change a layer, for one publisher at a time.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

/// The right to change a layer for a while.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Lease {
    /// The publisher, as [`crate::ports::Peers`] knows it.
    pub owner: String,
    /// When it ends by itself.
    pub expires: Timestamp,
    /// What the publisher does meanwhile.
    #[serde(default)]
    pub work: Work,
}

/// What a publisher does while it holds a lease.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Work {
    /// It makes and publishes a release; no function moves. A person's order takes such a lease over.
    Preparing,
    /// It changes functions, or deletes.
    #[default]
    Moving,
}
