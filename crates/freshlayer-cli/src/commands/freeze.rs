use std::fmt::Write as _;

use freshlayer::LayerName;
use freshlayer::ports::FunctionName;
use freshlayer::report::Exit;
use freshlayer::state::Freeze;
use schemars::JsonSchema;
use serde::Serialize;

use crate::output::{Answer, Done, Stopped};
use crate::wiring::Host;

/// Let nothing of a layer move until `unfreeze`; a running publisher stops within seconds.
///
/// With `--function` these functions stay where they are, and all others go on.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The layers; default: all.
    layers: Vec<String>,
    #[command(flatten)]
    single: Single,
    /// The reason; `status` and every refresh show it.
    #[arg(long)]
    reason: Option<String>,
}

/// Single functions of a layer.
#[derive(Debug, clap::Args)]
pub(super) struct Single {
    /// This function alone, in every Region and account, also on the way back; may come several times.
    #[arg(
        long = "function",
        value_name = "FUNCTION",
        value_parser = FunctionName::parse,
        requires = "layers",
    )]
    pub(super) functions: Vec<FunctionName>,
}

/// Whether a layer is frozen.
#[derive(Serialize, JsonSchema)]
pub(crate) struct LayerFreeze {
    /// The layer.
    pub(crate) layer: String,
    /// Whether nothing of it, or of the functions that were named, moves; absent where the order could not be written.
    pub(crate) frozen: Option<bool>,
    /// Why the order could not be written.
    pub(crate) failure: Option<String>,
    #[serde(skip)]
    exit: Exit,
}

pub(crate) async fn run(host: &Host, args: Args) -> Result<Done, Stopped> {
    let (engine, person) = (host.engine().await?, host.person().await);
    let definitions = host.definitions(&args.layers)?;
    let (mut lines, mut all) = (String::new(), Vec::new());
    for definition in &definitions.good {
        let layer = &definition.layer;
        let (functions, reason) = (&args.single.functions, args.reason.clone());
        let frozen = if functions.is_empty() {
            freshlayer::freeze(&engine, layer, &person, reason).await
        } else {
            freshlayer::freeze_functions(&engine, definition, functions, &person, reason).await
        };
        let what = named(functions);
        let frozen = frozen.map(|()| {
            (true, format!("{what}frozen until `freshlayer unfreeze {layer}{}`", again(functions)))
        });
        // A mistake in the command is told as that of every other command.
        if let (Err(freshlayer::Error::NotPossible(words)), [_]) = (&frozen, &definitions.good[..])
        {
            return Err(Stopped::usage(words.as_str()));
        }
        all.push(LayerFreeze::of(layer, frozen, &mut lines));
    }
    Ok(LayerFreeze::done(all, lines).without(definitions.problems))
}

/// Names functions before what became of them.
pub(super) fn named(functions: &[FunctionName]) -> String {
    let names: Vec<&str> = functions.iter().map(FunctionName::as_str).collect();
    if names.is_empty() { String::new() } else { format!("{} ", names.join(", ")) }
}

/// Says what comes before a next step where nothing moves.
pub(super) fn thaw(layer: &LayerName, frozen: Option<&Freeze>) -> String {
    match frozen {
        Some(_) => format!("the layer is frozen: first run `freshlayer unfreeze {layer}`, then "),
        None => String::new(),
    }
}

/// The functions, as a command line names them.
pub(super) fn again(functions: &[FunctionName]) -> String {
    functions.iter().map(|function| format!(" --function {function}")).collect()
}

/// The word for functions that were named before.
pub(super) fn it(functions: &[FunctionName]) -> &'static str {
    if functions.len() == 1 { "it" } else { "them" }
}

impl LayerFreeze {
    /// Takes what became of one layer, and writes its line.
    pub(super) fn of(
        layer: &LayerName,
        ordered: Result<(bool, String), freshlayer::Error>,
        lines: &mut String,
    ) -> Self {
        let exit = match &ordered {
            Ok(_) => Exit::Done,
            Err(freshlayer::Error::NotPossible(_)) => Exit::Usage,
            Err(_) => Exit::Failed,
        };
        let (frozen, failure, words) = match ordered {
            Ok((frozen, words)) => (Some(frozen), None, words),
            Err(error) => {
                let error = freshlayer::chain(&error);
                (None, Some(error.clone()), format!("failed: {error}"))
            }
        };
        let _ = writeln!(lines, "{layer}: {words}");
        Self { layer: layer.to_string(), frozen, failure, exit }
    }

    /// One layer that fails holds no other back.
    pub(super) fn done(all: Vec<Self>, lines: String) -> Done {
        let exit = all.iter().map(|frozen| frozen.exit).fold(Exit::Done, Exit::worst);
        Done::new(exit, lines, Answer::Frozen(all))
    }
}
