//! Why something is as it is: values for machines, and one wording for people.

use std::collections::BTreeMap;
use std::fmt;

use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::definition::Architecture;
use crate::names::{DatasetName, LayerVersionArn};
use crate::ports::{AlarmPattern, FunctionName};

/// A reason with its wording.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Reason {
    /// The reason as a value.
    pub why: Why,
    /// The reason as a sentence.
    pub text: String,
}

impl From<Why> for Reason {
    fn from(why: Why) -> Self {
        let text = why.to_string();
        Self { why, text }
    }
}

impl Reason {
    /// Words a reason with the names that its commands take.
    pub fn of(why: Why, layer: &str, function: Option<&FunctionName>) -> Self {
        let text = why.said_of(layer, function);
        Self { why, text }
    }
}

impl Why {
    /// Returns the reason's code, as reports and events name it.
    pub fn code(&self) -> String {
        let value = serde_json::to_value(self).unwrap_or_default();
        value["code"].as_str().unwrap_or_default().to_owned()
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

/// Why a run ended as it did, or a function stands where it stands.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "code", rename_all = "kebab-case")]
#[non_exhaustive]
pub enum Why {
    /// Nothing is new, and no function had to move.
    NothingNew,
    /// A new build is good, and too young to be released.
    Young {
        /// The dataset.
        dataset: DatasetName,
        /// Until when it waits.
        #[schemars(with = "String")]
        until: Timestamp,
    },
    /// A new release.
    Released {
        /// Its number.
        release: u64,
        /// Its data version.
        version: String,
        /// How many functions moved.
        moved: usize,
        /// How many functions use the layer.
        functions: usize,
    },
    /// No new release; functions moved to the current one.
    Moved {
        /// How many.
        moved: usize,
        /// How many functions use the layer.
        functions: usize,
    },
    /// The last wave was watched to its end.
    Stable {
        /// The release.
        release: u64,
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
    /// The lease was taken away from this run.
    TakenOver,
    /// A person moved the layer back.
    RolledBack {
        /// The release.
        release: u64,
        /// Its data version.
        version: String,
        /// How many functions an order keeps elsewhere.
        #[serde(default)]
        stay: usize,
    },
    /// A person ordered a way back of a layer that is frozen.
    OrderedWhileFrozen {
        /// The release that functions go to after the freeze.
        release: u64,
    },
    /// A person moved single functions back.
    FunctionsRolledBack {
        /// The release that each stays on; null for what it used before the layer was adopted.
        functions: BTreeMap<FunctionName, Option<u64>>,
    },
    /// A person handed an adopted layer's functions back to what they had before.
    HandedBack {
        /// Who said so.
        by: String,
        /// When.
        #[schemars(with = "String")]
        at: Timestamp,
    },
    /// A person's order stands, and another publisher carries it out.
    Ordered {
        /// The release that functions go to.
        release: u64,
        /// The publisher that works on the layer.
        owner: String,
        /// When its lease ends at the latest.
        #[schemars(with = "String")]
        until: Timestamp,
    },
    /// A person pinned the layer.
    Pinned {
        /// The release.
        release: u64,
        /// When.
        #[schemars(with = "String")]
        at: Timestamp,
        /// Who said so.
        by: String,
        /// Why, in the person's words.
        reason: Option<String>,
        /// When the order ends by itself; absent where only a person ends it.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        #[schemars(with = "Option<String>", default)]
        until: Option<Timestamp>,
    },
    /// A person froze the layer.
    Frozen {
        /// When.
        #[schemars(with = "String")]
        at: Timestamp,
        /// Who said so.
        by: String,
        /// Why, in the person's words.
        reason: Option<String>,
    },
    /// A person paused the rollout.
    Paused {
        /// When.
        #[schemars(with = "String")]
        at: Timestamp,
        /// Who said so.
        by: String,
        /// Why, in the person's words.
        reason: Option<String>,
    },
    /// The open rollout goes on from wave to wave: no newer release takes its place.
    GoesOn {
        /// The release that functions go to.
        release: u64,
    },
    /// A wave is open, and is watched.
    Bakes {
        /// The wave, counted from 1.
        wave: usize,
        /// How many functions are of the open waves.
        moved: usize,
        /// How many functions use the layer and may have it.
        functions: usize,
        /// How many of the calls of the wave's aliases get the release, in percent; absent for all.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        #[schemars(default)]
        percent: Option<u8>,
        /// Until when.
        #[schemars(with = "String")]
        until: Timestamp,
        /// What the gates found so far.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        #[schemars(default)]
        says: Vec<String>,
    },
    /// The next wave waits for the window in which waves open.
    OutsideWindow {
        /// The wave, counted from 1.
        wave: usize,
        /// When it opens.
        #[schemars(with = "String")]
        until: Timestamp,
    },
    /// The gates of a wave do not let it pass, and functions cannot go back for that.
    Undecided {
        /// The wave, counted from 1.
        wave: usize,
        /// What the gates found.
        says: Vec<String>,
        /// Until when the wave waits for more; absent where it waits for a person.
        #[schemars(with = "Option<String>")]
        until: Option<Timestamp>,
    },
    /// The host refuses to change the functions of several waves in a row, so no other wave opens.
    NoneMoved {
        /// How many waves.
        waves: usize,
    },
    /// The definition names alarms that do not exist, so no wave opens.
    NoSuchAlarm {
        /// The entries that match none.
        missing: Vec<AlarmPattern>,
    },
    /// The gates of a wave say that the release does harm, and every function went back.
    WaveFailed {
        /// The release.
        release: u64,
        /// The release that functions went back to.
        to: u64,
        /// The wave, counted from 1.
        wave: usize,
        /// What the gates found.
        says: Vec<String>,
    },
    /// A probe failed, and every function went back.
    GateFailed {
        /// The release.
        release: u64,
        /// The release that functions went back to.
        to: u64,
        /// The function that showed it.
        function: FunctionName,
        /// What was expected and found.
        words: String,
    },
    /// A function cannot start with the data, and every function went back.
    NotStarted {
        /// The release.
        release: u64,
        /// The release that functions went back to.
        to: u64,
        /// The function that showed it.
        function: FunctionName,
        /// What the host says.
        words: String,
    },
    /// The layer's scanner has not decided about a release yet.
    ScanWaits {
        /// The release.
        release: u64,
        /// The scanner's words.
        words: String,
    },
    /// Another publisher works on the layer.
    Busy {
        /// The publisher.
        owner: String,
        /// When its lease ends at the latest.
        #[schemars(with = "String")]
        until: Timestamp,
    },
    /// The layer has versions that freshlayer did not make.
    Foreign {
        /// How many.
        versions: usize,
        /// The newest of them.
        newest: LayerVersionArn,
        /// How many functions use the layer; absent where they could not be listed.
        functions: Option<usize>,
    },
    /// The upstream still has what a person rolled back.
    StillRolledBack {
        /// The release that keeps serving.
        serving: Option<u64>,
    },
    /// The upstream's data is not good.
    BadData {
        /// The release that the rest became.
        released: Option<u64>,
        /// The release that keeps serving.
        serving: Option<u64>,
    },
    /// Upstreams could not be asked.
    Upstream {
        /// What each said.
        failures: Vec<String>,
        /// The release that the rest became.
        released: Option<u64>,
        /// The release that keeps serving.
        serving: Option<u64>,
    },
    /// Places could not be reached or finished.
    Places {
        /// What each said.
        failures: Vec<String>,
        /// How many are done.
        done: usize,
        /// How many there are.
        places: usize,
    },
    /// Functions did not reach their release.
    Unmoved {
        /// How many.
        waiting: usize,
        /// One of them, with its reason.
        #[serde(default)]
        #[schemars(default)]
        example: String,
        /// How many functions use the layer.
        functions: usize,
    },
    /// Functions wait until the host has done its part; the publisher looks again by itself.
    HostWorks {
        /// How many.
        waiting: usize,
        /// One of them, with what the host does.
        example: String,
        /// How many functions use the layer.
        functions: usize,
    },
    /// An error, with its causes.
    Error {
        /// The error.
        error: String,
    },

    /// The function's tag says hold.
    TagHold {
        /// The tag's key.
        tag: String,
    },
    /// A person froze the function.
    FunctionFrozen {
        /// When.
        #[schemars(with = "String")]
        at: Timestamp,
        /// Who said so.
        by: String,
        /// Why, in the person's words.
        reason: Option<String>,
    },
    /// A person keeps the function on a release of its own.
    FunctionPinned {
        /// The release; absent for what the function used before the layer was adopted.
        release: Option<u64>,
        /// When.
        #[schemars(with = "String")]
        at: Timestamp,
        /// Who said so.
        by: String,
        /// Why, in the person's words.
        reason: Option<String>,
        /// When the order ends by itself; absent where only a person ends it.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        #[schemars(with = "Option<String>", default)]
        until: Option<Timestamp>,
    },
    /// Other hands set the function back to an earlier version, again and again.
    RevertedByDeploy {
        /// How often.
        times: u32,
        /// The release that it was brought to.
        release: u64,
    },
    /// Other hands had moved the function away, and this run brought it to the release again.
    MovedAgain {
        /// How often they did so since it reached the release first.
        times: u32,
        /// How often freshlayer undoes that in one rollout.
        times_max: u32,
    },
    /// The function's tag cannot be understood.
    TagUnclear {
        /// The tag's key.
        tag: String,
        /// The tag's value.
        value: String,
    },
    /// The function's tag asks for another data version.
    TagVersion {
        /// What it asks for.
        wanted: String,
        /// The data version of the release.
        version: String,
    },
    /// The function's tag pins it where it is.
    TagPin {
        /// The tag's key.
        tag: String,
    },
    /// The function's tag pins a release without a layer version.
    TagPinMissing {
        /// The release.
        release: u64,
    },
    /// `$LATEST` holds code or settings that are not behind the alias.
    Unreleased {
        /// The alias.
        alias: String,
        /// The version behind it.
        version: u64,
    },
    /// The alias splits its traffic between two versions.
    SplitAlias {
        /// The alias.
        alias: String,
    },
    /// Lambda prepares provisioned concurrency behind the alias.
    Shifting {
        /// The alias.
        alias: String,
    },
    /// The version behind the alias could not start with its provisioned concurrency.
    NotProvisioned {
        /// The alias.
        alias: String,
    },
    /// The host still updates the function.
    Updating,
    /// The function runs on Managed Instances without an alias.
    OnInstances,
    /// The layer is not made for the function's processor.
    WrongArchitecture {
        /// What the function runs on.
        function: Vec<Architecture>,
        /// What the layer is made for.
        layer: Vec<Architecture>,
    },
    /// The function uses a version of the layer that freshlayer did not make.
    ForeignVersion {
        /// The version.
        version: LayerVersionArn,
    },
    /// The function has no earlier layer version to go back to.
    NothingBefore,
    /// The release has no layer version in the function's Region yet.
    NotPublished {
        /// The release.
        release: u64,
    },
    /// An old version of the function that freshlayer published could not be deleted.
    NotRetired {
        /// What happened.
        words: String,
    },
    /// The host refuses the change.
    Refused {
        /// The host's words.
        words: String,
    },
    /// The change failed; the next run tries it again.
    FailedForNow {
        /// What happened.
        words: String,
    },
    /// The function was changed by other hands at every attempt.
    Restless,
    /// The data has a new major version, and the function uses an older one and did not ask for the new one.
    NewMajor {
        /// The data version.
        version: String,
        /// The key of the tag by which the function asks.
        tag: String,
    },
    /// A deployment of the function's own moves it.
    Proposed,
    /// The function moves with a later wave.
    LaterWave,
    /// A part of the function's callers has the release, and the others get it with a later wave.
    Partly {
        /// The part, in percent.
        percent: u8,
    },
    /// The function fails its probe, and the release is not taken back: it is stable, or no release was stable before it.
    ProbeFailed {
        /// What was expected and found.
        words: String,
    },
    /// The function could not be asked whether it works with the new data.
    NotMeasured {
        /// What happened.
        words: String,
    },
    /// The run ended before the function's turn.
    OutOfTime,
    /// The next refresh moves the function.
    NextRun,
}
