use freshlayer::report::Exit;

use super::freeze::{it, named};
use super::pin::{Functions, Pinned};
use crate::output::{Answer, Done, Stopped};
use crate::references::known_layer;
use crate::wiring::Host;

/// End a layer's pin, or its order `rollback --to before`.
///
/// Without `--function`, pins of single functions stay in force.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The layer.
    layer: String,
    #[command(flatten)]
    single: Functions,
    /// The reason; `history` keeps it.
    #[arg(long)]
    reason: Option<String>,
}

pub(crate) async fn run(host: &Host, args: Args) -> Result<Done, Stopped> {
    let Args { layer, single: Functions { functions }, reason } = args;
    let by = host.person().await;
    let (engine, name) = (host.engine().await?, known_layer(host, &layer).await?);
    if !functions.is_empty() {
        let unpinned = freshlayer::unpin_functions(&engine, &name, &functions, &by, reason).await?;
        let lines = match &unpinned[..] {
            [] => {
                let own =
                    if functions.len() == 1 { "has no pin of its" } else { "have no pin of their" };
                format!("{layer}: {}{own} own; nothing changed\n", named(&functions))
            }
            unpinned => format!(
                "{layer}: {}unpinned; the next refresh lets {} follow the others\n",
                named(unpinned),
                it(unpinned)
            ),
        };
        let answer = Pinned { layer, release: None, functions };
        return Ok(Done::new(Exit::Done, lines, Answer::Pinned(answer)));
    }
    let was_pinned = freshlayer::unpin(&engine, &name, &by, reason).await?;
    let lines = if was_pinned {
        format!("{layer}: unpinned; the next refresh looks for new data\n")
    } else {
        format!(
            "{layer}: has neither a pin nor an order `--to before`; `--function NAME` ends the pin of a single function\n"
        )
    };
    Ok(Done::new(
        Exit::Done,
        lines,
        Answer::Pinned(Pinned { layer, release: None, functions: Vec::new() }),
    ))
}
