//! What happened to a layer: each value is one event for people's tools, told once, when it happens.

use std::collections::BTreeMap;

use jiff::Timestamp;
use schemars::JsonSchema;
use schemars::generate::SchemaSettings;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::{Reason, Why};
use crate::names::{DatasetName, Digest, LayerName, LayerVersionArn, RegionName};
use crate::problem::Problem;
use crate::state::Cause;

/// The source by which rules find the events.
pub const EVENT_SOURCE: &str = "freshlayer";
/// How much of a list an event names. The bus takes 256 KB: three lists of texts stay far below that.
const LISTED_MAX: usize = 20;
/// How long a text in an event is.
const TEXT_BYTES_MAX: usize = 500;

/// One thing that happened to a layer.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "detail-type", content = "detail")]
pub enum Happening {
    /// A release has layer versions.
    #[serde(rename = "Release published")]
    ReleasePublished {
        /// What it is about.
        #[serde(flatten)]
        about: About,
        /// Why it has its data version.
        version_reasons: Listed<String>,
        /// Its layer version in each Region.
        layer_versions: BTreeMap<RegionName, LayerVersionArn>,
        /// The Regions that did not take it, and why; later runs try again, and tell no more of it.
        missing: BTreeMap<RegionName, Reason>,
    },
    /// Functions begin to go to a release.
    #[serde(rename = "Rollout started")]
    RolloutStarted {
        /// What it is about.
        #[serde(flatten)]
        about: About,
        /// The release that functions come from.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        from: Option<u64>,
        /// Why.
        cause: Cause,
        /// Who ordered it; absent where nobody did.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        by: Option<String>,
        /// How many functions use the layer.
        functions: usize,
    },
    /// The functions of a wave may move.
    #[serde(rename = "Wave opened")]
    WaveOpened {
        /// What it is about.
        #[serde(flatten)]
        about: About,
        /// The wave, counted from 1.
        wave: usize,
        /// How many functions it has.
        functions: usize,
        /// Where they are.
        places: Listed<WavePlace>,
    },
    /// A wave was watched to its end, and its gates let it pass.
    #[serde(rename = "Wave done")]
    WaveDone {
        /// What it is about.
        #[serde(flatten)]
        about: About,
        /// The wave, counted from 1.
        wave: usize,
        /// How many functions it has.
        functions: usize,
        /// What the gates found.
        gates: Listed<String>,
    },
    /// The rollout begins to wait for a person.
    #[serde(rename = "Rollout held")]
    RolloutHeld {
        /// What it is about.
        #[serde(flatten)]
        about: About,
        /// The newest wave, counted from 1; absent where no wave is open.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        wave: Option<usize>,
        /// How many functions use the layer.
        functions: usize,
        /// Why.
        reason: Reason,
        /// What the gates found.
        gates: Listed<String>,
    },
    /// Functions go back: a gate failed, or a person ordered it.
    #[serde(rename = "Rolled back")]
    RolledBack {
        /// What it is about; the release is the one that functions go back to.
        #[serde(flatten)]
        about: About,
        /// The release that is left.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        from: Option<u64>,
        /// A gate or a person's order.
        cause: Cause,
        /// Who ordered it: a person, or the publisher whose gate failed.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        by: Option<String>,
        /// The wave whose gates failed, counted from 1; absent where no wave's gates did.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        wave: Option<usize>,
        /// How many functions use the layer.
        functions: usize,
        /// Why.
        reason: Reason,
        /// What the gates found.
        gates: Listed<String>,
    },
    /// Every function that can be moved has the release, and its last wave was watched to its end.
    #[serde(rename = "Release stable")]
    ReleaseStable {
        /// What it is about.
        #[serde(flatten)]
        about: About,
        /// How many functions have it.
        there: usize,
        /// How many functions use the layer.
        functions: usize,
        /// The waves that had too few calls to be judged.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        #[schemars(default)]
        too_few: Vec<usize>,
        /// How many functions had no call in the 14 days before the rollout, nor their wave one since.
        #[serde(default)]
        unjudged: usize,
    },
    /// The data that serves is older than the definition wants.
    #[serde(rename = "Data stale")]
    DataStale {
        /// What it is about.
        #[serde(flatten)]
        about: About,
        /// The dataset.
        dataset: DatasetName,
        /// When the upstream built it.
        #[schemars(with = "String")]
        built: Timestamp,
        /// What is wrong.
        problem: Problem,
    },
    /// New data failed its checks; the last good release keeps serving.
    #[serde(rename = "Data rejected")]
    DataRejected {
        /// What it is about; the release is the one that keeps serving.
        #[serde(flatten)]
        about: About,
        /// The dataset; absent where the layer as a whole is refused.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        dataset: Option<DatasetName>,
        /// The digest of the data, where it is known.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        digest: Option<Digest>,
        /// What is wrong.
        problems: Listed<Problem>,
    },
}

