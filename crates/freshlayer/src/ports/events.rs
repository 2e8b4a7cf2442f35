use std::fmt;
use std::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::names::LayerName;

/// The stages of a refresh, in their order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Stage {
    /// Asking the upstream and taking what is new.
    Download,
    /// Taking files out of containers.
    Extract,
    /// Proving that data is good.
    Inspect,
    /// Writing the layer's zip.
    Package,
    /// Opening the zip as a consumer will.
    Prove,
    /// Asking a scanner about the zip.
    Scan,
    /// Making a layer version.
    Publish,
    /// Waiting for another publisher.
    Wait,
    /// Moving consumers.
    Rollout,
}

impl fmt::Display for Stage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Download => "download",
            Self::Extract => "extract",
            Self::Inspect => "inspect",
            Self::Package => "package",
            Self::Prove => "prove",
            Self::Scan => "scan",
            Self::Publish => "publish",
            Self::Wait => "wait",
            Self::Rollout => "rollout",
        })
    }
}

/// Something that happened.
#[derive(Debug, Clone)]
pub enum Event {
    /// A stage began.
    Started {
        /// The layer.
        layer: LayerName,
        /// The stage.
        stage: Stage,
        /// What it works on: a dataset, a layer version; empty for the whole layer.
        subject: String,
        /// How many bytes it will go through, where that is known.
        total_bytes: Option<u64>,
    },
    /// A stage went through more bytes.
    Progress {
        /// The stage.
        stage: Stage,
        /// Bytes since the last such event.
        bytes: u64,
    },
    /// A stage ended well.
    Finished {
        /// The stage.
        stage: Stage,
        /// What it worked on.
        subject: String,
        /// How many bytes it went through.
        bytes: u64,
        /// How long it took.
        duration: Duration,
    },
    /// A stage ended without its result: the run goes on without it, or fails.
    Stopped {
        /// The stage.
        stage: Stage,
        /// What it worked on.
        subject: String,
        /// How long it ran.
        duration: Duration,
    },
}

/// Takes the events of a run.
///
/// # Contract
/// `emit` returns at once, never fails, and may be called from any thread.
pub trait Events: Send + Sync {
    /// Takes one event.
    fn emit(&self, event: &Event);
}
