//! The one JSON document that every command prints with `--json`.

use freshlayer::definition::DefinitionProblem;
use freshlayer::report::Report;
use freshlayer::schema::Contract;
use freshlayer::state::Acceptance;
use freshlayer::{
    CanRoll, Diff, Dossier, Examined, History, Inspection, LayerPlan, LayerStatus, PastGates,
    Proof, Pruned, RolloutJournal, RolloutStatus, Verified,
};
use schemars::JsonSchema;
use schemars::generate::SchemaSettings;
use schemars::transform::{RecursiveTransform, Transform};
use serde::Serialize;
use serde_json::Value;

use crate::commands::break_lease::BrokenLease;
use crate::commands::check::Checked;
use crate::commands::codegen::WrittenCode;
use crate::commands::freeze::LayerFreeze;
use crate::commands::functions::FunctionLine;
use crate::commands::init::Written;
use crate::commands::man::ManualPages;
use crate::commands::pin::Pinned;
use crate::commands::pull::PulledLayer;
use crate::commands::rollout::RolloutOrdered;

/// Number of the document's format.
const FORMAT: u32 = 1;

/// The one JSON document that every command prints with `--json`.
#[derive(Serialize, JsonSchema)]
#[schemars(title = "freshlayer report")]
pub(crate) struct Document<'a> {
    /// Number of this format.
    pub(crate) format: u32,
    /// The subcommand; empty where the command line names none.
    pub(crate) command: &'a str,
    /// The process's exit code.
    pub(crate) exit_code: u8,
    /// Every problem of every definition that was read; the layers of these files were left out.
    pub(crate) problems: &'a [DefinitionProblem],
    /// The layers that could not be read, with the reason; the command did the others.
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    #[schemars(default)]
    pub(crate) failures: &'a [String],
    #[serde(flatten)]
    pub(crate) answer: &'a Answer,
}

/// The answers of the commands, each under its own key.
#[derive(Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Answer {
    /// `refresh`, `rollback`: one report per layer.
    Layers(Vec<Report>),
    /// `plan`, `refresh --dry-run`: one per layer.
    Plans(Vec<LayerPlan>),
    /// `status`: one per layer.
    Status(Vec<LayerStatus>),
    /// `report`: how layers stand and what became of them.
    Dossier(Box<Dossier>),
    /// `history`: releases and rollouts, newest first.
    History(History),
    /// `history --rollout`: what became of each consumer.
    Rollout(Box<RolloutJournal>),
    /// `rollout status`.
    RolloutStatus(RolloutStatus),
    /// `rollout pause`, `resume`, `promote`.
    RolloutOrdered(RolloutOrdered),
    /// `rollout judge --past`.
    PastGates(PastGates),
    /// `verify`: one per layer.
    Verified(Vec<Verified>),
    /// `check`: what was read without a problem.
    Checked(Checked),
    /// `functions`: those that there are now.
    Functions(Vec<FunctionLine>),
    /// `freeze`, `unfreeze`: one per layer.
    Frozen(Vec<LayerFreeze>),
    /// `break-lease`.
    BrokenLease(BrokenLease),
    /// `doctor`: one per layer.
    Examined(Vec<Examined>),
    /// `init`: the definition that was written.
    Written(Written),
    /// `inspect`.
    Inspected(Box<Inspection>),
    /// `can-roll`.
    CanRoll(Box<CanRoll>),
    /// `diff`.
    Diff(Box<Diff>),
    /// `contract suggest`: what each field keeps.
    Contract(Contract),
    /// `codegen --out`: the code that was written.
    WrittenCode(WrittenCode),
    /// `accept`: the build that a person let pass.
    Accepted(Acceptance),
    /// `pin`, `unpin`: the release that the layer is pinned to now.
    Pinned(Pinned),
    /// `provenance`: what is stored beside a release.
    Provenance(Proof),
    /// `prune`: one per layer.
    Pruned(Vec<Pruned>),
    /// `pull`: one per layer.
    Pulled(Vec<PulledLayer>),
    /// `man`: where the pages are.
    ManualPages(ManualPages),
    /// `schema`, `completions`, `codegen`: the text itself.
    Text(String),
    /// What stopped the command before its end.
    Error(String),
}

impl<'a> Document<'a> {
    pub(crate) fn new(command: &'a str, exit_code: u8, answer: &'a Answer) -> Self {
        Self { format: FORMAT, command, exit_code, problems: &[], failures: &[], answer }
    }

    /// Returns the document's text.
    pub(crate) fn text(&self) -> String {
        let json = serde_json::to_string_pretty(self);
        format!("{}\n", json.expect("reports hold no map with odd keys"))
    }

    /// Returns the JSON Schema of what is printed: no object takes a key that it does not name.
    pub(crate) fn schema() -> Value {
        let settings = SchemaSettings::draft2020_12().for_serialize();
        let mut schema = settings.into_generator().into_root_schema_for::<Document<'_>>();
        RecursiveTransform(closed as fn(&mut schemars::Schema)).transform(&mut schema);
        let mut schema = schema.to_value();
        open_ways(&mut schema);
        schema
    }
}

/// Forbids further keys where an object names its own. What `oneOf` adds to them counts as named.
fn closed(schema: &mut schemars::Schema) {
    let names_keys = schema.get("properties").is_some();
    if !names_keys || schema.get("additionalProperties").is_some() {
        return;
    }
    let word = match schema.get("oneOf").or(schema.get("anyOf")) {
        Some(_) => "unevaluatedProperties",
        None => "additionalProperties",
    };
    schema.insert(word.to_owned(), false.into());
}

/// Opens each way of an object that has several: it adds its keys to those of the object, which closes itself for all ways.
fn open_ways(schema: &mut Value) {
    if schema.get("unevaluatedProperties").is_some() {
        for ways in ["oneOf", "anyOf"] {
            let ways = schema.get_mut(ways).and_then(Value::as_array_mut);
            for way in ways.into_iter().flatten().filter_map(Value::as_object_mut) {
                way.remove("additionalProperties");
            }
        }
    }
    match schema {
        Value::Object(object) => object.values_mut().for_each(open_ways),
        Value::Array(items) => items.iter_mut().for_each(open_ways),
        _ => {}
    }
}
