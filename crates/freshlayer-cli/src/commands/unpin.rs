use freshlayer::report::Exit;

use super::pin::Pinned;
use crate::output::{Answer, Done, Stopped};
use crate::references::layer_name;
use crate::wiring::Host;

/// End a layer's pin, or its order `rollback --to before`.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The layer.
    layer: String,
}

pub(crate) async fn run(host: &Host, args: Args) -> Result<Done, Stopped> {
    let Args { layer } = args;
    let (engine, name) = (host.engine().await?, layer_name(&layer)?);
    let was_pinned = freshlayer::unpin(&engine, &name, &host.person()).await?;
    let lines = if was_pinned {
        format!("{layer}: unpinned; the next refresh looks for new data\n")
    } else {
        format!("{layer}: has neither a pin nor an order `--to before`\n")
    };
    Ok(Done::new(Exit::Done, lines, Answer::Pinned(Pinned { layer, release: None })))
}
