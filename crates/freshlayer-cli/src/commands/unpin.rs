use freshlayer::report::Exit;

use super::pin::Pinned;
use crate::output::{Answer, Done, Stopped};
use crate::references::layer_name;
use crate::wiring::Host;

/// Take a pin back.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    layer: String,
}

pub(crate) async fn run(host: &Host, args: Args) -> Result<Done, Stopped> {
    let Args { layer } = args;
    let was_pinned = freshlayer::unpin(&host.engine().await?, &layer_name(&layer)?).await?;
    let lines = match was_pinned {
        true => format!("{layer}: unpinned; the next refresh goes on\n"),
        false => format!("{layer}: was not pinned\n"),
    };
    Ok(Done { exit: Exit::Done, lines, answer: Answer::Pinned(Pinned { layer, release: None }) })
}