/// What a happening is about.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct About {
    /// The layer.
    pub layer: LayerName,
    /// When.
    #[schemars(with = "String")]
    pub at: Timestamp,
    /// The release; absent where there is none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub release: Option<u64>,
    /// Its data version.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version: Option<String>,
    /// The number of the open rollout; absent where none is open.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rollout: Option<u64>,
}

/// How many functions of a wave are in a place.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct WavePlace {
    /// The place: `eu-west-1`, `eu-west-1 of 123456789012`.
    pub place: String,
    /// How many.
    pub functions: usize,
}

/// The first of a list, and how many were left out.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[schemars(rename = "ListOf{T}")]
pub struct Listed<T> {
    /// The first ones.
    pub first: Vec<T>,
    /// How many more there are.
    pub left_out: usize,
}

impl<T> Listed<T> {
    pub(crate) fn of(all: impl IntoIterator<Item = T>) -> Self {
        let mut all = all.into_iter();
        let first = all.by_ref().take(LISTED_MAX).collect();
        Self { first, left_out: all.count() }
    }
}

impl Listed<String> {
    /// The first of many sentences.
    pub(crate) fn sentences(all: &[String]) -> Self {
        Self::of(all.iter().map(|sentence| clipped(sentence)))
    }
}

impl Listed<Problem> {
    /// The first of many problems.
    pub(crate) fn problems(all: &[Problem]) -> Self {
        Self::of(all.iter().map(|problem| Problem {
            location: problem.location.as_deref().map(clipped),
            found: clipped(&problem.found),
            expected: clipped(&problem.expected),
            ..problem.clone()
        }))
    }
}

impl Reason {
    /// The reason with as much of its texts as an event holds.
    pub(crate) fn in_an_event(why: &Why, layer: &LayerName) -> Self {
        let mut why = why.clone();
        match &mut why {
            Why::Undecided { says, .. } | Why::WaveFailed { says, .. } => {
                *says = Listed::sentences(says).first;
            }
            Why::NoSuchAlarm { missing } => *missing = Listed::of(missing.drain(..)).first,
            Why::GateFailed { words, .. }
            | Why::NotStarted { words, .. }
            | Why::NotMeasured { words } => *words = clipped(words),
            Why::Unmoved { example, .. } => *example = clipped(example),
            Why::Paused { reason, .. } | Why::Frozen { reason, .. } => {
                *reason = reason.as_deref().map(clipped);
            }
            Why::Error { error } => *error = clipped(error),
            _ => {}
        }
        Self::of(why, layer.as_str(), None)
    }
}

impl Happening {
    /// Every kind of event, as rules name it.
    pub const DETAIL_TYPES: [&str; 9] = [
        "Release published",
        "Rollout started",
        "Wave opened",
        "Wave done",
        "Rollout held",
        "Rolled back",
        "Release stable",
        "Data stale",
        "Data rejected",
    ];

