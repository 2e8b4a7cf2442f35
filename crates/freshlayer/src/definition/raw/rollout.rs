//! `[rollout]` as serde reads it: waves, gates and the probe.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::super::alarms::WithoutData;
use super::super::rollout::{EvidenceBy, MetricsGate, OnInconclusive, Preset, Roll, RollMajor};

/// How a new release reaches functions: in waves, each watched for a while. Where a probe fails, every function goes back.
/// A rollback and a pin move every function at once.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(default)]
#[schemars(deny_unknown_fields)]
pub(in crate::definition) struct RawRollout {
    /// A named set of waves and bake times; the other keys override parts of it. Default: `standard` on AWS, `all-at-once` on
    /// the local host.
    pub(in crate::definition) preset: Option<Preset>,
    /// How long the one box is watched, in minutes. 0: no one box.
    #[schemars(range(max = 10_080))]
    pub(in crate::definition) one_box_bake_minutes: Option<u32>,
    /// How many of the calls of the one box's alias come to the release at first, in percent; 100 for all. It counts where that
    /// part is enough for the gate `metrics`; with fewer calls the function moves whole. Default: 10 with `standard` and `careful`,
    /// else 100.
    #[schemars(range(min = 1, max = 100))]
    pub(in crate::definition) alias_weight_percent: Option<u8>,
    /// The share of all functions that may move after each wave opens, cumulative, in percent. Rising; the last value is 100.
    #[schemars(length(min = 1, max = 20), inner(range(min = 1, max = 100)))]
    pub(in crate::definition) waves: Option<Vec<u8>>,
    /// How long each wave but the last is watched, in minutes.
    #[schemars(range(max = 10_080))]
    pub(in crate::definition) bake_minutes: Option<u32>,
    /// How long the last wave is watched before the release is stable, in minutes.
    #[schemars(range(max = 10_080))]
    pub(in crate::definition) final_bake_minutes: Option<u32>,
    /// When waves may open: a table, or a list of them. Gates and the way back know no window. Default: always.
    pub(in crate::definition) window: Option<RawWindows>,
    /// The Regions whose functions move first, in their order. The others follow by their calls: the Region with the fewest is next, of
    /// those whose functions have enough for the gate `metrics`.
    #[schemars(length(max = 40), inner(regex(pattern = "^[a-z0-9-]{1,32}$")))]
    pub(in crate::definition) regions_order: Vec<String>,
    /// How long the whole first Region is watched before functions of other Regions move, in minutes. 0: all Regions
    /// together, unless `later_region_gap_minutes` says otherwise.
    #[schemars(range(max = 10_080))]
    pub(in crate::definition) region_gap_minutes: Option<u32>,
    /// How long each further whole Region is watched before functions of the next one move, in minutes. 0: all behind the first
    /// Region together.
    #[schemars(range(max = 10_080))]
    pub(in crate::definition) later_region_gap_minutes: Option<u32>,
    /// What each function is asked three times with the new data: behind an alias before its callers get it, without an alias just
    /// after. An answer that does not fit, or an error, rolls the release back.
    pub(in crate::definition) probe: Option<RawFunctionProbe>,
    /// Alarms in CloudWatch that are watched while a wave bakes: a list of names and of beginnings of names with `*` behind them, or a
    /// table. One that begins to ring rolls the release back. Before the first wave opens,
    /// each entry has to match an alarm.
    pub(in crate::definition) alarms: Option<RawAlarms>,
    /// Watches the calls of a wave's functions while it bakes: where more of them fail than before, the release is rolled back.
    /// On AWS it is on by default, wherever waves bake.
    pub(in crate::definition) metrics: Option<RawMetrics>,
    /// A hook of your own that is asked about each wave while it bakes: a command, a Lambda function or a web service.
    pub(in crate::definition) hook: Option<RawHook>,
    /// What happens where gates cannot tell, after `wait_minutes`: `proceed`, the rollout goes on if the only doubt is too few calls and
    /// none of them failed, and otherwise waits for a person; `hold`, it waits for a person; `rollback`, every function goes back.
    /// Default: `hold` with the preset `careful`, `proceed` without it.
    pub(in crate::definition) on_inconclusive: Option<OnInconclusive>,
    /// How long after its bake a wave waits at most until the gates can tell, in minutes. Default: 120; with the
    /// preset `careful` 1440, with `fast` 10.
    #[schemars(range(max = 10_080))]
    pub(in crate::definition) wait_minutes: Option<u32>,
    /// What a wave can pass by: `calls`; `probe`, also the probe that each of its functions has passed, where calls are too few and
    /// none failed.
    pub(in crate::definition) evidence: EvidenceBy,
    /// How many calls a second this layer makes at most to Lambda's control plane, per account and Region, without `GetFunction`. It only
    /// lowers `FRESHLAYER_CALLS_PER_SEC`. Default: no bound of its own.
    #[schemars(range(min = 1, max = 15))]
    pub(in crate::definition) max_calls_per_sec: Option<u32>,
    /// `functions`: freshlayer moves them. `propose`: it publishes, and sets the parameter that says which version to use;
    /// your own deployments move the functions.
    pub(in crate::definition) roll: Roll,
    /// What happens to a function on an older major data version whose tag does not ask for the new one: `hold`, it stays
    /// until a person lets it go; `roll`, it moves.
    pub(in crate::definition) roll_major: RollMajor,
}

