//! The one JSON document that every command prints with `--json`.

use freshlayer::definition::DefinitionProblem;
use freshlayer::report::Report;
use freshlayer::{HistoryLine, LayerStatus, Pruned, Verified};
use schemars::JsonSchema;
use serde::Serialize;

use crate::commands::functions::FunctionLine;
use crate::commands::pin::Pinned;
use crate::commands::pull::PulledLayer;

/// Number of the document's format.
const FORMAT: u32 = 1;

/// The one JSON document that every command prints with `--json`.
#[derive(Serialize, JsonSchema)]
#[schemars(title = "freshlayer report")]
pub(crate) struct Document<'a> {
    /// Number of this format.
    format: u32,
    /// The subcommand.
    command: &'a str,
    /// The process's exit code.
    exit_code: u8,
    /// What kept the command from its end.
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<&'a str>,
    /// What the command found or did; absent where it could not.
    #[serde(flatten)]
    answer: Option<&'a Answer>,
}

/// The answers of the commands, each under its own key.
#[derive(Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Answer {
    /// `refresh`, `rollback`: one report per layer.
    Layers(Vec<Report>),
    /// `status`: one per layer.
    Status(Vec<LayerStatus>),
    /// `history`: one per release, newest first.
    History(Vec<HistoryLine>),
    /// `verify`.
    Verified(Verified),
    /// `check`: every problem of every definition.
    Problems(Vec<DefinitionProblem>),
    /// `functions`: those that there are now.
    Functions(Vec<FunctionLine>),
    /// `pin`, `unpin`: the release that the layer is pinned to now.
    Pinned(Pinned),
    /// `prune`: one per layer.
    Pruned(Vec<Pruned>),
    /// `pull`: one per layer.
    Pulled(Vec<PulledLayer>),
    /// `schema`, `completions`: the text itself.
    Text(String),
}

impl<'a> Document<'a> {
    pub(crate) fn new(command: &'a str, exit_code: u8) -> Self {
        Self { format: FORMAT, command, exit_code, error: None, answer: None }
    }

    pub(crate) fn with_error(self, error: &'a str) -> Self {
        Self { error: Some(error), ..self }
    }

    pub(crate) fn with_answer(self, answer: &'a Answer) -> Self {
        Self { answer: Some(answer), ..self }
    }

    /// Returns the document's text.
    pub(crate) fn text(&self) -> String {
        let json = serde_json::to_string_pretty(self);
        format!("{}\n", json.expect("reports hold no map with odd keys"))
    }
}