    /// Returns the kind of event, as rules name it.
    pub fn detail_type(&self) -> &'static str {
        let at = match self {
            Self::ReleasePublished { .. } => 0,
            Self::RolloutStarted { .. } => 1,
            Self::WaveOpened { .. } => 2,
            Self::WaveDone { .. } => 3,
            Self::RolloutHeld { .. } => 4,
            Self::RolledBack { .. } => 5,
            Self::ReleaseStable { .. } => 6,
            Self::DataStale { .. } => 7,
            Self::DataRejected { .. } => 8,
        };
        Self::DETAIL_TYPES[at]
    }

    /// Returns the event's detail.
    pub fn detail(&self) -> Value {
        let mut event = serde_json::to_value(self).unwrap_or_default();
        event["detail"].take()
    }

    /// Returns what it is about.
    pub fn about(&self) -> &About {
        match self {
            Self::ReleasePublished { about, .. }
            | Self::RolloutStarted { about, .. }
            | Self::WaveOpened { about, .. }
            | Self::WaveDone { about, .. }
            | Self::RolloutHeld { about, .. }
            | Self::RolledBack { about, .. }
            | Self::ReleaseStable { about, .. }
            | Self::DataStale { about, .. }
            | Self::DataRejected { about, .. } => about,
        }
    }
}

/// Returns the JSON Schema of the events, as rules see them. Further keys may come, so none is forbidden.
pub fn event_schema() -> Value {
    let settings = SchemaSettings::draft2020_12().for_serialize();
    let mut schema = settings.into_generator().into_root_schema_for::<Happening>().to_value();
    schema["title"] = "freshlayer event".into();
    schema["type"] = "object".into();
    schema["properties"] = json!({"source": {"const": EVENT_SOURCE}});
    schema["required"] = json!(["source"]);
    schema
}

/// As much of a text as an event holds.
fn clipped(text: &str) -> String {
    if text.len() <= TEXT_BYTES_MAX {
        return text.to_owned();
    }
    format!("{}…", &text[..text.floor_char_boundary(TEXT_BYTES_MAX)])
}

#[cfg(test)]
mod tests {
    use super::*;

    const EVENT_BYTES_MAX: usize = 256 * 1024;

    fn about() -> About {
        let layer = LayerName::parse("geo").expect("a name");
        About { layer, at: Timestamp::UNIX_EPOCH, release: Some(2), version: None, rollout: None }
    }

    #[test]
    fn the_largest_event_fits_on_the_bus() {
        // JSON needs six bytes for each of these.
        let says = vec!["\u{1}".repeat(10_000); 1_000];
        let why = Why::WaveFailed { release: 2, to: 1, wave: 1, says: says.clone() };
        let back = Happening::RolledBack {
            about: about(),
            from: Some(2),
            cause: Cause::Gate,
            by: None,
            wave: Some(1),
            functions: 7,
            reason: Reason::in_an_event(&why, &about().layer),
            gates: Listed::sentences(&says),
        };
        let problem = Problem::fail(crate::problem::Code::Drift, &says[0], &says[0]).at(&says[0]);
        let rejected = Happening::DataRejected {
            about: about(),
            dataset: None,
            digest: None,
            problems: Listed::problems(&vec![problem; 1_000]),
        };
        for happening in [back, rejected] {
            let detail = happening.detail();
            assert!(detail.to_string().len() < EVENT_BYTES_MAX);
            let list = detail.get("gates").or(detail.get("problems")).expect("a list");
            assert_eq!(list["left_out"], 1_000 - LISTED_MAX);
        }
    }

    #[test]
    fn a_text_is_cut_between_characters() {
        assert_eq!(clipped("short"), "short");
        let cut = clipped(&"é".repeat(TEXT_BYTES_MAX));
        assert_eq!(cut, format!("{}…", "é".repeat(TEXT_BYTES_MAX / 2)));
    }
}