/// A list of names, or a table.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(untagged)]
pub(in crate::definition) enum RawAlarms {
    Names(#[schemars(length(min = 1, max = 50), inner(length(min = 1, max = 256)))] Vec<String>),
    Table(RawAlarmsTable),
}

/// Which alarms are watched, and what they decide: at least one of `names` and `tags`.
#[derive(Debug, Deserialize, JsonSchema)]
#[schemars(deny_unknown_fields)]
#[schemars(extend("allOf" = [{ "anyOf": [{ "required": ["names"] }, { "required": ["tags"] }] }]))]
pub(in crate::definition) struct RawAlarmsTable {
    /// Names of alarms, and beginnings of names with `*` behind them.
    #[schemars(length(min = 1, max = 50), inner(length(min = 1, max = 256)))]
    pub(in crate::definition) names: Option<Vec<String>>,
    /// Every alarm with one of these tags, such as `team=geo`.
    #[schemars(length(min = 1, max = 50), inner(regex(pattern = "^[^=]{1,128}=.{1,256}$")))]
    pub(in crate::definition) tags: Option<Vec<String>>,
    /// What an alarm with too little data counts as: `quiet`; `wait`, the gate is inconclusive.
    #[serde(default)]
    pub(in crate::definition) without_data: WithoutData,
    /// `true`: what they find is told, and decides nothing.
    #[serde(default)]
    pub(in crate::definition) observe: bool,
}

/// A table, or a list of them.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(untagged)]
pub(in crate::definition) enum RawWindows {
    One(RawWindow),
    Several(#[schemars(length(min = 1))] Vec<RawWindow>),
}

/// When waves may open.
#[derive(Debug, Deserialize, JsonSchema)]
#[schemars(deny_unknown_fields)]
pub(in crate::definition) struct RawWindow {
    /// It begins on these days. Default: every day.
    #[serde(default = "RawDay::all")]
    #[schemars(length(min = 1, max = 7))]
    pub(in crate::definition) days: Vec<RawDay>,
    /// From this time on, such as `09:00`.
    #[schemars(regex(pattern = "^[Tt]?[0-9]{2}(:?[0-9]{2}){0,2}([.,][0-9]+)?$"))]
    pub(in crate::definition) from: String,
    /// Before this time, such as `16:30`: of the next day where it is before `from`.
    #[schemars(regex(pattern = "^[Tt]?[0-9]{2}(:?[0-9]{2}){0,2}([.,][0-9]+)?$"))]
    pub(in crate::definition) until: String,
    /// Where the times are read, such as `Europe/Berlin`. Default: `UTC`.
    #[serde(default = "utc")]
    pub(in crate::definition) time_zone: String,
}

fn utc() -> String {
    "UTC".to_owned()
}

/// A day of the week.
#[derive(Debug, Clone, Copy, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub(in crate::definition) enum RawDay {
    Mon,
    Tue,
    Wed,
    Thu,
    Fri,
    Sat,
    Sun,
}

impl RawDay {
    fn all() -> Vec<Self> {
        vec![Self::Mon, Self::Tue, Self::Wed, Self::Thu, Self::Fri, Self::Sat, Self::Sun]
    }
}

/// How the calls of a wave's functions are watched.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(default)]
#[schemars(deny_unknown_fields)]
pub(in crate::definition) struct RawMetrics {
    /// How many calls of a wave's functions are needed to let it pass.
    pub(in crate::definition) calls_min: u64,
    /// A call that takes longer counts as one that failed. Default: no call is too slow.
    #[schemars(range(min = 1, max = 900_000))]
    pub(in crate::definition) slow_after_ms: Option<u32>,
    /// `true`: what it finds is told, and decides nothing.
    pub(in crate::definition) observe: bool,
}

impl Default for RawMetrics {
    fn default() -> Self {
        Self { calls_min: MetricsGate::default().calls_min, slow_after_ms: None, observe: false }
    }
}

/// Who is asked about each wave: exactly one of `command`, `lambda` and `https`. It is given a JSON object and answers
/// `{"verdict": "proceed" | "wait" | "hold" | "rollback", "reason": "…", "state": …}`.
#[derive(Debug, Deserialize, JsonSchema)]
#[schemars(deny_unknown_fields)]
pub(in crate::definition) struct RawHook {
    /// A command of the machine where `freshlayer` runs, with its arguments. It reads the question from its standard input and
    /// prints the answer.
    #[serde(default)]
    pub(in crate::definition) command: Vec<String>,
    /// AWS: a Lambda function, by name or ARN.
    #[schemars(length(min = 1, max = 170))]
    pub(in crate::definition) lambda: Option<String>,
    /// The address of a web service, which is sent the question by POST.
    #[schemars(regex(pattern = "^(https?://|[^:/]*[$][{])"))]
    pub(in crate::definition) https: Option<String>,
    /// A secret's reference, as in `${TOKEN}`: it is sent to the web service as a bearer token.
    pub(in crate::definition) bearer: Option<String>,
    /// The longest that one question may take, in seconds.
    #[serde(default = "hook_timeout_secs")]
    #[schemars(range(min = 1, max = 300))]
    pub(in crate::definition) timeout_secs: u32,
    /// `true`: what it answers is told, and decides nothing.
    #[serde(default)]
    pub(in crate::definition) observe: bool,
}

fn hook_timeout_secs() -> u32 {
    30
}

/// A question to a function, with its answer.
#[derive(Debug, Deserialize, JsonSchema)]
#[schemars(deny_unknown_fields)]
pub(in crate::definition) struct RawFunctionProbe {
    /// What the function is called with.
    #[serde(default)]
    pub(in crate::definition) payload: serde_json::Value,
    /// The part of the answer that counts, its keys joined by dots; numbers count list items from 0. Default: all of it.
    #[serde(default)]
    pub(in crate::definition) path: String,
    /// The value that the answer must have at `path`. Default: any value.
    pub(in crate::definition) equals: Option<serde_json::Value>,
}
