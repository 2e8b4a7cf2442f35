use freshlayer::report::Exit;

use super::pin::Pinned;
use crate::output::{Answer, Done, Stopped};
use crate::references::layer_name;
use crate::wiring::Host;

/// Remove a layer's pin.
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
        format!("{layer}: has no pin\n")
    };
    Ok(Done::new(Exit::Done, lines, Answer::Pinned(Pinned { layer, release: None })))
}
