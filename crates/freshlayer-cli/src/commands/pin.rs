use freshlayer::report::Exit;
use schemars::JsonSchema;
use serde::Serialize;

use crate::output::{Answer, Done, Stopped};
use crate::references::layer_name;
use crate::wiring::Host;

/// Stay on a release until unpinned.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    layer: String,
    /// The release; default: the current one.
    #[arg(long, value_name = "RELEASE")]
    to: Option<u64>,
    /// Why; shown wherever the pin is.
    #[arg(long)]
    reason: Option<String>,
}

/// What a layer is pinned to.
#[derive(Serialize, JsonSchema)]
pub(crate) struct Pinned {
    /// The layer.
    pub(crate) layer: String,
    /// The release.
    pub(crate) release: Option<u64>,
}

pub(crate) async fn run(host: &Host, args: Args) -> Result<Done, Stopped> {
    let Args { layer, to, reason } = args;
    let name = layer_name(&layer)?;
    let pinned = freshlayer::pin(&host.engine().await?, &name, to, reason).await?;
    let next = match pinned.seq == pinned.current {
        true => "refreshes change nothing until it is unpinned".to_owned(),
        false => format!("run `freshlayer refresh {layer}` to move its functions there"),
    };
    let lines = format!("{layer}: pinned to release {}; {next}\n", pinned.seq);
    let answer = Answer::Pinned(Pinned { layer, release: Some(pinned.seq) });
    Ok(Done { exit: Exit::Done, lines, answer })
}
