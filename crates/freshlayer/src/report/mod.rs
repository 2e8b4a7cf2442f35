//! What a run says of itself: one schema for people's lines, `--json` and records.

mod happening;
mod outcome;
mod why;
mod wording;

use std::collections::BTreeMap;

use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::names::{DatasetName, LayerName, LayerVersionArn, Place, RegionName};
use crate::ports::{CodeStorage, FunctionName, Stage, UpstreamFacts};
use crate::problem::Problem;

pub use happening::{About, EVENT_SOURCE, Happening, Listed, WavePlace, event_schema};
pub use outcome::Outcome;
pub(crate) use outcome::{BecameStable, Facts, Watched, outcome, unmoved};
pub use why::{Reason, Why};
pub(crate) use wording::not_provisioned;
pub use wording::{minute, next_minute};

/// What a run did with one layer, and why.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Report {
    /// The layer.
    pub layer: LayerName,
    /// How it ended.
    pub outcome: Outcome,
    /// The release that consumers shall be on, if there is one.
    pub release: Option<ReleaseReport>,
    /// What happened to each dataset.
    pub datasets: Vec<DatasetReport>,
    /// What is wrong with data, and what is worth a look.
    pub problems: Vec<Problem>,
    /// How far each place is: one Region of one account.
    #[serde(default)]
    pub places: Vec<PlaceReport>,
    /// What became of each consumer.
    pub consumers: Vec<ConsumerReport>,
    /// What the last whole look at the functions found, where this run did not look at all of them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_look: Option<LastLook>,
    /// What happened in this run, in its order; on AWS the publisher puts each on the event bus.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(default)]
    pub happened: Vec<Happening>,
    /// When to look again before the next schedule, where something is on its way.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<String>")]
    pub wake_at: Option<Timestamp>,
    /// Each stage that ran: how long, how many bytes.
    pub stages: Vec<StageReport>,
}

/// One release in a report.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct ReleaseReport {
    /// Its number.
    pub seq: u64,
    /// Its data version.
    pub version: String,
    /// Why it is that version.
    pub version_reasons: Vec<String>,
    /// When the oldest of its data was built, by the upstream's word, or else downloaded.
    #[schemars(with = "Option<String>")]
    pub oldest_data: Option<Timestamp>,
    /// When the upstream that was longest without a change last changed, by its word.
    #[serde(default)]
    #[schemars(with = "Option<String>")]
    pub upstream_modified: Option<Timestamp>,
    /// Its layer version in each Region.
    pub layer_versions: BTreeMap<RegionName, LayerVersionArn>,
    /// Size of the zip in bytes.
    pub zip_bytes: u64,
    /// Size of its files in bytes.
    pub unzipped_bytes: u64,
}

/// One dataset in a report.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct DatasetReport {
    /// The dataset.
    pub name: DatasetName,
    /// What the upstream had.
    pub state: DatasetState,
    /// Where it comes from, where something was downloaded.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub upstream: Option<UpstreamFacts>,
    /// Until when a good build waits that is too young to be released.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<String>")]
    pub waits_until: Option<Timestamp>,
}

/// What the upstream had.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum DatasetState {
    /// What was seen before.
    Unchanged,
    /// New data, which is good.
    New,
    /// New data, which is good and waits: for the others of its group, or until it is old enough.
    Waiting,
    /// A new download with the same content as the live release.
    SameContent,
    /// Data that was refused, now or before.
    Rejected,
    /// It could not be asked.
    Failed,
}

/// One place in a report.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct PlaceReport {
    /// The place.
    #[serde(flatten)]
    pub place: Place,
    /// Its layer version of the release.
    pub layer_version: Option<LayerVersionArn>,
    /// How full the code storage is, where the host has a limit and was asked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub storage: Option<CodeStorage>,
    /// Why it is not done; the others go on.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub failure: Option<Reason>,
}

/// One consumer in a report.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct ConsumerReport {
    /// Where it is.
    #[serde(flatten)]
    pub place: Place,
    /// The function.
    pub function: FunctionName,
    /// What became of it.
    pub state: ConsumerState,
    /// The layer version that callers get now, as far as it is known.
    pub layer_version: Option<LayerVersionArn>,
    /// Why, where it is not simply moved.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<Reason>,
}

/// What a whole look at the functions found.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct LastLook {
    /// When.
    #[schemars(with = "String")]
    pub at: Timestamp,
    /// How many functions use the layer.
    pub consumers: usize,
    /// How many of them were not where they should be.
    pub behind: usize,
}

/// What became of a consumer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum ConsumerState {
    /// It was there already.
    Current,
    /// The next refresh moves it.
    Behind,
    /// It was moved in this run.
    Moved,
    /// A person ordered it to stay.
    Ordered,
    /// It must not be moved without a person.
    Held,
    /// It could not be moved.
    Failed,
}

