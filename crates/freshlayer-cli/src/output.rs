//! What the user reads: lines for people, or one JSON document.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::io::{IsTerminal, Write as _};
use std::path::PathBuf;
use std::process::ExitCode;

use freshlayer::definition::DefinitionProblem;
use freshlayer::report::{Exit, Report};
use freshlayer::{HistoryLine, LayerName, LayerStatus, Pruned, Verified};
use schemars::JsonSchema;
use serde::Serialize;

use crate::arguments::Arguments;

/// Number of the JSON document's format.
const FORMAT: u32 = 1;

/// How to talk.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Style {
    pub(crate) document: Document,
    pub(crate) stages: Stages,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Document {
    Lines,
    Json,
}

/// How progress is shown, always on standard error.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Stages {
    /// A bar for what takes over a second, and a line per finished stage.
    Bars,
    /// A line per finished stage.
    Lines,
    /// Nothing.
    Silent,
}

impl Style {
    pub(crate) fn of(arguments: &Arguments) -> Self {
        let document = if arguments.json { Document::Json } else { Document::Lines };
        let stages = match (document, arguments.verbose) {
            (Document::Json, false) => Stages::Silent,
            _ if std::io::stderr().is_terminal() => Stages::Bars,
            _ => Stages::Lines,
        };
        Self { document, stages }
    }
}

/// A command that came to its end.
pub(crate) struct Done {
    pub(crate) exit: Exit,
    pub(crate) lines: String,
    pub(crate) result: CommandResult,
}

/// A command that could not.
#[derive(Debug)]
pub(crate) struct Stopped {
    exit: Exit,
    message: String,
    problems: Vec<DefinitionProblem>,
}

/// The one JSON document that every command prints with `--json`.
#[derive(Serialize, JsonSchema)]
#[schemars(title = "freshlayer report")]
pub(crate) struct Printed<'a> {
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
    result: Option<&'a CommandResult>,
}

/// The results of the commands, each under its own key.
#[derive(Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum CommandResult {
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
    Pinned {
        /// The layer.
        layer: String,
        /// The release.
        release: Option<u64>,
    },
    /// `prune`: one per layer.
    Pruned(Vec<Pruned>),
    /// `pull`: one per layer.
    Pulled(Vec<PulledLine>),
    /// `schema`, `completions`: the text itself.
    Text(String),
}

/// One layer on this machine.
#[derive(Serialize, JsonSchema)]
pub(crate) struct PulledLine {
    /// The layer.
    pub(crate) layer: LayerName,
    /// The release; absent where a layer version was asked for by its ARN.
    pub(crate) release: Option<u64>,
    /// Where its zip is.
    pub(crate) zip: PathBuf,
}

/// One function of the local host.
#[derive(Serialize, JsonSchema)]
pub(crate) struct FunctionLine {
    /// Its name.
    pub(crate) name: String,
    /// The layers of `$LATEST`, in their order.
    pub(crate) layers: Vec<String>,
    /// The version behind each alias, and that version's layers.
    pub(crate) aliases: Vec<AliasLine>,
    /// Its tags.
    pub(crate) tags: BTreeMap<String, String>,
}

/// One alias.
#[derive(Serialize, JsonSchema)]
pub(crate) struct AliasLine {
    /// Its name.
    pub(crate) name: String,
    /// The version that it points to.
    pub(crate) version: u64,
    /// The layers of that version.
    pub(crate) layers: Vec<String>,
}

impl Stopped {
    pub(crate) fn failed(message: impl Into<String>) -> Self {
        Self { exit: Exit::Failed, message: message.into(), problems: Vec::new() }
    }

    pub(crate) fn usage(message: impl Into<String>) -> Self {
        Self { exit: Exit::Usage, message: message.into(), problems: Vec::new() }
    }

    pub(crate) fn definition(problems: Vec<DefinitionProblem>) -> Self {
        let count = problems.len();
        let message = match count {
            1 => "1 problem in the definitions; nothing was done".to_owned(),
            _ => format!("{count} problems in the definitions; nothing was done"),
        };
        Self { exit: Exit::Usage, message, problems }
    }
}

impl From<freshlayer::Error> for Stopped {
    fn from(error: freshlayer::Error) -> Self {
        let exit = match error {
            freshlayer::Error::NotPossible(_) => Exit::Usage,
            _ => Exit::Failed,
        };
        Self { exit, message: freshlayer::chain(&error), problems: Vec::new() }
    }
}

pub(crate) fn done(command: &str, style: Style, done: &Done) -> ExitCode {
    match style.document {
        Document::Lines => print(&done.lines),
        Document::Json => document(command, done.exit, None, Some(&done.result)),
    }
    ExitCode::from(done.exit.code())
}

pub(crate) fn stopped(command: &str, style: Style, stopped: &Stopped) -> ExitCode {
    let mut text = String::new();
    for problem in &stopped.problems {
        let _ = writeln!(text, "{problem}");
    }
    let _ = writeln!(text, "freshlayer: {}", stopped.message);
    let _closed = std::io::stderr().write_all(text.as_bytes());
    if style.document == Document::Json {
        let problems = CommandResult::Problems(stopped.problems.clone());
        let result = (!stopped.problems.is_empty()).then_some(&problems);
        document(command, stopped.exit, Some(&stopped.message), result);
    }
    ExitCode::from(stopped.exit.code())
}

/// A command line that cannot be read; what is wrong with it was printed already.
pub(crate) fn misused(what: &str) -> ExitCode {
    if std::env::args().any(|argument| argument == "--json") {
        document("", Exit::Usage, Some(what), None);
    }
    ExitCode::from(Exit::Usage.code())
}

fn document(command: &str, exit: Exit, error: Option<&str>, result: Option<&CommandResult>) {
    let printed = Printed { format: FORMAT, command, exit_code: exit.code(), error, result };
    let json = serde_json::to_string_pretty(&printed);
    print(&json.expect("reports hold no map with odd keys"));
    print("\n");
}

/// Writes to standard output; a reader that went away (`| head`) is no error.
fn print(text: &str) {
    let _closed = std::io::stdout().write_all(text.as_bytes());
}

/// Writes bytes the way people say them.
pub(crate) fn bytes(count: u64) -> String {
    match count {
        0..1_000 => format!("{count} B"),
        1_000..1_000_000 => format!("{:.1} kB", count as f64 / 1e3),
        _ => format!("{:.1} MB", count as f64 / 1e6),
    }
}

/// Writes an age the way people say it.
pub(crate) fn age(secs: i64) -> String {
    match secs {
        ..120 => format!("{secs} s"),
        120..7_200 => format!("{} min", secs / 60),
        7_200..172_800 => format!("{} h", secs / 3_600),
        _ => format!("{} days", secs / 86_400),
    }
}