impl ConsumerState {
    /// Returns the state in one word.
    pub fn word(self) -> &'static str {
        match self {
            Self::Current => "current",
            Self::Behind => "behind",
            Self::Moved => "moved",
            Self::Ordered => "ordered",
            Self::Held => "held",
            Self::Failed => "failed",
        }
    }
}

/// One stage in a report.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct StageReport {
    /// The stage.
    pub stage: Stage,
    /// What it worked on.
    pub subject: String,
    /// How many bytes it went through.
    pub size_bytes: u64,
    /// How long it took, in milliseconds.
    pub duration_ms: u64,
}

/// How a process or an invocation ends. The numbers are the CLI's exit codes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Exit {
    /// Done: refreshed, or nothing new.
    Done = 0,
    /// An operational error; the next run goes on.
    Failed = 1,
    /// A mistake in the command or in a definition.
    Usage = 2,
    /// Data was rejected; the last good release keeps serving.
    Rejected = 3,
    /// Held, or only partly done.
    Held = 4,
}

impl Exit {
    /// Every exit with its meaning, for the README and `--help`.
    pub const ALL: &[(Self, &str)] = &[
        (
            Self::Done,
            "done: refreshed, nothing new, kept on a pinned release, or a wave is watched",
        ),
        (
            Self::Failed,
            "operational error: the last good release keeps serving, the next run goes on",
        ),
        (Self::Usage, "mistake in the command or in a definition"),
        (
            Self::Rejected,
            "data rejected by a check or by a gate: functions are on the last good release",
        ),
        (
            Self::Held,
            "held, or only partly done: an order (freeze, pause, `rollback --to before`), a scanner that asks to wait, another publisher, unreleased code, a new major version, data that was rolled back, old data that stays longer than its licence allows, data older than `status --max-age`",
        ),
    ];

    /// Returns the exit code.
    pub fn code(self) -> u8 {
        self as u8
    }

    /// Returns the exit of several results: what needs a person first comes first.
    #[must_use]
    pub fn worst(self, other: Self) -> Self {
        let weight = |exit| match exit {
            Self::Done => 0,
            Self::Held => 1,
            Self::Rejected => 2,
            Self::Failed => 3,
            Self::Usage => 4,
        };
        if weight(other) > weight(self) { other } else { self }
    }
}

impl Report {
    /// Makes a report with an outcome and nothing else.
    pub fn of(layer: LayerName, outcome: Outcome) -> Self {
        Self {
            layer,
            outcome,
            release: None,
            datasets: Vec::new(),
            problems: Vec::new(),
            places: Vec::new(),
            consumers: Vec::new(),
            last_look: None,
            happened: Vec::new(),
            wake_at: None,
            stages: Vec::new(),
        }
    }

    /// Words again how the run ended and why places are not done, with the layer's name in every command.
    #[must_use]
    pub(crate) fn named(mut self) -> Self {
        let failures = self.places.iter_mut().filter_map(|place| place.failure.as_mut());
        for reason in failures.chain([self.outcome.reason_mut()]) {
            reason.text = reason.why.said_of(self.layer.as_str(), None);
        }
        self
    }

    /// Tells whether the next run may get further without a person.
    pub fn is_on_its_way(&self) -> bool {
        self.consumers.iter().any(ConsumerReport::is_on_its_way)
    }

    /// Returns how many functions are not where they should be, by this run or else by the last whole look.
    pub fn behind(&self) -> usize {
        match &self.last_look {
            Some(look) => look.behind,
            None => self.consumers.iter().filter(|consumer| consumer.waits()).count(),
        }
    }

    /// Returns how a process with this report ends.
    pub fn exit(&self) -> Exit {
        self.outcome.exit()
    }
}

impl ConsumerReport {
    /// Returns why the function stands where it stands, where there is a reason.
    pub fn why(&self) -> Option<&Why> {
        self.reason.as_ref().map(|reason| &reason.why)
    }

    /// Tells whether the function is not where it should be.
    pub fn waits(&self) -> bool {
        use ConsumerState::{Behind, Failed, Held};
        matches!(self.state, Behind | Held | Failed)
    }

    /// Tells whether the function is on the release.
    pub fn is_there(&self) -> bool {
        matches!(self.state, ConsumerState::Current | ConsumerState::Moved)
    }

    /// Tells whether the next run may get further with the function without a person.
    pub fn is_on_its_way(&self) -> bool {
        let refused = matches!(self.why(), Some(Why::Refused { .. } | Why::ProbeFailed { .. }));
        match self.state {
            ConsumerState::Behind => true,
            ConsumerState::Failed => !refused,
            _ => false,
        }
    }
}
